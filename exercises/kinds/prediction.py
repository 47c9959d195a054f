"""Predict: A, B or C before the cell is run, compared with what came out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exercises.exercise import Exercise, WrongAnswer, has_blank


@dataclass(kw_only=True)
class Prediction(Exercise):
    """A question with lettered answers, which a page asks above the cell that answers it.

    The cell begins with the blank and ends with the comparison, so that a letter is compared with what came out in this
    very run:

        prediction = ____  # "A", "B" or "C", before you run the cell
        model = build_mlp()
        model.summary()
        sequential.first_dense.check(prediction, model.layers[1].count_params())

    There is no solution: to run the cell is one.

    Attributes:
        title: what is asked, in a few words.
        outcomes: for each letter what comes out where it is right: a value, or a function that is given what came out
            and says whether it is this.
        because: why it comes out as it does.

    Raises:
        ValueError: fewer than two outcomes.
    """

    difficulty: str = "easy"
    minutes: int = 1
    checker: Callable[[Any], str] = field(init=False, repr=False)
    solution_source: None = field(init=False, default=None, repr=False)
    outcomes: Mapping[str, Any]
    because: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if len(self.outcomes) < 2:
            raise ValueError(f"the prediction {self.title!r} has fewer than two outcomes")
        self.checker = self._compare

    def check(self, prediction: str, came_out: Any) -> None:
        """Print whether what came out is what was predicted, and why it came out so. Never raises."""
        super().check((prediction, came_out))

    def verdict(self, answer: tuple[str, Any]) -> str:
        """What `check` prints of a prediction and what came out."""
        if has_blank(answer[0]):
            return (
                f"Waiting for your prediction: {self.title}.\nReplace ____ by {self._letters} and run the cell again."
            )
        return super().verdict(answer)

    @property
    def _letters(self) -> str:
        *first, last = (f'"{letter}"' for letter in self.outcomes)
        return f"{', '.join(first)} or {last}"

    def _compare(self, answer: tuple[str, Any]) -> str:
        prediction, came_out = answer
        letter = prediction.strip().upper() if isinstance(prediction, str) else None
        if letter not in self.outcomes:
            raise WrongAnswer(f"Predict {self._letters}, in quotes, not {prediction!r}.")
        right = [each for each, outcome in self.outcomes.items() if _is(outcome, came_out)]
        if not right:
            raise WrongAnswer(f"None of the answers is what came out, {came_out}. Has the cell been changed?")
        if letter != right[0]:
            raise WrongAnswer(f"You said {letter}, and {right[0]} came out. {self.because}")
        return f"You said {letter}, and {letter} came out. {self.because}"


def _is(outcome: Any, came_out: Any) -> bool:
    return bool(outcome(came_out) if callable(outcome) else outcome == came_out)
