"""Lines of text: what they hold, from which characters they are composed, and the labels that belong to them."""

import hashlib

import numpy as np
import pytest

from text_recognizer.datasets import emnist_lines as emnist_lines_dataset
from text_recognizer.datasets.synthetic.characters import CHARACTERS, FONTS, UNSEEN_FONTS
from text_recognizer.datasets.emnist_lines import ALPHABET, EmnistLinesDataset, draw_lines

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(scope="module")
def lines():
    return EmnistLinesDataset(max_length=8, num_train=300, num_test=40)


def test_shapes_and_dtypes(lines):
    assert lines.input_shape == (28, 128) and lines.output_shape == (64,)
    assert lines.x_train.shape == (300, 28, 128) and lines.x_test.shape == (40, 28, 128)
    assert lines.y_train.shape == (300, 8) and lines.y_test.shape == (40, 8)
    assert lines.x_train.dtype == np.uint8 and lines.y_train.dtype == np.int32


def test_labels_are_those_of_the_mapping_and_filled_up_at_the_end(lines):
    assert list(lines.mapping) == list(range(1, 64)) and "".join(lines.mapping.values()) == ALPHABET
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


def test_texts_that_no_line_can_hold_are_named(lines):
    with pytest.raises(ValueError, match="'too long a line' has 15 characters; 8 is the longest"):
        lines.encode(["short", "too long a line"])
    with pytest.raises(ValueError, match=r"'café' holds \['é'\]"):
        lines.encode(["café"])


def test_the_text_fills_its_line(lines):
    """As an image that is to be read is brought to fill it: all the height, or all the width."""
    for line in lines.x_train[:50]:
        rows, columns = ((line >= 40).any(axis=axis) for axis in (1, 0))  # noise stays below
        assert rows.sum() >= 20 or columns.sum() >= 116


def test_paper_is_noisy_and_ink_varies(lines):
    assert lines.x_train[:, 0].mean() > 5  # no ink reaches the first row
    assert lines.x_train.max(axis=(1, 2)).std() > 10


def test_lines_are_the_same_bytes_on_every_machine():
    digest = hashlib.sha256(b"".join(array.tobytes() for array in draw_lines(50, max_length=8)))
    assert digest.hexdigest() == "13086ca1a76152207a91050cc25ce11928c23e4129b82dbf01f630e361a7686d"


def test_the_seed_and_the_fonts_change_the_lines():
    first, other_seed, other_fonts = draw_lines(5), draw_lines(5, seed=1), draw_lines(5, UNSEEN_FONTS)
    assert not np.array_equal(first[0], other_seed[0]) and not np.array_equal(first[1], other_seed[1])
    assert not np.array_equal(first[0], other_fonts[0])
    np.testing.assert_array_equal(first[0], draw_lines(5, FONTS)[0])
    assert not np.array_equal(EmnistLinesDataset(4, 5, 5, seed=1).x_train, EmnistLinesDataset(4, 5, 5).x_train)


def test_a_model_that_only_reads_draws_nothing(monkeypatch):
    monkeypatch.setattr(emnist_lines_dataset, "_draw_lines", lambda *_: pytest.fail("lines were drawn"))
    lines = EmnistLinesDataset()
    assert repr(lines) == (
        "EmnistLinesDataset(sample: lines in 19 fonts, 10,000 + 1,000 images; uint8 28x256, up to 16 of 63 characters)"
    )


@pytest.mark.parametrize(
    "arguments, what",
    [
        ({"max_length": 3}, "max_length is 3;.* at least 4"),
        ({"num_train": 0}, "0 lines; draw at least 1"),
        ({"num_test": -1}, "-1 lines"),
    ],
)
def test_numbers_that_are_too_small_are_named(arguments, what):
    with pytest.raises(ValueError, match=what):
        EmnistLinesDataset(**arguments)


def test_arguments_of_draw_lines_are_checked():
    with pytest.raises(ValueError, match="0 lines"):
        draw_lines(0)
    with pytest.raises(ValueError, match="fonts is empty"):
        draw_lines(1, ())
    with pytest.raises(ValueError, match="no font 'Arial'"):
        draw_lines(1, ("Arial",))


# The real data, played by squares


class Squares:
    """Characters as EMNIST has them: solid squares to train with, hollow ones to test with."""

    source = "full"

    def __init__(self):
        solid = np.zeros((28, 28), np.uint8)
        solid[2:26, 2:26] = 255
        hollow = solid.copy()
        hollow[8:20, 8:20] = 0
        self.x_train, self.x_test = (np.stack([image] * len(CHARACTERS)) for image in (solid, hollow))
        self.y_train = self.y_test = np.eye(len(CHARACTERS), dtype=np.float32)


def test_real_lines_are_composed_of_the_characters_of_their_part(monkeypatch):
    monkeypatch.setattr(emnist_lines_dataset, "EmnistDataset", Squares)
    lines = EmnistLinesDataset(max_length=6, num_train=60, num_test=60)
    ink = [(x > 128).mean() for x in (lines.x_train, lines.x_test)]
    assert ink[0] > 1.2 * ink[1] > 0.1
    assert lines.describe() == "full: lines in EMNIST ByClass characters, 60 + 60 images"
    np.testing.assert_array_equal(lines.encode(lines.decode(lines.y_test)), lines.y_test)


def test_real_characters_have_their_size_and_place_in_a_line():
    square = Squares().x_train[0]
    capital, small, descending = (emnist_lines_dataset._in_proportion(c, square) for c in "Xxp")
    rows = [np.flatnonzero((glyph > 128).any(axis=1))[[0, -1]].tolist() for glyph in (capital, small, descending)]
    assert rows == [[2, 20], [8, 20], [8, 26]]
    assert capital.shape == (28, 19 + 10) and small.shape == (28, 13 + 10)
