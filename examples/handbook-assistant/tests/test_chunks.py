"""How documents are cut into passages, and passages into sentences."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from papers import CANARY, calm, document, parsed

from handbook_assistant.chunks import changes, cut, sentences
from handbook_assistant.errors import InputError
from handbook_assistant.index.base import Changes
from handbook_assistant.schema import Chunk, Section

WORDS = st.text("abcXYZ.é字 ", min_size=1, max_size=12).map(lambda text: " ".join(text.split()) or "x")
PARAGRAPHS = st.lists(WORDS, min_size=1, max_size=12).map(" ".join)
LINES = st.lists(PARAGRAPHS.map(lambda text: f"- {text}"), min_size=1, max_size=5).map("\n".join)
CODE = st.lists(WORDS.map(lambda text: f"    {text}"), min_size=1, max_size=8).map("\n".join)
TEXTS = st.lists(st.one_of(PARAGRAPHS, LINES, CODE), min_size=1, max_size=4).map("\n\n".join)


def texts(*paragraphs: str, words: int = 10, overlap: int = 0) -> list[str]:
    """The passages of a section of some paragraphs."""
    return [chunk.text for chunk in cut(document(("H", "\n\n".join(paragraphs))), words, overlap)]


def by_heading(chunks: list[Chunk], heading: str) -> list[Chunk]:
    """Of all passages, those below one heading."""
    return [chunk for chunk in chunks if chunk.heading == heading]


def test_passages_of_a_document() -> None:
    """A passage says where it is from, who may see it, and when it was written."""
    first, second = cut(parsed("x/canary.md", CANARY))
    assert first.text.startswith("A canary release sends")
    assert (second.document, second.title, second.heading) == ("x/canary.md", "Canary releases", "When to stop")
    assert (second.groups, second.updated, len(second.id), len(second.digest)) == (("everyone",), "2026-09-14", 32, 64)


def test_small_neighbours_are_merged() -> None:
    """Paragraphs go together as long as there is room, and never across a heading."""
    assert texts("one two three", "four five six", "seven eight nine ten eleven") == [
        "one two three\n\nfour five six",
        "seven eight nine ten eleven",
    ]
    assert len(cut(document(("A", "one"), ("B", "two")))) == 2


def test_long_paragraphs_are_cut_at_sentences() -> None:
    """A paragraph without room is cut between sentences, and a sentence only where it is too long by itself."""
    assert texts("One two three four. Five six seven eight. Nine ten eleven.") == [
        "One two three four. Five six seven eight.",
        "Nine ten eleven.",
    ]
    assert texts("a b c d e f g h i j k l") == ["a b c d e f g h i j", "k l"]


def test_lists_and_code_are_cut_at_lines() -> None:
    """A list or a code that is too long is cut between its lines, which keep their form."""
    assert texts("- a b c d e\n- f g h\n- i j k") == ["- a b c d e\n- f g h", "- i j k"]
    assert texts("    a b c d e f\n      g h i j k") == ["    a b c d e f", "      g h i j k"]


def test_an_introduction_stays_with_its_list() -> None:
    """A paragraph that ends with a colon goes with the block that it introduces."""
    assert texts("a b c d e f", "Do this:", "- g h\n- i") == ["a b c d e f", "Do this:\n\n- g h\n- i"]


def test_text_without_spaces() -> None:
    """A text without spaces is cut too: no passage is larger than an index takes."""
    assert all(len(text) <= 30 * 10 for text in texts("x" * 1_000, "字" * 1_000))
    assert "".join(texts("x" * 1_000)) == "x" * 1_000


def test_overlap() -> None:
    """A passage begins with the last whole sentences of the one before, and has no more words for it."""
    found = texts("A b c. D e f. G h. I j.", words=6, overlap=2)
    assert found == ["A b c.", "D e f.", "G h. I j."]
    found = texts("A b c. D e. F g h. I j. K l.", words=8, overlap=2)
    assert found == ["A b c. D e.", "D e. F g h. I j.", "I j. K l."]
    with pytest.raises(InputError, match="choose fewer"):
        texts("a", words=5, overlap=5)


def test_equal_headings() -> None:
    """Sections with the same heading have passages of their own."""
    ids = {chunk.id for chunk in cut(document(("A", "same"), ("A", "same"), ("", "same")))}
    assert len(ids) == 3


@calm
@given(TEXTS, st.integers(2, 40), st.integers(0, 10))
def test_passages_hold_everything(text: str, words: int, overlap: int) -> None:
    """Passages have no more words than they may, stand in their section word for word, and leave nothing out."""
    chunks = cut(document(("H", text)), words, min(overlap, words - 1))
    assert all(chunk.text in text and len(chunk.text.split()) <= words for chunk in chunks)
    assert all(chunk.text.strip() for chunk in chunks)
    if not overlap:
        assert "".join("".join(chunk.text.split()) for chunk in chunks) == "".join(text.split())


@calm
@given(st.lists(TEXTS, min_size=2, max_size=4), TEXTS, st.data())
def test_a_change_stays_in_its_section(before: list[str], text: str, data: st.DataObject) -> None:
    """A change in one section changes no passage of another one."""
    place = data.draw(st.integers(0, len(before) - 1))
    after = [*before[:place], text, *before[place + 1 :]]
    old, new = (cut(document(*((f"H{i}", text) for i, text in enumerate(all_)))) for all_ in (before, after))
    for other in set(range(len(before))) - {place}:
        assert by_heading(old, f"H{other}") == by_heading(new, f"H{other}")
    assert all(len(found) == len({chunk.id for chunk in found}) for found in (old, new))


@calm
@given(TEXTS, PARAGRAPHS, st.integers(2, 40))
def test_what_is_added_at_the_end(text: str, paragraph: str, words: int) -> None:
    """What is added at the end of a section leaves all its passages alone but the last one."""
    old, new = cut(document(("H", text)), words), cut(document(("H", f"{text}\n\n{paragraph}")), words)
    assert new[: len(old) - 1] == old[:-1]
    assert [chunk.id for chunk in new[: len(old)]] == [chunk.id for chunk in old]


def test_digest() -> None:
    """The digest covers all that is indexed: text, heading, title, groups in any order, and date."""
    base = document(("H", "text"), groups=("a", "b"))
    others = [
        replace(base, title="B"),
        replace(base, groups=("a",)),
        replace(base, updated=""),
        replace(base, sections=(Section(("H",), "texts"),)),
        replace(base, sections=(Section(("I",), "text"),)),
    ]
    digests = [cut(one)[0].digest for one in (base, *others)]
    assert len(set(digests)) == len(digests)
    assert cut(replace(base, groups=("b", "a")))[0].digest == digests[0]


def test_changes() -> None:
    """New passages and changed ones are written, those that are gone are deleted, the others are left alone."""
    old = cut(document(("A", "one"), ("B", "two"), ("C", "three")))
    new = cut(document(("A", "one"), ("B", "TWO"), ("D", "four")))
    upserts, deletes, counts = changes({chunk.id: chunk.digest for chunk in old}, new)
    assert [chunk.text for chunk in upserts] == ["TWO", "four"]
    assert deletes == [old[2].id]
    assert counts == Changes(inserted=1, changed=1, deleted=1, unchanged=1)


def test_no_changes() -> None:
    """What is known already makes no work, and without documents everything goes."""
    chunks = cut(parsed("a.md", CANARY))
    known = {chunk.id: chunk.digest for chunk in chunks}
    assert changes(known, chunks) == ([], [], Changes(0, 0, 0, 2))
    assert changes(known, []) == ([], list(known), Changes(0, 0, 2, 0))


@pytest.mark.parametrize(
    "text",
    [
        "It runs. | It stops.",
        "Use a queue, e.g. Kafka, i.e. a log. | Then read it.",
        "Compare precision vs. Recall at 0.5. | Take 14.4 hours, i.e. 2 % of 720.",
        "Pin version 3.11.7. | Python 3.12 is newer.",
        "See https://example.com/a.b?c=D.E. | Or docs.python.org!",
        "Is it safe? | Yes! | Wait... | Now go on.",
        'He said "Stop." | Then he left (at last). | (Nobody came.) | "Why?" | Nobody knows.',
        "Ask Dr. Jones or J. R. Smith et al. (2017) at U.S. Steel. | The answer is in fig. 3, eq. (4) and no. 5.",
        "Send A to group A and B to group B. | The rest waits. | Use plan B. | It works.",
        "It takes 200 ms. | Batching helps, etc. | Each batch takes 5. | Then it ends.",
        "Do as follows: 1. Install it. | 2. Run it.",
        "A .dockerignore file, Node.js and .NET stay whole. | So do a.b() and x == y. | $5 is 5 dollars.",
        "Good. scikit-learn goes on in small letters. | 5 % do not.",
        "Das ist z.B. Unsinn. | Der Rest folgt.",
        "今日は晴れです。|明日は雨ですか\uff1f|「はい。」|そうです。",
        "",
        " ... ",
    ],
)
def test_sentences(text: str) -> None:
    """A sentence ends at a full stop that is not that of an abbreviation, a number, a name or an address."""
    wanted = [part.strip() for part in text.split("|") if part.strip()]
    assert sentences(text.replace("| ", "").replace("|", "")) == wanted


def test_sentences_of_lines() -> None:
    """Items are sentences without their marks, a row is one, and so is a line of code."""
    text = "Do this:\n\n- Stop. Wait.\n12. Go on;\n\n| a | b. C |\n| d. E |\n\n    f('x. Y')  # Z. A\n    - b"
    assert sentences(text) == [
        "Do this:",
        "Stop.",
        "Wait.",
        "Go on;",
        "a | b. C",
        "d. E",
        "f('x. Y')  # Z. A",
        "- b",
    ]


@calm
@given(TEXTS)
def test_sentences_stand_in_their_text(text: str) -> None:
    """Sentences come word for word, in their order, and leave nothing out but marks."""
    found = sentences(text)
    place = 0
    for sentence in found:
        place = text.index(sentence, place) + len(sentence)
    left = Counter("".join(text.split())) - Counter("".join("".join(found).split()))
    assert set(left) <= set("-")


@pytest.mark.parametrize("sign", [".", '."', "a. ", "字。", "? ", "A. ", "(", "1. "])
def test_many_signs(sign: str) -> None:
    """Runs of signs that somebody made up are cut in their stride."""
    assert cut(document(("", (sign * 20_000).strip())))
