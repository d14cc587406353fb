"""Transforms: from any picture to the same kind of numbers."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from digit_reader import NAME, sample, schema, transforms
from digit_reader.errors import InputError

SIDE = (transforms.SIZE, transforms.SIZE)


def encoded(picture: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of a picture's file."""
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "TIFF"])
@pytest.mark.parametrize(("mode", "size"), [("L", SIDE), ("RGB", (40, 30)), ("RGBA", (3, 90)), ("1", (200, 200))])
def test_every_picture_gets_the_same_shape(kind: str, mode: str, size: tuple[int, int]) -> None:
    """Whatever its format, colours and size, a bright picture is bright in every pixel."""
    picture = Image.new("L", size, 255).convert(mode)
    content = encoded(picture.convert("RGB") if (kind, mode) == ("JPEG", "RGBA") else picture, kind)
    decoded = transforms.decode(content)
    assert decoded.shape == (*SIDE, transforms.CHANNELS)
    assert decoded.min() >= 250


def test_a_picture_of_the_right_size_keeps_its_pixels() -> None:
    """Nothing is resampled where nothing has to be."""
    pixels = np.arange(np.prod(SIDE), dtype=np.uint8).reshape(SIDE)
    assert np.array_equal(transforms.decode(encoded(Image.fromarray(pixels)))[..., 0], pixels)


def test_a_photo_is_turned_as_its_camera_says() -> None:
    """The orientation in the EXIF data is applied."""
    pixels = np.zeros(SIDE, np.uint8)
    pixels[0] = 255
    exif = Image.Exif()
    exif[0x0112] = 3  # upside down
    turned = transforms.decode(encoded(Image.fromarray(pixels), exif=exif))
    assert turned[-1].min() == 255
    assert turned[0].max() == 0


@pytest.mark.parametrize("content", [b"", b"not a picture", encoded(Image.new("L", (64, 64)), "PNG")[:60]])
def test_a_broken_picture_is_refused(content: bytes) -> None:
    """What cannot be decoded to the end is said to be so."""
    with pytest.raises(InputError, match="not a whole picture"):
        transforms.decode(content)


def test_a_picture_that_would_fill_the_memory_is_refused() -> None:
    """A small file may claim any size: it is not decoded."""
    side = int(transforms.PIXELS_AT_MOST**0.5) + 1
    with pytest.raises(InputError, match="at most"):
        transforms.decode(encoded(Image.new("1", (side, side))))


def test_a_batch_holds_values_from_zero_to_one() -> None:
    """In the order of the contents, channels first; a batch of none has the same shape otherwise."""
    contents = sample.rows()[schema.CONTENT].head(3).tolist()
    batch = transforms.batch(contents)
    assert batch.shape == (3, transforms.CHANNELS, *SIDE)
    assert batch.dtype == np.float32
    assert batch.max() == 1
    assert np.array_equal(batch[1], transforms.batch(contents[1:2])[0])
    assert transforms.batch([]).shape == (0, transforms.CHANNELS, *SIDE)


def test_augmentation_changes_pictures_a_little() -> None:
    """Each picture becomes another one, near to itself, and the same again for the same generator."""
    pictures = torch.from_numpy(transforms.batch(sample.rows()[schema.CONTENT].head(32)))
    once, again = (transforms.augment(pictures, torch.Generator().manual_seed(1)) for _ in range(2))
    assert torch.equal(once, again)
    distance = (once - pictures).abs().mean(dim=(1, 2, 3))
    assert distance.min() > 0
    assert distance.mean() < 0.15
    assert 0 <= once.min() <= once.max() <= 1


def test_augmentation_without_any_change_gives_the_picture(monkeypatch: pytest.MonkeyPatch) -> None:
    """With all ranges at zero nothing is shifted by half a pixel or blurred."""
    for name in ("SHIFT", "ROTATION", "CONTRAST"):
        monkeypatch.setattr(transforms, name, 0.0)
    pictures = torch.rand(2, transforms.CHANNELS, *SIDE)
    assert torch.allclose(transforms.augment(pictures, torch.Generator()), pictures, atol=1e-5)


def test_decoding_needs_no_torch() -> None:
    """Serving imports the same module, where torch is not installed."""
    code = f"import sys; sys.modules['torch'] = None; from {NAME} import transforms; transforms.batch([])"
    subprocess.run([sys.executable, "-c", code], check=True)
