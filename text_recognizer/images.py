"""Images of writing, from files and arrays of every kind, as ink on paper."""

import contextlib
import os

import numpy as np
from PIL import Image, ImageOps

FAINT = 1 / 16  # of the range from black to white; what stands out less is taken for nothing
OVERSHOOT = 1 / 4  # of the range; Pillow's bicubic resizing of letters adds less. Images from -0.5 to 0.5 must not pass
CLEAR = 24  # of 255; fainter is the soft edge of a stroke
STEP = 4  # columns of a line of text; so many make a step of the networks that read lines


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
            integers or floats from 0 to 1 or from 0 to 255, or uint16. Floats may lie outside by a
            quarter of the range, as they do where an image was resized, and are clipped. What is
            transparent shows white behind it, or black where nothing is to be seen on white. Of
            several images in a file, the first is taken; a photograph is turned as it was taken.

    Returns:
        uint8 (height, width), 0 (paper) to 255 (ink).

    Raises:
        FileNotFoundError: there is no such file.
        TypeError: it is neither a path nor an image nor an array of numbers.
        ImageError: the file is no image, the array has another shape or values outside the range,
            or the image is empty: nothing on it stands out.

    Example:
        >>> import numpy as np
        >>> from text_recognizer.images import read_ink
        >>> image = np.full((4, 5, 3), 200, np.uint8)  # RGB: light grey paper,
        >>> image[1:3, 2] = 180, 40, 40  # and a red stroke
        >>> read_ink(image)
        array([[  0,   0,   0,   0,   0],
               [  0,   0, 255,   0,   0],
               [  0,   0, 255,   0,   0],
               [  0,   0,   0,   0,   0]], dtype=uint8)
    """
    pixels, white = _checked(_as_array(image))
    for background in (white, 0) if pixels.shape[2] in (2, 4) else (white,):
        ink = _ink_on_paper(pixels, white, background)
        if (strongest := ink.max()) >= FAINT * white:
            return np.rint(ink * 255 / strongest).astype(np.uint8)
    raise ImageError(
        f"the image is empty: nothing stands out from its border, with values from {pixels.min():g} to "
        f"{pixels.max():g} where {white} is white. Give one with dark on light, or light on dark"
    )


def center(ink, shape=(28, 28), margin=2):
    """Cut out the ink and put it in the middle of an image, as large as fits, in EMNIST's manner.

    Its proportions are kept, and it is resized by bicubic interpolation (G. Cohen, S. Afshar, J. Tapson,
    A. van Schaik, "EMNIST: an extension of MNIST to handwritten letters", 2017, arXiv:1702.05373).

    Args:
        ink: uint8 (height, width), as from `read_ink`.
        shape: (height, width) of the result, in pixels.
        margin: pixels left free on each side.

    Returns:
        uint8 of that shape, 0 (paper) to 255 (the strongest ink).

    Raises:
        TypeError: the ink is of another type.
        ImageError: there is no ink, or so little, so far apart, that it vanishes in that shape.
        ValueError: the margin leaves nothing of the shape.

    Example:
        >>> import numpy as np
        >>> from text_recognizer.images import center
        >>> ink = np.zeros((50, 80), np.uint8)
        >>> ink[5:8, 60:62] = 255  # three high, two wide
        >>> center(ink, shape=(8, 8), margin=1).max(axis=0)  # six high, four wide
        array([  0,   0, 255, 255, 255, 255,   0,   0], dtype=uint8)
    """
    if not isinstance(ink, np.ndarray) or ink.dtype != np.uint8 or ink.ndim != 2:
        what = f"{getattr(ink, 'dtype', type(ink).__name__)} {np.shape(ink)}"
        raise TypeError(f"the ink is {what}: give uint8 (height, width), as read_ink returns it")
    if min(shape) <= 2 * margin:
        raise ValueError(f"a margin of {margin} leaves nothing of an image of shape {tuple(shape)}")
    rows, columns = (np.flatnonzero(ink.max(axis=axis, initial=0) >= CLEAR) for axis in (1, 0))
    if not len(rows):
        raise ImageError(f"the image is empty: no ink is as strong as {CLEAR} of 255")
    ink = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    scale = min((size - 2 * margin) / length for size, length in zip(shape, ink.shape))
    height, width = (max(1, round(scale * length)) for length in ink.shape)
    resized = np.asarray(Image.fromarray(ink).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    if not resized.any():
        raise ImageError(
            f"what stands out vanishes where {ink.shape[0]} x {ink.shape[1]} pixels become {height} x {width}: specks, "
            "or strokes too thin. Cut out what is to be read, or draw it with a broader pen"
        )
    top, left = (shape[0] - height) // 2, (shape[1] - width) // 2
    centered = np.zeros(shape, np.uint8)
    centered[top : top + height, left : left + width] = np.rint(resized * (255 / resized.max()))  # thin lines fade
    return centered


def _as_array(image):
    is_path = isinstance(image, str | os.PathLike)
    if is_path and not os.path.isfile(image):
        raise FileNotFoundError(f"no image in {os.fspath(image)}: there is no such file")
    if is_path or isinstance(image, Image.Image):
        try:
            with Image.open(image) if is_path else contextlib.nullcontext(image) as opened:
                return _decoded(opened)
        except Exception as error:  # a damaged file leads the decoders of some formats to errors of every kind
            name = os.fspath(image) if is_path else "the image"
            raise ImageError(f"{name} cannot be read as an image: {error}. Give a PNG or JPEG file") from error
    try:
        array = np.asarray(image)
        if array.dtype.kind not in "biuf":
            raise ValueError(f"it holds {array.dtype}")
    except (ValueError, RuntimeError) as error:  # rows of different lengths, a tensor without values
        raise TypeError(f"the image is {type(image).__name__}: {error}. Give a path, or an array of numbers") from error
    return array


def _decoded(image):
    """Return a Pillow image as an array, with an alpha channel only if something is transparent."""
    image = ImageOps.exif_transpose(image)
    if image.mode[0] not in "IF":
        opaque = "L" if image.mode in ("1", "L") else "RGB"
        return np.asarray(image.convert("RGBA" if image.has_transparency_data else opaque))
    array = np.asarray(image)  # Pillow's conversion would cut greys of 16 bits off at 255
    if array.dtype.kind != "f" and 0 <= array.min() <= array.max() < 2**16:
        return array.astype(np.uint16)  # 16 bits may come as 32, or in another order of bytes
    return array


def _checked(array):
    """Return pixels (height, width, channels) and the value of white among them, or refuse them by name."""
    if array.ndim < 2 or min(array.shape[:2]) < 4 or array.shape[2:] not in ((), (1,), (2,), (3,), (4,)):
        raise ImageError(
            f"the image has the shape {array.shape}: give (height, width), or (height, width, channels) with 1 to 4 "
            "channels, one image at a time, 4 pixels or more each way"
        )
    low, high = float(array.min()), float(array.max())
    if not np.isfinite([low, high]).all():
        raise ImageError("the image holds NaN or infinity: give finite values")
    whites = (1, 255, 65535) if array.dtype.kind == "u" and array.dtype.itemsize == 2 else (1, 255)
    outside = OVERSHOOT if array.dtype.kind == "f" else 0
    white = next((white for white in whites if high <= (1 + outside) * white), None)
    if white is None or low < -outside * white:
        raise ImageError(
            f"the image holds values from {low:g} to {high:g}: give values from 0 to 1 or from 0 to {whites[-1]}"
        )
    return array.reshape(*array.shape[:2], -1), white


def _ink_on_paper(pixels, white, background):
    """Return how much each pixel differs from the paper, float32 (height, width) from 0 to white."""

    def colours(part):
        """Return a part of the pixels as float32, with what is behind a transparent one."""
        part = np.clip(part.astype(np.float32), 0, white)
        if part.shape[-1] in (1, 3):
            return part
        alpha = part[..., -1:] / white
        return part[..., :-1] * alpha + background * (1 - alpha)

    border = colours(np.concatenate([pixels[0], pixels[-1], pixels[1:-1, 0], pixels[1:-1, -1]]))
    paper = np.median(border, axis=0)
    median, high = np.quantile(np.abs(border - paper).max(axis=1), (0.5, 0.95))
    # Normal noise reaches 8 times its median once in 15 million pixels. That of a JPEG has heavier tails, and integers
    # round its median; ink that crosses the border is no grain, however much of it does.
    grain = max(8 * median, min(4 * high, 8 * median + 0.04 * white))
    ink = np.zeros(pixels.shape[:2], np.float32)
    rows = 1 + 2**18 // pixels.shape[1]  # at a time: all of a photograph as float32 would be 144 MB
    for top in range(0, len(pixels), rows):
        strongest = ink[top : top + rows]
        for channel in np.moveaxis(np.abs(colours(pixels[top : top + rows]) - paper), -1, 0):
            np.maximum(strongest, channel, out=strongest)
    ink[ink < grain] = 0
    return ink
