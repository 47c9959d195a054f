"""The character error rate: how much of a text would have to be corrected."""

import keras
import tensorflow as tf

from text_recognizer import ctc


def character_error_rate(texts, readings):
    """Return the edits that turn the readings into the texts, per character of the texts.

    An edit inserts, deletes or replaces one character (V. I. Levenshtein, 1966). Edits and
    characters are each summed over all lines, so long lines count more than short ones; and a
    reading may be longer than the text, so the rate can exceed 1.

    Args:
        texts: the true texts, a list of strings.
        readings: what was read, as many strings.

    Returns:
        A float, 0 where all is right.

    Raises:
        ValueError: there are not as many readings as texts, or the texts have no characters.
    """
    if len(texts) != len(readings):
        raise ValueError(f"{len(texts)} texts and {len(readings)} readings: give a reading for each text")
    if not any(texts):
        raise ValueError("the texts are empty: there is no character to count errors by")
    truth, reading = (tf.strings.unicode_split(list(lines), "UTF-8").to_sparse() for lines in (texts, readings))
    edits = tf.edit_distance(reading, truth, normalize=False)
    return float(tf.reduce_sum(edits)) / sum(map(len, texts))


@keras.saving.register_keras_serializable("text_recognizer")
class CharacterErrorRate(keras.metrics.Metric):
    """The character error rate of greedy decoding, as a metric for `compile`.

    `y_true` are labels, int (n, length), filled up with 0; `y_pred` are logits, float
    (n, steps, classes), as for `keras.losses.CTC`.
    """

    def __init__(self, name="character_error_rate", **kwargs):
        super().__init__(name=name, **kwargs)
        self.edits = self.add_variable((), "zeros", name="edits")
        self.characters = self.add_variable((), "zeros", name="characters")

    def update_state(self, y_true, y_pred, sample_weight=None):
        truth = tf.sparse.from_dense(tf.cast(y_true, "int32"))
        reading = tf.sparse.from_dense(ctc.decode(y_pred))
        self.edits.assign_add(tf.reduce_sum(tf.edit_distance(reading, truth, normalize=False)))
        self.characters.assign_add(tf.cast(tf.size(truth.values), self.characters.dtype))

    def result(self):
        return keras.ops.divide_no_nan(self.edits, self.characters)
