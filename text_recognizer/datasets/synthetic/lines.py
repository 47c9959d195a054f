"""Lines of text, drawn in the fonts that matplotlib ships, or composed from images of single characters.

A printed line is set in a font, with its spacing, baseline and proportions. A composed one is put
together from handwritten characters, each by another hand, at the size that it has in print. Then
both are stretched, slanted, tilted and bent, made fainter, and laid on noisy paper.

Lines follow from their seed. Drawing computes in integers, which every processor rounds alike, so
the bytes are the same on every machine with the same versions of NumPy, Pillow and matplotlib. NumPy
may change the stream of `numpy.random.default_rng` in a new version (NumPy Enhancement Proposal
19), and Pillow and matplotlib the shapes. They have not so far: the tests compare a checksum.
"""

import functools
import numbers
import string

import numpy as np

from text_recognizer.datasets.synthetic.characters import BASELINE, CAPITAL, CHARACTERS, FONTS, MARGIN, SIZE, draw_text
from text_recognizer.images import center

ALPHABET = CHARACTERS + " "
"""What a line is made of, in the order of the labels 1 to 63. Label 0 is no character: CTC's blank, and padding."""

WIDTH_PER_CHARACTER = 16  # pixels, a little more than a character and its share of the spaces take on average

_SPACE = np.zeros((SIZE, 9 + 2 * MARGIN), np.uint8)
_SHORTEST = 4  # characters; less has no room for a W
_LOW = "acegmnopqrsuvwxyz"  # no higher than an x
_INK = 64  # what is darker belongs to a character, not to the blur around it
_X_HEIGHT, _DESCENT = 13, 6  # pixels, of an x above the baseline and of a p below it, to capitals of 19


def draw_lines(count, fonts=FONTS, max_length=16, seed=0):
    """Draw lines of random text, each in a font taken at random, as the sample of `EmnistLines` does.

    Args:
        count: number of lines, at least 1.
        fonts: names from `characters.FONTS` and `characters.UNSEEN_FONTS`, at least one.
        max_length: the longest text, in characters, at least 4.
        seed: of the random choices, an integer, 0 or more, or a sequence of them.

    Returns:
        `x, y`: uint8 (count, 28, 16 * max_length), 0 (paper) to 255 (ink), and int32
        (count, max_length), the place of each character in `ALPHABET`, counted from 1, filled up
        with 0.

    Raises:
        ValueError: a number is too small, or there is no such font.

    Example:
        >>> x, y = draw_lines(3, fonts=["cmtt10"], max_length=8)
        >>> x.shape, y.shape
        ((3, 28, 128), (3, 8))
        >>> "".join(ALPHABET[label - 1] for label in y[0] if label)
        '86 pzsq'
    """
    check_numbers(count, max_length)
    if not fonts:
        raise ValueError("fonts is empty; give at least one name")
    rng = np.random.default_rng(seed)
    return _draw_lines(count, _printer(fonts, rng), max_length, rng)


def compose_lines(count, images, labels, max_length=16, seed=0):
    """Put lines of random text together from images of single characters, taken at random.

    Args:
        count: number of lines, at least 1.
        images: uint8 (n, 28, 28), 0 (paper) to 255 (ink), each filled by its character, as those of
            `Emnist` are. Blank ones are left out.
        labels: integers (n,), the place of each in `characters.CHARACTERS`; every one at least once.
        max_length, seed: as for `draw_lines`.

    Returns:
        `x, y`: as from `draw_lines`.

    Raises:
        ValueError: a number is too small, or a character has no image.

    Example:
        >>> from text_recognizer.datasets.synthetic.characters import draw_characters
        >>> x, y = compose_lines(3, *draw_characters(1), max_length=8)
        >>> x.shape, y.shape
        ((3, 28, 128), (3, 8))
    """
    check_numbers(count, max_length)
    labels = np.where(images.max(axis=(1, 2)) >= _INK, np.asarray(labels, dtype=int), -1)
    if missing := [character for i, character in enumerate(CHARACTERS) if not (labels == i).any()]:
        raise ValueError(f"no image with ink on it of {', '.join(missing)}; give at least one of each")
    rng = np.random.default_rng(seed)
    return _draw_lines(count, _writer(images, labels, rng), max_length, rng)


def encode(texts, max_length):
    """Return the labels of texts: int32 (n, max_length), the place in `ALPHABET` counted from 1, filled up with 0.

    Raises:
        ValueError: a text is longer than `max_length`, or holds another character.

    Example:
        >>> encode(["Oo0"], max_length=4).tolist()
        [[25, 51, 1, 0]]
    """
    labels = np.zeros((len(texts), max_length), np.int32)
    for row, text in zip(labels, texts):
        if len(text) > max_length:
            raise ValueError(f"{text!r} has {len(text)} characters; {max_length} is the longest (see max_length)")
        if unknown := sorted(set(text) - set(ALPHABET)):
            raise ValueError(f"{text!r} holds {unknown}; a line has letters A-Z and a-z, digits and spaces")
        row[: len(text)] = [ALPHABET.index(character) + 1 for character in text]
    return labels


def check_numbers(count, max_length):
    """Raise a `ValueError` where there would be no lines, or lines without room for a letter."""
    for name, value in (("the number of lines", count), ("max_length", max_length)):
        if not isinstance(value, numbers.Integral):
            raise ValueError(f"{name} is {value!r}; it must be an integer")
    if count < 1:
        raise ValueError(f"there would be {count} lines; draw at least 1")
    if max_length < _SHORTEST:
        raise ValueError(f"max_length is {max_length}; a line needs room for at least {_SHORTEST} characters")


def _printer(fonts, rng):
    """Return a function from a text to its glyphs, uint8 (28, width), in one font taken at random."""

    def glyphs(text):
        font = fonts[rng.integers(len(fonts))]
        return [_printed(character, font) for character in text]

    return glyphs


@functools.cache
def _printed(character, font):
    return _SPACE if character == " " else draw_text(character, font)


def _writer(x, y, rng):
    """Return a function from a text to its glyphs, uint8 (28, width), each an image of EMNIST taken at random."""
    rows = [np.flatnonzero(y == index) for index in range(len(CHARACTERS))]

    def glyph(character):
        if character == " ":
            return _SPACE
        return _in_proportion(character, x[rng.choice(rows[CHARACTERS.index(character)])])

    return lambda text: [glyph(character) for character in text]


def _in_proportion(character, image):
    """Bring a character of EMNIST, which fills its box whatever it is, to its size and place in a line."""
    from PIL import Image

    top = BASELINE - (_X_HEIGHT if character in _LOW else CAPITAL)
    bottom = BASELINE + _DESCENT if character in "gjpqy" else BASELINE
    rows, columns = (np.flatnonzero((image >= _INK).any(axis)) for axis in (1, 0))
    ink = image[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    width = max(2, round(ink.shape[1] * (bottom - top) / ink.shape[0]))
    resized = Image.fromarray(ink).resize((min(width, SIZE), bottom - top), Image.Resampling.BICUBIC)
    bearing = MARGIN + 1
    return np.pad(np.asarray(resized), ((top, SIZE - bottom), (bearing, bearing)))


def _draw_lines(count, glyphs, max_length, rng):
    shape = (SIZE, WIDTH_PER_CHARACTER * max_length)
    x, texts = np.empty((count, *shape), np.uint8), []
    for i in range(count):
        text = _random_text(max_length, rng)
        line, written = _compose(glyphs(text), shape[1], rng)
        x[i] = _add_noise(center(_distort(line, rng), shape), rng)
        texts.append(text[:written].rstrip())
    return x, encode(texts, max_length)


def _random_text(max_length, rng):
    # With all letters equally frequent, hardly a text would lack tall ones; of short words many do, such as "sum".
    low = rng.integers(8) == 0
    random_word = _random_low_word if low else _random_word
    length = rng.integers(2 if low else max_length // 2, max_length, endpoint=True)
    text = ""
    while len(text) < length:
        text += random_word(rng) + " "
    return text[:length].rstrip()


def _random_word(rng):
    letters = _random_characters(string.ascii_lowercase, rng)
    number = _random_characters(string.digits, rng)
    return (letters, letters, letters.capitalize(), letters.upper(), number)[rng.integers(5)]


def _random_low_word(rng):
    return _random_characters(_LOW, rng)


def _random_characters(characters, rng):
    return "".join(characters[i] for i in rng.integers(len(characters), size=rng.integers(1, 8, endpoint=True)))


def _compose(glyphs, width, rng):
    """Put glyphs side by side, some a little apart, some overlapping, as many as the width has room for.

    Returns:
        uint8 (height, up to width + 24), with paper on all sides, and how many glyphs it holds.
    """
    line = np.zeros((SIZE, width), np.uint8)
    end = written = 0
    for glyph, gap in zip(glyphs, rng.integers(-2, 2, size=len(glyphs), endpoint=True)):
        if end + glyph.shape[1] > width:
            break
        place = line[:, end : end + glyph.shape[1]]
        np.maximum(place, glyph, out=place)
        end += glyph.shape[1] - 2 * MARGIN + gap
        written += 1
    return np.pad(line[:, : end + 2 * MARGIN], ((MARGIN, MARGIN), (8, 8))), written


def _distort(line, rng):
    """Stretch, slant, tilt and bend a line."""
    height, width = line.shape
    # Integers throughout, in 256ths of a pixel: every processor rounds them alike.
    wide, high, slant, tilt, bend = rng.integers((-24, -24, -64, -256, -384), (24, 24, 64, 256, 384), endpoint=True)
    column, row = np.arange(width) - width // 2, np.arange(height)[:, None] - height // 2
    x = column * (256 + wide) + row * slant
    y = row * (256 + high) + tilt * 2 * column // width + bend * 4 * column**2 // width**2
    return _interpolate(line, x + width // 2 * 256, y + height // 2 * 256)


def _interpolate(line, x, y):
    """Read a line at points given in 256ths of a pixel, bilinearly."""
    height, width = line.shape
    x, y = np.clip(x, 0, (width - 1) * 256 - 1), np.clip(y, 0, (height - 1) * 256 - 1)
    column, row, right, down = x >> 8, y >> 8, x & 255, y & 255
    pixels, corner = line.ravel().astype(int), row * width + column
    above = pixels[corner] * (256 - right) + pixels[corner + 1] * right
    below = pixels[corner + width] * (256 - right) + pixels[corner + width + 1] * right
    return ((above * (256 - down) + below * down) >> 16).astype(np.uint8)


def _add_noise(line, rng):
    """Make the ink fainter and the paper noisy."""
    ink = line.astype(int) * rng.integers(160, 256, endpoint=True) >> 8
    return np.maximum(ink, rng.integers(rng.integers(1, 40), size=line.shape)).astype(np.uint8)
