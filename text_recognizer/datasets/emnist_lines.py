"""Lines of text composed from characters, as training data for a network that reads lines.

On the sample a line is set in one of the fonts that matplotlib ships, with its spacing, baseline
and proportions, and then stretched, slanted, tilted and bent. On the real data it is put together
from handwritten characters of EMNIST, each by another hand, at the size that it has in print.
"""

import functools
import string

import numpy as np

from text_recognizer.datasets.synthetic.characters import BASELINE, CAPITAL, CHARACTERS, FONTS, MARGIN, SIZE, draw_text
from text_recognizer.datasets.emnist import EmnistDataset
from text_recognizer.datasets.source import FULL
from text_recognizer.images import center

ALPHABET = CHARACTERS + " "
"""What a line is made of, in the order of the labels 1 to 63. Label 0 is no character: CTC's blank, and padding."""

WIDTH_PER_CHARACTER = 16  # pixels, a little more than a character and its share of the spaces take on average

_SPACE = np.zeros((SIZE, 9 + 2 * MARGIN), np.uint8)
_SHORTEST = 4  # characters; less has no room for a W
_LOW = "acegmnopqrsuvwxyz"  # no higher than an x
_X_HEIGHT, _DESCENT = 13, 6  # pixels, of an x above the baseline and of a p below it, to capitals of 19


class EmnistLinesDataset:
    """Lines of letters, digits and spaces: images of one size, and the labels of their characters.

    The texts are words of one to eight random characters, in lower case, capitalised, in capitals,
    or digits; an eighth of them is of small letters without ascenders alone. So no language helps
    to guess them, and whatever can be written can be learned. What helps is the neighbours: o, O
    and 0 look alike alone, but among others size and the kind of word tell. Where they do not, as
    between l and I at the beginning of a word, in a sans serif, some errors are nobody's fault.

    A line fills its image: its ink is cut out, centred and resized to 24 pixels of height, or less
    if it would be too wide then. `LineModel` does the same with an image that it is to read.

    Test lines are other texts than training lines. On the sample they are in the same fonts; for
    fonts that are not in the training set, see `draw_lines`. On the real data they are composed
    from the test images of `EmnistDataset`.

    The lines are drawn when they are first asked for, about 2,000 a second, and are the same bytes
    on every machine.

    Args:
        max_length: the longest text, in characters, at least 4. It sets the width of the images,
            16 pixels a character; wide letters may fill a line before that.
        num_train: number of training lines, at least 1.
        num_test: number of test lines, at least 1.
        seed: of the random choices, an integer.

    Attributes:
        x_train, x_test: uint8 (n, 28, 16 * max_length), 0 (paper) to 255 (ink).
        y_train, y_test: int32 (n, max_length), labels from 1 to 63, filled up with 0 at the end.
        mapping: dict, label to character. It lacks 0.
        input_shape: (28, 16 * max_length).
        output_shape: (64,), the classes of one window of a line: the labels, and 0 for none.

    Raises:
        ValueError: a number is too small, or `WORKBOOK_DATA` is neither sample nor full.
        DatasetUnavailableError: when the lines are drawn, the real data set cannot be had.
    """

    output_shape = (len(ALPHABET) + 1,)

    def __init__(self, max_length=16, num_train=10_000, num_test=1_000, seed=0):
        _check_numbers(num_train, max_length)
        _check_numbers(num_test, max_length)
        self._emnist = EmnistDataset()  # of the source that is on now; it loads nothing yet
        self.source = self._emnist.source
        self.max_length = max_length
        self.num_train, self.num_test = num_train, num_test
        self.seed = seed
        self.input_shape = (SIZE, WIDTH_PER_CHARACTER * max_length)
        self.mapping = dict(enumerate(ALPHABET, start=1))

    x_train = property(lambda self: self._train[0])
    y_train = property(lambda self: self._train[1])
    x_test = property(lambda self: self._test[0])
    y_test = property(lambda self: self._test[1])

    @functools.cached_property
    def _train(self):
        return self._draw("train", self.num_train)

    @functools.cached_property
    def _test(self):
        return self._draw("test", self.num_test)

    def _draw(self, part, count):
        # A seed of its own for each part: other texts.
        rng = np.random.default_rng([self.seed, ("train", "test").index(part)])
        if self.source == FULL:
            x, y = getattr(self._emnist, f"x_{part}"), getattr(self._emnist, f"y_{part}").argmax(-1)
            return _draw_lines(count, _writer(x, y, rng), self.max_length, rng)
        return _draw_lines(count, _printer(FONTS, rng), self.max_length, rng)

    def encode(self, texts):
        """Return the labels of texts, int32 (n, max_length), filled up with 0.

        Raises:
            ValueError: a text is longer than `max_length`, or holds another character.
        """
        return _encode(texts, self.max_length)

    def decode(self, labels):
        """Return the texts of labels, a list of n strings. Zeros and negative labels stand for nothing.

        Args:
            labels: integers (n, length) up to 63.
        """
        return ["".join(self.mapping[int(label)] for label in row if label > 0) for row in labels]

    def describe(self):
        """Say in one line which source is on."""
        written = "EMNIST ByClass characters" if self.source == FULL else f"{len(FONTS)} fonts"
        return f"{self.source}: lines in {written}, {self.num_train:,} + {self.num_test:,} images"

    def __repr__(self):
        height, width = self.input_shape
        return (
            f"EmnistLinesDataset({self.describe()}; uint8 {height}x{width}, up to {self.max_length} of "
            f"{len(self.mapping)} characters)"
        )


def draw_lines(count, fonts=FONTS, max_length=16, seed=0):
    """Draw lines of random text as the sample of `EmnistLinesDataset` does, in fonts of one's choice.

    Args:
        count: number of lines, at least 1.
        fonts: names from `characters.FONTS` and `characters.UNSEEN_FONTS`, at least one.
        max_length: the longest text, in characters, at least 4.
        seed: of the random choices, an integer.

    Returns:
        `x, y`: as `x_test` and `y_test` of `EmnistLinesDataset`.

    Raises:
        ValueError: a number is too small, or there is no such font.
    """
    _check_numbers(count, max_length)
    if not fonts:
        raise ValueError("fonts is empty; give at least one name")
    rng = np.random.default_rng(seed)
    return _draw_lines(count, _printer(fonts, rng), max_length, rng)


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
    rows, columns = (np.flatnonzero((image >= 64).any(axis)) for axis in (1, 0))
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
    return x, _encode(texts, max_length)


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


def _encode(texts, max_length):
    labels = np.zeros((len(texts), max_length), np.int32)
    for row, text in zip(labels, texts):
        if len(text) > max_length:
            raise ValueError(f"{text!r} has {len(text)} characters; {max_length} is the longest (see max_length)")
        if unknown := sorted(set(text) - set(ALPHABET)):
            raise ValueError(f"{text!r} holds {unknown}; a line has letters A-Z and a-z, digits and spaces")
        row[: len(text)] = [ALPHABET.index(character) + 1 for character in text]
    return labels


def _check_numbers(count, max_length):
    if count < 1:
        raise ValueError(f"there would be {count} lines; draw at least 1")
    if max_length < _SHORTEST:
        raise ValueError(f"max_length is {max_length}; a line needs room for at least {_SHORTEST} characters")
