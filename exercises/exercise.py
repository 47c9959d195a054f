"""What an exercise is: a checker that explains, hints, and a solution that runs."""

from __future__ import annotations

import re
import textwrap
import traceback
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from numbers import Real
from types import CodeType
from typing import Any


class _Blank:
    """The blank of an exercise, `____`: what the learner replaces."""

    def __repr__(self) -> str:
        return "____"


____ = _Blank()


class WrongAnswer(Exception):
    """Raised by a checker. The message says what is wrong and where to look, not the answer."""


@dataclass
class Exercise:
    """One exercise of a page.

    Attributes:
        title: what to do, in a few words.
        difficulty: "easy", "medium" or "hard".
        minutes: how long it takes somebody who has read the page.
        checker: called with the answer; raises `WrongAnswer` if it is wrong, returns what is worth
            knowing about a right one.
        hints: from a nudge to nearly the answer.
        solution_source: a function of no arguments that returns a right answer. `make render` writes its body, folded
            away, below the exercise.
    """

    title: str
    difficulty: str
    minutes: int
    checker: Callable[[Any], str]
    hints: tuple[str, ...]
    solution_source: Callable[[], Any]
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
            return f"Right. {self.checker(answer)}"
        except WrongAnswer as wrong:
            return f"Not yet. {wrong}"
        except Exception as error:  # the answer's own code failed: that is an answer too
            return f"Not yet. Your answer raised {type(error).__name__}: {_plain(error)}{_where(answer, error)}"

    def hint(self) -> None:
        """Print the next hint; after the last one, the last one again."""
        number = min(self._hints_given, len(self.hints) - 1)
        self._hints_given = number + 1
        print(filled(f"Hint {number + 1} of {len(self.hints)}: {self.hints[number]}"))


def require_number(answer: Any) -> None:
    """Raise `WrongAnswer` for an answer that is not one number."""
    if not isinstance(answer, Real):
        raise WrongAnswer(f"Give one number, without quotes, brackets or commas, not {answer!r}.")


def filled(text: str) -> str:
    """The text in lines of 96 characters, as wide as a cell. JupyterLab would break longer ones within a word."""
    whole = {"break_long_words": False, "break_on_hyphens": False}
    return "\n".join(textwrap.fill(line, 96, **whole) for line in text.splitlines())


def _plain(error: Exception) -> str:
    """The message of an error, without colours and without TensorFlow's names of nodes."""
    return re.sub(r"\x1b\[\d*m|\{\{.*?\}\} ?", "", str(error))


def _where(answer: Any, error: Exception) -> str:
    """Which line of an answer that is a function raised the error: the last one that was reached."""
    code = getattr(answer, "__code__", None)
    frames = [f for f in traceback.extract_tb(error.__traceback__) if code and f.filename == code.co_filename]
    return f"\nThat happened in line {frames[-1].lineno} of the cell:\n    {frames[-1].line}" if frames else ""


def has_blank(answer: Any) -> bool:
    """Whether a blank is left in an answer: in a value, in a list or dictionary, or in a function's code."""
    if answer is ____:
        return True
    if isinstance(answer, Mapping):
        return any(map(has_blank, answer.values()))
    if isinstance(answer, (list, tuple, set)):
        return any(map(has_blank, answer))
    code = getattr(answer, "__code__", None)
    return isinstance(code, CodeType) and _names_blank(code)


def _names_blank(code: CodeType) -> bool:
    return "____" in code.co_names or any(isinstance(c, CodeType) and _names_blank(c) for c in code.co_consts)
