"""A small convolutional network after LeNet."""

import keras

from text_recognizer.networks.arguments import check_shapes, with_channels


def lenet(input_shape: tuple[int, ...], output_shape: tuple[int]) -> keras.Model:
    """Build a small convolutional network: two convolutions, max pooling, two dense layers.

    It carries LeNet's name for LeNet's idea, convolutions that share their weights over the image
    and dense layers that decide (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based
    Learning Applied to Document Recognition", Proceedings of the IEEE 86(11), 1998). It is not the
    LeNet-5 of that paper, which has 60,000 parameters: 5x5 kernels in 6 and then 16 maps, all but
    one of the 16 connected to some of the 6 only; behind both, a subsampling with weights of its
    own; tanh; and an output of radial basis functions, which measure how far 84 values are from a
    stylized picture of each character. Here 3x3 kernels in 32 and 64 fully connected maps stand
    before one max pooling; ReLU follows them, dropout stands before each dense layer, and the
    output is logits. From 28x28 pixels to 10 classes that is 1,199,882 parameters, of which the
    first dense layer holds 98 %.

    The axis of channels that convolutions need is added by `Reshape`. A `Lambda` around
    `expand_dims` would compute the same, but a saved model holds a Lambda as Python bytecode, and
    `keras.saving.load_model` refuses to run code out of a file unless told `safe_mode=False`.

    Args:
        input_shape: the shape of an image without the batch: (height, width), or
            (height, width, channels); at least 6 pixels each way.
        output_shape: (number of classes,).

    Returns:
        A model, not compiled, from float32 (batch, *input_shape) in [0, 1] to logits, float32
        (batch, classes), also in mixed precision: train with
        `SparseCategoricalCrossentropy(from_logits=True)`.

    Raises:
        TypeError: a shape is no tuple of integers.
        ValueError: a shape has the wrong length, or the image is too small.

    Example:
        >>> lenet((28, 28), (10,)).count_params()
        1199882
    """
    input_shape, (classes,) = check_shapes(input_shape, output_shape, ranks=(2, 3), smallest=6)
    layers, channels_last = keras.layers, {"data_format": "channels_last"}
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Reshape(with_channels(input_shape)),
            layers.Conv2D(32, 3, activation="relu", **channels_last),
            layers.Conv2D(64, 3, activation="relu", **channels_last),
            layers.MaxPooling2D(2, **channels_last),
            layers.Dropout(0.2),
            layers.Flatten(**channels_last),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(classes, dtype="float32"),
        ],
        name="lenet",
    )
