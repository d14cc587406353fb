"""Pictures as files: good ones, and each kind of bad one."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
from PIL import Image

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    """The bytes of a file in a format that Pillow knows."""
    content = io.BytesIO()
    picture.save(content, kind)
    return content.getvalue()


def random(mode: str = "L", side: int = 16, seed: int = 0) -> Image.Image:
    """A picture of chance, no two of which are alike."""
    values = np.random.default_rng(seed).integers(0, 256, (side, side), np.uint8)
    return Image.fromarray(values).convert(mode)


def changed(content: bytes, change: Callable[[Image.Image], Image.Image]) -> bytes:
    """A picture with another content, as a PNG file."""
    with Image.open(io.BytesIO(content)) as picture:
        return encoded(change(picture))


def cut(content: bytes) -> bytes:
    """The first half of a file."""
    return content[: len(content) // 2]


def claiming(width: int, height: int) -> bytes:
    """A small PNG file that claims to hold so many grey pixels."""
    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(bytes(100))), (b"IEND", b"")]
    return SIGNATURE + b"".join(_chunk(name, data) for name, data in parts)


def _chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
