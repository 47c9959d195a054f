"""Error rates: of texts, and as a metric that can be compiled in every way."""

import functools

import keras
import numpy as np
import pytest

from text_recognizer.metrics import CharacterErrorRate, character_error_rate, word_error_rate


def edits(text, reading):
    """Return the number of edits as it is defined, by trying everything."""

    @functools.cache
    def between(i, j):
        if not i or not j:
            return i + j
        replaced = between(i - 1, j - 1) + (text[i - 1] != reading[j - 1])
        return min(replaced, between(i - 1, j) + 1, between(i, j - 1) + 1)

    return between(len(text), len(reading))


def random_texts(rng, count, longest, letters="abc"):
    return ["".join(rng.choice(list(letters), rng.integers(longest, endpoint=True))) for _ in range(count)]


# Of texts


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
        ("e\u0301", "e", 1 / 2),  # an accent of its own
        ("\U0001f600\U0001f601", "\U0001f600", 1 / 2),  # beyond 16 bits
        ("a\0b", "ab", 1 / 3),
        ("\ud800", "a", 1),  # half of a surrogate pair, as a damaged file gives it
    ],
)
def test_edits_per_character(text, reading, rate):
    assert character_error_rate([text], [reading]) == pytest.approx(rate)


def test_edits_and_characters_are_summed_over_lines():
    assert character_error_rate(["a", "bcdefghij"], ["x", "bcdefghij"]) == pytest.approx(1 / 10)
    assert character_error_rate(["", "ab"], ["x", "ab"]) == pytest.approx(1 / 2)
    assert character_error_rate(np.array(["ab", "c"]), (line for line in ("ab", "x"))) == pytest.approx(1 / 3)


def test_texts_of_all_lengths_at_once():
    rng = np.random.default_rng(0)
    texts, readings = random_texts(rng, 80, 9), random_texts(rng, 80, 40)
    texts, readings = [*texts, *readings, "abc" * 70], [*readings, *texts, "bca" * 70]
    expected = sum(map(edits, texts, readings)) / sum(map(len, texts))
    assert character_error_rate(texts, readings) == pytest.approx(expected)


@pytest.mark.parametrize(
    "text, reading, rate",
    [
        ("to be or not", "to be or not", 0),
        ("to be or not", "to be  or\tnot\n", 0),  # any white space
        ("to be or not", "to bee or not", 1 / 4),
        ("to be or not", "to be not", 1 / 4),
        ("to be or not", "tobe or not", 2 / 4),  # two are lost, and one is there instead
        ("word", "", 1),
    ],
)
def test_edits_per_word(text, reading, rate):
    assert word_error_rate([text], [reading]) == pytest.approx(rate)


@pytest.mark.parametrize(
    "rate, nothing, message",
    [(character_error_rate, "", "no character"), (word_error_rate, " \n", "no word")],
)
def test_what_cannot_be_counted_is_refused(rate, nothing, message):
    with pytest.raises(ValueError, match="2 texts and 1 readings"):
        rate(["a", "b"], ["a"])
    for texts in ([], [nothing]):
        with pytest.raises(ValueError, match=f"the texts are empty: there is {message}"):
            rate(texts, texts)
    with pytest.raises(TypeError, match="texts are one string, 'line': give a list"):
        rate("line", "lime")
    for no_text in (b"lime", None, 7):
        with pytest.raises(TypeError, match=f"one of the readings is {no_text!r}, of type {type(no_text).__name__}"):
            rate(["line"], [no_text])


# As a metric


def peaked(*path, classes=4):
    """Return logits of one line whose most probable path is this one."""
    return 10 * np.eye(classes, dtype=np.float32)[None, list(path)]


def test_the_metric_is_the_rate_of_greedy_decoding_over_all_batches():
    metric = CharacterErrorRate()
    assert float(metric.result()) == 0
    metric.update_state(np.array([[1, 2, 0]]), peaked(1, 0, 2, 2))
    assert float(metric.result()) == 0
    metric.update_state(np.array([[1, 2, 3], [3, 0, 0]]), np.concatenate([peaked(1, 0, 3), peaked(0, 0, 0)]))
    assert float(metric.result()) == pytest.approx(2 / 6)
    metric.reset_state()
    assert float(metric.result()) == 0


def test_what_is_read_on_empty_lines_is_wrong():
    metric = CharacterErrorRate()
    metric.update_state(np.zeros((2, 3), int), np.concatenate([peaked(0, 0, 0), peaked(0, 0, 0)]))
    assert float(metric.result()) == 0
    metric.update_state(np.zeros((1, 3), int), peaked(0, 1, 0))
    assert float(metric.result()) == np.inf


@pytest.mark.parametrize("shape", [(2,), (2, 1)])
def test_a_line_counts_by_its_weight(shape):
    metric = CharacterErrorRate()
    labels, logits = np.array([[1, 2, 3], [3, 0, 0]]), np.concatenate([peaked(1, 0, 3), peaked(0, 0, 0)])
    metric.update_state(labels, logits, sample_weight=np.reshape([0.5, 2], shape))
    assert float(metric.result()) == pytest.approx((0.5 * 1 + 2 * 1) / (0.5 * 3 + 2 * 1))


def test_the_metric_is_saved_by_name():
    metric = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(CharacterErrorRate("cer")))
    assert isinstance(metric, CharacterErrorRate) and metric.name == "cer"


def examples(count=40, length=6, steps=14, classes=5):
    """Return texts of all lengths, the repeated letters that they may have included, and logits."""
    rng = np.random.default_rng(0)
    labels = rng.integers(1, classes, (count, length)) * (np.arange(length) < rng.integers(length + 1, size=(count, 1)))
    return labels.astype(np.int32), rng.normal(size=(count, steps, classes)).astype(np.float32)


def rate_by_hand(labels, logits):
    total = 0
    for row, line in zip(labels, logits):
        path = line.argmax(-1)
        reading = [label for label, before in zip(path, [0, *path]) if label not in (0, before)]
        total += edits(row[row > 0].tolist(), reading)
    return total / np.count_nonzero(labels)


def test_the_metric_is_exact():
    labels, logits = examples()
    metric = CharacterErrorRate()
    metric.update_state(labels, logits)
    assert float(metric.result()) == np.float32(rate_by_hand(labels, logits))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_the_metric_is_the_same_compiled_with_xla_and_without(jit_compile):
    labels, logits = examples()
    network = keras.Sequential([keras.Input(logits.shape[1:]), keras.layers.Identity()])
    network.compile(
        loss=keras.losses.CTC(),
        metrics=[CharacterErrorRate()],
        weighted_metrics=[CharacterErrorRate(name="weighted")],
        jit_compile=jit_compile,
    )
    weight = np.arange(len(labels)) % 2
    results = network.evaluate(logits, labels, 8, sample_weight=weight, return_dict=True, verbose=0)
    assert results["character_error_rate"] == np.float32(rate_by_hand(labels, logits))
    assert results["weighted"] == np.float32(rate_by_hand(labels[1::2], logits[1::2]))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_lines_and_texts_of_any_length_in_one_compiled_function(jit_compile):
    import tensorflow as tf

    metric = CharacterErrorRate()
    spec = tf.TensorSpec((None, None), tf.int32), tf.TensorSpec((None, None, 5), tf.float32)
    update = tf.function(metric.update_state, input_signature=spec, jit_compile=jit_compile)
    for length, steps in ((3, 9), (6, 7)):
        labels, logits = examples(length=length, steps=steps)
        metric.reset_state()
        update(labels, logits)
        assert float(metric.result()) == np.float32(rate_by_hand(labels, logits))
