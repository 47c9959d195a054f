"""What a network is built from, checked before a layer meets it."""

import math
import numbers
import operator


def check_shapes(input_shape, output_shape, ranks=None, smallest=1):
    """Refuse shapes that no network can be built for, by name.

    Args:
        input_shape: what should be a tuple of integers, without the batch.
        output_shape: what should be a tuple of one integer, the number of classes.
        ranks: the lengths that `input_shape` may have; None for any but 0.
        smallest: the pixels that height and width, the first two axes, need at least.

    Returns:
        Both shapes, as tuples of Python's integers.

    Raises:
        TypeError: a shape is no tuple or list, or holds something else than integers.
        ValueError: a shape has the wrong length, or a size that is too small.

    Example:
        >>> import numpy as np
        >>> check_shapes(np.zeros((1000, 28, 28)).shape[1:], [10])
        ((28, 28), (10,))
    """
    input_shape = _check_shape("input_shape", input_shape, "(28, 28) or (28, 28, 1)")
    output_shape = _check_shape("output_shape", output_shape, "(10,)")
    if len(output_shape) != 1:
        raise ValueError(f"output_shape is {output_shape}; it has one entry, the number of classes, as in (10,)")
    if ranks and len(input_shape) not in ranks:
        raise ValueError(
            f"input_shape is {input_shape}; this network needs (height, width) or (height, width, channels), "
            "as in (28, 28) or (28, 28, 1)"
        )
    if min(input_shape[:2]) < smallest:
        raise ValueError(f"input_shape is {input_shape}; this network needs {smallest} pixels each way, or more")
    return input_shape, output_shape


def with_channels(input_shape):
    """Return (height, width, channels): (28, 28) becomes (28, 28, 1)."""
    return input_shape if len(input_shape) == 3 else (*input_shape, 1)


def check_integer(name, value):
    """Return `value` as an int, at least 1; any kind of integer will do, NumPy's too.

    Raises:
        TypeError: it is no integer. True and False are none, whatever Python says.
        ValueError: it is less than 1.

    Example:
        >>> check_integer("filters", 64 / 2)
        Traceback (most recent call last):
        TypeError: filters is 32.0; give an integer: 32, which // gives where / does not
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        value = operator.index(value)
    except TypeError:
        rounded = isinstance(value, float) and math.isfinite(value)
        hint = f": {int(value)}, which // gives where / does not" if rounded else ""
        raise TypeError(f"{name} is {value!r}; give an integer{hint}") from None
    if value < 1:
        raise ValueError(f"{name} is {value}; give 1 or more")
    return value


def check_share(name, value):
    """Return `value` as a float, at least 0 and below 1: the share of outputs that dropout sets to zero.

    Raises:
        TypeError: it is no real number. True and False are none.
        ValueError: it is out of that range.
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}; give a number, as in 0.2")
    if not 0 <= value < 1:
        raise ValueError(f"{name} is {value}; give the share to drop, at least 0 and below 1")
    return float(value)


def _check_shape(name, shape, example):
    if not isinstance(shape, tuple | list):
        raise TypeError(f"{name} is {shape!r}; give a tuple of integers, as in {example}")
    if not shape:
        raise ValueError(f"{name} is {shape}; give at least one size, each 1 or more, as in {example}")
    try:
        return tuple(check_integer("a size", size) for size in shape)
    except (TypeError, ValueError) as error:
        raise type(error)(f"{name} is {shape}; {error}, as in {example}") from None
