"""Coloured, patterned shapes on a cluttered ground: ten classes of images that need no network.

Five shapes in two patterns each. A shape has a family of colours, the two patterns of a shape have
the same one. So colour helps, as it does on photographs, and is not enough: the two patterns must
be told apart too, wherever the shape lies, however large it is, and however noisy the image.
"""

import numpy as np

from text_recognizer.arguments import whole_number
from text_recognizer.datasets.synthetic.points import rotate

SIZE = 64  # pixels, the height and width of an image

_PATTERNS = {
    "striped": lambda u, v: np.floor(4 * v) % 2 == 0,
    "checked": lambda u, v: (np.floor(3 * u) + np.floor(3 * v)) % 2 == 0,
}
_SHAPES = {  # and their colours
    "disc": (lambda u, v: u * u + v * v <= 1, (200, 60, 60)),
    "square": (lambda u, v: np.maximum(abs(u), abs(v)) <= 0.85, (60, 180, 60)),
    "triangle": (lambda u, v: (v <= 0.75) & (2 * abs(u) <= v + 1.05), (60, 80, 200)),
    "ring": (lambda u, v: (u * u + v * v <= 1) & (u * u + v * v >= 0.3), (200, 180, 50)),
    "cross": (lambda u, v: (np.minimum(abs(u), abs(v)) <= 0.33) & (np.maximum(abs(u), abs(v)) <= 1), (170, 60, 190)),
}

CLASSES = tuple(f"{pattern} {shape}" for shape in _SHAPES for pattern in _PATTERNS)
"""The ten classes: "striped disc", "checked disc", "striped square", ..., "checked cross"."""


def draw_shape(label, seed):
    """Draw an image of a class.

    The same pixels on every machine with the same version of NumPy: what is computed is integers, or
    floats by single operations of IEEE 754. A new version may change the stream of
    `numpy.random.default_rng` (NumPy Enhancement Proposal 19). None has so far: the tests compare a
    checksum.

    Args:
        label: index of the class in `CLASSES`, 0 to 9.
        seed: an integer, 0 or more, or a sequence of them; another one gives another image.

    Returns:
        `image, box`: uint8 (64, 64, 3), RGB, and the smallest rectangle with all of the shape in
        it, four integers: left, top, right, bottom, in pixels, the last two inside.

    Raises:
        TypeError: the label is no integer.
        ValueError: there is no such class.

    Example:
        >>> image, box = draw_shape(CLASSES.index("striped disc"), seed=5)
        >>> image.shape, image.dtype, box
        ((64, 64, 3), dtype('uint8'), (1, 19, 45, 63))
    """
    label = whole_number("label", label, least=0, most=len(CLASSES) - 1)
    pattern, shape = CLASSES[label].split()
    rng = np.random.default_rng(seed)
    image = _ground(rng)

    radius = rng.integers(15, 27)
    x, y = rng.integers(radius, SIZE - radius, 2)
    half = -0.2 + 0.4 * rng.random()
    down, right = (np.mgrid[:SIZE, :SIZE] - np.array([y, x])[:, None, None]) / radius
    u, v = rotate(right, down, half)

    is_inside, colour = _SHAPES[shape]
    inside, first = is_inside(u, v), _PATTERNS[pattern](u, v)
    image[inside & first] = np.array(colour) + rng.integers(-70, 71, 3)
    image[inside & ~first] = (25, 230)[rng.integers(0, 2)] + rng.integers(-25, 26, 3)  # nearly black, or nearly white
    image += rng.integers(-24, 25, image.shape)  # noise

    rows, columns = np.nonzero(inside)
    box = tuple(int(edge(side)) for edge in (np.min, np.max) for side in (columns, rows))
    return np.clip(image, 0, 255).astype(np.uint8), box


def _ground(rng):
    """Draw a greyish plane that is lighter on one side, with four small rectangles on it."""
    down, right = np.mgrid[:SIZE, :SIZE][..., None] - SIZE // 2
    slope = rng.integers(-40, 41, (2, 3))
    image = rng.integers(40, 216) + rng.integers(-30, 31, 3) + (right * slope[0] + down * slope[1]) // 32
    for _ in range(4):
        x, y = rng.integers(0, SIZE, 2)
        width, height = rng.integers(4, 16, 2)
        image[y : y + height, x : x + width] = rng.integers(0, 256, 3)
    return image
