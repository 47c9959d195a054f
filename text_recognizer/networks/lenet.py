"""A small convolutional network after LeNet."""

import keras

from text_recognizer.networks.arguments import check_shapes, with_channels


def lenet(input_shape: tuple[int, ...], output_shape: tuple[int]) -> keras.Model:
    """Build a small convolutional network with softmax predictions.

    It carries LeNet's name for LeNet's idea, convolutions that share their weights over the image
    and dense layers that decide (Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based
    Learning Applied to Document Recognition", Proceedings of the IEEE 86(11), 1998). The parts are
    of today. LeNet-5 has 5x5 kernels in 6 and 16 maps, tanh, and average pooling behind each
    convolution, 61,706 parameters in all; here two 3x3 convolutions of 32 and 64 maps with ReLU
    stand before one max pooling, and dropout before each dense layer. From 28x28 pixels to 10
    classes that is 1,199,882 parameters, of which the first dense layer holds 98 %.

    The axis of channels that convolutions need is added by `Reshape`. A `Lambda` around
    `expand_dims` would compute the same, but a saved model holds a Lambda as Python bytecode, and
    `keras.saving.load_model` refuses to run code out of a file unless told `safe_mode=False`.

    Args:
        input_shape: the shape of an image without the batch: (height, width), or
            (height, width, channels); at least 6 pixels each way.
        output_shape: (number of classes,).

    Returns:
        A model, not compiled, from float32 (batch, *input_shape) in [0, 1] to probabilities,
        float32 (batch, classes).

    Raises:
        TypeError: a shape is no tuple, or holds something else than integers.
        ValueError: a shape has the wrong length, or the image is too small.
    """
    check_shapes(input_shape, output_shape, ranks=(2, 3), smallest=6)
    layers = keras.layers
    return keras.Sequential(
        [
            keras.Input(input_shape),
            layers.Reshape(with_channels(input_shape)),
            layers.Conv2D(32, 3, activation="relu"),
            layers.Conv2D(64, 3, activation="relu"),
            layers.MaxPooling2D(2),
            layers.Dropout(0.2),
            layers.Flatten(),
            layers.Dense(128, activation="relu"),
            layers.Dropout(0.2),
            layers.Dense(output_shape[0], activation="softmax"),
        ],
        name="lenet",
    )
