"""Points of an image, turned, and what is there, with the same result on every machine.

It takes sums, products and quotients of single numbers alone, which IEEE 754 defines to the bit, and integers.
"""

import numpy as np


def rotate(x, y, half):
    """Turn points about the origin.

    Args:
        x, y: arrays, or numbers.
        half: the tangent of half the angle, from which the cosine and the sine follow without a call of either. In an
            image, where y points down, an angle above 0 turns clockwise.

    Returns:
        `x, y` of the turned points, floats.

    Example:
        >>> rotate(2.0, 1.0, half=1.0)  # 90 degrees
        (-1.0, 2.0)
    """
    cosine, sine = (1 - half * half) / (1 + half * half), 2 * half / (1 + half * half)
    return cosine * x - sine * y, sine * x + cosine * y


def interpolate(images, x, y, chosen=0):
    """Read images at points between their pixels, bilinearly.

    Args:
        images: uint8 (n, height, width).
        x, y: the points, integers, in 256ths of a pixel from the middle of the first one. Points outside are moved to
            the edge.
        chosen: at which of the images to read each point, an integer or an array of them.

    Returns:
        uint8, of the shape to which x, y and `chosen` are broadcast.

    Example:
        >>> interpolate(np.array([[[0, 100], [0, 100]]], np.uint8), x=np.array([0, 64, 128]), y=0)
        array([ 0, 25, 50], dtype=uint8)
    """
    _, height, width = images.shape
    x, y = np.clip(x, 0, (width - 1) * 256 - 1), np.clip(y, 0, (height - 1) * 256 - 1)
    column, row, right, down = x >> 8, y >> 8, x & 255, y & 255
    corner = (chosen * height + row) * width + column
    ink = images.ravel().astype(np.int32)
    above = ink[corner] * (256 - right) + ink[corner + 1] * right
    below = ink[corner + width] * (256 - right) + ink[corner + width + 1] * right
    return ((above * (256 - down) + below * down) >> 16).astype(np.uint8)
