"""Many downloads at once: skip what is there, fetch the rest in parallel, say what failed.

Light to import: threads, urllib3 and the rest of the package are loaded when something is
missing. The order of work is largest first, so that no big file is left to run alone at the end.
Threads are daemons that look at one event: after ^C nothing waits for a slow server, and what is
left behind are half files in `part/`, which the next fetch continues.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterable

    from buildlib.core.model.settings import Network
    from buildlib.core.store.content import ContentStore
    from buildlib.outside.fetch.failures import Failure
    from buildlib.outside.fetch.locate import Locator
    from buildlib.outside.fetch.part import PartFile
    from buildlib.outside.fetch.progress import Observer
    from buildlib.outside.fetch.source import Download
    from buildlib.outside.web.errors import HttpError
    from buildlib.outside.web.http import HttpClient
    from buildlib.outside.web.retry import Retry


def missing(store: ContentStore, downloads: Iterable[Download]) -> list[Download]:
    """Those that a store does not have whole, each digest once; no network."""
    wanted = {download.sha256: download for download in downloads}.values()
    return [d for d in wanted if not store.check(d.sha256, d.size, what=d.filename)]


class Fetcher:
    """Brings downloads into a store.

    Args:
        store: Where they go.
        network: Mirrors.
        jobs: How many files at the same time.
        observer: Told how far it is, in the thread that called `fetch`, ten times a second.
        offline: Ask no network; what is missing is an error.
        retry: What is tried again; None for the usual.
    """

    def __init__(
        self,
        store: ContentStore,
        network: Network,
        *,
        jobs: int = 8,
        observer: Observer | None = None,
        offline: bool = False,
        retry: Retry | None = None,
    ) -> None:
        self._store = store
        self._network = network
        self._jobs = jobs
        self._observer = observer
        self._offline = offline
        self._retry = retry

    def fetch(self, downloads: Iterable[Download]) -> None:
        """Return when the store has all of them.

        What can be fetched is, even if another fails.

        Raises:
            NotServed: Files that no address has any more, and no other failure.
            FetchFailed: Files that could not be fetched, each with its reason.
            NotInStore: Offline, and some are missing.
            ActionError: The store cannot be written to.
        """
        wanted = missing(self._store, downloads)
        if not wanted:
            return
        from buildlib.outside.fetch.failures import NotInStore, failed

        if self._offline:
            raise NotInStore(wanted)
        failures = self._run(wanted)
        if failures:
            raise failed(failures)

    def _run(self, missing: list[Download]) -> list[Failure]:
        """Fetch in threads; returns the failures in the order of `missing`."""
        import threading

        from buildlib.outside.fetch.locate import Locator
        from buildlib.outside.web.http import HttpClient
        from buildlib.outside.web.retry import Retry
        from buildlib.parallel import map_threads

        stop = threading.Event()
        client = HttpClient(self._retry or Retry(), stop, keep=self._jobs)
        locator = Locator(self._network, client)
        items = [_Item(self._store, download, client, locator, stop) for download in missing]
        largest_first = sorted(items, key=lambda item: item.download.size or 0, reverse=True)
        try:
            map_threads(
                _Item.run, largest_first, threads=self._jobs, tick=lambda: self._observe(items)
            )
            self._observe(items)
        finally:
            stop.set()
        return [item.failure for item in items if item.failure is not None]

    def _observe(self, items: list[_Item]) -> None:
        if self._observer is not None:
            done = sum(item.done for item in items)
            total = sum(item.total for item in items)
            self._observer(done, total, sum(item.ended for item in items), len(items))


class _Item:
    """One download on its way: what a thread does with it, and what the observer may read."""

    def __init__(
        self,
        store: ContentStore,
        download: Download,
        client: HttpClient,
        locator: Locator,
        stop: threading.Event,
    ) -> None:
        self.download = download
        self.failure: Failure | None = None
        self.ended = False
        self._store = store
        self._client = client
        self._locator = locator
        self._stop = stop
        self._part: PartFile | None = None

    @property
    def total(self) -> int:
        """Size in bytes as far as it is known."""
        part = self._part
        return self.download.size or (max(part.size, part.expected) if part else 0)

    @property
    def done(self) -> int:
        """How many bytes are there; all of them, too, if another process brought them."""
        if self.ended and self.failure is None:
            return self.total
        return self._part.size if self._part else 0

    def run(self) -> None:
        """Bring the file into the store, or say in `failure` why not; end soon where told to stop.

        Raises:
            ActionError: The store cannot be written to; then the other files are stopped, too.
        """
        from buildlib.outside.web.retry import Stopped

        try:
            if not self._stop.is_set():
                self._fetch()
        except Stopped:
            pass
        except BaseException:
            self._stop.set()
            raise

    def _fetch(self) -> None:
        from buildlib.core.store.content import unwritable
        from buildlib.outside.fetch.part import PartFile

        try:
            with PartFile(self._store, self.download.sha256, self._stop) as part:
                self._part = part
                if not self._store.has(self.download.sha256, self.download.size):
                    self._bring(part)
        except OSError as error:  # trouble with the network comes as HttpError
            raise unwritable(self._store.root, error) from error
        self.ended = True

    def _bring(self, part: PartFile) -> None:
        from buildlib.outside.fetch.failures import Failure
        from buildlib.outside.fetch.transfer import transfer
        from buildlib.outside.web.errors import HttpError

        tried: list[HttpError] = []
        whole = part.digest() == self.download.sha256  # killed just before the last step
        try:
            for url in () if whole else self._locator.find(self.download.source):
                fetch = partial(transfer, self._client, url, part, self.download)
                try:
                    self._client.retrying(fetch, lambda: part.size)
                except HttpError as error:
                    tried.append(error)
                else:
                    whole = True
                    break
        except HttpError as error:  # the index
            tried.append(error)
        if whole:
            part.finish()
        else:
            self.failure = Failure(self.download, tuple(tried))
