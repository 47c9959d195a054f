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
import string

import numpy as np

from text_recognizer.arguments import whole_number
from text_recognizer.datasets.synthetic import characters
from text_recognizer.datasets.synthetic.characters import BASELINE, CAPITAL, CHARACTERS, FONTS, MARGIN, SIZE
from text_recognizer.datasets.synthetic.points import interpolate
from text_recognizer.images import center

ALPHABET = CHARACTERS + " "
"""What a line is made of, in the order of the labels 1 to 63. Label 0 is no character: CTC's blank, and padding."""

WIDTH_PER_CHARACTER = 16  # pixels, a little more than a character and its share of the spaces take on average

_SPACE = np.zeros((SIZE, 9 + 2 * MARGIN), np.uint8)
SHORTEST = 4  # characters, the least that the longest text may have; less has no room for a W
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
        TypeError: a number is no integer.
        ValueError: a number is too small, or there is no such font.

    Example:
        >>> x, y = draw_lines(3, fonts=["cmtt10"], max_length=8)
        >>> x.shape, y.shape
        ((3, 28, 128), (3, 8))
        >>> "".join(ALPHABET[label - 1] for label in y[0] if label)
        '86 pzsq'
    """
    characters.check_fonts(fonts)
    rng = np.random.default_rng(seed)

    def glyphs(text):
        font = fonts[rng.integers(len(fonts))]
        return [_printed(character, font) for character in text]

    return _draw_lines(count, glyphs, max_length, rng)


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
        TypeError: a number is no integer.
        ValueError: a number is too small, or a character has no image.

    Example:
        >>> from text_recognizer.datasets.synthetic.characters import draw_characters
        >>> x, y = compose_lines(3, *draw_characters(1), max_length=8)
        >>> x.shape, y.shape
        ((3, 28, 128), (3, 8))
    """
    labels = np.where(images.max(axis=(1, 2)) >= _INK, np.asarray(labels, dtype=int), -1)
    rows = {character: np.flatnonzero(labels == i) for i, character in enumerate(CHARACTERS)}
    if missing := [character for character in CHARACTERS if not len(rows[character])]:
        raise ValueError(f"no image with ink on it of {', '.join(missing)}; give at least one of each")
    rng = np.random.default_rng(seed)

    def glyph(character):
        return _SPACE if character == " " else _in_proportion(character, images[rng.choice(rows[character])])

    return _draw_lines(count, lambda text: list(map(glyph, text)), max_length, rng)


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
        if len(text) > max_length or set(text) - set(ALPHABET):
            raise ValueError(f"{text!r} is no line: give letters A-Z, a-z, digits and spaces, {max_length} at most")
        row[: len(text)] = [ALPHABET.index(character) + 1 for character in text]
    return labels


@functools.cache
def _printed(character, font):
    return _SPACE if character == " " else characters.draw_text(character, font)


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
    """Draw lines; `glyphs` is a function from a text to the image of each character, uint8 (28, width)."""
    count, max_length = whole_number("count", count), whole_number("max_length", max_length, least=SHORTEST)
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
    length = rng.integers(2 if low else max_length // 2, max_length, endpoint=True)
    text = ""
    while len(text) < length:
        text += (_random_characters(_LOW, rng) if low else _random_word(rng)) + " "
    return text[:length].rstrip()


def _random_word(rng):
    letters = _random_characters(string.ascii_lowercase, rng)
    number = _random_characters(string.digits, rng)
    return (letters, letters, letters.capitalize(), letters.upper(), number)[rng.integers(5)]


def _random_characters(alphabet, rng):
    return "".join(alphabet[i] for i in rng.integers(len(alphabet), size=rng.integers(1, 8, endpoint=True)))


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
    return interpolate(line[None], x + width // 2 * 256, y + height // 2 * 256)


def _add_noise(line, rng):
    """Make the ink fainter and the paper noisy."""
    ink = line.astype(int) * rng.integers(160, 256, endpoint=True) >> 8
    return np.maximum(ink, rng.integers(rng.integers(1, 40), size=line.shape)).astype(np.uint8)
