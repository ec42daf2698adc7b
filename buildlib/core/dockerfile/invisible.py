"""Characters that nobody sees, such as a no-break space that was pasted with a command.

Docker takes them as part of a word. What it then says of the word looks as if nothing were wrong.
"""

from __future__ import annotations

from typing import NamedTuple

_CATEGORIES = ("Cf", "Zl", "Zp", "Zs")
"""Format characters, and separators."""


class Invisible(NamedTuple):
    """One such character; line and column begin with 1."""

    character: str
    line: int
    column: int

    def __str__(self) -> str:
        import unicodedata

        name = unicodedata.name(self.character, "character without a name")
        code = f"U+{ord(self.character):04X}"
        return f"an invisible character, {name} ({code}), in line {self.line}, column {self.column}"

    def removal(self, file: str) -> str:
        """A command that puts a space in its place, or nothing where it has no width."""
        import shlex
        import unicodedata

        code = "".join(f"\\x{byte:02x}" for byte in self.character.encode())
        space = " " if unicodedata.category(self.character) == "Zs" else ""
        return f"LC_ALL=C sed -i '{self.line}s/{code}/{space}/g' {shlex.quote(file)}"


def is_invisible(character: str) -> bool:
    """Whether a character is one; a plain space is not."""
    if character.isascii():
        return False
    import unicodedata

    return unicodedata.category(character) in _CATEGORIES


def invisible_in(text: str, line: int) -> Invisible | None:
    """The first one in an instruction that begins at a line of a Dockerfile."""
    for number, content in enumerate(text.split("\n")[line - 1 :], line):
        comment = number > line and content.lstrip().startswith("#")
        if not comment:
            for column, character in enumerate(content, 1):
                if is_invisible(character):
                    return Invisible(character, number, column)
        if not comment and content.strip() and content.rstrip()[-1] not in "\\`":
            break
    return None
