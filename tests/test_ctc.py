"""CTC decoding, against examples that can be computed by hand, and the character error rate."""

import keras
import numpy as np
import pytest

from text_recognizer import ctc
from text_recognizer.metrics import CharacterErrorRate, character_error_rate

BLANK_LIKELY = np.log([[[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]]]).astype(np.float32)
"""Two steps over the blank, a and b. The path of two blanks has 0.6 * 0.6 = 0.36. The sequence "a" has
the paths a-blank, blank-a and a-a, 0.18 + 0.18 + 0.09 = 0.45: less each, more together."""


def peaked(*path, classes=4):
    """Return logits of one line whose most probable path is this one."""
    return 10 * np.eye(classes, dtype=np.float32)[None, list(path)]


def decoded(logits, **arguments):
    """Return labels without what fills them up."""
    return [row[row > 0].tolist() for row in np.asarray(ctc.decode(logits, **arguments))]


def test_greedy_takes_the_best_path_and_beam_search_the_best_sequence():
    assert decoded(BLANK_LIKELY) == [[]]
    assert decoded(BLANK_LIKELY, strategy="beam_search") == [[1]]


def test_the_probability_of_a_sequence_is_that_of_all_its_paths():
    sequences = np.array([[0, 0], [1, 0], [2, 0], [1, 2], [2, 1]], np.int32)
    probabilities = ctc.probability(sequences, np.repeat(BLANK_LIKELY, 5, axis=0))
    np.testing.assert_allclose(probabilities, [0.36, 0.45, 0.13, 0.03, 0.03], rtol=1e-5)  # all there are: 1 in sum


@pytest.mark.parametrize("strategy", ["greedy", "beam_search"])
@pytest.mark.parametrize(
    "path, labels",
    [
        ((1, 1, 2, 2), [1, 2]),  # repeated labels are one
        ((1, 0, 1, 0), [1, 1]),  # unless a blank is between them
        ((0, 3, 3, 0, 0, 2), [3, 2]),
        ((3, 2, 1), [3, 2, 1]),
        ((0, 0, 0), []),
    ],
)
def test_a_path_is_merged_and_then_freed_of_blanks(strategy, path, labels):
    assert decoded(peaked(*path), strategy=strategy) == [labels]


def test_labels_are_filled_up_at_the_end():
    labels = ctc.decode(np.concatenate([peaked(1, 2, 0, 3), peaked(0, 0, 2, 0)]))
    np.testing.assert_array_equal(labels, [[1, 2, 3, 0], [2, 0, 0, 0]])
    assert keras.backend.standardize_dtype(labels.dtype) == "int32"


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match=r"\(4, 3\).*\(lines, steps, classes\)"):
        ctc.decode(np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="best_path.*'greedy' and 'beam_search'"):
        ctc.decode(BLANK_LIKELY, strategy="best_path")


# The character error rate


@pytest.mark.parametrize(
    "text, reading, rate",
    [
        ("line", "line", 0),
        ("line", "lime", 1 / 4),  # one replaced
        ("line", "lines", 1 / 4),  # one too many
        ("line", "lie", 1 / 4),  # one missing
        ("line", "", 1),
        ("line", "enil", 1),  # what is in another place is not right
        ("kitten", "sitting", 3 / 6),
        ("a b", "ab", 1 / 3),  # a space is a character
        ("I", "l", 1),
        ("no", "nothing", 5 / 2),
        ("é", "e", 1),
    ],
)
def test_edits_per_character(text, reading, rate):
    assert character_error_rate([text], [reading]) == pytest.approx(rate)


def test_edits_and_characters_are_summed_over_lines():
    assert character_error_rate(["a", "bcdefghij"], ["x", "bcdefghij"]) == pytest.approx(1 / 10)
    assert character_error_rate(["", "ab"], ["x", "ab"]) == pytest.approx(1 / 2)


def test_what_cannot_be_counted_is_refused():
    with pytest.raises(ValueError, match="2 texts and 1 readings"):
        character_error_rate(["a", "b"], ["a"])
    for nothing in ([], [""]):
        with pytest.raises(ValueError, match="the texts are empty"):
            character_error_rate(nothing, nothing)


def test_the_metric_is_the_rate_of_greedy_decoding_over_all_batches():
    metric = CharacterErrorRate()
    assert float(metric.result()) == 0
    metric.update_state(np.array([[1, 2, 0]]), peaked(1, 0, 2, 2))
    assert float(metric.result()) == 0
    metric.update_state(np.array([[1, 2, 3], [3, 0, 0]]), np.concatenate([peaked(1, 0, 3), peaked(0, 0, 0)]))
    assert float(metric.result()) == pytest.approx(2 / 6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_the_metric_is_saved_by_name():
    metric = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(CharacterErrorRate("cer")))
    assert isinstance(metric, CharacterErrorRate) and metric.name == "cer"
