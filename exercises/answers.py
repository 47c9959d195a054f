"""What an answer is: the form that it must have, and whether an error is its own.

A checker is called with answers of the right form alone. So it needs no words for a number where a function is wanted.
"""

from __future__ import annotations

import inspect
import math
import os
import re
import reprlib
import sysconfig
import textwrap
import traceback
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from typing import Any

import numpy as np


class WrongAnswer(Exception):
    """Raised by a checker. The message says what is wrong and where to look, not the answer."""


# --- the form of an answer ------------------------------------------------------------------------


def in_form(answer: Any, solution: Any) -> Any:
    """`answer` as a checker takes it, where it has the form of `solution`. Otherwise `WrongAnswer` says which it has.

    - A number may be Python's, NumPy's, an array or a tensor of shape (). It becomes Python's.
    - A list or a tuple of numbers may be any sequence, array or tensor of numbers. It becomes a tuple of Python's
      numbers, and where None stands in it, None remains. How many there must be, the checker says.
    - A dictionary must have the keys of the solution. Its numbers become Python's.
    - A function must take the arguments that the solution takes, by position and under any name. It may also be a
      class, a `partial`, or an object that can be called.

    Of a solution of another kind nothing is asked.

        >>> in_form(np.float64(3), 5)
        3.0
        >>> in_form(np.array([[4, 2, 1]]), [1, 2, 3])
        (4, 2, 1)
        >>> in_form(3, lambda path: path)
        Traceback (most recent call last):
        ...
        exercises.answers.WrongAnswer: Give a function of one argument, not 3.
    """
    if isinstance(solution, Mapping):
        return _lines(answer, solution)
    if isinstance(solution, (list, tuple)) and all(number(entry) is not None for entry in solution):
        return _numbers(answer, len(solution))
    if isinstance(solution, Real):
        return require_number(answer)
    return _function(answer, solution) if inspect.isfunction(solution) else answer


def number(value: Any) -> int | float | None:
    """The Python number that `value` is, or None: of a text, of True, of an array that holds more than one."""
    if getattr(value, "shape", None) == () and not isinstance(value, np.generic):
        try:
            value = np.asarray(value)[()]
        except Exception:  # a symbolic tensor has no value
            return None
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    if isinstance(value, Integral) and abs(value) < 2**63:  # what NumPy can compare
        return int(value)
    try:
        return float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf


def integers(values: Any) -> list[int] | None:
    """The whole numbers that a list, an iterator, an array or a tensor holds, as Python's. None if it holds others.

    >>> integers(np.array([2.0, 1.0]))
    [2, 1]
    """
    if isinstance(values, Mapping):
        return None
    try:
        entries = iter(values)
    except TypeError:
        return None
    found = [number(entry) for entry in entries]
    return [int(entry) for entry in found] if all(map(_is_whole, found)) else None


def _is_whole(value: float | None) -> bool:
    return value is not None and float(value).is_integer()


def require_number(answer: Any) -> int | float:
    """The Python number that an answer is. Raises `WrongAnswer` for an answer that is not one number."""
    found = number(answer)
    if found is None:
        raise WrongAnswer(f"Give one number, without quotes, brackets or commas, not {described(answer)}.")
    return found


def require(value: Any, kind: type, what: str) -> Any:
    """`value`, which a learner's function has returned, if it is a `kind`. Otherwise raises `WrongAnswer`.

    `what` says it in words: "a model".
    """
    if isinstance(value, kind):
        return value
    if value is None:
        reason = "It returns None: is a return missing?"
    elif isinstance(value, type):
        reason = f"It returns {described(value)}: are its brackets missing?"
    else:
        reason = f"It returns {described(value)}."
    raise WrongAnswer(f"The function must return {what}. {reason}")


def described(value: Any) -> str:
    """What `value` is, in a few words: `3`, `'red'`, `[13, 32]`, `the class Dense`, `a tensor of shape (3, 2)`."""
    if isinstance(value, np.generic):
        return str(value)
    if _is_plain(value):
        return reprlib.repr(value)
    if isinstance(value, (list, tuple, set, dict)):
        return f"a {type(value).__name__} of {len(value)}"
    if inspect.isclass(value) or inspect.isroutine(value):
        return f"the {'class' if inspect.isclass(value) else 'function'} {value.__name__}"
    kind = type(value).__name__.lstrip("_")
    kind = {"ndarray": "array", "EagerTensor": "tensor", "SymbolicTensor": "tensor"}.get(kind, kind)
    try:
        shape = f" of shape {tuple(value.shape)}"
    except Exception:  # it has none, or does not know it
        shape = ""
    return f"{'an' if kind[0] in 'AEIOUaeiou' else 'a'} {kind}{shape}"


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple, set, dict)):
        return all(map(_is_plain, value.values() if isinstance(value, dict) else value))
    return value is None or isinstance(value, (bool, int, float, complex, str, bytes, np.generic))


def arguments(function: Callable) -> str:
    """How many arguments a function takes: `no arguments`, `one argument`, `two arguments`."""
    count = len(inspect.signature(function).parameters)
    return f"{_COUNTS[count]} argument{'' if count == 1 else 's'}"


_COUNTS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight")


def _function(answer: Any, solution: Callable) -> Callable:
    from keras import Layer  # here, for the first page does without Keras

    called = f"{solution.__name__}{inspect.signature(solution)}"
    if isinstance(answer, Layer):
        raise WrongAnswer(
            f"Give the function itself, {solution.__name__}, without calling it, not {described(answer)}."
        )
    if not callable(answer):
        named = "" if solution.__name__ == "<lambda>" else f", such as {called}"
        raise WrongAnswer(f"Give a function of {arguments(solution)}{named}, not {described(answer)}.")
    try:
        takes = inspect.signature(answer)
    except (TypeError, ValueError):  # one that is written in C may not say
        return answer
    try:
        takes.bind(*inspect.signature(solution).parameters)
    except TypeError:
        own = textwrap.shorten(str(takes), 80, placeholder=" ...)")
        raise WrongAnswer(f"It is called with {arguments(solution)}: {called}. Yours takes {own}.") from None
    return answer


def _numbers(answer: Any, count: int) -> tuple[int | float | None, ...]:
    wanted = f"Give {_COUNTS[count]} numbers in brackets, without quotes, not {described(answer)}."
    try:
        entries = np.asarray(answer, dtype=object)
    except Exception:  # rows of several lengths, a symbolic tensor
        raise WrongAnswer(wanted) from None
    found = [None if entry is None else number(entry) for entry in entries.flat]
    if entries.ndim == 0 or any(value is None and entry is not None for value, entry in zip(found, entries.flat)):
        raise WrongAnswer(wanted)
    return tuple(found)


def _lines(answer: Any, solution: Mapping) -> dict:
    if not isinstance(answer, Mapping):
        raise WrongAnswer(f"Keep the dictionary, and replace nothing but the blanks. This is {described(answer)}.")
    for line in solution:
        if line not in answer:
            raise WrongAnswer(f"There is no answer for {line}. Keep every line of the dictionary.")
    for line in answer:
        if line not in solution:
            raise WrongAnswer(f"Nothing was asked about {described(line)}. Keep the lines of the dictionary.")
    texts = all(isinstance(value, str) for value in solution.values())
    numeric = all(number(value) is not None for value in solution.values())
    found = {}
    for line in solution:
        given, as_number = answer[line], number(answer[line])
        if texts and not isinstance(given, str):
            words = ", ".join(f'"{word}"' for word in sorted({*solution.values()}))
            raise WrongAnswer(f"{line}: write words in quotes, {words}, not {described(given)}.")
        if numeric and as_number is None:
            raise WrongAnswer(f"{line}: give one number, without quotes, not {described(given)}.")
        found[line] = given if as_number is None else as_number
    return found


# --- whose error it is ----------------------------------------------------------------------------


def tried(attempt: Callable[[], Any], told: str) -> Any:
    """What `attempt` returns. If that fails in no line of the learner, `WrongAnswer` says `told` and the error."""
    try:
        return attempt()
    except Exception as error:
        if isinstance(error, WrongAnswer) or line_of_the_learner(error):
            raise
        reason = textwrap.shorten(plain(error), 200, placeholder=" ...")
        raise WrongAnswer(f"{told} ({type(error).__name__}: {reason})") from error


def plain(error: BaseException) -> str:
    """The message of an error, without colours, TensorFlow's names of nodes, and the traceback that it may hold."""
    text = re.sub(r"\x1b\[\d*m|\{\{.*?\}\} ?", "", str(error))
    if text.startswith("in user code:"):  # AutoGraph: the traceback, and the error at the end
        return text.strip().rpartition("\n")[2].strip().removeprefix(f"{type(error).__name__}: ")
    if text.startswith("Graph execution error:"):  # where it was detected, and the error at the end
        lines = [line.strip() for line in text.splitlines()]
        return [line for line in lines if line and not line.startswith(("[[", "File "))][-1]
    return text.partition("\nTraceback ")[0].strip()


_COURSE = Path(__file__).parents[1]
_NOT_HERS = tuple(
    f"{folder}{os.sep}"
    for folder in (
        *(_COURSE / package for package in ("exercises", "text_recognizer")),
        sysconfig.get_path("stdlib"),
    )
)
_PACKAGES = {"site-packages", "dist-packages"}


def line_of_the_learner(error: BaseException) -> traceback.FrameSummary | None:
    """The last line of her own code that `error` came through, or None: the error is then not hers.

    Her own is what belongs neither to the course nor to a library: a cell, or a file that she imports. What TensorFlow
    makes of it for a graph is not what she wrote.
    """

    def hers(file: str) -> bool:
        return not (
            file.startswith((*_NOT_HERS, "<frozen "))
            or _PACKAGES & {*Path(file).parts}
            or Path(file).suffix in (".pyx", ".pxd", ".pxi")  # a library's own, without its folder
            or Path(file).name.startswith("__autograph_generated_file")
        )

    lines = [frame for frame in traceback.extract_tb(error.__traceback__) if hers(frame.filename)]
    return lines[-1] if lines else None
