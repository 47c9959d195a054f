"""A convolutional network that reads lines of handwriting: columns of pixels, then blocks along the line."""

import math

import keras

from text_recognizer.arguments import real_number, whole_number
from text_recognizer.networks.arguments import check_each, line_shapes
from text_recognizer.networks.batch_normalization import normalized_relu

POOLS = ((2, 2), (2, 2), (2, 1), (2, 1), None)  # (height, width) behind each convolution


def line_convnext(
    input_shape: tuple[int | None, ...],
    output_shape: tuple[int],
    filters: tuple[int, ...] = (16, 32, 64, 96, 128),
    units: int = 192,
    blocks: int = 6,
    dropout_amount: float = 0.2,
) -> keras.Model:
    """Build a network that sees a line of handwriting as a row of steps, each with its wide neighbourhood.

    Five convolutions of 3x3 look at the strokes. Four of them are pooled, which leaves a sixteenth of
    the height and a quarter of the width: a step for every four columns of pixels. All that is left of
    a column becomes one vector. Then come blocks as in ConvNeXt (Z. Liu et al., "A ConvNet for the
    2020s", CVPR 2022, arXiv:2201.03545), along one dimension, and twice as wide inside: a depthwise
    convolution over nine steps, layer normalization, two dense layers with GELU between them, and the
    sum with what went in. With six blocks a step sees 24 more steps to both sides, a word or two: so
    it can tell by a word what one letter alone does not. A recurrent network would see the whole line,
    and has to go through its steps one by one.

    What is pooled is pooled before it is normalized: that costs a quarter, or half. Dropout takes whole
    channels where neighbouring pixels say the same (`keras.layers.SpatialDropout2D`).

    Args:
        input_shape: the shape of an image without the batch: (height, width), or (height, width,
            channels). The width may be None: lines of any width, also of another in each batch.
        output_shape: (number of classes,), the one for "no character here" included.
        filters: channels of the five convolutions.
        units: channels of a step.
        blocks: how many of them, 1 or more.
        dropout_amount: the share of the outputs of the columns and of each block that training sets to
            zero, at least 0 and below 1; of the channels of the convolutions, half of that.

    Returns:
        A model, not compiled, from float32 (batch, *input_shape) in [0, 1] to logits, float32
        (batch, steps, classes), also in mixed precision, for CTC. There is a step for every four
        columns of pixels, rounded up.

    Raises:
        TypeError: a shape is no tuple of integers, or an argument is no number of its kind.
        ValueError: a shape or `filters` has the wrong length, or an argument is out of its range.

    Example:
        >>> network = line_convnext((48, None), (102,))
        >>> network.output_shape, network.count_params()
        ((None, None, 102), 1186038)
        >>> network.compute_output_shape((16, 48, 510))
        (16, 128, 102)
    """
    (height, width, channels), (classes,) = line_shapes(input_shape, output_shape, smallest=16)
    filters = check_each("filters", filters, example="(16, 32, 64, 96, 128)")
    if len(filters) != len(POOLS):
        raise ValueError(f"filters is {filters}; give {len(POOLS)} sizes, as in (16, 32, 64, 96, 128)")
    units, blocks = whole_number("units", units), whole_number("blocks", blocks)
    dropout_amount = real_number("dropout_amount", dropout_amount, least=0, below=1)

    layers, channels_last = keras.layers, {"data_format": "channels_last"}
    inputs = keras.Input(input_shape)
    x = layers.Reshape((height, width or -1, channels))(inputs)
    for i, (size, pool) in enumerate(zip(filters, POOLS)):
        x = layers.Conv2D(size, 3, padding="same", use_bias=False, **channels_last)(x)
        if pool:
            x = layers.MaxPooling2D(pool, padding="same", **channels_last)(x)
        for layer in normalized_relu(0.9):
            x = layer(x)
        if i:
            x = layers.SpatialDropout2D(dropout_amount / 2, **channels_last)(x)
    x = layers.Dropout(dropout_amount)(x)
    x = layers.Conv2D(units, (math.ceil(height / 16), 1), **channels_last)(x)  # each column becomes a vector
    x = layers.Reshape((-1, units))(x)
    for _ in range(blocks):
        y = layers.DepthwiseConv1D(9, padding="same", **channels_last)(x)
        y = layers.LayerNormalization(epsilon=1e-6)(y)
        y = layers.Dense(2 * units, activation="gelu")(y)
        y = layers.Dropout(dropout_amount)(layers.Dense(units)(y))
        x = layers.Add()([x, y])
    return keras.Model(inputs, layers.Dense(classes, dtype="float32")(x), name="line_convnext")
