"""Images as they might have been written too: changes that a training set can be augmented with."""

import math

import keras
from keras import ops


def random_affine(rotation=10, shear=0.15, shift=0.04, zoom=0.1, seed=None):
    """Return a function that turns, slants, shifts and scales each image of a batch at random.

    All of it is one affine map, and so one interpolation. A chain of `keras.layers.RandomRotation`,
    `RandomShear` and so on interpolates once a layer, and four of them blur a stroke of three
    pixels to a pale one, which is not what the network will be asked to read.

    Args:
        rotation: up to this angle to either side, in degrees.
        shear: up to this slant to either side, a share of the height.
        shift: up to this way in either direction, a share of width and height.
        zoom: up to this much smaller or larger, a share of width and height, each for itself.
        seed: of the random numbers, an integer. Default: others each time.

    Returns:
        A function from (x, y) to (x, y), where x is (batch, height, width), or with channels
        behind, of any numbers with 0 for paper; the result is float32. y stays as it is. It is
        written with `keras.ops`, and serves a `DatasetSequence` and a `tf.data` pipeline.
    """
    limits = ops.convert_to_tensor([[math.radians(rotation)], [shear], [shift], [shift], [zoom], [zoom]])
    generator = keras.random.SeedGenerator(seed)

    def augment(x, y):
        images = ops.cast(x, "float32")
        count, height, width = ops.shape(images)[:3]
        angle, slant, right, down, wide, high = ops.unstack(
            limits * keras.random.uniform((6, count), -1, 1, seed=generator), num=6
        )
        # From a place in the result to one in the image, both from the centre: scaled and slanted, then turned.
        wide, high, cos, sin = 1 / (1 + wide), 1 / (1 + high), ops.cos(angle), ops.sin(angle)
        x_x, x_y = wide * cos, slant * cos - high * sin
        y_x, y_y = wide * sin, slant * sin + high * cos
        center_x, center_y = ops.cast((width - 1) / 2, "float32"), ops.cast((height - 1) / 2, "float32")
        x_0 = center_x * (1 - x_x) - center_y * x_y + right * ops.cast(width, "float32")
        y_0 = center_y * (1 - y_y) - center_x * y_x + down * ops.cast(height, "float32")
        none = ops.zeros_like(angle)
        transform = ops.stack([x_x, x_y, x_0, y_x, y_y, y_0, none, none], axis=1)

        flat = len(images.shape) == 3
        changed = ops.image.affine_transform(
            images[..., None] if flat else images, transform, data_format="channels_last"
        )
        return (changed[..., 0] if flat else changed), y

    return augment
