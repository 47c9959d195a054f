"""What an exercise is: a checker that explains, hints, and a solution that runs."""

from __future__ import annotations

import functools
import logging
import textwrap
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import CellType, CodeType, FunctionType
from typing import Any

import numpy as np

from exercises.answers import WrongAnswer, in_form, line_of_the_learner, plain


class _Blank:
    """The blank of an exercise, `____`: what the learner replaces."""

    def __repr__(self) -> str:
        return "____"


____ = _Blank()


@dataclass
class Exercise:
    """One exercise of a page.

    Attributes:
        title: what to do, in a few words.
        difficulty: "easy", "medium" or "hard".
        minutes: how long it takes somebody who has read the page.
        checker: called with an answer of the right form; raises `WrongAnswer` if it is wrong, returns what is worth
            knowing about a right one.
        hints: from a nudge to nearly the answer.
        solution_source: a function of no arguments that returns a right answer. `make render` writes its body, folded
            away, below the exercise.
        form: called with the answer; returns what the checker is called with, or raises `WrongAnswer`. By default an
            answer must have the form of the solution, as `answers.in_form` says.
    """

    title: str
    difficulty: str
    minutes: int
    checker: Callable[[Any], str]
    hints: tuple[str, ...]
    solution_source: Callable[[], Any]
    form: Callable[[Any], Any] | None = None
    _hints_given: int = field(default=0, init=False, repr=False)

    def __post_init__(self) -> None:
        if self.difficulty not in ("easy", "medium", "hard"):
            raise ValueError(f"difficulty must be easy, medium or hard, not {self.difficulty!r}")
        if not self.hints:
            raise ValueError(f"the exercise {self.title!r} has no hint")

    def check(self, answer: Any) -> None:
        """Print whether `answer` is right, and what is wrong with it if not. Never raises."""
        print(filled(self.verdict(answer)))

    def verdict(self, answer: Any) -> str:
        """What `check` prints: it begins with "Waiting", "Not yet" or "Right"."""
        if has_blank(answer):
            return f"Waiting for your answer: {self.title}.\nReplace ____ and run the cell again."
        try:
            taken = self.form(answer) if self.form else in_form(answer, self.solution_source())
            return f"Right. {self.checker(taken)}"
        except WrongAnswer as wrong:
            return f"Not yet. {wrong}"
        except Exception as error:
            line = line_of_the_learner(error)
            if line:  # the answer's own code failed: that is an answer too
                raised = f"Your answer raised {type(error).__name__}: {plain(error)}"
                return f"Not yet. {raised}\nThat happened in line {line.lineno} of the cell:\n    {line.line}"
            logging.getLogger(__name__).debug("the checker of %r failed", self.title, exc_info=True)
            return f"Not yet. What it gives has another form than is asked for: {self.title}."

    def hint(self) -> None:
        """Print the next hint; after the last one, the last one again."""
        number = min(self._hints_given, len(self.hints) - 1)
        self._hints_given = number + 1
        print(filled(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}"))


def filled(text: str) -> str:
    """The text in lines of 96 characters, as wide as a cell. JupyterLab would break longer ones within a word."""
    whole = {"break_long_words": False, "break_on_hyphens": False}
    return "\n".join(textwrap.fill(line, 96, **whole) for line in text.splitlines())


def has_blank(answer: Any) -> bool:
    """Whether a blank is left in an answer: as a value, within what holds values, or in the code of a function.

    What holds values is a list and its like, a dictionary, an array, a class, and a function with its defaults.
    """
    seen: dict[int, Any] = {}  # a method remembers its class, and a list may hold itself

    def found(value: Any) -> bool:
        if value is ____:
            return True
        if id(value) in seen:
            return False
        seen[id(value)] = value
        return any(map(found, _parts(value)))

    return found(answer)


def _parts(value: Any) -> Iterable:
    """What stands within a value. A name that is the blank's counts as the blank itself."""
    if isinstance(value, CodeType):
        names = {*value.co_names, *value.co_varnames, *value.co_freevars}
        return [____] if "____" in names else value.co_consts
    if isinstance(value, FunctionType):
        remembered = value.__closure__ or ()
        return [value.__code__, value.__defaults__, value.__kwdefaults__, *remembered]
    if isinstance(value, CellType):
        return [value.cell_contents] if value != CellType() else ()  # one that was never filled has none
    if isinstance(value, Mapping):
        return [*value, *value.values()]
    if isinstance(value, (list, tuple, set, frozenset)):
        return value
    if isinstance(value, np.ndarray):
        return value.flat if value.dtype == object else ()
    if isinstance(value, type):
        return vars(value).values()
    if isinstance(value, property):
        return [value.fget, value.fset]
    if isinstance(value, functools.partial):
        return [value.func, value.args, value.keywords]
    # a method, and what a decorator has made of a function
    return [getattr(value, name, None) for name in ("__func__", "__wrapped__")]
