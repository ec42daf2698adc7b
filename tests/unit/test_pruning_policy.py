"""What goes and what stays: nothing that any rule keeps ever goes, alone or with its group."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from buildlib.shipping.pruning.policy import (
    NO_RECORD,
    Content,
    decide,
    digests,
    keys,
    made_since,
    newest,
    recorded,
)

KEYS, DIGESTS, REPOSITORIES = "abcdef", "123", ("x/one", "x/two")


@st.composite
def some_contents(draw: st.DrawFn) -> list[Content]:
    names = draw(
        st.lists(
            st.tuples(st.sampled_from(REPOSITORIES), st.sampled_from(KEYS)), unique=True, max_size=9
        )
    )
    found = []
    for repository, key in names:
        digest = draw(st.sampled_from(DIGESTS))
        made = draw(st.none() | st.integers(0, 9).map(float))
        found.append(Content(f"{repository}:key-{key}", repository, key, digest, digest, 1, made))
    return found


@given(
    some_contents(),
    st.dictionaries(st.sampled_from(KEYS), st.just("a branch needs it")),
    st.dictionaries(
        st.tuples(st.sampled_from(("", *REPOSITORIES)), st.sampled_from(DIGESTS)),
        st.just("a release"),
    ),
    st.integers(0, 9),
    st.integers(0, 3),
)
def test_nothing_goes_that_anything_keeps(
    contents: list[Content],
    by_key: dict[str, str],
    by_digest: dict[tuple[str, str], str],
    since: int,
    count: int,
) -> None:
    rules = [
        recorded, keys(by_key), digests(by_digest), made_since(since, "young"),
        newest(contents, count),
    ]  # fmt: skip
    decisions = decide(contents, rules)
    assert [each.content for each in decisions] == contents
    gone = [content for content, reason in decisions if not reason]
    for content in gone:
        assert content.made is not None
        assert content.made < since
        assert content.key not in by_key
        for where in ("", content.repository):
            assert (where, content.digest) not in by_digest
        younger = [
            other
            for other in contents
            if other.repository == content.repository
            and other.made is not None
            and other != content
            and other.made >= content.made
        ]
        assert len(younger) >= count
    going = {(content.repository, content.group) for content in gone}
    staying = {(content.repository, content.group) for content, reason in decisions if reason}
    assert not going & staying


@given(some_contents())
def test_all_that_is_ours_goes_where_nothing_keeps_it(contents: list[Content]) -> None:
    alone = [content._replace(group=content.name) for content in contents]
    decisions = decide(alone, [recorded])
    assert {content for content, reason in decisions if reason} == {
        content for content in alone if content.made is None
    }


@given(some_contents(), st.integers(0, 4))
def test_the_newest_few_of_each_target_stay_and_no_more(
    contents: list[Content], count: int
) -> None:
    alone = [
        content._replace(group=content.name) for content in contents if content.made is not None
    ]
    kept = [content for content, reason in decide(alone, [newest(alone, count)]) if reason]
    for repository in REPOSITORIES:
        ours = [content for content in alone if content.repository == repository]
        mine = [content for content in kept if content.repository == repository]
        assert len(mine) == min(count, len(ours))


def test_the_first_rule_gives_the_reason() -> None:
    content = Content("x/a:key-1", "x/a", "1", "sha256:1", "g", 1, 5.0)
    foreign = content._replace(name="x/a:key-2", key="2", group="h", made=None)
    told = decide([content, foreign], [recorded, keys({"1": "HEAD"}), made_since(0, "young")])
    assert [reason for _, reason in told] == ["HEAD", NO_RECORD]


def test_what_goes_only_with_what_stays_names_it() -> None:
    content = Content("x/a:key-1", "x/a", "1", "sha256:1", "g", 1, 5.0)
    other = content._replace(name="x/a:record-1", key="0", digest="sha256:2")
    elsewhere = content._replace(name="x/b:key-3", key="3", repository="x/b")
    told = decide([content, other, elsewhere], [keys({"1": "HEAD"})])
    assert [reason for _, reason in told] == [
        "HEAD",
        "goes only together with key-1, which stays",
        "",
    ]
