"""What models are judged by: character and word error rate, top-1 and top-5."""

import itertools

import keras
import numpy as np

from text_recognizer import ctc

_FAR = 2**30  # more edits than any two texts need


def character_error_rate(texts, readings):
    """Return the edits that turn the readings into the texts, per character of the texts.

    An edit inserts, deletes or replaces one character (V. I. Levenshtein, 1966). Edits and
    characters are each summed over all lines, so long lines count more than short ones; and a
    reading may be longer than the text, so the rate can exceed 1.

    A character is a code point of Unicode. An "é" that is written as one and an "é" that is written
    as two, "e" and an accent, are therefore different; `unicodedata.normalize` makes them alike.

    Args:
        texts: the true texts, a list of strings.
        readings: what was read, as many strings.

    Returns:
        A float, 0 where all is right.

    Raises:
        TypeError: the texts or the readings are no list of strings.
        ValueError: there are not as many readings as texts, or the texts have no characters.

    Example:
        >>> from text_recognizer.metrics import character_error_rate
        >>> character_error_rate(["hello"], ["he1lo"])
        0.2
        >>> character_error_rate(["hello", "you"], ["hello", "your"])  # one edit, eight characters
        0.125
    """
    return _error_rate(texts, readings, tuple, "character")


def word_error_rate(texts, readings):
    """Return the edits that turn the readings into the texts, word by word, per word of the texts.

    As `character_error_rate`, but an edit inserts, deletes or replaces a whole word. Words are what
    white space separates, as `str.split` has it.

    Args:
        texts: the true texts, a list of strings.
        readings: what was read, as many strings.

    Returns:
        A float, 0 where all words are right.

    Raises:
        TypeError: the texts or the readings are no list of strings.
        ValueError: there are not as many readings as texts, or the texts have no words.

    Example:
        >>> from text_recognizer.metrics import word_error_rate
        >>> word_error_rate(["to be or not to be"], ["to be or n0t be"])  # one replaced, one missing
        0.3333333333333333
    """
    return _error_rate(texts, readings, str.split, "word")


@keras.saving.register_keras_serializable("text_recognizer")
class CharacterErrorRate(keras.metrics.Metric):
    """The character error rate of greedy decoding, as a metric for `compile`.

    It consists of Keras' operations alone, so it can be compiled on every backend, with XLA or
    without. It is exact as long as there are less than 2**24, 16.8 million, characters in an epoch:
    so far float32 counts.

    `y_true` are labels, int (n, length), filled up with 0; `y_pred` are logits, float
    (n, steps, classes), as for `keras.losses.CTC`. A `sample_weight`, (n,), multiplies both the
    edits and the characters of a line: a line of weight 2 counts as if it were there twice.

    Where all texts are empty and something was read, the rate is infinite.

    Example:
        >>> import numpy as np
        >>> from text_recognizer.metrics import CharacterErrorRate
        >>> metric = CharacterErrorRate()
        >>> logits = np.eye(4)[None, [1, 0, 3, 3]]  # label 1, a blank, label 3
        >>> metric.update_state([[1, 2, 3]], logits)
        >>> round(float(metric.result()), 3)  # label 2 is missing
        0.333
    """

    def __init__(self, name="character_error_rate", **kwargs):
        super().__init__(name=name, **kwargs)
        self.edits = self.add_variable((), "zeros", name="edits")
        self.characters = self.add_variable((), "zeros", name="characters")

    def update_state(self, y_true, y_pred, sample_weight=None):
        """Count the edits and the characters of a batch."""
        ops = keras.ops
        truth = ops.cast(y_true, "float32")  # exact for labels, and GPUs have all operations for it
        reading = ops.cast(ctc.greedy_decode(y_pred), "float32")
        edits = _edit_distances(truth, reading, ops, ops.fori_loop)
        characters = ops.sum(_differ(truth, 0, ops), axis=1)
        if sample_weight is not None:
            weight = ops.reshape(ops.cast(sample_weight, "float32"), (-1,))
            edits, characters = edits * weight, characters * weight
        self.edits.assign_add(ops.cast(ops.sum(edits), self.edits.dtype))
        self.characters.assign_add(ops.cast(ops.sum(characters), self.characters.dtype))

    def result(self):
        """Return edits per character, and 0 before the first batch."""
        return keras.ops.where(self.edits > 0, self.edits / self.characters, 0.0)


def _error_rate(texts, readings, split, unit):
    texts, readings = (_checked_strings(name, lines) for name, lines in (("texts", texts), ("readings", readings)))
    if len(texts) != len(readings):
        raise ValueError(f"{len(texts)} texts and {len(readings)} readings: give a reading for each text")
    pairs = [(split(text), split(reading)) for text, reading in zip(texts, readings)]
    total = sum(len(text) for text, _ in pairs)
    if not total:
        raise ValueError(f"the texts are empty: there is no {unit} to count errors by")
    numbers = {}  # of each character or word, in the order in which they occur, from 1
    for part in itertools.chain.from_iterable(itertools.chain.from_iterable(pairs)):
        numbers.setdefault(part, len(numbers) + 1)

    def size(pair):
        return max(map(len, pair)).bit_length()

    edits = 0
    # Lines of similar length go together: filled up to the longest of all, the short ones would cost as much as it.
    for _, group in itertools.groupby(sorted(pairs, key=size), size):
        edits += _edit_distances(*(_numbered(rows, numbers) for rows in zip(*group)), np, _loop).sum()
    return float(edits) / total


def _checked_strings(name, lines):
    if isinstance(lines, str):
        raise TypeError(f"the {name} are one string, {lines[:20]!r}: give a list of strings, one for each line")
    lines = list(lines)
    for line in lines:
        if not isinstance(line, str):
            raise TypeError(f"one of the {name} is {line!r}, of type {type(line).__name__}: give strings")
    return lines


def _numbered(rows, numbers):
    """Return int32 (n, longest), the numbers of what the rows hold, filled up with 0."""
    array = np.zeros((len(rows), max(map(len, rows))), np.int32)
    for filled, row in zip(array, rows):
        filled[: len(row)] = [numbers[part] for part in row]
    return array


def _edit_distances(texts, readings, ops, loop):
    """Return how many edits turn each row of readings into that of the texts; a 0 is nothing, wherever it stands.

    distance[i, j] is that of the first i numbers of a text and the first j of a reading: the least of
    distance[i - 1, j] and a deletion, distance[i, j - 1] and an insertion, and distance[i - 1, j - 1]
    and, where the two numbers differ, a replacement (R. A. Wagner, M. J. Fischer, "The String-to-String
    Correction Problem", 1974). An antidiagonal, all distances of the same i + j, follows from the two
    before it. It is computed at once, for all i and all rows.

    Args:
        texts: numbers (n, length).
        readings: numbers (n, other length), of the same dtype.
        ops: `numpy` or `keras.ops`.
        loop: `keras.ops.fori_loop`, or what does the same with arrays.

    Returns:
        Numbers (n,).
    """
    length, end = ops.shape(texts)[1], ops.shape(texts)[1] + ops.shape(readings)[1]
    paper = ops.zeros_like(texts)
    readings = ops.concatenate([paper, readings, paper], axis=1)  # it has not begun; it has ended
    opposite = length - ops.arange(length + 1)  # where in it is what a text's numbers meet, on the first antidiagonal
    never = ops.full((ops.shape(texts)[0], 1), _FAR, dtype=texts.dtype)
    start = ops.concatenate([ops.zeros_like(never), ops.full_like(texts, _FAR)], axis=1)

    def step(index, state):
        before, last = state
        reading = ops.take(readings, opposite + index, axis=1)
        deletion = last[:, :-1] + _differ(texts, 0, ops)
        insertion = last + _differ(reading, 0, ops)
        replacement = before[:, :-1] + _differ(texts, reading[:, 1:], ops)
        return last, ops.minimum(insertion, ops.concatenate([never, ops.minimum(deletion, replacement)], axis=1))

    return loop(0, end, step, (ops.full_like(start, _FAR), start))[1][:, -1]


def _differ(a, b, ops):
    """Return 1 where two whole numbers differ and 0 where they are the same, without leaving their dtype."""
    return ops.minimum(ops.abs(a - b), 1)


def _loop(lower, upper, body, state):
    for index in range(lower, upper):
        state = body(index, state)
    return state


def top_metrics():
    """Return what a classifier is judged by besides its loss: how often the truth comes first, and is among five.

    Returns:
        Two Keras metrics for integer labels and logits or probabilities, "top1" and "top5", from 0 to 1.

    Example:
        >>> [metric.name for metric in top_metrics()]
        ['top1', 'top5']
    """
    return [
        keras.metrics.SparseCategoricalAccuracy(name="top1"),
        keras.metrics.SparseTopKCategoricalAccuracy(k=5, name="top5"),
    ]
