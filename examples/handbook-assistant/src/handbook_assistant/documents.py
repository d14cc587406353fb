"""Reading documents: a file in, titled sections of plain text out, or the reason why it is set aside.

A document says itself who may see it, and says it in few ways. What it says may be wrong, so doubt closes the
door: a document whose groups can't be understood is rejected, and never shown to everyone. A PDF can't say it.

Plain text keeps of the form what `chunks` needs. An empty line parts blocks; a line within a block is an item of
a list ("- …", "1. …"), a row of a table ("| … | … |"), or code, set in by four spaces and without empty lines.
"""

from __future__ import annotations

import difflib
import hashlib
import io
import logging
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Final

import pypdf
import yaml
from bs4 import BeautifulSoup
from bs4.element import NavigableString, PageElement, Tag
from markdown_it import MarkdownIt
from markdown_it.token import Token
from pypdf.errors import LimitReachedError, PyPdfError

from .errors import InputError
from .rows import UNREADABLE
from .schema import CODE, EVERYONE, SEPARATOR, Document, Section

# Bytes of a file.
LARGEST = 20_000_000
# Characters of a text: longer than most books, and at worst a minute's work for a parser.
LONGEST = 2_000_000
# Pages of a PDF, and bytes that the contents of all of them unpack to: a small file can hold a huge one.
PAGES, UNPACKED = 2_000, 50_000_000
# Share of signs that stand for something unreadable.
UNREADABLE_AT_MOST = 0.01
LONGEST_TITLE = 200

# Signs that a reader does not see and a search stumbles over, and halves of signs that no file can hold.
INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\u00ad\u200b\u2060\ufeff\u202a-\u202e\u2066-\u2069\U000e0000-\U000e007f\ud800-\udfff]"
)
FRONT_MATTER = re.compile(r"\s*---[ \t]*\n(.{0,10000}?)^(?:---|\.\.\.)[ \t]*$", re.DOTALL | re.MULTILINE)
EMPTY_LINE = re.compile(r"\n\s*\n")
# Longer white space within code says no more than this.
GAP = re.compile(r"[ \t]{40,}")
MARKDOWN = MarkdownIt("commonmark").enable("table")

HEADINGS = {f"h{level}": level for level in range(1, 7)}
TAG = re.compile("<[a-zA-Z/!?]")
UNSEEN = {"script", "style", "template", "noscript", "title"}
UNSEEN_STYLE = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
LISTS, CELLS = {"ul", "ol", "dl", "table"}, {"td", "th"}
# All others begin and end a line.
INLINE = re.compile(
    "a|abbr|acronym|b|bdi|bdo|big|button|cite|code|data|del|dfn|em|font|i|img|input|ins|kbd|label|mark|q|s|samp|small"
    "|span|strike|strong|sub|sup|time|tt|u|var|wbr"
)

# What a document says about itself, by name; None stands for what is neither a text nor a list of texts.
Facts = Sequence[tuple[str, "str | list[str] | None"]]
# A document's id and the digest of its bytes.
Version = tuple[str, str]
# A heading with its level from 1 to 6, or plain text with 0.
Block = tuple[int, str]

# Without a handler, Python prints the warnings about each broken PDF.
logging.getLogger("pypdf").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class Rejected:
    """A file that is no document that can be used, by its path below the source."""

    id: str
    reason: str


class _UnfitError(Exception):
    """Why a document is rejected."""


@dataclass(frozen=True)
class _Raw:
    """What a file holds, before it is checked. title: what stands for one where the facts name none."""

    facts: Facts
    title: str
    blocks: list[Block]


def read(source: Path, known: Mapping[Version, Document] | None = None) -> Iterator[Document | Rejected]:
    """Read the documents below a folder in the order of their paths, or the one file, each when it is asked for.

    Args:
        source: folder or file.
        known: what was read before, and is not understood anew as long as its bytes are the same.

    Raises:
        InputError: there is no document at all, or a file or folder can't be read.
    """
    seen: dict[str, str] = {}
    for path in paths(source):
        found = _read(path, source, known or {})
        if isinstance(found, Document) and seen.setdefault(found.digest, found.id) != found.id:
            found = Rejected(found.id, f"the same as {seen[found.digest]}")
        yield found


def paths(source: Path) -> list[Path]:
    """The files that `read` reads, in the same order. Links to folders are not followed.

    Raises:
        InputError: there is none, or a folder can't be read.
    """
    found = [source] if source.is_file() else sorted(_files(source)) if source.exists() else []
    root = source if source.is_dir() else source.parent
    found = [path for path in found if _is_document(path.relative_to(root)) and (path.is_file() or path.is_symlink())]
    if not found:
        mend = f"give --source a {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]} file or a folder of them"
        raise InputError(f"no documents in {source}: {mend}, or run `pipeline sample` first")
    return found


def _files(folder: Path) -> Iterator[Path]:
    """All files below a folder. A folder that can't be read is an error: its documents would seem to be deleted."""
    for parent, _, names in os.walk(folder, onerror=_unreadable):
        yield from (Path(parent) / name for name in names)


def _unreadable(error: OSError) -> None:
    raise InputError(f"cannot read {error.filename}: {error.strerror}; check --source") from error


def _is_document(path: Path) -> bool:
    return path.name.lower().endswith(SUFFIXES) and not any(part.startswith(".") for part in path.parts)


def _read(path: Path, source: Path, known: Mapping[Version, Document]) -> Document | Rejected:
    name = path.relative_to(source).as_posix() if path != source else path.name
    if INVISIBLE.search(name) or not name.isprintable():
        return Rejected(ascii(name)[1:-1], "its name holds signs that cannot be shown: rename the file")
    if not path.is_file():
        return Rejected(name, "a link to nothing")
    if not path.resolve().is_relative_to(source.resolve()):
        return Rejected(name, "a link that leaves the source")
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; check the file") from error
    return known.get((name, hashlib.sha256(content).hexdigest())) or parse(name, content)


def parse(name: str, content: bytes) -> Document | Rejected:
    """Make a document of the path below the source and the bytes of a file, or name what is wrong with it.

    Nothing that the bytes hold is an error.
    """
    try:
        return _document(name, content)
    except _UnfitError as error:
        return Rejected(name, str(error))
    except Exception as error:  # from a parser that was not made for what it met
        return Rejected(name, f"cannot be understood ({type(error).__name__})")


def _document(name: str, content: bytes) -> Document:
    if not content.strip():
        raise _UnfitError("empty")
    if len(content) > LARGEST:
        raise _UnfitError(f"larger than {LARGEST} bytes")
    path = PurePosixPath(name)
    raw = READERS[path.suffix.lower()](content)
    title, groups, updated = _about(raw.facts)
    title = title or _line(raw.title)[:LONGEST_TITLE] or _line(path.stem)
    sections = tuple(_sections(raw.blocks, title))
    _check_readable("".join(section.text for section in sections))
    return Document(name, title, groups, updated, hashlib.sha256(content).hexdigest(), sections)


def _check_readable(text: str) -> None:
    if not text:
        raise _UnfitError("without any text")
    if text.count(UNREADABLE) > UNREADABLE_AT_MOST * len(text):
        raise _UnfitError("too many signs that cannot be read")


def _sections(blocks: Iterable[Block], title: str) -> Iterator[Section]:
    """The blocks between two headings together, below the headings that they belong to."""
    above: list[Block] = []
    waiting: list[str] = []
    for level, text in [*blocks, (1, "")]:
        if not level:
            waiting.append(text)
            continue
        if waiting:
            heading = tuple(text for level, text in above if text and (level, text) != (1, title))
            yield Section(heading, "\n\n".join(waiting))
        waiting = []
        above = [*(block for block in above if block[0] < level), (level, text)]


def _line(text: str) -> str:
    """One line without invisible signs, in which every white space is one space."""
    return " ".join(INVISIBLE.sub("", unicodedata.normalize("NFC", text)).split())


# --- what a document says about itself


def _about(facts: Facts) -> tuple[str, tuple[str, ...], str]:
    """Title (or empty), groups and date (or empty) from what a document says, by names in any letter case."""
    names = Counter(name.strip().casefold() for name, _ in facts)
    twice = [name for name in ("title", "groups", "updated") if names[name] > 1]
    if twice:
        raise _UnfitError(f"{twice[0]} is given twice")
    # Who writes `group:` means to keep somebody out.
    similar = [name for name in names if "group" in name] or difflib.get_close_matches("groups", names, cutoff=0.8)
    if similar and "groups" not in names:
        raise _UnfitError(f"{_line(similar[0])[:LONGEST_TITLE]} is not known: write groups")
    said = {name.strip().casefold(): value for name, value in facts}
    title, updated = said.get("title"), said.get("updated")
    groups = _groups(said["groups"]) if "groups" in said else (EVERYONE,)
    return _line(title)[:LONGEST_TITLE] if isinstance(title, str) else "", groups, _date(updated)


def _groups(value: str | list[str] | None) -> tuple[str, ...]:
    names = value.split(SEPARATOR) if isinstance(value, str) else value or []
    stripped = {unicodedata.normalize("NFC", name.strip()) for name in names} - {""}
    if not stripped or any(SEPARATOR in name or not name.isprintable() for name in stripped):
        raise _UnfitError("groups cannot be understood: write names without commas, as in groups: [a, b]")
    return tuple(sorted(stripped))


def _date(value: str | list[str] | None) -> str:
    if value is None:
        return ""
    try:
        return datetime.fromisoformat(str(value).strip()).date().isoformat()
    except ValueError as error:
        raise _UnfitError("updated is not a date as in 2026-09-14") from error


def _front_matter(text: str) -> tuple[Facts, str]:
    """The facts before a text, and the text. What only resembles them may hide groups, so it is no text."""
    if not text.lstrip().startswith(("---\n", "--- ", "---\t", "+++\n")):
        return (), text
    found = FRONT_MATTER.match(text)
    if not found:
        raise _UnfitError("front matter is not YAML between two lines ---")
    try:
        # Names and values as they are written, without making anything of them: aliases can't multiply.
        top = yaml.compose(found[1], Loader=yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError) as error:
        raise _UnfitError("front matter is not YAML") from error
    if top is None:
        return (), text[found.end() :]
    if not isinstance(top, yaml.MappingNode):
        raise _UnfitError("front matter is not names with values")
    return [(str(key.value), _value(value)) for key, value in top.value], text[found.end() :]


def _value(node: yaml.Node) -> str | list[str] | None:
    if isinstance(node, yaml.SequenceNode):
        values = [_value(inner) if isinstance(inner, yaml.ScalarNode) else None for inner in node.value]
        texts = [value for value in values if isinstance(value, str)]
        return texts if len(texts) == len(values) else None
    is_text = isinstance(node, yaml.ScalarNode) and not node.tag.endswith(":null")
    return str(node.value) if is_text else None


# --- kinds of files


class _Writer:
    """Collects blocks from the parts of a document in their order."""

    def __init__(self) -> None:
        self.blocks: list[Block] = []
        self._words: list[str] = []
        self._lines: list[str] = []
        self._depth = 0
        self._mark = ""

    def add(self, text: str) -> None:
        """More text of the current line."""
        self._words.append(text)

    def mark(self, mark: str) -> None:
        """End the current line; what comes next begins with a mark."""
        self.end_line()
        self._mark = mark

    def end_line(self) -> None:
        text = self._taken()
        if text.strip("| "):
            self._lines.append(self._mark + text)
            self._mark = ""
        self._end_block()

    def end_heading(self, level: int) -> None:
        text = self._taken()
        self._end_block(always=True)
        self.blocks.append((level, text))
        self._mark = ""

    def end_code(self) -> None:
        text = INVISIBLE.sub("", unicodedata.normalize("NFC", "".join(self._words)))
        lines = (GAP.sub(" " * 40, line.rstrip()) for line in text.splitlines())
        self._words = []
        self._lines += [CODE + line for line in lines if line]
        self._end_block()

    def begin(self) -> None:
        """Until the `end` that belongs to it, all lines are one block."""
        self.end_line()
        self._depth += 1

    def end(self) -> None:
        self.end_line()
        self._depth -= 1
        self._end_block()

    def _taken(self) -> str:
        text = _line("".join(self._words))
        self._words = []
        return text

    def _end_block(self, always: bool = False) -> None:
        if self._lines and (always or not self._depth):
            self.blocks.append((0, "\n".join(self._lines)))
            self._lines = []


def _text_of(content: bytes) -> str:
    if b"\0" in content:
        raise _UnfitError("binary, not text")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _UnfitError("not UTF-8 text: save it as UTF-8") from error
    if len(text) > LONGEST:
        raise _UnfitError(f"longer than {LONGEST} characters")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _text(content: bytes) -> _Raw:
    facts, text = _front_matter(_text_of(content))
    first = text.strip().partition("\n")[0]
    return _Raw(facts, first if len(first) <= LONGEST_TITLE else "", _paragraphs(text))


def _paragraphs(text: str) -> list[Block]:
    lines = (_line(paragraph) for paragraph in EMPTY_LINE.split(text))
    return [(0, line) for line in lines if line]


def _markdown(content: bytes) -> _Raw:
    facts, text = _front_matter(_text_of(content))
    writer = _Writer()
    for token in MARKDOWN.parse(text):
        _write_token(token, writer)
    writer.end_line()
    return _Raw(facts, _first_heading(writer.blocks), writer.blocks)


def _write_token(token: Token, writer: _Writer) -> None:
    """Write what a token stands for. Raw HTML stands for nothing."""
    match token.type:
        case "inline":
            for child in token.children or []:
                writer.add(_inline(child))
        case "fence" | "code_block":
            writer.end_line()
            writer.add(token.content)
            writer.end_code()
        case "heading_close":
            writer.end_heading(HEADINGS[token.tag])
        case "list_item_open":
            writer.mark(f"{token.info}. " if token.info else "- ")
        case "tr_open":
            writer.mark("| ")
        case "th_close" | "td_close":
            writer.add(" | ")
        case _ if token.tag in LISTS:
            writer.begin() if token.nesting > 0 else writer.end()
        case "paragraph_close" | "tr_close":
            writer.end_line()


def _inline(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content if token.type in ("text", "code_inline") else ""


def _first_heading(blocks: Iterable[Block]) -> str:
    return next((text for level, text in blocks if level == 1), "")


def _html(content: bytes) -> _Raw:
    facts, text = _front_matter(_text_of(content))
    soup = BeautifulSoup(_closed(text), "html.parser")
    metas = [(str(meta.get("name", "")), str(meta.get("content", ""))) for meta in soup.find_all("meta")]
    writer = _Writer()
    inside: Counter[str] = Counter()
    for node, opens in _visible(soup):
        if isinstance(node, Tag):
            _write_tag(node, opens, writer, inside)
        else:
            writer.add(str(node))
    writer.end_line()
    title = soup.title.get_text() if soup.title else ""
    about = [(name, value) for name, value in metas if name.strip().casefold() not in ("", "title")]
    return _Raw([*facts, *about], title if _line(title) else _first_heading(writer.blocks), writer.blocks)


def _closed(text: str) -> str:
    """The text, if every tag has an end. Where one has none, the parser looks for it again from each next tag."""
    if text.find("<!--", text.rfind("-->") + 1) >= 0 or TAG.search(text, text.rfind(">") + 1):
        raise _UnfitError("a tag or a comment without an end: the file is cut off or broken")
    return text.replace("<![", "<! [")  # so it ends with the next >, as in a browser


def _visible(soup: BeautifulSoup) -> Iterator[tuple[PageElement, bool]]:
    """Texts, and tags twice: as they open and as they close. Without recursion, for tags can be nested deeply."""
    waiting: list[tuple[PageElement, bool]] = [(soup, True)]
    while waiting:
        node, opens = waiting.pop()
        if isinstance(node, Tag):
            if opens and _is_unseen(node):
                continue
            yield node, opens
            if opens:
                waiting.append((node, False))
                waiting.extend((child, True) for child in reversed(node.contents))
        elif type(node) is NavigableString:  # and not a comment, which is a kind of it
            yield node, opens


def _is_unseen(tag: Tag) -> bool:
    return (
        tag.name in UNSEEN
        or tag.has_attr("hidden")
        or str(tag.get("aria-hidden", "")).strip().lower() == "true"
        or UNSEEN_STYLE.search(str(tag.get("style", ""))) is not None
    )


def _write_tag(tag: Tag, opens: bool, writer: _Writer, inside: Counter[str]) -> None:
    """Write what the begin or the end of a tag stands for. inside: how many tags of a kind are open."""
    name = "cell" if tag.name in CELLS else tag.name
    was_inside = inside[name]
    inside[name] += 1 if opens else -1
    if INLINE.fullmatch(name):
        return
    if name == "pre":
        _write_code(was_inside, inside["pre"], writer)
    elif inside["pre"]:
        writer.add("\n" if opens else "")
    elif name in HEADINGS:
        writer.end_line() if opens else writer.end_heading(HEADINGS[name])
    elif name == "cell" and (was_inside if opens else not inside["cell"]):  # a cell may have no end of its own
        writer.add(" | ")
    elif inside["cell"] or name == "br":
        writer.add(" ")
    else:
        _write_block(name, opens, writer)


def _write_code(before: int, now: int, writer: _Writer) -> None:
    if (before, now) == (0, 1):
        writer.end_line()
    elif (before, now) == (1, 0):
        writer.end_code()


def _write_block(name: str, opens: bool, writer: _Writer) -> None:
    if name in LISTS:
        writer.begin() if opens else writer.end()
    elif opens and name in ("li", "tr"):
        writer.mark("- " if name == "li" else "| ")
    else:
        writer.end_line()


def _pdf(content: bytes) -> _Raw:
    try:
        with pypdf.apply_configuration(
            zlib_maximum_output_length=UNPACKED,
            lzw_maximum_output_length=UNPACKED,
            run_length_maximum_output_length=UNPACKED,
            array_based_stream_maximum_output_length=UNPACKED,
        ):
            reader = pypdf.PdfReader(io.BytesIO(content))
            if reader.is_encrypted:
                raise _UnfitError("encrypted: save it without a password")
            pages = list(_pages(reader))
            title = reader.metadata.title if reader.metadata else None
    except LimitReachedError as error:
        raise _UnfitError(f"unpacks to more than {UNPACKED} bytes, or to more parts than any document has") from error
    except PyPdfError as error:
        raise _UnfitError(f"broken: not a PDF that can be read ({type(error).__name__})") from error
    blocks = [block for number, text in enumerate(pages, 1) for block in [(1, f"page {number}"), *_paragraphs(text)]]
    return _Raw((), str(title or ""), blocks)


def _pages(reader: pypdf.PdfReader) -> Iterator[str]:
    """The text of each page. All of them may show the same long contents, so these are counted as often."""
    if len(reader.pages) > PAGES:
        raise _UnfitError(f"more than {PAGES} pages")
    left, room = UNPACKED, LONGEST
    for page in reader.pages:
        contents = page.get_contents()
        left -= len(contents.get_data()) if contents is not None else 0
        if left < 0:
            raise _UnfitError(f"unpacks to more than {UNPACKED} bytes")
        text = page.extract_text()
        room -= len(text)
        if room < 0:
            raise _UnfitError(f"longer than {LONGEST} characters")
        yield text


READERS: Final[dict[str, Callable[[bytes], _Raw]]] = {
    ".md": _markdown,
    ".markdown": _markdown,
    ".html": _html,
    ".htm": _html,
    ".txt": _text,
    ".pdf": _pdf,
}
SUFFIXES = tuple(READERS)
