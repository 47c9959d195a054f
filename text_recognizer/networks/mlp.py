"""A multi-layer perceptron."""

import keras

from text_recognizer.arguments import real_number, whole_number
from text_recognizer.networks.arguments import check_shapes


def mlp(
    input_shape: tuple[int, ...],
    output_shape: tuple[int],
    layer_size: int = 128,
    dropout_amount: float = 0.2,
    num_layers: int = 3,
) -> keras.Model:
    """Build a multi-layer perceptron.

    The image is flattened; then come `num_layers` hidden layers of `layer_size` rectified units,
    each with dropout behind it, and one dense layer more for the classes. From 28x28 pixels to 10
    classes that is 134,794 parameters.

    Args:
        input_shape: the shape of an image without the batch, e.g. (28, 28) or (28, 28, 1).
        output_shape: (number of classes,).
        layer_size: units in a hidden layer.
        dropout_amount: the share of a hidden layer's outputs that training sets to zero, at least
            0, below 1.
        num_layers: hidden layers, at least 1.

    Returns:
        A model, not compiled, from float32 (batch, *input_shape) in [0, 1] to logits, float32
        (batch, classes), also in mixed precision: train with
        `SparseCategoricalCrossentropy(from_logits=True)`.

    Raises:
        TypeError: a shape is no tuple of integers, or an argument is no number of its kind.
        ValueError: a shape has the wrong length, or an argument is out of its range.

    Example:
        >>> mlp((28, 28), (10,)).count_params()
        134794
    """
    input_shape, (classes,) = check_shapes(input_shape, output_shape)
    layer_size, num_layers = whole_number("layer_size", layer_size), whole_number("num_layers", num_layers)
    dropout_amount = real_number("dropout_amount", dropout_amount, least=0, below=1)

    layers = keras.layers
    network = keras.Sequential([keras.Input(input_shape), layers.Flatten(data_format="channels_last")], name="mlp")
    for _ in range(num_layers):
        network.add(layers.Dense(layer_size, activation="relu"))
        network.add(layers.Dropout(dropout_amount))
    network.add(layers.Dense(classes, dtype="float32"))
    return network
