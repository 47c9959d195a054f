"""Characters and words drawn from the fonts that matplotlib ships: a sample that needs no network.

The 62 characters of EMNIST ByClass in 19 fonts, turned, sheared, bent, thick and thin, in EMNIST's
form: centred in 28x28 pixels, small letters enlarged. As there, size says little, so that o, O and
0 are hard to tell apart, x and X too, and l, 1 and I.

Characters follow from their seed. FreeType computes in integers, and what follows needs of floats
only sums, products and quotients of single elements, which IEEE 754 defines to the bit. So the bytes
are the same on every machine with the same versions of NumPy, Pillow and matplotlib. NumPy may change
the stream of `numpy.random.default_rng` in a new version (NumPy Enhancement Proposal 19), and Pillow
and matplotlib the shapes. They have not so far: the tests compare a checksum.
"""

import functools
import string
from pathlib import Path

import numpy as np

from text_recognizer.arguments import whole_number
from text_recognizer.datasets.synthetic.points import interpolate, rotate

CHARACTERS = string.digits + string.ascii_uppercase + string.ascii_lowercase
"""The classes of EMNIST ByClass, in its order."""

FONTS = (
    *(f"DejaVuSans{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSansMono{style}" for style in ("", "-Bold", "-Oblique", "-BoldOblique")),
    *(f"DejaVuSerif{style}" for style in ("", "-Bold", "-Italic", "-BoldItalic")),
    *(f"STIXGeneral{style}" for style in ("", "Bol", "Italic", "BolIta")),
    *("cmr10", "cmb10", "cmti10"),
)
"""The fonts that the sample is drawn in."""

UNSEEN_FONTS = ("cmss10", "cmtt10")
"""Two designs of which the sample has no cut: a sans serif and a typewriter."""

SIZE = 28  # pixels: the sides of a character, the height of a line
CAPITAL = 19  # pixels: the height of an H
BASELINE = 21  # pixels: what stands on the line ends above this row; nothing reaches out of the 28 rows
MARGIN = 4  # pixels: the paper before and behind a line

_ZOOM = 2  # glyphs are drawn this much larger than they are read
_CANVAS = 48 * _ZOOM
_PENS = (1, 3)  # pixels of the large glyph


def draw_characters(count, fonts=FONTS, seed=0):
    """Draw `count` images of each of the 62 characters.

    No two are alike: each has its own font, thickness of the pen, size, rotation, shear and bend.

    Args:
        count: images of each character, at least 1.
        fonts: names from `FONTS` and `UNSEEN_FONTS`.
        seed: of the random choices, an integer.

    Returns:
        `x, y`: uint8 of shape (62 * count, 28, 28), 0 (paper) to 255 (ink), and uint8 of shape
        (62 * count,), the index of the character in `CHARACTERS`; sorted by character.

    Raises:
        TypeError: `count` is no integer.
        ValueError: `count` is less than 1, or there are no fonts, or a font is none of these.

    Example:
        >>> x, y = draw_characters(2, fonts=["cmr10"])
        >>> x.shape, y.shape, CHARACTERS[y[-1]]
        ((124, 28, 28), (124,), 'z')
    """
    count = whole_number("count", count)
    check_fonts(fonts)
    rng = np.random.default_rng(seed)
    x = np.concatenate([_distort(*_glyphs(character, fonts), count, rng) for character in CHARACTERS])
    return x, np.repeat(np.arange(len(CHARACTERS), dtype=np.uint8), count)


def draw_text(text, font):
    """Draw a line of text as it is printed: an H is 19 pixels high, and the line lies under row 20.

    Args:
        text: letters and digits of `CHARACTERS`, and spaces.
        font: a name from `FONTS` or `UNSEEN_FONTS`.

    Returns:
        uint8 of shape (28, width), 0 (paper) to 255 (ink). The first letter begins, and the last one
        ends, 4 pixels from the side, or more where its ink reaches further than its place, as that
        of an italic f does.

    Raises:
        ValueError: the text is empty or holds another character, or the font is none of these.

    Example:
        >>> line = draw_text("Keras 3", "cmtt10")
        >>> line.shape, int(line[:, :4].max())
        ((28, 113), 0)
    """
    from PIL import Image, ImageDraw

    check_fonts([font])
    if not text.strip() or set(text) - set(CHARACTERS + " "):
        raise ValueError(f"the text is {text!r}: give letters A-Z and a-z and digits, with spaces between them")

    face = _face(font, CAPITAL)
    x, begin, end, words = 0.0, -MARGIN, 0, []
    for word in text.split(" "):  # one by one: the fonts of TeX have no space
        place = round(x)
        left, _, right, _ = face.getbbox(word, anchor="ls")
        words.append((place, word))
        begin, end = min(begin, place + left), max(end, place + right)
        x += face.getlength(word)
        end = max(end, round(x) + MARGIN)
        x += 0.45 * CAPITAL
    image = Image.new("L", (end - begin, SIZE))
    for place, word in words:
        ImageDraw.Draw(image).text((place - begin, BASELINE), word, fill=255, font=face, anchor="ls")
    return np.array(image)


def check_fonts(fonts):
    """Raise a `ValueError` unless these are names of fonts, one or more.

    Example:
        >>> check_fonts(["Arial"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        ValueError: fonts are ['Arial']: give one or more of DejaVuSans, DejaVuSans-Bold, ..., cmss10, cmtt10
    """
    if not fonts or set(fonts) - {*FONTS, *UNSEEN_FONTS}:
        raise ValueError(f"fonts are {fonts!r}: give one or more of {', '.join(FONTS + UNSEEN_FONTS)}")


@functools.cache
def _face(name, capital):
    """Return the font in the size at which an H is `capital` pixels high."""
    import matplotlib
    from PIL import ImageFont

    def at(size):
        path = Path(matplotlib.get_data_path(), "fonts", "ttf", f"{name}.ttf")
        return ImageFont.truetype(path, size, layout_engine=ImageFont.Layout.BASIC)

    _, top, _, bottom = at(1000).getbbox("H")
    return at(1000 * capital / (bottom - top))


def _glyphs(character, fonts):
    """Draw a character large, in each font, with a fine and with a broad pen, centred.

    Returns:
        uint8 of shape (glyphs, 96, 96), and the larger side of each one's box, shape (glyphs,), in pixels.
    """
    from PIL import Image, ImageDraw, ImageFilter

    blur = ImageFilter.Kernel((3, 3), [1, 2, 1, 2, 4, 2, 1, 2, 1])  # every other pixel will be read
    glyphs, sides = [], []
    for name in fonts:
        face = _face(name, CAPITAL * _ZOOM)
        left, top, right, bottom = face.getbbox(character, anchor="ls")
        corner = ((_CANVAS - left - right) // 2, (_CANVAS - top - bottom) // 2)
        image = Image.new("L", (_CANVAS, _CANVAS))
        ImageDraw.Draw(image).text(corner, character, fill=255, font=face, anchor="ls")
        for pen in _PENS:
            glyphs.append(np.asarray(image.filter(ImageFilter.MaxFilter(pen)).filter(blur)))
            sides.append(max(right - left, bottom - top))
    return np.stack(glyphs), np.array(sides)


def _distort(glyphs, sides, count, rng):
    """Bend, shear, turn and scale `count` glyphs taken at random; return uint8 of shape (count, 28, 28)."""
    chosen = rng.integers(len(glyphs), size=count)

    def between(low, high):
        return low + (high - low) * rng.random((count, 1, 1))

    # From each pixel of an image, at u and v from -1 to 1, back to the point x, y of its glyph.
    axis = (np.arange(SIZE) * 2 + 1 - SIZE) / SIZE
    u, v = axis[None, None, :], axis[None, :, None]
    x = u + between(-0.18, 0.18) * (v * v) + between(-0.18, 0.18) * (u * v) + between(-0.3, 0.3) * (v * v * v - v)
    y = v + between(-0.18, 0.18) * (u * u) + between(-0.18, 0.18) * (u * v) + between(-0.3, 0.3) * (u * u * u - u)
    x = x + between(-0.3, 0.3) * y
    x, y = rotate(x, y, between(-0.15, 0.15))
    # A small letter grows towards the size of a capital, not always all the way.
    growth = 1 + between(0.3, 1.0) * (CAPITAL * _ZOOM / sides[chosen][:, None, None] - 1)
    reach = SIZE * _ZOOM / 2 / growth
    x, y = (_CANVAS / 2 - 0.5 + reach * between(0.85, 1.2) * points for points in (x, y))
    x, y = (np.floor(points * 256).astype(np.int32) for points in (x, y))
    return interpolate(glyphs, x, y, chosen[:, None, None])
