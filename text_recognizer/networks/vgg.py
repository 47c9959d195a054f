"""A deeper convolutional network after VGG, with batch normalization."""

import keras

from text_recognizer.networks.arguments import check_integer, check_shapes, check_share, with_channels


def vgg(
    input_shape: tuple[int, ...],
    output_shape: tuple[int],
    blocks: tuple[tuple[int, ...], ...] = ((32,), (64,), (128, 128)),
    layer_size: int = 256,
    dropout_amount: float = 0.4,
) -> keras.Model:
    """Build a convolutional network in VGG's manner.

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
        A model, not compiled, from float32 (batch, *input_shape) in [0, 1] to logits, float32
        (batch, classes), also in mixed precision: train with
        `SparseCategoricalCrossentropy(from_logits=True)`.

    Raises:
        TypeError: a shape is no tuple of integers, `blocks` no tuple of such tuples, or an argument
            is no number of its kind.
        ValueError: a shape has the wrong length, the image is too small for the blocks, or an
            argument is out of its range.

    Example:
        >>> vgg((28, 28), (62,)).count_params()
        553182
    """
    blocks = _check_blocks(blocks)
    input_shape, (classes,) = check_shapes(input_shape, output_shape, ranks=(2, 3), smallest=2 ** len(blocks))
    layer_size = check_integer("layer_size", layer_size)
    dropout_amount = check_share("dropout_amount", dropout_amount)

    layers, channels_last = keras.layers, {"data_format": "channels_last"}
    network = keras.Sequential([keras.Input(input_shape), layers.Reshape(with_channels(input_shape))], name="vgg")
    for filters in blocks:
        for i, size in enumerate(filters, start=1):
            network.add(layers.Conv2D(size, 3, padding="same", use_bias=False, **channels_last))
            if i == len(filters):
                network.add(layers.MaxPooling2D(2, **channels_last))
            _add_normalized_relu(network)
        network.add(layers.Dropout(dropout_amount / 2))
    network.add(layers.Flatten(**channels_last))
    network.add(layers.Dense(layer_size, use_bias=False))
    _add_normalized_relu(network)
    network.add(layers.Dropout(dropout_amount))
    network.add(layers.Dense(classes, dtype="float32"))
    return network


def _add_normalized_relu(network):
    # Keras' momentum, 0.99, remembers the initial statistics for some 500 steps: on a small data
    # set the validation would lag epochs behind the training.
    network.add(keras.layers.BatchNormalization(momentum=0.95))
    network.add(keras.layers.ReLU())


def _check_blocks(blocks):
    example = "give the filters of each block's convolutions, as in ((32,), (64, 64))"
    if not isinstance(blocks, tuple | list) or not all(isinstance(filters, tuple | list) for filters in blocks):
        raise TypeError(f"blocks is {blocks!r}; {example}")
    if not blocks or not all(blocks):
        raise ValueError(f"blocks is {blocks}; {example}, one block or more, and one convolution or more in each")
    return [[check_integer(f"a size in blocks={blocks}", size) for size in filters] for filters in blocks]
