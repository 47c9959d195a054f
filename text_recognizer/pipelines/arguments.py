"""Checks of what a caller gives."""

import operator


def whole_number(name, value, least):
    """Return an argument as an int.

    Raises:
        ValueError: it is no whole number, or less than `least`; the message names the argument.

    Example:
        >>> whole_number("batch_size", 0, least=1)
        Traceback (most recent call last):
        ValueError: batch_size is 0; give a whole number, 1 or more
    """
    if isinstance(value, bool) or not hasattr(value, "__index__") or operator.index(value) < least:
        raise ValueError(f"{name} is {value!r}; give a whole number, {least} or more")
    return operator.index(value)
