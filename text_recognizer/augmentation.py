"""Random affine changes of images, to augment a training set."""

import math

import keras
from keras import ops

from text_recognizer.arguments import real_number, whole_number


@keras.saving.register_keras_serializable("text_recognizer")
class RandomAffine(keras.layers.Layer):
    """A layer that turns, slants, shifts and scales each image of a batch at random, in training alone.

    All of it is one affine map, and so one interpolation, which is bilinear. A chain of `keras.layers.RandomRotation`,
    `RandomShear` and so on interpolates once a layer, and four of them blur a stroke of three pixels to a pale one,
    which is not what the network will be asked to read. That such changes of handwritten characters make a better
    training set is from P. Simard, D. Steinkraus, J. Platt, "Best practices for convolutional neural networks applied
    to visual document analysis", ICDAR 2003.

    It is a layer like `keras.layers.RandomFlip`. Called by itself, it changes the images, unless it is told
    `training=False`; within a model, it does so in `fit` and leaves them alone in `evaluate` and `predict`. In a
    pipeline it is

        layer = RandomAffine(seed=0)
        augment_fn = lambda x, y: (layer(x, training=True), y)

    Call arguments: `images`, (batch, height, width) or (batch, height, width, channels), of any numbers, with 0 for
    paper, which also is what moves in from outside; and `training`. The result has the same shape and is float32.

    Args:
        rotation: up to this angle to either side, in degrees, at least 0.
        shear: up to this slant to either side, a share of the height, at least 0.
        shift: up to this way in either direction, a share of width and height, at least 0.
        zoom: up to this much smaller or larger, a share of width and height, each for itself, at least 0 and below 1.
        seed: of the random numbers, an integer, 0 or more. Default: one that Keras draws.
        **kwargs: to `keras.layers.Layer`, e.g. `name`.

    Raises:
        TypeError: a limit is no number, or the seed no integer.
        ValueError: one is out of its range, or, when called, the images have another number of dimensions.

    Example:
        >>> import numpy as np
        >>> images = np.zeros((2, 28, 28), "uint8")
        >>> images[:, 8:20, 13:15] = 255
        >>> layer = RandomAffine(rotation=20, seed=0)
        >>> changed = ops.convert_to_numpy(layer(images))
        >>> changed.shape, changed.dtype
        ((2, 28, 28), dtype('float32'))
        >>> bool((changed[0] == changed[1]).all())
        False
        >>> bool((ops.convert_to_numpy(layer(images, training=False)) == images).all())
        True
    """

    def __init__(self, rotation=10, shear=0.15, shift=0.04, zoom=0.1, seed=None, **kwargs):
        # Whatever Keras' policy is: half precision cannot say where in a large image a pixel is.
        super().__init__(**{"dtype": "float32"} | kwargs)
        self.rotation = real_number("rotation", rotation, least=0)
        self.shear = real_number("shear", shear, least=0)
        self.shift = real_number("shift", shift, least=0)
        self.zoom = real_number("zoom", zoom, least=0, below=1)
        self.seed = None if seed is None else whole_number("seed", seed, least=0)
        self.generator = keras.random.SeedGenerator(self.seed)
        self.input_spec = keras.layers.InputSpec(min_ndim=3, max_ndim=4)
        self.supports_jit = keras.backend.backend() != "tensorflow"  # XLA has no ImageProjectiveTransform

    def call(self, images, training=True):
        images = ops.cast(images, self.compute_dtype)
        if not training:
            return images
        count, height, width = ops.shape(images)[:3]
        flat = len(images.shape) == 3
        changed = ops.image.affine_transform(
            images[..., None] if flat else images,
            self._transforms(count, height, width),
            data_format="channels_last",
        )
        return changed[..., 0] if flat else changed

    def compute_output_shape(self, input_shape):
        return input_shape

    def get_config(self):
        limits = {"rotation": self.rotation, "shear": self.shear, "shift": self.shift, "zoom": self.zoom}
        return {**super().get_config(), **limits, "seed": self.seed}

    def _transforms(self, count, height, width):
        """Return a map for each image, as `keras.ops.image.affine_transform` takes it, float32 (count, 8)."""
        limits = [[math.radians(self.rotation)], [self.shear], [self.shift], [self.shift], [self.zoom], [self.zoom]]
        angle, slant, right, down, wide, high = ops.unstack(
            ops.convert_to_tensor(limits, "float32")
            * keras.random.uniform((6, count), -1, 1, dtype="float32", seed=self.generator),
            num=6,
        )
        # From a place in the result to one in the image, both from the centre: scaled and slanted, then turned.
        wide, high, cos, sin = 1 / (1 + wide), 1 / (1 + high), ops.cos(angle), ops.sin(angle)
        x_x, x_y = wide * cos, slant * cos - high * sin
        y_x, y_y = wide * sin, slant * sin + high * cos
        center_x, center_y = ops.cast((width - 1) / 2, "float32"), ops.cast((height - 1) / 2, "float32")
        x_0 = center_x * (1 - x_x) - center_y * x_y + right * ops.cast(width, "float32")
        y_0 = center_y * (1 - y_y) - center_x * y_x + down * ops.cast(height, "float32")
        none = ops.zeros_like(angle)
        return ops.stack([x_x, x_y, x_0, y_x, y_y, y_0, none, none], axis=1)
