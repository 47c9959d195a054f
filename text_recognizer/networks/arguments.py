"""What a network is built from, checked before a layer meets it."""

from text_recognizer.arguments import whole_number


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
    input_shape = check_each("input_shape", input_shape, example="(28, 28)")
    output_shape = check_each("output_shape", output_shape, example="(10,)")
    if len(output_shape) != 1:
        raise ValueError(f"output_shape is {output_shape}; it has one entry, the number of classes, as in (10,)")
    if ranks and len(input_shape) not in ranks:
        raise ValueError(f"input_shape is {input_shape}; give (height, width) or (height, width, channels)")
    if min(input_shape[:2]) < smallest:
        raise ValueError(f"input_shape is {input_shape}; this network needs {smallest} pixels each way, or more")
    return input_shape, output_shape


def check_each(name, values, check=whole_number, example="(64, 64)"):
    """Return a tuple of what a check makes of each entry of a tuple or list that is not empty.

    Args:
        name: of the argument, for the message.
        values: what was given.
        check: a function of an entry's name and the entry. Default: it is an integer, 1 or more.
        example: of what to give, for the message.

    Raises:
        TypeError: it is no tuple or list, or an entry is of another kind.
        ValueError: it is empty, or an entry is out of its range.

    Example:
        >>> check_each("levels", [4, 0])
        Traceback (most recent call last):
        ValueError: levels[1] is 0; give an integer, 1 or more
    """
    if not isinstance(values, tuple | list):
        raise TypeError(f"{name} is {values!r}; give a tuple, as in {example}")
    if not values:
        raise ValueError(f"{name} is {values}; give one entry or more, as in {example}")
    return tuple(check(f"{name}[{i}]", value) for i, value in enumerate(values))


def with_channels(input_shape):
    """Return (height, width, channels).

    Example:
        >>> with_channels((28, 28))
        (28, 28, 1)
    """
    return input_shape if len(input_shape) == 3 else (*input_shape, 1)


def line_shapes(input_shape, output_shape, smallest):
    """Check the shapes of a network for lines, whose images may be of any width.

    Args:
        input_shape: (height, width) or (height, width, channels); the width may be None.
        output_shape: (number of classes,).
        smallest: the pixels that height and width need at least.

    Returns:
        (height, width, channels) and (number of classes,).

    Raises:
        TypeError, ValueError: as `check_shapes`.

    Example:
        >>> line_shapes((48, None), (102,), smallest=16)
        ((48, None, 1), (102,))
    """
    any_width = isinstance(input_shape, tuple | list) and input_shape[1:2] in ((None,), [None])
    known = (input_shape[0], smallest, *input_shape[2:]) if any_width else input_shape
    known, output_shape = check_shapes(known, output_shape, ranks=(2, 3), smallest=smallest)
    height, width, channels = with_channels(known)
    return (height, None if any_width else width, channels), output_shape
