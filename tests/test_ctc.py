"""CTC: decoding, probabilities and what can be spelled, against examples by hand and the sum over all paths."""

from itertools import product

import keras
import numpy as np
import pytest

from text_recognizer import ctc

BLANK_LIKELY = np.log([[[0.6, 0.3, 0.1], [0.6, 0.3, 0.1]]]).astype(np.float32)
"""Two steps over the blank, a and b. The path of two blanks has 0.6 * 0.6 = 0.36. The sequence "a" has
the paths a-blank, blank-a and a-a, 0.18 + 0.18 + 0.09 = 0.45: less each, more together."""


def peaked(*path, classes=4):
    """Return logits of one line whose most probable path is this one."""
    return 10 * np.eye(classes, dtype=np.float32)[None, list(path)]


def decoded(logits, **arguments):
    """Return labels without what fills them up."""
    return [row[row > 0].tolist() for row in ctc.decode(logits, **arguments)]


def merged(path):
    """Return what a path stands for."""
    return tuple(label for label, before in zip(path, (0, *path)) if label not in (0, before))


def by_all_paths(logits):
    """Return the probability of every sequence that one line, float (steps, classes), can stand for."""
    steps, classes = logits.shape
    each = np.exp(logits) / np.exp(logits).sum(-1, keepdims=True)
    probabilities = {}
    for path in product(range(classes), repeat=steps):
        probability = each[np.arange(steps), path].prod()
        probabilities[merged(path)] = probabilities.get(merged(path), 0) + probability
    return probabilities


def filled_up(sequences, length):
    return np.array([[*sequence, *[0] * (length - len(sequence))] for sequence in sequences], np.int32)


LINES = np.random.default_rng(0).normal(size=(20, 4, 3)).astype(np.float32) * 2
ALL_SEQUENCES = [letters for length in range(5) for letters in product((1, 2), repeat=length)]

# The loss


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_loss_is_the_logarithm_of_the_sum_over_all_paths(jit_compile):
    probabilities = by_all_paths(LINES[0])
    sequences = list(probabilities)  # the empty one, too
    logits = np.repeat(LINES[:1], len(sequences), axis=0)
    losses = keras.ops.convert_to_numpy(ctc.loss(filled_up(sequences, 4), logits, jit_compile))
    np.testing.assert_allclose(losses, -np.log(list(probabilities.values())), rtol=1e-5)


def test_the_loss_has_the_gradient_of_keras_loss():
    import tensorflow as tf

    logits, labels = tf.constant(LINES), filled_up([(), (1,), (1, 2), (2, 2)] * 5, 4)
    gradients = []
    for loss in (ctc.loss, keras.losses.ctc):
        with tf.GradientTape() as tape:
            tape.watch(logits)
            losses = loss(labels, logits)
        gradients.append(tape.gradient(losses, logits))
    np.testing.assert_allclose(*gradients, atol=1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_a_line_without_labels_is_one_of_blanks(jit_compile):
    for labels in (np.zeros((20, 0), np.int32), np.zeros((20, 3), np.int32)):
        losses = keras.ops.convert_to_numpy(ctc.loss(labels, LINES, jit_compile))
        np.testing.assert_allclose(losses, [-np.log(by_all_paths(line)[()]) for line in LINES], rtol=1e-5)


# Decoding


def test_greedy_takes_the_best_path_and_beam_search_the_best_sequence():
    assert decoded(BLANK_LIKELY) == [[]]
    assert decoded(BLANK_LIKELY, strategy="beam_search") == [[1]]


def test_a_wide_beam_finds_the_most_probable_of_all_sequences():
    best = [max(found := by_all_paths(line), key=found.get) for line in LINES]
    assert decoded(LINES, strategy="beam_search", beam_width=100) == [list(sequence) for sequence in best]
    paths = [merged(line.argmax(-1).tolist()) for line in LINES]
    assert decoded(LINES) == [list(sequence) for sequence in paths]
    assert paths != best  # or this would not tell the two apart


@pytest.mark.parametrize("strategy", ["greedy", "beam_search"])
@pytest.mark.parametrize(
    "path, labels",
    [
        ((1, 1, 2, 2), [1, 2]),  # repeated labels are one
        ((1, 0, 1, 0), [1, 1]),  # unless a blank is between them
        ((0, 3, 3, 0, 0, 2), [3, 2]),
        ((3, 2, 1), [3, 2, 1]),
        ((0, 0, 0), []),
        ((2,), [2]),
    ],
)
def test_a_path_is_merged_and_then_freed_of_blanks(strategy, path, labels):
    assert decoded(peaked(*path), strategy=strategy) == [labels]


@pytest.mark.parametrize("strategy", ["greedy", "beam_search"])
def test_labels_are_an_array_filled_up_at_the_end(strategy):
    """A tensor would be a thousand times slower to go through label by label."""
    logits = np.concatenate([peaked(1, 2, 0, 3), peaked(0, 0, 2, 0)])
    for given in (logits, keras.ops.convert_to_tensor(logits)):
        labels = ctc.decode(given, strategy)
        assert type(labels) is np.ndarray and labels.dtype == np.int32
        np.testing.assert_array_equal(labels, [[1, 2, 3, 0], [2, 0, 0, 0]])


@pytest.mark.parametrize("strategy", ["greedy", "beam_search"])
def test_no_lines_give_no_labels(strategy):
    assert ctc.decode(np.zeros((0, 4, 3), np.float32), strategy).shape == (0, 4)
    assert ctc.probability(np.zeros((0, 4), int), np.zeros((0, 4, 3), np.float32)).shape == (0,)


@pytest.mark.parametrize("strategy", ["greedy", "beam_search"])
def test_the_logarithm_of_nothing_is_a_logit_too(strategy):
    with np.errstate(divide="ignore"):
        logits = np.log(np.eye(3, dtype=np.float32)[None, [1, 2, 2, 0, 2]])
    assert decoded(logits, strategy=strategy) == [[1, 2, 2]]
    np.testing.assert_allclose(ctc.probability([[1, 2, 2]], logits), [1], rtol=1e-6)
    with pytest.raises(ValueError, match="the network says nothing"):
        ctc.decode(np.full((1, 2, 3), -np.inf, np.float32), strategy)


def test_greedy_decoding_is_the_same_in_compiled_code():
    import tensorflow as tf

    logits = np.random.default_rng(1).normal(size=(30, 12, 5)).astype(np.float32)
    for jit_compile in (False, True):
        compiled = tf.function(ctc.greedy_decode, jit_compile=jit_compile)
        np.testing.assert_array_equal(compiled(logits), ctc.decode(logits))


def test_wrong_arguments_are_named():
    for call in (ctc.decode, ctc.greedy_decode):
        with pytest.raises(ValueError, match=r"\(4, 3\).*\(lines, steps, classes\)"):
            call(np.zeros((4, 3), np.float32))
    with pytest.raises(ValueError, match="'best_path': take 'greedy' or 'beam_search'"):
        ctc.decode(BLANK_LIKELY, strategy="best_path")
    with pytest.raises(ValueError, match="beam_width is 0"):
        ctc.decode(BLANK_LIKELY, "beam_search", 0)


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("strategy", ["greedy", "beam_search"])
def test_a_network_that_has_diverged_reads_nothing(strategy, value):
    logits = BLANK_LIKELY.copy()
    logits[0, 1, 1] = value
    with pytest.raises(ValueError, match="NaN or infinity.*diverge"):
        ctc.decode(logits, strategy)
    with pytest.raises(ValueError, match="NaN or infinity"):
        ctc.probability(np.array([[1]]), logits)


# Probabilities


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_the_probability_of_a_sequence_is_that_of_all_its_paths(dtype):
    for line in LINES[:3]:
        expected = by_all_paths(line)
        logits = np.repeat(line[None].astype(dtype), len(ALL_SEQUENCES), axis=0)
        probabilities = ctc.probability(filled_up(ALL_SEQUENCES, 4), logits)
        assert probabilities.dtype == np.float32
        for sequence, probability in zip(ALL_SEQUENCES, probabilities):
            if sequence in expected:
                assert probability == pytest.approx(expected[sequence], rel=2e-2 if dtype == "float16" else 1e-4)
            else:
                assert probability == 0
        assert probabilities.sum() == pytest.approx(1, rel=1e-3)


def test_a_sequence_longer_than_the_line_has_no_probability():
    assert ctc.probability([[1, 2, 1, 2, 1, 0]], LINES[:1]).tolist() == [0]


@pytest.mark.parametrize(
    "labels, message",
    [
        ([[3]], "a label is 3, and of 3 classes the last one is 2"),
        ([[-1]], "from 1 on"),
        ([[0, 1]], "a 0 fills a sequence up at its end"),
        ([[1], [2]], "2 sequences of labels and 1 lines"),
        ([1], r"shape \(1,\)"),
        ([[1.0]], "float64"),
    ],
)
def test_labels_that_have_no_probability_are_refused(labels, message):
    with pytest.raises(ValueError, match=message):
        ctc.probability(labels, BLANK_LIKELY)


# What can be spelled


def test_the_steps_that_a_sequence_needs_are_those_of_its_shortest_path():
    shortest = {}
    for steps in range(1, 8):
        for path in product(range(3), repeat=steps):
            shortest.setdefault(merged(path), steps)
    sequences = ALL_SEQUENCES[1:]
    required = ctc.required_steps(filled_up(sequences, 5))
    assert required.tolist() == [shortest[sequence] for sequence in sequences]
    assert ctc.required_steps(np.zeros((2, 3), np.uint8)).tolist() == [0, 0]
    assert max(required) == 7  # aaaa


def test_the_loss_of_what_cannot_be_spelled_is_a_large_number_that_says_nothing():
    logits = np.repeat(LINES[:1], len(ALL_SEQUENCES), axis=0)
    labels = filled_up(ALL_SEQUENCES, 4)
    loss = keras.ops.convert_to_numpy(keras.losses.CTC(reduction=None)(labels, logits))
    impossible = ctc.required_steps(labels) > 4
    assert impossible.any() and np.isfinite(loss).all()
    assert loss[impossible].min() > 100 > 20 > loss[~impossible].max()


def test_texts_that_cannot_be_spelled_are_named():
    labels = filled_up([(1, 2, 1), (1, 1, 1), (2, 2), (2, 1, 2, 1), (1, 2, 2), (2, 2, 2, 2), (0,)], 4)
    assert ctc.check_spelling(labels, 7) is None
    with pytest.raises(ValueError) as error:
        ctc.check_spelling(labels, 3, lambda rows: ["".join(" ab"[i] for i in row).strip() for row in rows])
    assert "4 of 7 texts" in str(error.value)
    assert "the 3 steps of the network: 'aaa' needs 5, 'baba' needs 4, 'abb' needs 4, ...." in str(error.value)
    assert "one more between two that are the same. Take wider images" in str(error.value)
    with pytest.raises(ValueError, match=r"1 of 7 texts .* 6 steps of the network: \[2, 2, 2, 2\] needs 7\. A text"):
        ctc.check_spelling(labels, 6)
