"""`[tool.buildlib]` of pyproject.toml: what a site may choose without editing a declaration.

Settings hold no secret. A setting that can change a result (flavour) enters keys through the rules
that read it. Organisation, registry and mirrors never do: content is the same whatever its name and
wherever it was fetched from.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Any, NamedTuple, NoReturn

from buildlib.core.model.text_file import parse_toml
from buildlib.errors import InputError, Location
from buildlib.suggest import did_you_mean, nearest

FILE = "pyproject.toml"
FLAVOURS = ("debian", "docker-stacks")
OFF, _READ, WRITE = ROLES = ("off", "read", "write")
"""No registry; pull stale targets that the registry has; publish what is built here, too."""
HUB = "docker.io"
"""Docker Hub, as images are named for it."""
LAST_PORT = 65535
_HUB_SERVERS = ("index.docker.io", "registry-1.docker.io")
_REGISTRY = re.compile(r"[A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*\Z")


class Network(NamedTuple):
    """Mirrors. Each address is a base without a trailing slash.

    Attributes:
        apt: Root that holds `debian/` and `debian-security/`.
        pypi: A simple index (PEP 503/691).
        maven: A repository of Maven.
        images: Registry -> its mirror: a registry, with an optional path.
    """

    apt: str = "http://deb.debian.org"
    pypi: str = "https://pypi.org/simple"
    maven: str = "https://repo.maven.apache.org/maven2"
    images: Mapping[str, str] = {}


class Share(NamedTuple):
    """How a machine uses the registry while it builds (`ROLES`); `ci` counts if `CI` is set."""

    default: str = "read"
    ci: str = "write"


class Signing(NamedTuple):
    """How releases are signed.

    Attributes:
        key: File with cosign's encrypted private key: absolute, below `~`, or relative to the
            workspace; empty for releases that are not signed.
    """

    key: str = ""


class Settings(NamedTuple):
    """The settings of one workspace.

    Attributes:
        organization: First part of image names (`elyra/kernel-py`).
        registry: Registry host with an optional port; empty for none.
        flavour: Where base images come from: `debian` or `docker-stacks`.
        platform: Default platform of images; part of keys.
        strict: Make an error of what is otherwise repaired with a warning (for CI).
        family: Values that declarations read with `setting("TABLE.NAME")`, by that name.
    """

    organization: str = "elyra"
    registry: str = ""
    flavour: str = "debian"
    platform: str = "linux/amd64"
    strict: bool = False
    keep_images: int = 5
    network: Network = Network()
    share: Share = Share()
    signing: Signing = Signing()
    family: Mapping[str, str] = {}


class WrongSetting(InputError):
    """A setting is wrong.

    Args:
        word: Its key, or a table.
        within: The subtable that holds the key, as other tables may have a key of that name.
    """

    def __init__(self, what: str, fix: str, word: str, within: str = "") -> None:
        super().__init__(what, where=Location(FILE, 0), fix=fix)
        self.word = word
        self.within = within

    def on_the_command_line(self) -> str:
        """The fix where the value was given as `NAME=value`."""
        as_a_word = rf"{self.word.upper()}=\1"
        return re.sub(rf'{self.word} = "([^"]*)"', as_a_word, self.fix or "", count=1)

    def find(self, text: str) -> WrongSetting:
        """Say in which line of the text of a pyproject.toml it is."""
        table = ""
        key = re.compile(rf"""\s*(?:[\w.-]+\.)?["']?{re.escape(self.word)}["']?\s*[=.]""")
        for number, content in enumerate(text.splitlines(), 1):
            header = re.match(r"\s*\[\s*([\w.\s-]+?)\s*\]", content)
            if header:
                table = header[1].replace(" ", "")
            inside = table.startswith("tool.buildlib") or (
                table == "tool" and "buildlib" in content
            )
            if self.within:
                inside &= table.endswith(f".{self.within}") or f"{self.within}." in content
            if inside and (table.endswith(f".{self.word}") if header else key.match(content)):
                self.where = Location(FILE, number)
                break
        return self


def table_of(text: str) -> dict[str, Any]:
    """The unchecked table `[tool.buildlib]` of the text of a pyproject.toml."""
    tool = parse_toml(text, FILE, f"correct line {{line}} of {FILE}").get("tool", {})
    table = tool.get("buildlib", {}) if isinstance(tool, dict) else {}
    if not isinstance(table, dict):
        name = "[tool.buildlib]"
        raise WrongSetting(f"{name} is not a table", name, "buildlib").find(text)
    return table


def settings_from(table: Mapping[str, Any], text: str = "") -> Settings:
    """Check the values of a `[tool.buildlib]` table.

    Raises:
        InputError: A setting is unknown or of the wrong form.
    """
    try:
        settings = _settings_from(dict(table))
        check_names(settings)
    except WrongSetting as error:
        raise error.find(text) from None
    return settings


def _settings_from(values: dict[str, Any]) -> Settings:
    network = _take_table(values, "network", 'apt = "http://deb.debian.org"')
    share = _take_table(values, "share", 'default = "read"')
    signing = _take_table(values, "signing", 'key = "cosign.key"')
    images = _images(network)
    family = _family(values)
    _check_values(values, Settings())
    _check_values(network, Network(), "network")
    _check_values(share, Share(), "share", choices=ROLES)
    _check_values(signing, Signing(), "signing")
    for name, value in network.items():
        if "://" not in value:
            what = f"{name} is {value!r}, not an address"
            raise WrongSetting(what, f'{name} = "https://{value}"', name)
    mirrors = {name: value.rstrip("/") for name, value in network.items()}
    settings = Settings(
        **values,
        network=Network(**mirrors, images=images),
        share=Share(**share),
        signing=Signing(**signing),
        family=family,
    )
    return settings._replace(registry=canonical_registry(settings.registry))


def canonical_registry(registry: str) -> str:
    """A registry as image names spell it: Docker Hub has several servers, and one name."""
    host, slash, path = registry.partition("/")
    return f"{HUB}{slash}{path}" if host.lower() in (HUB, *_HUB_SERVERS) else registry


def _take_table(values: dict[str, Any], name: str, example: str) -> dict[str, Any]:
    table = values.pop(name, {})
    if not isinstance(table, dict):
        full = f"[tool.buildlib.{name}]"
        raise WrongSetting(f"{full} is not a table", f"{full}  # then: {example}", name)
    return dict(table)


_FORMS: dict[type, tuple[str, str]] = {
    bool: ("true or false", "true"),
    int: ("a number from 0", "5"),
    str: ("a text in quotes", '"{}"'),
}
"""For each type of a value: its form, as people see it, and an example."""


def _check_values(
    values: Mapping[str, Any], defaults: Any, table: str = "", choices: Collection[str] = ()
) -> None:
    """Refuse names that a table does not have, and values of another form than its defaults.

    Args:
        table: Its name in `[tool.buildlib]`; empty for that itself.
    """
    forms = {name: type(value) for name, value in defaults._asdict().items()}
    known = [name for name, form in forms.items() if form in _FORMS]
    for name, value in values.items():
        if name not in known:
            full = f"[tool.buildlib.{table}]" if table else "[tool.buildlib]"
            what = f"unknown setting {name!r} in {full}{did_you_mean(name, known)}"
            raise WrongSetting(what, f"known settings: {', '.join(known)}", name, table)
        path = f"{table}.{name}" if table else name
        if choices and value not in choices:
            raise _wrong_choice(path, value, choices, default=getattr(defaults, name))
        _check_form(path, value, forms[name])


def _check_form(path: str, value: object, form: type) -> None:
    # `True` is an int for Python, and no number for people.
    if type(value) is not form or (isinstance(value, int) and value < 0):
        kind, example = _FORMS[form]
        table, _, name = path.rpartition(".")
        what = f"setting {path} is {value!r}, not {kind}"
        raise WrongSetting(what, f"{name} = {example.format(value)}", name, table)


def _images(network: dict[str, Any]) -> dict[str, str]:
    images = network.pop("images", {})
    example = '[tool.buildlib.network.images]  # then: "quay.io" = "registry.example.com/quay"'
    if not isinstance(images, dict):
        raise WrongSetting("network.images is not a table of registries", example, "images")
    for registry, mirror in images.items():
        for word in (registry, mirror):
            if not isinstance(word, str) or not _REGISTRY.match(word):
                what = f"network.images: {word!r} is not a host name with an optional port and path"
                raise WrongSetting(what, example, registry)
    return dict(images)


def _family(values: dict[str, Any]) -> dict[str, str]:
    """Take the family's own tables out of the settings, as `{"spark.version": …}`."""
    tables = [name for name, value in values.items() if isinstance(value, dict)]
    family = {
        f"{table}.{name}": value for table in tables for name, value in values.pop(table).items()
    }
    for path, value in family.items():
        _check_form(path, value, str)
    return family


def refuse_unread(settings: Settings, read: Collection[str], text: str) -> None:
    """Refuse a value of the family that no declaration reads: its name is misspelt.

    Args:
        read: The values that declarations read.
    """
    for name in settings.family:
        if name not in read:
            table, _, word = name.rpartition(".")
            what = f"no declaration asks for the setting {name}{did_you_mean(name, sorted(read))}"
            fix = f"remove {word} from [tool.buildlib.{table}], or correct it"
            raise WrongSetting(what, fix, word, table).find(text)


def refuse_choice(name: str, value: str, choices: Collection[str], text: str) -> NoReturn:
    """Refuse a value of the family that a declaration does not offer."""
    raise _wrong_choice(name, value, choices).find(text)


def _wrong_choice(
    path: str, value: object, choices: Collection[str], default: str = ""
) -> WrongSetting:
    """A value is none of the choices.

    Args:
        default: What to write if no choice is like the value; the first choice if empty.
    """
    table, _, name = path.rpartition(".")
    meant = nearest(str(value), choices)
    write = meant or default or next(iter(choices))
    *most, last = choices
    allowed = f"{', '.join(most)} or {last}" if most else last
    others = ", ".join(choice for choice in choices if choice != write)
    what = f"setting {path} is {value!r}, and can be {allowed}"
    return WrongSetting(
        f"{what}; did you mean {meant}?" if meant else what,
        f'{name} = "{write}"' + (f"  # or {others}" if others else ""),
        name,
        table,
    )


_NAMES = {
    "organization": (
        r"[a-z0-9]+([._-]+[a-z0-9]+)*\Z",
        "cannot be part of an image name",
        'organization = "elyra"  # lower-case letters, digits, and . _ - between them',
    ),
    "registry": (
        r"([A-Za-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*)?\Z",
        "is not a host name with an optional port",
        'registry = "registry.example.com:5000"',
    ),
    "platform": (
        r"[a-z0-9]+/[a-z0-9_]+(/[a-z0-9]+)?\Z",
        "is not a system and a machine",
        'platform = "linux/amd64"',
    ),
}
"""For each setting that Docker takes as a name: its form, what is wrong otherwise, and the fix."""


def check_names(settings: Settings) -> None:
    """Refuse an organisation, registry, platform or flavour that Docker or the graph cannot use."""
    for name, (form, wrong, fix) in _NAMES.items():
        value = getattr(settings, name)
        if not re.match(form, value):
            raise WrongSetting(f"{name} {value!r} {wrong}", fix, name)
    host = settings.registry.partition("/")[0]
    if host and host != "localhost" and not {".", ":"} & set(host):
        raise WrongSetting(
            f"registry {settings.registry!r} would be an owner at Docker Hub for Docker: a"
            " registry's host has a dot or a port",
            f'registry = "{host}:5000"  # or "{host}.example.com", or "docker.io/{host}"',
            "registry",
        )
    port = settings.registry.partition("/")[0].partition(":")[2]
    if port and not 0 < int(port) <= LAST_PORT:
        what = f"registry {settings.registry!r} has no port that can be: they end at {LAST_PORT}"
        raise WrongSetting(what, f'registry = "{host.partition(":")[0]}:5000"', "registry")
    if settings.flavour not in FLAVOURS:
        raise _wrong_choice("flavour", settings.flavour, FLAVOURS)
