"""The shapes that a network is built for, checked before a layer meets them."""


def check_shapes(input_shape, output_shape, ranks=None, smallest=1):
    """Refuse shapes that no network can be built for, by name.

    Args:
        input_shape: what should be a tuple of integers, without the batch.
        output_shape: what should be a tuple of one integer, the number of classes.
        ranks: the lengths that `input_shape` may have; None for any but 0.
        smallest: the pixels that height and width, the first two axes, need at least.

    Raises:
        TypeError: a shape is no tuple, or holds something else than integers.
        ValueError: a shape has the wrong length, or a size that is too small.
    """
    _check_tuple("input_shape", input_shape, "(28, 28) or (28, 28, 1)")
    _check_tuple("output_shape", output_shape, "(10,)")
    if len(output_shape) != 1:
        raise ValueError(f"output_shape is {output_shape}; it has one entry, the number of classes, as in (10,)")
    if ranks and len(input_shape) not in ranks:
        raise ValueError(
            f"input_shape is {input_shape}; this network needs (height, width) or (height, width, channels), "
            "as in (28, 28) or (28, 28, 1)"
        )
    if min(input_shape[:2]) < smallest:
        raise ValueError(f"input_shape is {input_shape}; this network needs {smallest} pixels each way, or more")


def with_channels(input_shape):
    """Return (height, width, channels): (28, 28) becomes (28, 28, 1)."""
    return input_shape if len(input_shape) == 3 else (*input_shape, 1)


def _check_tuple(name, shape, example):
    if not isinstance(shape, tuple | list) or not all(isinstance(size, int) for size in shape):
        raise TypeError(f"{name} is {shape!r}; give a tuple of integers, as in {example}")
    if not shape or min(shape) < 1:
        raise ValueError(f"{name} is {shape}; give at least one size, each 1 or more, as in {example}")
