"""A residual network: its blocks, and the network that they make.

The blocks are bottlenecks; the first one of the network, and those that change the shape, have a
projection. They follow K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image
Recognition", CVPR 2016 (ResNet v1, arXiv:1512.03385, 2015). There, batch normalization and ReLU
follow the convolution. Here they come before it, and the sum at the end of a block stays as it is,
after the same authors' "Identity Mappings in Deep Residual Networks", ECCV 2016 (ResNet v2,
arXiv:1603.05027): the shortcuts are then nothing but sums and projections, through which a gradient
comes back whole. It is also why the network normalizes once more at its end.

`Resnet` is written by subclassing. `resnet_functional` calls its layers with the functional API: the
same weights in the same order, the same outputs, in more memory (see `PreActConv2D`).
"""

import keras
from keras import layers

from text_recognizer.arguments import whole_number
from text_recognizer.networks.arguments import check_each
from text_recognizer.networks.batch_normalization import BatchNormalization
from text_recognizer.networks.recompute import recomputed

PACKAGE = "text_recognizer"

# Of the moving statistics. Keras' own default, 0.99, follows the last hundred batches or so: after a short run
# they still are those of the first steps, and the validation loss is wrong while the training loss is right.
BATCH_NORM_MOMENTUM = 0.9


class _InKeras:
    def in_keras(self, input_shape):
        """Return a functional model that stands for this layer or network in an export, without the weights."""
        return as_functional(type(self).from_config(self.get_config()), input_shape)


@keras.saving.register_keras_serializable(PACKAGE)
class PreActConv2D(_InKeras, layers.Layer):
    """Batch normalization, ReLU, convolution: the "full pre-activation" of arXiv:1603.05027.

    The convolution pads with zeros ("same") and has no bias.

    A kernel of 1x1 with a stride of 2 looks at every second pixel of every second row, and at
    nothing else. So the others are left out first, and a convolution of stride 1 does the rest: the
    same function for less work, since ReLU gets a quarter of the pixels. It is also the safe way.
    On a CPU, TensorFlow leaves convolutions to oneDNN, where the gradient of such a kernel writes
    past its memory if there are fewer than 16 input channels (8 without AVX-512): the process dies,
    or the gradient is wrong without a word. TensorFlow 2.21 still has it, see
    https://github.com/uxlfoundation/oneDNN/issues/6035.

    On TensorFlow, `fit` keeps the inputs alone for its gradients, and normalizes them a second time when it
    comes to those: 10 to 15 % more time, for little more than half of what is kept. The idea is that of
    G. Pleiss et al., "Memory-Efficient Implementation of DenseNets", arXiv:1707.06990.

    Args:
        filters: channels of the output.
        kernel_size: height and width of the kernel.
        strides: steps of the kernel; 2 halves the image, rounded up.

    Inputs:
        (batch, height, width, channels), channels last; the output is
        (batch, height / strides, width / strides, filters).

    Raises:
        TypeError: an argument is no integer.
        ValueError: an argument is less than 1.

    Example:
        >>> PreActConv2D(24, kernel_size=3, strides=2).compute_output_shape((None, 9, 9, 16))
        (None, 5, 5, 24)
    """

    def __init__(self, filters, kernel_size, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides = whole_number("filters", filters), whole_number("strides", strides)
        self.kernel_size = whole_number("kernel_size", kernel_size)

        policy = self.dtype_policy
        subsample, convolution = _convolution(self.filters, self.kernel_size, self.strides, name="conv2d", dtype=policy)
        self.batch_norm = BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name="batch_norm", dtype=policy)
        self.subsample = subsample
        self.relu = layers.ReLU(name="relu", dtype=policy)
        self.conv2d = convolution

    def build(self, input_shape):
        _build([self.batch_norm, *self.subsample, self.relu, self.conv2d], input_shape)

    def compute_output_shape(self, input_shape):
        for layer in (*self.subsample, self.conv2d):
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def call(self, inputs, training=None):
        if not self.batch_norm.is_fused(inputs, training):
            return self._convolved(self.batch_norm(inputs, training=training))

        def normalized(x):
            x, mean, variance = self.batch_norm.fused(x)
            return self._convolved(x), mean, variance

        outputs, mean, variance = recomputed(normalized)(inputs)
        self.batch_norm.follow(mean, variance)  # once: what stands in `normalized` is done twice
        return outputs

    def _convolved(self, x):
        for layer in (*self.subsample, self.relu):
            x = layer(x)
        return self.conv2d(x)

    def get_config(self):
        arguments = {"filters": self.filters, "kernel_size": self.kernel_size, "strides": self.strides}
        return super().get_config() | arguments


@keras.saving.register_keras_serializable(PACKAGE)
class Bottleneck(_InKeras, layers.Layer):
    """The sum of a shortcut and a residual path: 1x1 to a quarter of the channels, 3x3, 1x1 to all of them.

    This is the bottleneck of arXiv:1512.03385, figure 5, pre-activated. Its shortcut is the
    identity, unless the shape changes: then it needs a projection, a 1x1 convolution. Both paths
    stride in their first convolution, as there. (Most networks of today stride in the 3x3
    convolution, which misses no pixel.)

    Args:
        filters: channels of the output, a multiple of four.
        strides: 1, or 2 to halve the image, rounded up.
        projection: the shortcut: None for the identity, "linear" for a convolution alone, or
            "preactivated" for batch normalization, ReLU and a convolution.

    Inputs:
        (batch, height, width, channels), channels last; with the identity, `filters` of them. The
        output is (batch, height / strides, width / strides, filters).

    Raises:
        TypeError: `filters` or `strides` is no integer.
        ValueError: `filters` is no multiple of four, there is no such projection, or the identity
            does not fit: it neither halves an image nor changes the number of channels.

    Example:
        >>> Bottleneck(16).compute_output_shape((None, 32, 32, 16))
        (None, 32, 32, 16)
        >>> Bottleneck(32, strides=2, projection="preactivated").compute_output_shape((None, 32, 32, 16))
        (None, 16, 16, 32)
    """

    def __init__(self, filters, strides=1, projection=None, **kwargs):
        super().__init__(**kwargs)
        self.filters, self.strides = _check_filters(filters), whole_number("strides", strides)
        self.projection = projection
        if projection not in (None, "linear", "preactivated"):
            raise ValueError(f"projection is {projection!r}; give None, 'linear' or 'preactivated'")
        if self.strides > 1 and not projection:
            raise ValueError(f'strides is {strides}, and the identity halves no image: give it projection="linear"')

        inside, policy = self.filters // 4, self.dtype_policy
        self.residual = [
            PreActConv2D(inside, 1, strides, name="residual_1", dtype=policy),
            PreActConv2D(inside, 3, name="residual_2", dtype=policy),
            PreActConv2D(filters, 1, name="residual_3", dtype=policy),
        ]
        self.shortcut = []
        if projection == "linear":
            subsample, convolution = _convolution(self.filters, 1, self.strides, name="shortcut", dtype=policy)
            self.shortcut = [*subsample, convolution]
        elif projection == "preactivated":
            self.shortcut = [PreActConv2D(filters, 1, strides, name="shortcut", dtype=policy)]
        self.add = layers.Add(name="add", dtype=policy)

    def build(self, input_shape):
        channels = input_shape[-1]
        if not self.shortcut and channels != self.filters:  # a single channel would be added to all, without a word
            raise ValueError(
                f"{self.name} adds {self.filters} channels to its input, which has {channels}. "
                f'Give it filters={channels}, or projection="linear", which changes the number of channels'
            )
        self.add.build([_build(self.residual, input_shape), _build(self.shortcut, input_shape)])

    def compute_output_shape(self, input_shape):
        for layer in self.residual:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def call(self, inputs, training=None):
        residual = shortcut = inputs
        for layer in self.residual:
            residual = layer(residual, training=training)
        for layer in self.shortcut:
            shortcut = layer(shortcut, training=training)
        return self.add([residual, shortcut])

    def get_config(self):
        arguments = {"filters": self.filters, "strides": self.strides, "projection": self.projection}
        return super().get_config() | arguments


@keras.saving.register_keras_serializable(PACKAGE)
class Resnet(_InKeras, keras.Model):
    """A residual network that classifies images: a 3x3 convolution, levels of blocks, a dense layer.

    A level is so many bottlenecks, and one more that halves the image and doubles the channels,
    also in the last level: with `levels` of [4, 6, 3, 2] and 64 filters, an image of 64x64 pixels
    ends as 4x4 pixels of 1024 channels, which are averaged. With 200 classes, that network has
    3,137,800 parameters; the one of half the width, 32 filters, has 844,456.

    Args:
        classes: number of classes.
        filters: channels of the first level, a multiple of four: the width. Each level has twice
            the channels of the one before.
        levels: how many bottlenecks each level has, e.g. [4, 6, 3, 2].

    Inputs:
        float32 images (batch, height, width, channels), channels last, at least
        2 ** len(levels) pixels each way.

    Returns:
        Logits, float32 (batch, classes), also in mixed precision: train with
        `SparseCategoricalCrossentropy(from_logits=True)`.

    Raises:
        TypeError: `classes`, `filters` or a level is no integer.
        ValueError: `filters` is no multiple of four, there are no levels, or the images are too
            small for them, or have the channels first.

    Example:
        >>> import numpy as np
        >>> network = Resnet(classes=10, filters=8, levels=[1, 1])
        >>> logits = network(np.zeros((2, 32, 32, 3)))
        >>> tuple(logits.shape), network.count_params()
        ((2, 10), 3466)
    """

    def __init__(self, classes, filters, levels, **kwargs):
        super().__init__(**kwargs)
        self.classes, self.filters = whole_number("classes", classes), _check_filters(filters)
        self.levels = check_each("levels", levels, example="[4, 6, 3, 2]")

        policy, width = self.dtype_policy, self.filters
        _, stem = _convolution(width, 3, name="stem", dtype=policy)
        blocks = [Bottleneck(width, projection="linear", name="projection_bottleneck", dtype=policy)]
        for level, repeats in enumerate(self.levels):
            blocks += [Bottleneck(width, name=f"bottleneck_{level}_{i}", dtype=policy) for i in range(repeats)]
            width *= 2
            blocks.append(Bottleneck(width, 2, "preactivated", name=f"downsample_{level}", dtype=policy))
        self.chain = [
            stem,
            *blocks,
            BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name="batch_norm", dtype=policy),
            layers.ReLU(name="relu", dtype=policy),
            layers.GlobalAveragePooling2D(data_format="channels_last", name="pool", dtype=policy),
            # In float16 or bfloat16, the softmax of the loss would be too coarse.
            layers.Dense(self.classes, name="dense", dtype="float32"),
        ]

    def build(self, input_shape):
        _check_images(input_shape, self.levels)
        # Any batch, whatever the size of the first one. `summary` shows these shapes.
        _build(self.chain, (None, *input_shape[1:]))

    def call(self, inputs, training=None):
        x = inputs
        for layer in self.chain:
            x = layer(x, training=training)
        return x

    def get_config(self):
        arguments = {"classes": self.classes, "filters": self.filters, "levels": list(self.levels)}
        return super().get_config() | arguments


def resnet_functional(classes, filters, levels, input_shape=(64, 64, 3), name="resnet_functional"):
    """Build the network of `Resnet` with the functional API, each block as a nested model.

    It has the weights of `Resnet` in the same order, so `set_weights(resnet.get_weights())` makes
    it the same function; `keras.utils.plot_model(..., expand_nested=True)` draws what is inside.

    Args:
        classes, filters, levels: as for `Resnet`.
        input_shape: (height, width, channels).
        name: of the model.

    Returns:
        A `keras.Model`, not compiled, from float32 images (batch, *input_shape) to logits, float32
        (batch, classes).

    Raises:
        TypeError, ValueError: as for `Resnet`.

    Example:
        >>> resnet_functional(10, 8, [1, 1]).get_layer("downsample_0").output.shape
        (None, 32, 32, 16)
    """
    network = Resnet(classes, filters, levels)
    _check_images((None, *input_shape), network.levels)
    return as_functional(network, (None, *input_shape), name, "float32")


def as_functional(layer, input_shape, name=None, dtype=None):
    """Return a `Resnet` or a block of it, not called yet, as a functional model of the same layers.

    Args:
        layer: a `Resnet`, a `Bottleneck` or a `PreActConv2D`.
        input_shape: (batch, height, width, channels).
        name: of the model. Default: the layer's.
        dtype: of the inputs. Default: what the layer computes in.

    Returns:
        A `keras.Model`, each block in it as a nested model.

    Example:
        >>> as_functional(Bottleneck(16), (None, 32, 32, 16)).output_shape
        (None, 32, 32, 16)
    """
    inputs = keras.Input(input_shape[1:], dtype=dtype or layer.compute_dtype)
    chain = layer.chain if isinstance(layer, Resnet) else [layer]
    return keras.Model(inputs, _functional(chain, inputs), name=name or layer.name)


def _functional(chain, x):
    """Call layers one after the other, each block of ours as a model of its own, in which its layers are called."""
    for layer in chain:
        if not isinstance(layer, Bottleneck | PreActConv2D):
            x = layer(x)
            continue
        inputs = keras.Input(x.shape[1:], dtype=x.dtype)
        if isinstance(layer, Bottleneck):
            outputs = layer.add([_functional(layer.residual, inputs), _functional(layer.shortcut, inputs)])
        else:
            outputs = _functional([layer.batch_norm, *layer.subsample, layer.relu, layer.conv2d], inputs)
        x = keras.Model(inputs, outputs, name=layer.name)(x)
    return x


def _convolution(filters, kernel_size, strides=1, **kwargs):
    """Return a convolution, and the layer before it that drops the pixels which a strided 1x1 kernel skips, a list."""
    subsample = []
    if kernel_size == 1 < strides:
        # The average of one pixel. A slice, x[:, ::2, ::2], is slower on CPUs; max pooling makes a number of a NaN.
        average = {"name": "subsample", "data_format": "channels_last", "dtype": kwargs["dtype"]}
        subsample, strides = [layers.AveragePooling2D(1, strides, **average)], 1
    return subsample, layers.Conv2D(
        filters, kernel_size, strides, padding="same", data_format="channels_last", use_bias=False, **kwargs
    )


def _build(chain, shape):
    """Build layers that follow each other, and return the shape that leaves the last one."""
    for layer in chain:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


def _check_filters(filters):
    if whole_number("filters", filters) % 4:
        raise ValueError(f"filters is {filters}; a bottleneck has a quarter of it inside: give a multiple of four")
    return int(filters)


def _check_images(shape, levels):
    if len(shape) != 4:
        raise ValueError(f"the input has the shape {tuple(shape)}; give images, (batch, height, width, channels)")
    _, height, width, channels = shape
    if height and height <= 4 < channels:
        raise ValueError(
            f"the images {(height, width, channels)} would be {height} pixels high with {channels} channels. "
            "Put the channels last, as in (64, 64, 3): np.moveaxis(images, 1, -1)"
        )
    smallest = 2 ** len(levels)
    if any(size and size < smallest for size in (height, width)):
        raise ValueError(
            f"the images are {height}x{width}; {len(levels)} levels halve them {len(levels)} times, so give at least "
            f"{smallest}x{smallest} pixels, or fewer levels"
        )
