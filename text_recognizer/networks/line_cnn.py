"""A convolutional network over the windows of a line of text."""

import math

import keras

from text_recognizer.arguments import whole_number
from text_recognizer.networks.arguments import line_shapes
from text_recognizer.networks.batch_normalization import normalized_relu


def line_cnn(input_shape: tuple[int | None, ...], output_shape: tuple[int], filters: int = 24) -> keras.Model:
    """Build a network that looks at a line through a window, and says at each place what it sees.

    The window is 35 pixels wide, a character and its neighbours, and moves on by 4 pixels. Nothing
    cuts the line up: the network consists of convolutions, so what two windows share is computed
    once (P. Sermanet et al., "OverFeat", 2014, arXiv:1312.6229, section 3.5). Three of them halve
    the height of the image and two its width; the fourth is as high as what is left, so that each
    column becomes one vector; the last one looks to both sides. What is pooled is pooled before it
    is normalized: a quarter of the values costs a quarter.

    Args:
        input_shape: the shape of an image without the batch: (height, width), or
            (height, width, channels); at least 8 pixels each way. The width may be None: lines of any width.
        output_shape: (number of classes,), the one for "no character here" included.
        filters: channels of the first convolution; the next ones have two and three times as many.

    Returns:
        A model, not compiled, from float32 (batch, *input_shape) in [0, 1] to logits, float32
        (batch, steps, classes), also in mixed precision, for `keras.losses.CTC`. There is a step
        for every four columns of pixels, rounded up.

    Raises:
        TypeError: a shape is no tuple of integers, or `filters` is no integer.
        ValueError: a shape has the wrong length, the image is too small, or `filters` is below 1.

    Example:
        >>> line_cnn((28, 256), (63,)).output_shape
        (None, 64, 63)
    """
    (height, width, channels), (classes,) = line_shapes(input_shape, output_shape, smallest=8)
    filters = whole_number("filters", filters)
    layers, channels_last = keras.layers, {"data_format": "channels_last"}
    convolution = {"use_bias": False, **channels_last}
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Reshape((height, width or -1, channels)),
            layers.Conv2D(filters, 5, strides=2, padding="same", **convolution),
            *normalized_relu(0.9),
            layers.Conv2D(2 * filters, 3, padding="same", **convolution),
            layers.MaxPooling2D(2, padding="same", **channels_last),
            *normalized_relu(0.9),
            layers.Conv2D(3 * filters, 3, strides=(2, 1), padding="same", **convolution),
            *normalized_relu(0.9),
            layers.Conv2D(128, (math.ceil(height / 8), 1), **convolution),
            *normalized_relu(0.9),
            layers.Reshape((-1, 128)),
            layers.Conv1D(128, 5, padding="same", **convolution),
            *normalized_relu(0.9),
            layers.Dense(classes, dtype="float32"),
        ],
        name="line_cnn",
    )
