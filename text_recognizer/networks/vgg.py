"""A deeper convolutional network after VGG, with batch normalization."""

import keras

from text_recognizer.networks.arguments import check_shapes, with_channels


def vgg(
    input_shape: tuple[int, ...],
    output_shape: tuple[int],
    blocks: tuple[tuple[int, ...], ...] = ((32,), (64,), (128, 128)),
    layer_size: int = 256,
    dropout_amount: float = 0.4,
) -> keras.Model:
    """Build a convolutional network in VGG's manner, with softmax predictions.

    VGG's plan is small kernels in depth: blocks of padded 3x3 convolutions, each block with twice
    the filters and, by max pooling, half the height and width of the one before (K. Simonyan,
    A. Zisserman, "Very Deep Convolutional Networks for Large-Scale Image Recognition", ICLR 2015,
    arXiv:1409.1556). VGG-11 has 8 convolutions; for a character 4 are enough. What VGG has not:
    each layer is followed by batch normalization in place of a bias (S. Ioffe, C. Szegedy,
    ICML 2015, arXiv:1502.03167), and a block is pooled before it, not after, which leaves
    a quarter of the values to normalize. From 28x28 pixels to 62 classes that is
    553,182 parameters.

    Args:
        input_shape: the shape of an image without the batch: (height, width), or
            (height, width, channels); each block halves it.
        output_shape: (number of classes,).
        blocks: for each block, one or more, the filters of its convolutions.
        layer_size: units in the dense layer behind the blocks.
        dropout_amount: the share of the dense layer's outputs that training sets to zero, at least
            0, below 1; of a block's outputs, half of that.

    Returns:
        A model, not compiled, from float32 (batch, *input_shape) in [0, 1] to probabilities,
        float32 (batch, classes).

    Raises:
        TypeError: a shape is no tuple, or holds something else than integers.
        ValueError: a shape has the wrong length, or an argument is out of its range.
    """
    check_shapes(input_shape, output_shape, ranks=(2, 3), smallest=2 ** len(blocks))
    if not blocks or not all(filters and min(filters) > 0 for filters in blocks):
        raise ValueError(f"blocks is {blocks}; give one block or more, each with one size or more, each 1 or more")
    if layer_size < 1:
        raise ValueError(f"layer_size is {layer_size}; the dense layer needs 1 unit or more")
    if not 0 <= dropout_amount < 1:
        raise ValueError(f"dropout_amount is {dropout_amount}; give the share to drop, at least 0 and below 1")

    layers = keras.layers
    network = keras.Sequential([keras.Input(input_shape), layers.Reshape(with_channels(input_shape))], name="vgg")
    for filters in blocks:
        for i, size in enumerate(filters, start=1):
            network.add(layers.Conv2D(size, 3, padding="same", use_bias=False))
            if i == len(filters):
                network.add(layers.MaxPooling2D(2))
            _add_normalized_relu(network)
        network.add(layers.Dropout(dropout_amount / 2))
    network.add(layers.Flatten())
    network.add(layers.Dense(layer_size, use_bias=False))
    _add_normalized_relu(network)
    network.add(layers.Dropout(dropout_amount))
    network.add(layers.Dense(output_shape[0], activation="softmax"))
    return network


def _add_normalized_relu(network):
    # Keras' momentum, 0.99, remembers the initial statistics for some 500 steps: on a small data
    # set the validation would lag epochs behind the training.
    network.add(keras.layers.BatchNormalization(momentum=0.95))
    network.add(keras.layers.ReLU())
