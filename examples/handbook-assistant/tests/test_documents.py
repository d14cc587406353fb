"""What is read of a document, and why a document is set aside."""

from __future__ import annotations

import os
import re
import unicodedata
from pathlib import Path

import papers
import pytest
from hypothesis import given
from hypothesis import strategies as st
from papers import CANARY, calm, parsed, refused

from handbook_assistant import documents, schema
from handbook_assistant.documents import Rejected
from handbook_assistant.errors import InputError
from handbook_assistant.schema import Document


def text(name: str, content: str) -> str:
    """All plain text of a document."""
    return "\n\n".join(section.text for section in parsed(name, content).sections)


def test_markdown() -> None:
    """Front matter says what a document is, headings make its sections, and a link is its words."""
    found = parsed("delivery/canary.md", CANARY)
    assert (found.id, found.title, found.groups) == ("delivery/canary.md", "Canary releases", ("everyone",))
    assert (found.updated, len(found.digest)) == ("2026-09-14", 64)
    assert [section.heading for section in found.sections] == [(), ("When to stop",)]
    assert found.sections[0].text.endswith("to the new version. See rollback.")


def test_headings_nest() -> None:
    """A section has the headings above it, and a heading of the same level or a higher one ends them."""
    found = parsed("a.md", "# T\n## A\n### B\nx\n## C\ny\n# D\nz")
    assert [section.heading for section in found.sections] == [("A", "B"), ("C",), ("D",)]


def test_markdown_blocks() -> None:
    """Items, rows and lines of code are lines of one block; code has no empty lines."""
    blocks = text(
        "a.md", "Do:\n\n- *a*\n  b\n  1. c\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n```sh\ncd `x`\n\n  ls\n```\n"
    )
    assert blocks == "Do:\n\n- a b\n1. c\n\n| x | y |\n| 1 | 2 |\n\n    cd `x`\n      ls"


def test_markdown_without_what_nobody_reads() -> None:
    """Raw HTML, comments and the texts of pictures are left out."""
    assert (
        text("a.md", "Seen. ![not](x.png)<b>Bold</b> <!-- not -->\n\n<div>\nnot\n</div>\n\n<!-- not -->")
        == "Seen. Bold"
    )


@pytest.mark.parametrize("name", ["a.md", "b/A-guide.MARKDOWN"])
def test_title(name: str) -> None:
    """The title is the first heading of the first level, or else the name of the file."""
    assert parsed(name, "x\n\n# The title\n\ny").title == "The title"
    assert parsed(name, "## No title\n\ny").title == Path(name).stem


@pytest.mark.parametrize(
    ("line", "groups"),
    [
        ("groups: [b, a, b]", ("a", "b")),
        ("groups: hr, legal", ("hr", "legal")),
        ("Groups:\n- '2 nd'\n- 7", ("2 nd", "7")),
        ("author: me", ("everyone",)),
        ("", ("everyone",)),
    ],
)
def test_groups(line: str, groups: tuple[str, ...]) -> None:
    """Groups are a list or names with commas, and everyone where nothing is said of them."""
    assert parsed("a.md", f"---\n{line}\n---\nText").groups == groups


@pytest.mark.parametrize(
    "front",
    [
        "---\ngroups:\n---\n",
        "---\ngroups: []\n---\n",
        "---\ngroups: {hr: yes}\n---\n",
        "---\ngroups: [[hr]]\n---\n",
        "---\ngroups: [hr, null]\n---\n",
        "---\ngroups: ['hr,everyone']\n---\n",
        '---\ngroups: ["every\\u200bone"]\n---\n',
        "---\ngroups: [hr]\ngroups: [everyone]\n---\n",
        "---\ngroups: [hr]\nGROUPS: [everyone]\n---\n",
        "---\ngroup: [hr]\n---\n",
        "---\naccess_groups: [hr]\n---\n",
        "---\ngruops: [hr]\n---\n",
        "---\ngroups: [hr\n---\n",
        "---\n- groups: [hr]\n---\n",
        "---\ngroups: [hr]\n# Title\n",
        "+++\ngroups = ['hr']\n+++\n",
        "---\ngroups: *hr\n---\n",
    ],
)
@pytest.mark.parametrize("name", ["a.md", "a.txt", "a.html"])
def test_doubtful_groups(front: str, name: str) -> None:
    """A document whose groups can't be understood is rejected, and never shown to everyone."""
    assert refused(name, front + "Secret.")
    assert refused(name, "\ufeff\r\n" + front.replace("\n", "\r\n") + "Secret.")


def test_deep_front_matter() -> None:
    """Front matter that is nested more deeply than its parser can follow is rejected."""
    assert "not YAML" in refused("a.md", "---\na: " + "[" * 1_000 + "]" * 1_000 + "\n---\nText")


def test_date() -> None:
    """A date may have a time, which is left off; what is no date is a reason to reject."""
    assert parsed("a.md", "---\nupdated: 2026-09-14 10:00:00\n---\nx").updated == "2026-09-14"
    assert "2026-09-14" in refused("a.md", "---\nupdated: soon\n---\nx")


HTML = """<!DOCTYPE html><html><head><title>Roll &amp; back</title><meta name="Groups" content="ops, hr">
<meta name="updated" content="2026-01-02"><style>p {}</style></head><body><h1>Roll &amp; back</h1>
<!-- not --><p>Go back <b>to</b>day.<br>Now.<script>not()</script></p><h2>How <i>to</i></h2>
<ul><li><p>One</p><li>Two<ol><li>Three</ol></ul>
<table><tr><th>a<th>b</tr><tr><td><p>1</p><p>2</p></td><td>3</td></tr></table>
<pre><code>x = 1

  <span>y</span></code></pre><div>In a<div>row</div></div></body></html>"""


def test_html() -> None:
    """Title, headings, blocks and groups of a page are read as those of Markdown."""
    found = parsed("a.html", HTML)
    assert (found.title, found.groups, found.updated) == ("Roll & back", ("hr", "ops"), "2026-01-02")
    first, second = found.sections
    assert (first.heading, first.text) == ((), "Go back today. Now.")
    assert second.heading == ("How to",)
    assert second.text.split("\n\n") == [
        "- One\n- Two\n- Three",
        "| a | b |\n| 1 2 | 3 |",
        "    x = 1\n      y",
        "In a",
        "row",
    ]


@pytest.mark.parametrize(
    "unseen",
    [
        "<script>x</script>",
        "<style>x</style>",
        "<template><p>x</p></template>",
        "<noscript>x</noscript>",
        "<!-- x -->",
        "<div hidden><p>x</div>",
        '<p aria-hidden="TRUE">x</p>',
        '<p style="color: red; DISPLAY : none">x</p>',
        '<p style="visibility:hidden">x</p>',
        "<![CDATA[x>",
        "<?x y>",
    ],
)
def test_html_without_what_nobody_sees(unseen: str) -> None:
    """What a reader does not see is not read: it may be there to lead a machine astray."""
    assert text("a.htm", f"<p>Seen.</p>{unseen}<p>Too.</p>") == "Seen.\n\nToo."


@pytest.mark.parametrize(
    "meta",
    [
        '<meta name="groups">',
        '<meta name="groups" content=" , ">',
        '<meta name="group" content="hr">',
        '<meta name="groups" content="hr"><meta name="groups" content="everyone">',
    ],
)
def test_doubtful_groups_of_html(meta: str) -> None:
    """A page whose groups can't be understood is rejected too."""
    assert "groups" in refused("a.html", meta + "<p>Secret.")


@pytest.mark.parametrize("page", ["<p>Seen <!-- not", "<p>Seen</p><a href='x", "<!-- " * 100_000, "</a" * 100_000])
def test_html_without_end(page: str) -> None:
    """A page that is cut off within a tag or a comment is rejected, however often."""
    assert "without an end" in refused("a.html", page)


@pytest.mark.parametrize("tag", ["<div>", "<![CDATA[", "<b></i>", "<ul><li>", "<table><tr><td>"])
def test_html_of_many_tags(tag: str) -> None:
    """Tags in tags without number are read in their stride."""
    assert "Deep." in text("a.html", tag * 3_000 + ">Deep.")


def test_text() -> None:
    """The first line of a text is its title, and an empty line ends a paragraph."""
    found = parsed("notes.txt", "Notes\r\n\r\nOne\r\n two.\r\n \r\nThree.")
    assert (found.title, found.sections[0].text) == ("Notes", "Notes\n\nOne two.\n\nThree.")
    assert parsed("notes.txt", "long " * 100).title == "notes"


def test_pdf() -> None:
    """A page is a section, an empty one is none, and the title is that of the metadata or the file."""
    found = parsed("a.pdf", papers.pdf(["First page.", "", "Third page."], title="Two pages"))
    assert found.title == "Two pages"
    assert [(section.heading, section.text) for section in found.sections] == [
        (("page 1",), "First page."),
        (("page 3",), "Third page."),
    ]
    assert parsed("b/Report.PDF", papers.pdf(["x"])).title == "Report"


def test_bad_pdf(caplog: pytest.LogCaptureFixture) -> None:
    """A PDF that can't be read says which way it is bad."""
    good = papers.pdf(["Text"])
    assert "encrypted" in refused("a.pdf", papers.pdf(["Text"], password="secret"))  # noqa: S106
    assert "broken" in refused("a.pdf", b"%PDF-1.7\nnothing")
    assert "broken" in refused("a.pdf", b"no PDF")
    assert "without any text" in refused("a.pdf", papers.pdf([""]))
    assert refused("a.pdf", good[:200])


def test_pdf_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    """A small PDF that unpacks to a huge one is rejected, by one page, by all together, by their number or text."""
    monkeypatch.setattr(documents, "LONGEST", 100)
    assert "longer than 100 characters" in refused("a.pdf", papers.pdf(["Some text."] * 11))
    monkeypatch.setattr(documents, "UNPACKED", 100_000)
    monkeypatch.setattr(documents, "PAGES", 20)
    assert "unpacks to more than 100000 bytes" in refused("a.pdf", papers.pdf_bomb(1_000_000))
    assert "unpacks to more than 100000 bytes" in refused("a.pdf", papers.pdf_bomb(20_000, pages=10))
    assert "more than 20 pages" in refused("a.pdf", papers.pdf(["x"] * 21))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\x89PNG\r\n\x1a\n\0\0", "binary"),
        ("Grüße".encode("latin-1"), "UTF-8"),
        ("Grüße".encode("utf-16"), "binary"),
        ("\ufffd" * 5 + "words" * 20, "cannot be read"),
        ("\u200b", "without any text"),
        ("x" * 101, "larger than 100 bytes"),
        ("é" * 45, "longer than 40 characters"),
    ],
)
@pytest.mark.parametrize("name", ["a.md", "a.html", "a.txt"])
def test_no_text(content: str | bytes, reason: str, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bytes that are no text, or too much of it, are rejected with the reason."""
    if "than" in reason:
        monkeypatch.setattr(documents, "LARGEST", 100)
        monkeypatch.setattr(documents, "LONGEST", 40)
    assert reason in refused(name, content)


def test_texts_are_normal() -> None:
    """Letters are whole, spaces are single, and signs that nobody sees are gone; code keeps its spaces."""
    found = text("a.md", "Cafe\u0301\u00a0\u2003 o\u200bk\u202e\U000e0041\n\n    a   b\u200b" + " " * 5_000 + "c")
    assert found == "Caf\u00e9 ok\n\n    a   b" + " " * 40 + "c"


def test_folder(tmp_path: Path) -> None:
    """Documents come in the order of their paths; what is hidden or has another suffix is none; copies are named."""
    files: dict[str, str | bytes] = {
        "b/two.TXT": "Two",
        "a.md": "One",
        "c.html": "<p>Three",
        "copy.md": "One",
        ".git/x.md": "Hidden",
        "b/.x.md": "Hidden",
        "table.csv": "a,b",
        "broken.pdf": "x",
    }
    found = list(documents.read(papers.write(tmp_path, files)))
    assert [one.id for one in found] == ["a.md", "b/two.TXT", "broken.pdf", "c.html", "copy.md"]
    assert [isinstance(one, Document) for one in found] == [True, True, False, True, False]
    assert found[4] == Rejected("copy.md", "the same as a.md")


def test_one_file(tmp_path: Path) -> None:
    """One file is read as a folder of it would be."""
    papers.write(tmp_path, {"a.md": "One", "b.md": "Two"})
    assert [one.id for one in documents.read(tmp_path / "b.md")] == ["b.md"]


def test_no_documents(tmp_path: Path) -> None:
    """A folder without documents, and none at all, is an error that says what to give."""
    for folder in (tmp_path, tmp_path / "absent"):
        with pytest.raises(InputError, match=r"no documents in .*: give --source a \.md"):
            list(documents.read(folder))


def test_links(tmp_path: Path) -> None:
    """A link that leaves the source, leads nowhere or goes round is named, and a linked folder is not entered."""
    outside = papers.write(tmp_path / "outside", {"secret.md": "Secret", "folder/x.md": "Secret"})
    source = papers.write(tmp_path / "source", {"a.md": "One", ".data/z.md": "Last"})
    (source / "b.md").symlink_to(outside / "secret.md")
    (source / "c.md").symlink_to(source / "nothing.md")
    (source / "d.md").symlink_to(source / "d.md")
    (source / "e").symlink_to(outside / "folder")
    (source / "f.md").symlink_to(source)
    (source / "g.md").symlink_to(".data/z.md")
    found = list(documents.read(source))
    assert [one.id for one in found] == ["a.md", "b.md", "c.md", "d.md", "g.md"]
    reasons = [one.reason for one in found if isinstance(one, Rejected)]
    assert reasons == ["a link that leaves the source", "a link to nothing", "a link to nothing"]


def test_odd_files(tmp_path: Path) -> None:
    """A pipe does not stop the reading, a folder may be named as a file, and an odd name is shown as it can be."""
    papers.write(tmp_path, {"a.md": "One", "b.md/c.md": "Two", "new\nline.md": "Three"})
    os.mkfifo(tmp_path / "d.md")
    (tmp_path / os.fsdecode(b"\xff.md")).write_text("Four")
    found = list(documents.read(tmp_path))
    assert [one.id for one in found] == ["a.md", "b.md/c.md", "new\\nline.md", "\\udcff.md"]
    assert [isinstance(one, Document) for one in found] == [True, True, False, False]


PARTS = st.lists(
    st.one_of(
        st.sampled_from(
            re.findall(
                r"\S+\s*",
                "---\n# \n\n- 1. ```\n> | a |\n|-|\n[x]( &#0; &a *a [ { groups: title: "
                "<p> </p> <td> <li> <pre> <h2> <!-- --> <! ",
            )
        ),
        st.text(max_size=5),
    ),
    max_size=25,
).map("".join)


@calm
@given(PARTS, st.sampled_from(documents.SUFFIXES))
def test_nothing_stops_the_reading(content: str, suffix: str) -> None:
    """Whatever a file holds, it is a document whose text has the form that is promised, or rejected with a reason."""
    found = documents.parse(f"a{suffix}", content.encode(errors="replace"))
    if isinstance(found, Rejected):
        assert found.reason
        assert found.reason.isprintable()
        return
    assert found.groups
    for section in found.sections:
        assert section.text.encode()
        assert unicodedata.is_normalized("NFC", section.text)
        for line in section.text.replace("\n\n", "\n").split("\n"):
            assert line.strip()
            assert line.startswith(schema.CODE) or line == " ".join(line.split())


@calm
@given(st.binary(max_size=200), st.sampled_from(documents.SUFFIXES))
def test_bytes_do_not_stop_the_reading(content: bytes, suffix: str) -> None:
    """Bytes of any kind neither."""
    assert documents.parse(f"a{suffix}", content)
    assert documents.parse(f"a{suffix}", papers.pdf(["Text"])[:300] + content)
