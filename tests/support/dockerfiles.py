"""Dockerfiles as nobody writes them on purpose, for hypothesis: quotes, heredocs, broken lines."""

from __future__ import annotations

from hypothesis import strategies as st

WORDS = (
    *("a", "/b", "x=1", "é", "--", "&&", "#", "# not", "[", "]", "-f", "%", "'a b'", '"a b"'),
    *('"a\\"b"', "'\\'", "\\'", '\\"', "\\a", "`", "`a", "$X", "${X}", "${X:-y}", "$(x)"),
    *("\\\\", "a\\\\", "``", "\\ ", "\u00a0", "\t"),
)
ODD_WORDS = ("'", '"', "it's", "${X%y}", "${X", "\\${X%", "${X:-a b}", '"${X:-"')
HEREDOCS = {
    **dict.fromkeys(("<<EOF", "3<<EOF", "<<'EOF'", '<<"EOF"', "<<E'O'F", "<<\\EOF"), "EOF"),
    "<<-EOF": "\tEOF",
    '<<-"EOF"': "EOF",
    '<<"E F"': "E F",
    "<<END-OF-X": "END-OF-X",
    "<<E.F": "E.F",
    "<<1": "1",
    "<<E/F": "E/F",
    "<<EOF;": "EOF;",
    "<<EOF)": "EOF)",
    "<<é": "é",
    "<<$X": "$X",
    "<<'$X'": "$X",
    "<<a\\ b": "a b",
}
"""What opens a heredoc, and the line that closes it."""
NO_HEREDOCS = (
    *("<<EOF<<EOF", "<<", "<<-", "<<''", "<<<EOF", "a<<EOF", "'<<EOF'", '"usage: cmd <<EOF ..."'),
    *("$((1<<2))", "<EOF", "(<<EOF", "\\<<EOF"),
)
ODD_HEREDOCS = ("<< EOF", "<<- EOF", "$((1 << 3))", '"<<EOF')
LISTS = ('["a", "b"]', "[ -e x ]", '["a" "b"]', '["<<EOF"]', '["a"] b', '["a"] <<EOF')
INSTRUCTIONS = {
    **dict.fromkeys(
        ("RUN", "run", "ONBUILD RUN"),
        ("--mount=type=bind,target=/t", "--mount=type=cache,target='/a b'", "--network=none"),
    ),
    **dict.fromkeys(("COPY", "ADD", "onbuild copy"), ('--chown="a":b', "--chmod=755", "--link")),
    "COPY --from=b": (),
    "HEALTHCHECK --interval=1s CMD": (),
    **dict.fromkeys(("CMD", "Entrypoint", "USER", "WORKDIR", "FROM"), ()),
}
"""Beginnings of instructions that take any words, with flags that they have."""


@st.composite
def dockerfiles(draw: st.DrawFn) -> str:
    """The text of one; most of them are such as every builder takes."""
    escape = draw(st.sampled_from(["\\", "\\", "\\", "`"]))
    lines = []
    if escape == "`" or draw(st.booleans()):
        lines.append(draw(st.sampled_from(["# escape={}", "#ESCAPE = {} "])).format(escape))
    lines += draw(st.lists(st.sampled_from(["", "# comment", "  # <<EOF", "\t"]), max_size=2))
    lines.append(draw(st.sampled_from(["FROM a", "from a AS b", "  FROM a"])))
    for _ in range(draw(st.integers(1, 4))):
        lines += draw(_instructions(escape))
    end = draw(st.sampled_from(["\n", "\n", "\r\n"]))
    return (
        draw(st.sampled_from(["", "\ufeff"])) + end.join(lines) + draw(st.sampled_from([end, ""]))
    )


@st.composite
def _instructions(draw: st.DrawFn, escape: str) -> list[str]:
    """The lines of an instruction, its heredocs, and what may stand behind it."""
    start = draw(st.sampled_from(sorted(INSTRUCTIONS)))
    words = [start]
    if INSTRUCTIONS[start] and draw(st.booleans()):
        words.append(draw(st.sampled_from(INSTRUCTIONS[start])))
    if _rarely(draw):
        words.append(draw(st.sampled_from(LISTS)))
    closing = []
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from([WORDS, WORDS, sorted(HEREDOCS), NO_HEREDOCS]))
        if _rarely(draw):
            kind = draw(st.sampled_from([ODD_WORDS, ODD_HEREDOCS]))
        words.append(draw(st.sampled_from(kind)))
        closing += [HEREDOCS[words[-1]]] if words[-1] in HEREDOCS else []
    spaces = [" "] * 12 + ["\t", "  ", *_breaks(escape)]
    text = draw(st.sampled_from(["", " ", "\t"])) + words[0]
    text += "".join(draw(st.sampled_from(spaces)) + word for word in words[1:])
    lines = text.split("\n")
    if not start.lower().endswith(("run", "copy", "add", "from=b")) or _rarely(draw):
        closing = []
    for line in closing:
        body = ("text", "RUN x", "# x", "", f"x {escape}", "<<EOF", " EOF", "EOF ", "it's")
        lines += [*draw(st.lists(st.sampled_from(body), max_size=2)), line]
    return lines + draw(st.lists(st.sampled_from(["", "# comment"]), max_size=1))


def _rarely(draw: st.DrawFn) -> bool:
    return draw(st.integers(0, 19)) == 19


def _breaks(escape: str) -> list[str]:
    """How an instruction goes on in another line, and how it does not."""
    between = ("\n", "\n  ", " \t\n", "\n\n", "\n# comment\n", "\n  # comment\n \n", "\n\t")
    return [
        *(f" {escape}{each}" for each in between),
        f"{escape}\n",
        f" {escape}{escape}\n# comment\n",
        f" {escape}{escape}\nRUN ",
    ]
