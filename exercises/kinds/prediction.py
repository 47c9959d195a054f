"""Predict: A, B or C before the cell is run, compared with what came out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from exercises.exercise import filled, has_blank


@dataclass(frozen=True)
class Prediction:
    """A question with lettered answers, which a page asks above the cell that answers it.

    The cell begins with the blank and ends with the comparison. So nothing is said of a letter before the thing has
    run, and it is compared with what came out in this very run:

        prediction = ____
        model = build_mlp()
        model.summary()
        sequential.first_dense.check(prediction, model.layers[1].count_params())

    It is no exercise: it takes no time, and nothing but the run is its solution.

    Attributes:
        title: what is asked, in a few words.
        outcomes: for each letter what comes out where it is right: a value, or a function that is given what came out
            and says whether it is this.
        because: why it comes out as it does.

    Raises:
        ValueError: there are fewer than two outcomes, or one has no capital letter.

    Example:
        >>> half = Prediction(title="half of 7", outcomes={"A": 3, "B": 3.5}, because="/ gives a float.")
        >>> half.verdict("B", 7 / 2)
        'Right. You said B, and B came out. / gives a float.'
    """

    title: str
    outcomes: Mapping[str, Any]
    because: str

    def __post_init__(self) -> None:
        if len(self.outcomes) < 2 or not all(len(letter) == 1 and letter.isupper() for letter in self.outcomes):
            raise ValueError(f"the prediction {self.title!r} needs two outcomes or more, each with a capital letter")

    def check(self, prediction: str, came_out: Any) -> None:
        """Print whether what came out is what was predicted, and why it came out so. Never raises."""
        print(filled(self.verdict(prediction, came_out)))

    def verdict(self, prediction: str, came_out: Any) -> str:
        """What `check` prints: it begins with "Waiting", "Not yet" or "Right"."""
        *others, last = (f'"{letter}"' for letter in self.outcomes)
        letters = f"{', '.join(others)} or {last}"
        right = [letter for letter, outcome in self.outcomes.items() if _is(outcome, came_out)]
        if len(right) != 1:
            return f"Not yet. What came out is none of the answers: {came_out!r}. Has the cell been changed?"
        if has_blank(prediction):
            return f"Waiting for your prediction: {self.title}.\nReplace ____ by {letters} and run the cell again."
        letter = prediction.strip().upper() if isinstance(prediction, str) else None
        if letter not in self.outcomes:
            return f"Not yet. Predict {letters}, in quotes, not {prediction!r}."
        begin = "Right." if letter == right[0] else "Not yet."
        return f"{begin} You said {letter}, and {right[0]} came out. {self.because}"


def _is(outcome: Any, came_out: Any) -> bool:
    try:
        return bool(outcome(came_out) if callable(outcome) else outcome == came_out)
    except Exception:  # what came out is of quite another kind
        return False
