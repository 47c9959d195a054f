"""A model that tells what is on a photograph."""

import math

import keras

from text_recognizer.metrics import top_metrics
from text_recognizer.models.recognizer import Recognizer


def standardize(x, y):
    """Return a batch with the mean 0 and the standard deviation 1 for each image, float32.

    An image of one colour becomes 0: the deviation is at least 1 / sqrt(values of an image), as in
    `tf.image.per_image_standardization`.

    Args:
        x: (batch, height, width, channels), or without channels, of any numbers.
        y: anything; it is handed on.
    """
    ops = keras.ops
    x = ops.cast(x, "float32")
    axes = tuple(range(1, x.ndim))
    smallest = math.prod(x.shape[1:]) ** -0.5
    mean = ops.mean(x, axis=axes, keepdims=True)
    return (x - mean) / ops.maximum(ops.std(x, axis=axes, keepdims=True), smallest), y


class ImageModel(Recognizer):
    """A network that classifies photographs, and the data set that it learns from.

    The data set's images are uint8; the network gets each with mean 0 and standard deviation 1.
    While it trains it is judged by top-1 and top-5: how often the truth comes first, and how often
    it is among the first five. `evaluate` returns top-1. See `Recognizer` for the arguments.
    """

    format_fn = staticmethod(standardize)

    def metrics(self):
        """Return top-1 and top-5."""
        return top_metrics()
