"""What a caller gives, checked before anything is made of it: an error that names the argument."""

import math
import numbers
import operator


def whole_number(name, value, least=1, most=math.inf):
    """Return an argument as an int. Any kind of integer will do, NumPy's too.

    Args:
        name: of the argument, for the message.
        value: what was given.
        least, most: the smallest and the largest that it may be.

    Raises:
        TypeError: it is no integer. True and False are none, whatever Python says.
        ValueError: it is out of that range.

    Example:
        >>> whole_number("batch_size", 0)
        Traceback (most recent call last):
        ValueError: batch_size is 0; give an integer, 1 or more
        >>> whole_number("filters", 64 / 2)
        Traceback (most recent call last):
        TypeError: filters is 32.0; give an integer: 32, which // gives where / does not
    """
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        whole = isinstance(value, float) and value.is_integer()
        hint = f": {int(value)}, which // gives where / does not" if whole else ""
        raise TypeError(f"{name} is {value!r}; give an integer{hint}")
    value = operator.index(value)
    if not least <= value <= most:
        limits = f"{least:,} or more" if most == math.inf else f"from {least:,} to {most:,}"
        raise ValueError(f"{name} is {value}; give an integer, {limits}")
    return value


def real_number(name, value, least=-math.inf, below=math.inf):
    """Return an argument as a finite float.

    Args:
        name, value, least: as for `whole_number`.
        below: what it must be less than.

    Raises:
        TypeError: it is no real number. True and False are none.
        ValueError: it is not finite, or out of that range.

    Example:
        >>> real_number("dropout_amount", 1, least=0, below=1)
        Traceback (most recent call last):
        ValueError: dropout_amount is 1; give a number, at least 0 and below 1
    """
    if isinstance(value, bool) or not isinstance(value, numbers.Real):
        raise TypeError(f"{name} is {value!r}; give a number")
    if not (math.isfinite(value) and least <= value < below):
        limits = [f"at least {least:g}"] * (least > -math.inf) + [f"below {below:g}"] * (below < math.inf)
        what = f"number, {' and '.join(limits)}" if limits else "finite number"
        raise ValueError(f"{name} is {value}; give a {what}")
    return float(value)
