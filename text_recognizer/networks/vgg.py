"""A deeper convolutional network after VGG, with batch normalization."""

import keras

from text_recognizer.arguments import real_number, whole_number
from text_recognizer.networks.arguments import check_each, check_shapes, with_channels
from text_recognizer.networks.batch_normalization import normalized_relu


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
    blocks = check_each("blocks", blocks, check=check_each, example="((32,), (64, 64))")
    input_shape, (classes,) = check_shapes(input_shape, output_shape, ranks=(2, 3), smallest=2 ** len(blocks))
    layer_size = whole_number("layer_size", layer_size)
    dropout_amount = real_number("dropout_amount", dropout_amount, least=0, below=1)

    layers, channels_last = keras.layers, {"data_format": "channels_last"}
    stack = [keras.Input(input_shape), layers.Reshape(with_channels(input_shape))]
    for filters in blocks:
        for i, size in enumerate(filters, start=1):
            stack.append(layers.Conv2D(size, 3, padding="same", use_bias=False, **channels_last))
            if i == len(filters):
                stack.append(layers.MaxPooling2D(2, **channels_last))
            stack += normalized_relu(0.95)
        stack.append(layers.Dropout(dropout_amount / 2))
    stack += [layers.Flatten(**channels_last), layers.Dense(layer_size, use_bias=False), *normalized_relu(0.95)]
    stack += [layers.Dropout(dropout_amount), layers.Dense(classes, dtype="float32")]
    return keras.Sequential(stack, name="vgg")
