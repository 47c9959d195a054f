"""Images of writing, from files and arrays of every kind, as ink on paper."""

import os
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

FAINT = 1 / 16  # of the range from black to white; what stands out less is taken for an empty page


class ImageError(ValueError):
    """An image cannot be read, or there is nothing to read on it; the message says why."""


def read_ink(image):
    """Return an image as ink on paper, in whatever colours it comes.

    The paper has the colour that is the median of the image's border. Ink is what differs from it,
    by as much as its most different channel does, and the strongest ink becomes 255. So black on
    white, white on black and red on grey all give the same. What differs no more than the grain of
    the paper, or of the camera, is paper: the border tells how strong that is.

    Args:
        image: the path of a file that Pillow reads (PNG, JPEG, ...), or a `PIL.Image.Image`, or an
            array of shape (height, width) or (height, width, channels), each way 4 pixels or more.
            The channels are 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA). Values are bool, or
            integers or floats from 0 to 1 or from 0 to 255, or uint16. What is transparent shows
            white behind it, or black where nothing is to be seen on white.

    Returns:
        uint8 (height, width), 0 (paper) to 255 (ink).

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: it is neither a path nor an image nor an array of numbers.
        ImageError: the file is no image, the array has another shape or values outside the range,
            or the image is empty: nothing on it stands out.
    """
    pixels = _scaled(_as_array(image))
    for background in (1, 0):
        ink = _ink_on_paper(_flattened(pixels, background))
        if ink.max() >= FAINT:
            return np.rint(ink * (255 / ink.max())).astype(np.uint8)
    raise ImageError(
        "the image is empty: nothing stands out from its border. Give one with dark on light, or light on dark"
    )


def center(ink, shape=(28, 28), margin=2):
    """Cut out the ink and put it in the middle of an image, as large as fits, in EMNIST's manner.

    Its proportions are kept, and it is resized by bicubic interpolation (G. Cohen, S. Afshar, J. Tapson,
    A. van Schaik, "EMNIST: an extension of MNIST to handwritten letters", 2017, arXiv:1702.05373).

    Args:
        ink: as from `read_ink`.
        shape: (height, width) of the result, in pixels.
        margin: pixels left free on each side.

    Returns:
        uint8 of that shape, 0 (paper) to 255 (the strongest ink).
    """
    rows, columns = (np.flatnonzero((ink >= 24).any(axis)) for axis in (1, 0))  # fainter: the soft edge of a stroke
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min((size - 2 * margin) / length for size, length in zip(shape, ink.shape))
    height, width = (max(1, round(scale * length)) for length in ink.shape)
    resized = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    centered = np.zeros(shape, np.uint8)
    centered[top : top + height, left : left + width] = np.rint(resized * (255 / resized.max()))  # thin lines fade
    return centered


def _as_array(image):
    if isinstance(image, str | os.PathLike):
        return _read_file(Path(image))
    if isinstance(image, Image.Image):
        return _decoded(image)
    array = np.asarray(image)
    if array.dtype.kind not in "biuf":
        raise TypeError(f"the image is {type(image).__name__} of {array.dtype}: give a path, or an array of numbers")
    return array


def _read_file(path):
    if not path.is_file():
        raise FileNotFoundError(f"no image in {path}: there is no such file")
    try:
        with Image.open(path) as image:
            return _decoded(image)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ImageError(f"{path} cannot be read as an image: {error}. Give a PNG or JPEG file") from error


def _decoded(image):
    image = ImageOps.exif_transpose(image)
    # Pillow's conversion would cut greys of 16 bits off at 255
    return np.asarray(image if image.mode[0] in "IF" else image.convert("RGBA"))


def _scaled(array):
    """Return pixels as float (height, width, channels) from 0 to 1, or refuse them by name."""
    channels = array.shape[2:] or (1,)
    if array.ndim not in (2, 3) or channels[0] not in (1, 2, 3, 4):
        raise ImageError(
            f"the image has the shape {array.shape}: give (height, width), or (height, width, channels) with 1 to 4 "
            "channels, one image at a time"
        )
    if min(array.shape[:2]) < 4:
        raise ImageError(f"the image has the shape {array.shape}: give 4 pixels or more each way")
    if not np.isfinite(array).all():
        raise ImageError("the image holds NaN or infinity: give finite values")
    scales = (1, 255, 65535) if array.dtype == np.uint16 else (1, 255)
    low, high = array.min(), array.max()
    if low < 0 or high > scales[-1]:
        raise ImageError(
            f"the image holds values from {low} to {high}: give values from 0 to 1 or from 0 to {scales[-1]}"
        )
    scale = next(scale for scale in scales if high <= scale)
    return array.reshape(*array.shape[:2], *channels) / scale


def _flattened(pixels, background):
    """Put what is behind a transparent image behind it."""
    if pixels.shape[2] in (1, 3):
        return pixels
    colours, alpha = pixels[..., :-1], pixels[..., -1:]
    return colours * alpha + background * (1 - alpha)


def _ink_on_paper(pixels):
    border = np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]])
    paper = np.median(border, axis=0)
    grain = np.median(np.abs(border - paper).max(axis=1))
    ink = np.abs(pixels - paper).max(axis=2)
    # normal noise reaches 8 times its median once in 15 million pixels
    return np.where(ink < 8 * grain, 0, ink)
