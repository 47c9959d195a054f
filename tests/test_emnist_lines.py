"""Lines of text: what they hold, from which characters they are composed, and the labels that belong to them."""

import hashlib

import numpy as np
import pytest

from text_recognizer.datasets import EmnistLines, emnist_lines
from text_recognizer.datasets.synthetic import lines as drawing
from text_recognizer.datasets.synthetic.characters import CHARACTERS, FONTS, UNSEEN_FONTS
from text_recognizer.datasets.synthetic.lines import ALPHABET, compose_lines, draw_lines

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(scope="module")
def lines():
    return EmnistLines(max_length=8, num_train=300, num_test=40)


def test_shapes_and_dtypes(lines):
    assert lines.input_shape == (28, 128) and lines.output_shape == (64,)
    assert lines.x_train.shape == (300, 28, 128) and lines.x_test.shape == (40, 28, 128)
    assert lines.y_train.shape == (300, 8) and lines.y_test.shape == (40, 8)
    assert lines.x_train.dtype == np.uint8 and lines.y_train.dtype == np.int32


def test_labels_are_those_of_the_names_and_filled_up_at_the_end(lines):
    assert lines.class_names[0] == "" and "".join(lines.class_names) == ALPHABET == CHARACTERS + " "
    assert len(lines.class_names) == 64 and lines.y_test.dtype == np.int32
    assert lines.y_train.min() == 0 and lines.y_train.max() == 63
    lengths = (lines.y_train > 0).sum(axis=1)
    assert all((row[:length] > 0).all() for row, length in zip(lines.y_train, lengths))
    assert lengths.min() <= 3 and lengths.max() == 8
    assert set(np.unique(lines.y_train)) == set(range(64))  # every character, in 300 short lines already


def test_texts_are_words_with_one_space_between_them(lines):
    for text in lines.decode(lines.y_train):
        words = text.split(" ")
        assert all(words)
        assert all(word.isdigit() or word.isupper() or word[1:].islower() or len(word) == 1 for word in words)


def test_test_lines_are_other_texts(lines):
    shared = set(lines.decode(lines.y_train)) & set(lines.decode(lines.y_test))
    assert len(shared) <= 2  # of the shortest ones, by chance


def test_encode_and_decode_are_inverse(lines):
    texts = ["Keras 3", "0Oo", "zZ9", ""]
    labels = lines.encode(texts)
    assert labels.shape == (4, 8) and labels.dtype == np.int32
    assert labels[1].tolist() == [1, 25, 51, 0, 0, 0, 0, 0]
    assert lines.decode(labels) == texts
    np.testing.assert_array_equal(lines.encode(lines.decode(lines.y_test)), lines.y_test)


@pytest.mark.parametrize("kind", ["list", "int64", "uint8", "tensor", "negative"])
def test_whatever_numpy_makes_an_array_of_is_decoded(lines, kind):
    labels = lines.encode(["Keras 3", "", "z"])
    given = {
        "list": labels.tolist,
        "int64": lambda: labels.astype(np.int64),
        "uint8": lambda: labels.astype(np.uint8),
        "tensor": lambda: Tensor(labels),
        "negative": lambda: np.where(labels, labels, -1),
    }[kind]()
    assert lines.decode(given) == ["Keras 3", "", "z"]


class Tensor:
    """Becomes an array at once, and nothing else: to iterate over a real one takes a thousand times as long."""

    def __init__(self, array):
        self.array = array

    def __array__(self, dtype=None, copy=None):
        return self.array

    def __iter__(self):
        pytest.fail("somebody iterates over it")

    __getitem__ = __iter__


def test_nothing_decoded_is_nothing(lines):
    assert lines.decode([]) == [] and lines.decode(np.zeros((2, 0))) == ["", ""]


@pytest.mark.parametrize(
    "labels, what",
    [
        ([[64]], "give integers up to 63 of shape"),
        ([1, 2], r"labels are int64 \(2,\); give integers up to 63 of shape \(n, length\)"),
        ([[1.0]], r"labels are float64 \(1, 1\); give integers"),
        ([["K"]], r"labels are <U1 \(1, 1\); give integers"),
        (np.zeros((2, 3, 64), int), r"\(2, 3, 64\); give integers"),
    ],
)
def test_what_are_no_labels_of_lines(lines, labels, what):
    with pytest.raises(ValueError, match=what):
        lines.decode(labels)


def test_texts_that_no_line_can_hold_are_named(lines):
    with pytest.raises(ValueError, match="'too long a line' is no line: .* 8 at most"):
        lines.encode(["short", "too long a line"])
    with pytest.raises(ValueError, match="'café' is no line"):
        lines.encode(["café"])


def test_the_text_fills_its_line(lines):
    """As an image that is to be read is brought to fill it: all the height, or all the width."""
    for line in lines.x_train[:50]:
        rows, columns = ((line >= 40).any(axis=axis) for axis in (1, 0))  # noise stays below
        assert rows.sum() >= 20 or columns.sum() >= 116


def test_paper_is_noisy_and_ink_varies(lines):
    assert lines.x_train[:, 0].mean() > 5  # no ink reaches the first row
    assert lines.x_train.max(axis=(1, 2)).std() > 10


def test_lines_are_the_same_bytes_as_ever():
    """Stored results rest on them, and NumPy does not promise the stream that chooses them."""
    digest = hashlib.sha256(b"".join(array.tobytes() for array in draw_lines(50, max_length=8)))
    assert digest.hexdigest() == "13086ca1a76152207a91050cc25ce11928c23e4129b82dbf01f630e361a7686d"
    lines = EmnistLines(8, 200, 50, seed=2)
    digests = [hashlib.sha256(x.tobytes() + y.tobytes()).hexdigest() for x, y in (lines._train, lines._test)]
    assert digests == [
        "da786968ff88ee810d79e89bb443821c2415fb426107076b1d161b59cef8981b",
        "41b752a6e018ff7ce3f262d59de7fd2040b2300bcbddee7e63249d942ca99c78",
    ]


def test_the_seed_and_the_fonts_change_the_lines():
    first, other_seed, other_fonts = draw_lines(5), draw_lines(5, seed=1), draw_lines(5, UNSEEN_FONTS)
    assert not np.array_equal(first[0], other_seed[0]) and not np.array_equal(first[1], other_seed[1])
    assert not np.array_equal(first[0], other_fonts[0])
    np.testing.assert_array_equal(first[0], draw_lines(5, FONTS)[0])
    assert not np.array_equal(EmnistLines(4, 5, 5, seed=1).x_train, EmnistLines(4, 5, 5).x_train)


def test_a_model_that_only_reads_draws_nothing(monkeypatch):
    monkeypatch.setattr(drawing, "draw_lines", lambda *_: pytest.fail("lines were drawn"))
    lines = EmnistLines()
    assert lines.decode(lines.encode(["Keras"])) == ["Keras"] and lines.input_shape == (28, 256)
    assert lines.describe() == "sample: lines in 19 fonts, 10,000 + 1,000 images"
    assert repr(lines) == "EmnistLines(max_length=16, num_train=10000, num_test=1000, seed=0, source='sample')"


@pytest.mark.parametrize(
    "arguments, error",
    [
        ({"max_length": 3}, ValueError),
        ({"num_train": 0}, ValueError),
        ({"num_test": -1}, ValueError),
        ({"max_length": 8.5}, TypeError),
        ({"num_train": "10"}, TypeError),
    ],
)
def test_numbers_that_are_too_small_are_named(arguments, error):
    ((name, value),) = arguments.items()
    with pytest.raises(error, match=f"{name} is {value!r}; give an integer"):
        EmnistLines(**arguments)


def test_arguments_of_draw_lines_are_checked():
    with pytest.raises(ValueError, match="count is 0; give an integer, 1 or more"):
        draw_lines(0)
    with pytest.raises(ValueError, match="max_length is 3; give an integer, 4 or more"):
        draw_lines(1, max_length=3)
    for fonts in ((), ("Arial",)):
        with pytest.raises(ValueError, match="fonts are .*: give one or more of"):
            draw_lines(1, fonts)


# The real data, played by squares


def squares():
    """Return a solid and a hollow square, each for all 62 characters, uint8 (62, 28, 28)."""
    solid = np.zeros((28, 28), np.uint8)
    solid[2:26, 2:26] = 255
    hollow = solid.copy()
    hollow[8:20, 8:20] = 0
    return (np.stack([image] * len(CHARACTERS)) for image in (solid, hollow))


class Squares:
    """Characters as EMNIST has them: solid squares to train with, hollow ones to test with."""

    def __init__(self, source):
        assert source == "full"
        self.x_train, self.x_test = squares()
        self.y_train = self.y_test = np.arange(len(CHARACTERS), dtype=np.uint8)


def test_real_lines_are_composed_of_the_characters_of_their_part(monkeypatch):
    monkeypatch.setattr(emnist_lines, "Emnist", Squares)
    lines = EmnistLines(max_length=6, num_train=60, num_test=60, source="full")
    ink = [(x > 128).mean() for x in (lines.x_train, lines.x_test)]
    assert ink[0] > 1.2 * ink[1] > 0.1
    assert lines.describe() == "full: lines in EMNIST ByClass characters, 60 + 60 images"
    np.testing.assert_array_equal(lines.encode(lines.decode(lines.y_test)), lines.y_test)


def test_real_lines_are_composed_of_one_part_when_one_is_asked_for(monkeypatch):
    class TestAlone(Squares):
        x_train = property(lambda self: pytest.fail("the training part was loaded"), lambda self, x: None)

    monkeypatch.setattr(emnist_lines, "Emnist", TestAlone)
    assert EmnistLines(max_length=6, num_train=60, num_test=2, source="full").x_test.shape == (2, 28, 96)


def test_real_characters_have_their_size_and_place_in_a_line():
    square = next(squares())[0]
    capital, small, descending = (drawing._in_proportion(c, square) for c in "Xxp")
    rows = [np.flatnonzero((glyph > 128).any(axis=1))[[0, -1]].tolist() for glyph in (capital, small, descending)]
    assert rows == [[2, 20], [8, 20], [8, 26]]
    assert capital.shape == (28, 19 + 10) and small.shape == (28, 13 + 10)


def test_blank_characters_are_left_out_of_lines():
    solid, hollow = squares()
    labels = np.tile(np.arange(len(CHARACTERS)), 2)
    expected = compose_lines(20, solid, labels[:62], max_length=8)
    assert [array.shape for array in expected] == [(20, 28, 128), (20, 8)]
    with_blank = compose_lines(20, np.concatenate([solid, np.zeros_like(solid)]), labels, max_length=8)
    for array, as_without in zip(with_blank, expected):
        np.testing.assert_array_equal(array, as_without)
    solid[[3, 61]] = 0
    with pytest.raises(ValueError, match="no image with ink on it of 3, z; give at least one of each"):
        compose_lines(20, solid, labels[:62])
