"""What clients before Docker 23 make of a `.dockerignore`, where that is something else.

Three things changed in Docker 23 (buildx changed with BuildKit 0.10): such a client matches a
pattern only against the one folder above a path that has as many parts as the pattern; it does not
enter an excluded folder unless an exception begins with that folder's name; and it has no plain
text matching, so `**x` wants a file called x. A path for which both kinds of client disagree would
give one key two contents, so `first_difference` finds it. The module reads no file.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from buildlib.dockerfile.ignore import IgnoreRules, Rule, pattern_regex

_UNESCAPED = re.compile(r"[+(){}|]")
_SUSPICIOUS = re.compile(r"\^|\*\*(?!/|\Z)")


class LegacyRules:
    """The rules of one ignore file as a client before Docker 23 applies them to a folder."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self._rules = [
            (
                re.compile(f"(?:{pattern_regex(rule.pattern, shortcuts=False)})\\Z"),
                rule.pattern.count("/") + 1,
                rule.keep,
            )
            for rule in rules
        ]
        self._exceptions = tuple(f"{rule.pattern}/" for rule in rules if rule.keep)

    def excludes(self, path: str) -> bool:
        """Whether the client leaves out a path that is no folder."""
        at = path.find("/")
        while at >= 0:
            folder = path[:at]
            if self._matches(folder) and not any(
                exception.startswith(folder + "/") for exception in self._exceptions
            ):
                return True
            at = path.find("/", at + 1)
        return self._matches(path)

    def _matches(self, path: str) -> bool:
        parents = path.split("/")[:-1]
        for regex, parts, keep in reversed(self._rules):
            if regex.match(path) or (
                parts <= len(parents) and regex.match("/".join(parents[:parts]))
            ):
                return not keep
        return False


def misread(rule: Rule) -> str | None:
    """The character of a pattern that such a client takes for a regular expression's, if any."""
    found = _UNESCAPED.search(re.sub(r"\\.|\[[^\]]*\]", "", rule.pattern))
    return found.group() if found else None


def first_difference(rules: IgnoreRules, paths: Iterable[str]) -> str | None:
    """The first of the paths that only one kind of client sends, or None.

    It costs nothing where no pattern can make a difference. Patterns that `misread` names are
    taken as today's clients take them.
    """
    if not any(rule.keep or _SUSPICIOUS.search(rule.pattern) for rule in rules.rules):
        return None
    legacy = LegacyRules(rules.rules)
    return next((path for path in paths if legacy.excludes(path) != rules.excludes(path)), None)
