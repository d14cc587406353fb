"""Documents for tests, sound and odd ones."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

from hypothesis import HealthCheck, settings
from pypdf import PdfWriter
from pypdf.generic import DictionaryObject, NameObject, StreamObject

from handbook_assistant import documents
from handbook_assistant.schema import Document, Section

# Chance decides what is tried, and not how long it may take.
calm = settings(deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])

CANARY = """---
title: Canary releases
groups: [everyone]
updated: 2026-09-14
---
# Canary releases

A canary release sends a small share of the traffic to the new version. See [rollback](rollback.md).

## When to stop

Stop when the error rate rises. Wait for 1.5 hours.
"""


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    """Write files by their paths below a folder, and return it."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def parsed(name: str, content: str | bytes) -> Document:
    """A document that must be a good one."""
    found = documents.parse(name, content.encode() if isinstance(content, str) else content)
    assert isinstance(found, Document), found
    return found


def refused(name: str, content: str | bytes) -> str:
    """Why a document is rejected, which it must be."""
    found = documents.parse(name, content.encode() if isinstance(content, str) else content)
    assert isinstance(found, documents.Rejected), found
    return found.reason


def document(*sections: tuple[str, str], groups: tuple[str, ...] = ("everyone",)) -> Document:
    """A document of sections with one heading each."""
    made = tuple(Section((heading,) if heading else (), text) for heading, text in sections)
    return Document("a.md", "A", groups, "2026-09-14", "0" * 64, made)


def pdf(pages: Sequence[str], title: str = "", password: str = "") -> bytes:
    """A PDF with a line of text on each page."""
    contents = [f"BT /F1 12 Tf 72 720 Td ({text}) Tj ET".encode() if text else b"" for text in pages]
    return _pdf(contents, title, password)


def pdf_bomb(size: int, pages: int = 1) -> bytes:
    """A small PDF whose pages all show the same contents, which unpack to `size` bytes."""
    return _pdf([b"q Q " * (size // 4)] * pages)


def _pdf(contents: Sequence[bytes], title: str = "", password: str = "") -> bytes:
    writer = PdfWriter()
    font = writer._add_object(
        DictionaryObject(
            {
                NameObject("/Type"): NameObject("/Font"),
                NameObject("/Subtype"): NameObject("/Type1"),
                NameObject("/BaseFont"): NameObject("/Helvetica"),
            }
        )
    )
    streams = {content: writer._add_object(_stream(content)) for content in set(contents)}
    for content in contents:
        page = writer.add_blank_page(595, 842)
        page[NameObject("/Contents")] = streams[content]
        page[NameObject("/Resources")] = DictionaryObject(
            {NameObject("/Font"): DictionaryObject({NameObject("/F1"): font})}
        )
    if title:
        writer.add_metadata({"/Title": title})
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    file = io.BytesIO()
    writer.write(file)
    return file.getvalue()


def _stream(content: bytes) -> StreamObject:
    stream = StreamObject()
    stream.set_data(content)
    return stream.flate_encode()
