"""Fetches the downloads that the store lacks, in parallel.

The largest file is fetched first, so that none runs alone at the end. Threads are daemons that
watch one event: after ^C nothing waits for a slow server, and the next fetch resumes the partial
files in `part/`. It loads urllib3: `source.missing` says whether there is anything to fetch.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

from buildlib.core.model.settings import Network
from buildlib.core.store.content import ContentStore, unwritable
from buildlib.outside.fetch.failures import Failure, NotInStore, fetch_error
from buildlib.outside.fetch.locate import Locator
from buildlib.outside.fetch.part import PartFile
from buildlib.outside.fetch.progress import Observer
from buildlib.outside.fetch.source import Download, missing
from buildlib.outside.fetch.transfer import transfer
from buildlib.outside.web.errors import HttpError
from buildlib.outside.web.http import HttpClient
from buildlib.outside.web.retry import Retry, Stopped
from buildlib.parallel import map_threads


class Fetcher(NamedTuple):
    """Fetches downloads into a store, `jobs` at a time.

    The observer is called ten times a second, in the thread that called `fetch`, and so is `tell`
    with a line for people where a server makes us wait.
    """

    store: ContentStore
    network: Network
    jobs: int = 8
    observer: Observer | None = None
    offline: bool = False
    retry: Retry = Retry()
    tell: Callable[[str], object] = lambda _: None

    def fetch(self, downloads: Iterable[Download]) -> None:
        """Fetch what the store lacks; when one download fails, the others go on.

        Raises:
            NotServed: All failures are files that no URL has any more.
            FetchFailed: Some downloads failed.
            NotInStore: Some are missing, but this is offline.
        """
        absent = missing(self.store, downloads)
        if not absent:
            return
        if self.offline:
            raise NotInStore(absent)
        failures = self._run(absent)
        if failures:
            raise fetch_error(failures)

    def _run(self, downloads: list[Download]) -> list[Failure]:
        """Fetch in threads; returns the failures in the order of `downloads`."""
        stop = threading.Event()
        told: deque[str] = deque()
        client = HttpClient(self.retry, stop, keep=self.jobs, tell=told.append)
        locator = Locator(self.network, client)
        items = [_Task(self.store, download, client, locator, stop) for download in downloads]
        largest_first = sorted(items, key=lambda item: item.download.size or 0, reverse=True)
        try:
            map_threads(
                _Task.run, largest_first, threads=self.jobs, tick=lambda: self._observe(items, told)
            )
            self._observe(items, told)
        finally:
            stop.set()
        return [item.failure for item in items if item.failure is not None]

    def _observe(self, items: list[_Task], told: deque[str]) -> None:
        while told:
            self.tell(told.popleft())
        if self.observer is not None:
            done = sum(item.done for item in items)
            total = sum(item.total for item in items)
            self.observer(done, total, sum(item.ended for item in items), len(items))


class _Task:
    """One download: the work of a thread, and its progress for the observer."""

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
        """Size in bytes, as far as it is known."""
        part = self._part
        return self.download.size or (max(part.size, part.expected) if part else 0)

    @property
    def done(self) -> int:
        """How many bytes have arrived; all of them if another process fetched the file."""
        if self.ended and self.failure is None:
            return self.total
        return self._part.size if self._part else 0

    def run(self) -> None:
        """Fetch the file, or set `failure`. An error of the store stops all tasks."""
        try:
            if not self._stop.is_set():
                self._fetch()
        except Stopped:
            pass
        except BaseException:
            self._stop.set()
            raise

    def _fetch(self) -> None:
        try:
            with PartFile(self._store, self.download.sha256, self._stop) as part:
                self._part = part
                if not self._store.has(self.download.sha256, self.download.size):
                    self._download(part)
        except OSError as error:  # network errors are an HttpError
            raise unwritable(self._store.root, error) from error
        self.ended = True

    def _download(self, part: PartFile) -> None:
        errors: list[HttpError] = []
        complete = part.digest() == self.download.sha256  # killed just before the last step
        try:
            for url in () if complete else self._locator.find(self.download.addresses):
                fetch = partial(transfer, self._client, url, part, self.download)
                try:
                    self._client.retrying(url, fetch, lambda: part.size)
                except HttpError as error:
                    errors.append(error)
                else:
                    complete = True
                    break
        except HttpError as error:  # the index
            errors.append(error)
        if complete:
            part.finish()
        else:
            self.failure = Failure(self.download, tuple(errors))
