"""The residual network of the homework: four blocks, and the network that they make.

The blocks are bottlenecks with projections where the width changes, after K. He, X. Zhang, S. Ren,
J. Sun, "Deep Residual Learning for Image Recognition", CVPR 2016 (ResNet v1, arXiv:1512.03385,
2015). There, batch normalization and ReLU follow the convolution. Here they come before it, and
the sum at the end of a block stays as it is, after the same authors' "Identity Mappings in Deep
Residual Networks", ECCV 2016 (ResNet v2, arXiv:1603.05027): the path past the blocks is then
nothing but sums and projections, through which a gradient comes back whole. It is also why the
network normalizes once more at its end.

`Resnet` is written by subclassing. `resnet_functional` is the same network, written again with the
functional API: the same weights in the same order, the same outputs.
"""

import operator

import keras
from keras import layers

PACKAGE = "text_recognizer"

# Of the moving statistics. Keras' own default, 0.99, follows the last hundred batches or so: after a short run
# they still are those of the first steps, and the validation loss is wrong while the training loss is right.
BATCH_NORM_MOMENTUM = 0.9


@keras.saving.register_keras_serializable(PACKAGE)
class ResnetBasic(layers.Layer):
    """Batch normalization, ReLU, convolution: the "full pre-activation" of arXiv:1603.05027.

    The convolution pads with zeros ("same") and has no bias.

    Args:
        filters: channels of the output.
        kernel_size: height and width of the kernel, an integer or two.
        strides: steps of the kernel, an integer or two; 2 halves the image, rounded up.

    Inputs:
        (batch, height, width, channels), channels last.

    Raises:
        TypeError: `filters` is no integer.
    """

    def __init__(self, filters, kernel_size, strides=1, **kwargs):
        super().__init__(**kwargs)
        self.batch_norm = _batch_norm(dtype=self.dtype_policy)
        self.relu = layers.ReLU(name="relu", dtype=self.dtype_policy)
        self.conv2d = _conv2d(filters, kernel_size, strides, name="conv2d", dtype=self.dtype_policy)

    def build(self, input_shape):
        _build([self.batch_norm, self.relu, self.conv2d], input_shape)

    def compute_output_shape(self, input_shape):
        return self.conv2d.compute_output_shape(input_shape)

    def call(self, inputs, training=None):
        return self.conv2d(self.relu(self.batch_norm(inputs, training=training)))


class _Residual(layers.Layer):
    """The sum of a residual path and a main path, both lists of layers; an empty one is the identity.

    A subclass makes the two lists in `__init__`. What `__init__` is called with is what Keras saves.
    """

    def build(self, input_shape):
        shapes = [_build(self.residual, input_shape), _build(self.main, input_shape)]
        self.add.build(shapes)

    def compute_output_shape(self, input_shape):
        for layer in self.residual:
            input_shape = layer.compute_output_shape(input_shape)
        return input_shape

    def call(self, inputs, training=None):
        residual = main = inputs
        for layer in self.residual:
            residual = layer(residual, training=training)
        for layer in self.main:
            main = layer(main, training=training)
        return self.add([residual, main])


@keras.saving.register_keras_serializable(PACKAGE)
class Bottleneck(_Residual):
    """x + f(x): 1x1 to a quarter of the channels, 3x3, 1x1 back to all of them.

    The bottleneck of arXiv:1512.03385, figure 5, pre-activated. The main path is the identity, so
    the input must have as many channels as the output. An input of one channel would else be added
    to every channel, by broadcasting, without a word.

    Args:
        filters: channels of the input and of the output, a multiple of four.

    Inputs:
        (batch, height, width, filters); the output has the same shape.

    Raises:
        TypeError: `filters` is no integer.
        ValueError: `filters` is no positive multiple of four, or the input has other channels.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        filters = _check_filters(filters)
        self.residual = [
            ResnetBasic(filters // 4, 1, name="residual_1", dtype=self.dtype_policy),
            ResnetBasic(filters // 4, 3, name="residual_2", dtype=self.dtype_policy),
            ResnetBasic(filters, 1, name="residual_3", dtype=self.dtype_policy),
        ]
        self.main = []
        self.add = layers.Add(name="add", dtype=self.dtype_policy)

    def build(self, input_shape):
        channels, filters = input_shape[-1], self.compute_output_shape(input_shape)[-1]
        if not self.main and channels != filters:
            raise ValueError(
                f"{self.name} adds {filters} channels to its input, which has {channels}. Give it filters={channels}, "
                "or put a SpecialBottleneck before it, which changes the number of channels"
            )
        super().build(input_shape)


@keras.saving.register_keras_serializable(PACKAGE)
class SpecialBottleneck(Bottleneck):
    """A bottleneck whose main path is a 1x1 convolution, so that the channels may change.

    Args:
        filters: channels of the output, a multiple of four.

    Inputs:
        (batch, height, width, any channels); the output has `filters` channels.

    Raises:
        TypeError: `filters` is no integer.
        ValueError: `filters` is no positive multiple of four.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(filters, **kwargs)
        self.main = [_conv2d(filters, 1, name="main", dtype=self.dtype_policy)]


@keras.saving.register_keras_serializable(PACKAGE)
class Downsample(_Residual):
    """A bottleneck that halves the image and doubles the channels, on both paths.

    Both paths begin with a 1x1 convolution of stride 2, as in arXiv:1512.03385 (most networks of
    today stride in the 3x3 convolution, which misses no pixel). An odd size is rounded up.

    Args:
        filters: channels of the input, a multiple of four.

    Inputs:
        (batch, height, width, filters); the output is (batch, height / 2, width / 2, 2 * filters).

    Raises:
        TypeError: `filters` is no integer.
        ValueError: `filters` is no positive multiple of four.
    """

    def __init__(self, filters, **kwargs):
        super().__init__(**kwargs)
        filters = _check_filters(filters)
        self.residual = [
            ResnetBasic(filters // 2, 1, strides=2, name="residual_1", dtype=self.dtype_policy),
            ResnetBasic(filters // 2, 3, name="residual_2", dtype=self.dtype_policy),
            ResnetBasic(2 * filters, 1, name="residual_3", dtype=self.dtype_policy),
        ]
        self.main = [ResnetBasic(2 * filters, 1, strides=2, name="main", dtype=self.dtype_policy)]
        self.add = layers.Add(name="add", dtype=self.dtype_policy)


@keras.saving.register_keras_serializable(PACKAGE)
class Resnet(keras.Model):
    """A residual network that classifies images: a 3x3 convolution, levels of blocks, a dense layer.

    A level is `repeats` bottlenecks and a downsampling, also the last level: with `levels` of
    [4, 6, 3, 2] and 64 filters, an image of 64x64 pixels ends as 4x4 pixels of 1024 channels,
    which are averaged. With 200 classes, that network has 3,137,800 parameters; the one of half
    the width, 32 filters, has 844,456.

    Args:
        classes: number of classes.
        filters: channels of the first level, a multiple of four: the width. Each level has twice
            the channels of the one before.
        levels: how many bottlenecks each level has, e.g. [4, 6, 3, 2].

    Inputs:
        float32 images (batch, height, width, channels), channels last, at least
        2 ** len(levels) pixels each way.

    Returns:
        Logits, (batch, classes), float32 also in mixed precision: train with
        `SparseCategoricalCrossentropy(from_logits=True)`.

    Raises:
        TypeError: `classes`, `filters` or a level is no integer.
        ValueError: `filters` is no multiple of four, there are no levels, or the images are too
            small for them, or have the channels first.
    """

    def __init__(self, classes, filters, levels, **kwargs):
        super().__init__(**kwargs)
        self.classes, self.filters, self.levels = _check_arguments(classes, filters, levels)

        filters, policy = self.filters, self.dtype_policy
        self.chain = [
            _conv2d(filters, 3, name="tail", dtype=policy),
            SpecialBottleneck(filters, name="special_bottleneck", dtype=policy),
        ]
        for level, repeats in enumerate(self.levels):
            for block in range(repeats):
                self.chain.append(Bottleneck(filters, name=f"bottleneck_{level}_{block}", dtype=policy))
            self.chain.append(Downsample(filters, name=f"downsample_{level}", dtype=policy))
            filters *= 2
        self.chain += [
            _batch_norm(dtype=policy),
            layers.ReLU(name="relu", dtype=policy),
            layers.GlobalAveragePooling2D(data_format="channels_last", name="pool", dtype=policy),
            # In float16 or bfloat16, the softmax of the loss would be too coarse.
            layers.Dense(self.classes, name="dense", dtype=policy.variable_dtype),
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
        return {**super().get_config(), **arguments}


def resnet_functional(classes, filters, levels, input_shape=(64, 64, 3), name="resnet_functional"):
    """Build the network of `Resnet` with the functional API, each block as a nested model.

    It has the weights of `Resnet` in the same order, so `set_weights(resnet.get_weights())` makes
    it the same function; `keras.utils.plot_model(..., expand_nested=True)` draws what is inside.

    Args:
        classes, filters, levels: as for `Resnet`.
        input_shape: (height, width, channels).

    Returns:
        A `keras.Model`, not compiled, from float32 images (batch, *input_shape) to logits,
        (batch, classes).

    Raises:
        TypeError, ValueError: as for `Resnet`.
    """
    classes, filters, levels = _check_arguments(classes, filters, levels)
    _check_images((None, *input_shape), levels)

    inputs = keras.Input(input_shape)
    x = _conv2d(filters, 3, name="tail")(inputs)
    x = _nest("special_bottleneck", _bottleneck, x, filters, project=True)
    for level, repeats in enumerate(levels):
        for block in range(repeats):
            x = _nest(f"bottleneck_{level}_{block}", _bottleneck, x, filters)
        x = _nest(f"downsample_{level}", _downsample, x, filters)
        filters *= 2
    x = _batch_norm()(x)
    x = layers.ReLU(name="relu")(x)
    x = layers.GlobalAveragePooling2D(data_format="channels_last", name="pool")(x)
    outputs = layers.Dense(classes, name="dense", dtype=keras.config.dtype_policy().variable_dtype)(x)
    return keras.Model(inputs, outputs, name=name)


def _bottleneck(x, filters, project=False):
    residual = _nest("residual_1", _basic, x, filters // 4, 1)
    residual = _nest("residual_2", _basic, residual, filters // 4, 3)
    residual = _nest("residual_3", _basic, residual, filters, 1)
    main = _conv2d(filters, 1, name="main")(x) if project else x
    return layers.Add(name="add")([residual, main])


def _downsample(x, filters):
    residual = _nest("residual_1", _basic, x, filters // 2, 1, strides=2)
    residual = _nest("residual_2", _basic, residual, filters // 2, 3)
    residual = _nest("residual_3", _basic, residual, 2 * filters, 1)
    main = _nest("main", _basic, x, 2 * filters, 1, strides=2)
    return layers.Add(name="add")([residual, main])


def _basic(x, filters, kernel_size, strides=1):
    x = _batch_norm()(x)
    x = layers.ReLU(name="relu")(x)
    return _conv2d(filters, kernel_size, strides, name="conv2d")(x)


def _nest(name, function, x, *args, **kwargs):
    """Apply `function` to `x` inside a model of its own."""
    inputs = keras.Input(x.shape[1:], dtype=x.dtype)
    return keras.Model(inputs, function(inputs, *args, **kwargs), name=name)(x)


def _batch_norm(**kwargs):
    return layers.BatchNormalization(momentum=BATCH_NORM_MOMENTUM, name="batch_norm", **kwargs)


def _conv2d(filters, kernel_size, strides=1, **kwargs):
    return layers.Conv2D(
        _check_integer("filters", filters),
        kernel_size,
        strides,
        padding="same",
        data_format="channels_last",
        use_bias=False,
        **kwargs,
    )


def _build(chain, shape):
    """Build layers that follow each other, and return the shape that leaves the last one."""
    for layer in chain:
        layer.build(shape)
        shape = layer.compute_output_shape(shape)
    return shape


def _check_arguments(classes, filters, levels):
    if isinstance(levels, int) or not len(levels):
        raise ValueError(f"levels is {levels!r}; give the number of bottlenecks in each level, as in [4, 6, 3, 2]")
    levels = tuple(_check_integer("an entry of levels", repeats) for repeats in levels)
    return _check_integer("classes", classes), _check_filters(filters), levels


def _check_filters(filters):
    filters = _check_integer("filters", filters)
    if filters % 4:
        raise ValueError(f"filters is {filters}; a bottleneck has a quarter of it inside: give a multiple of four")
    return filters


def _check_integer(name, value):
    try:
        value = operator.index(value)
    except TypeError:
        hint = f": {int(value)}, which // gives where / does not" if isinstance(value, float) else ""
        raise TypeError(f"{name} is {value!r}; give an integer{hint}") from None
    if value < 1:
        raise ValueError(f"{name} is {value}; give 1 or more")
    return value


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
