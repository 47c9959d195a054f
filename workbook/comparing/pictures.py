"""Compare two PNG pictures as a person would: a line that moved by a pixel is the same line."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.ndimage import maximum_filter, minimum_filter

from workbook.files import write_bytes

# How far outside the range of its neighbourhood a colour may lie: 2 of 255 where all around has one colour, and a
# tenth of the contrast beside an edge, which is antialiasing.
_FLAT, _EDGE = 2, 0.1


@dataclass(frozen=True)
class PictureDifference:
    """Two pictures that disagree.

    Attributes:
        message: what disagrees, in words.
        expected, got: the two pictures, RGB.
        difference: the expected picture, faded, with what disagrees in red; None if the sizes differ.
    """

    message: str
    expected: Image.Image
    got: Image.Image
    difference: Image.Image | None

    def save(self, folder: Path, stem: str) -> list[Path]:
        """Write the pictures as `<stem>_expected.png`, `<stem>_got.png` and `<stem>_difference.png`."""
        written = []
        for name in ("expected", "got", "difference"):
            picture = getattr(self, name)
            if picture is not None:
                buffer = io.BytesIO()
                picture.save(buffer, format="PNG")
                written.append(write_bytes(folder / f"{stem}_{name}.png", buffer.getvalue()))
        return written


def picture_difference(expected: bytes, got: bytes, shift: int = 1) -> PictureDifference | None:
    """What disagrees between two PNG files, or None.

    A pixel agrees if its colour lies within the range of colours that the other picture has within `shift` pixels
    around it, or little outside: the more, the wider that range is. All pixels of both pictures must agree; the
    sizes may differ by `shift`.

    Args:
        expected, got: the two PNG files.
        shift: in pixels, 0 or more.
    """
    if expected == got:
        return None
    a, b = _open(expected), _open(got)
    if max(abs(a.width - b.width), abs(a.height - b.height)) > shift:
        size = f"{a.width}x{a.height} pixels became {b.width}x{b.height}"
        return PictureDifference(size, a, b, None)
    size = max(a.width, b.width), max(a.height, b.height)
    padded_a, padded_b = _pad(a, size), _pad(b, size)
    differs = _outside(padded_a, padded_b, shift) | _outside(padded_b, padded_a, shift)
    if not differs.any():
        return None
    rows, columns = np.nonzero(differs)
    where = f"x {columns.min()} to {columns.max()}, y {rows.min()} to {rows.max()}"
    message = f"{differs.sum():,} of {differs.size:,} pixels differ, at {where} (a shift of {shift} is allowed)"
    shown = 255 - (255 - np.asarray(padded_a.convert("L").convert("RGB"))) // 4
    shown[differs] = (213, 0, 0)
    return PictureDifference(message, a, b, Image.fromarray(shown))


def _open(png: bytes) -> Image.Image:
    picture = Image.open(io.BytesIO(png)).convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture).convert("RGB")


def _pad(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    padded = Image.new("RGB", size, "white")
    padded.paste(picture)
    return padded


def _outside(picture: Image.Image, other: Image.Image, shift: int) -> np.ndarray:
    """Where `picture` has a colour that `other` has nowhere near."""
    window = 2 * shift + 1, 2 * shift + 1, 1
    value, around = np.asarray(picture, np.float32), np.asarray(other, np.float32)
    low, high = minimum_filter(around, window, mode="nearest"), maximum_filter(around, window, mode="nearest")
    margin = _FLAT + _EDGE * (high - low)
    return ((value < low - margin) | (value > high + margin)).any(axis=-1)
