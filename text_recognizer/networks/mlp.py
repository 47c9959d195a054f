"""A multi-layer perceptron."""

import keras

from text_recognizer.networks.arguments import check_shapes


def mlp(
    input_shape: tuple[int, ...],
    output_shape: tuple[int],
    layer_size: int = 128,
    dropout_amount: float = 0.2,
    num_layers: int = 3,
) -> keras.Model:
    """Build a multi-layer perceptron with softmax predictions.

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
        A model, not compiled, from float32 (batch, *input_shape) in [0, 1] to probabilities,
        float32 (batch, classes).

    Raises:
        TypeError: a shape is no tuple, or holds something else than integers.
        ValueError: a shape has the wrong length, or an argument is out of its range.
    """
    check_shapes(input_shape, output_shape)
    if num_layers < 1:
        raise ValueError(f"num_layers is {num_layers}; without a hidden layer this is no MLP: give 1 or more")
    if layer_size < 1:
        raise ValueError(f"layer_size is {layer_size}; a hidden layer needs 1 unit or more")
    if not 0 <= dropout_amount < 1:
        raise ValueError(f"dropout_amount is {dropout_amount}; give the share to drop, at least 0 and below 1")

    network = keras.Sequential([keras.Input(input_shape), keras.layers.Flatten()], name="mlp")
    for _ in range(num_layers):
        network.add(keras.layers.Dense(layer_size, activation="relu"))
        network.add(keras.layers.Dropout(dropout_amount))
    network.add(keras.layers.Dense(output_shape[0], activation="softmax"))
    return network
