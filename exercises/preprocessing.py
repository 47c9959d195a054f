"""The exercises of page 03, preprocessing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers

from exercises.answers import WrongAnswer, described, require, tried
from exercises.exercise import Exercise

# --- 1 ------------------------------------------------------------------------------------------


def _check_standardize(standardize: Callable[..., tuple[np.ndarray, np.ndarray]]) -> str:
    generator = np.random.default_rng(0)
    spread = np.array([1.0, 20.0, 0.1])
    train = np.column_stack([generator.normal([5, -30, 0], spread, (80, 3)), np.full(80, 7.0)])
    test = np.column_stack([generator.normal([6, -10, 0], spread * 2, (40, 3)), np.full(40, 7.0)])
    before = train.copy(), test.copy()
    with np.errstate(all="ignore"):  # what divides by zero is told so below
        result = standardize(train, test)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise WrongAnswer(f"Return two arrays: train and test, both scaled. It returns {described(result)}.")
    a, b = (tried(lambda: np.asarray(part, dtype=float), "It returns no arrays of numbers.") for part in result)
    if not (np.array_equal(train, before[0]) and np.array_equal(test, before[1])):
        raise WrongAnswer("The arrays that came in were changed. Whoever called you still needs them.")
    if a.shape != train.shape or b.shape != test.shape:
        raise WrongAnswer(f"The shapes are {a.shape} and {b.shape}, not {train.shape} and {test.shape}.")
    if not (np.isfinite(a).all() and np.isfinite(b).all()):
        raise WrongAnswer("The constant column became nan or infinite: its deviation is 0, and you divide by it.")
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    deviation[3] = 1
    if np.allclose(a[:, :3], ((train - mean) / deviation**2)[:, :3], rtol=1e-3):
        raise WrongAnswer("You divided by the variance. The deviation is its square root.")
    if np.allclose(a, (train - train.mean()) / train.std(), rtol=1e-3):
        raise WrongAnswer("One mean for all columns. Each column needs its own: mind the axis.")
    if not np.allclose(a[:, :3].mean(axis=0), 0, atol=1e-3) or not np.allclose(a[:, :3].std(axis=0), 1, rtol=0.01):
        every = np.concatenate([train, test])
        if np.allclose(
            a[:, :3],
            ((train - every.mean(axis=0)) / every.std(axis=0).clip(1e-9))[:, :3],
            rtol=1e-3,
        ):
            raise WrongAnswer("Mean and deviation come from train and test together. That is the leak.")
        raise WrongAnswer("The columns of train do not have mean 0 and deviation 1.")
    if np.allclose(b[:, :3].mean(axis=0), 0, atol=1e-3):
        raise WrongAnswer("test was scaled by itself: the same raw value means two things in the two parts.")
    if not np.allclose(b[:, :3], ((test - mean) / deviation)[:, :3], rtol=0.02, atol=1e-3):
        raise WrongAnswer("train is right. test must be scaled with the same two numbers for each column.")
    if not np.allclose(a[:, 3], 0, atol=1e-3) or not np.allclose(b[:, 3], 0, atol=1e-3):
        raise WrongAnswer("The constant column should get mean 0 too, and the same value in test should become 0.")
    return "What was learned came from train alone."


def _solve_standardize():
    def standardize(train, test):
        mean, deviation = train.mean(axis=0), train.std(axis=0)
        deviation = np.where(deviation == 0, 1, deviation)
        return (train - mean) / deviation, (test - mean) / deviation

    return standardize


standardize = Exercise(
    title="standardize without a leak",
    difficulty="medium",
    minutes=7,
    checker=_check_standardize,
    hints=(
        "From which of the two arrays may mean and deviation come?",
        "axis=0 gives a mean for each column.",
        "A constant column has deviation 0. Replace it by 1: np.where.",
    ),
    solution_source=_solve_standardize,
)


# --- 2 ------------------------------------------------------------------------------------------


def _check_indices(given: tuple[int, ...]) -> str:
    right = tuple(_solve_indices())
    said = {
        (2, 0, 1): "You counted from 0 and left a word out. Two indices are taken before the first word.",
        (2, 0, -1, 1): "The words do not begin at 0: two indices are taken before them.",
        (3, 1, 0, 2): "Index 0 is taken, and so is another one. Which two?",
        (4, 2, 0, 3): "0 is for padding. A word that is not in the vocabulary has an index of its own.",
        (4, 2, 3): "A word that it does not know is not left out.",
        (1, 1, 1, 3): "Capitals and commas are taken away before the words are looked up.",
        (1, 1, 1, 1): "Capitals and punctuation are taken away before the words are looked up.",
        (2, 4, 1, 3): "A given vocabulary keeps its order. It is not sorted.",
        (3, 4, 1, 2): "A given vocabulary keeps its order, and its first word is red.",
    }
    if given in said:
        raise WrongAnswer(said[given])
    if len(given) != len(right):
        raise WrongAnswer(f"Four words go in, so four numbers come out, not {len(given)}.")
    if given != right:
        raise WrongAnswer(f"{list(given)} is not it. Write down the vocabulary with its indices, from 0.")
    return "'and' is the word that it does not know."


def _solve_indices():
    vocabulary = ["", "[UNK]", "red", "green", "blue"]
    words = ["blue", "red", "[UNK]", "green"]
    return [vocabulary.index(word) for word in words]


indices_of_words = Exercise(
    title="the indices of four words",
    difficulty="easy",
    minutes=3,
    checker=_check_indices,
    hints=(
        "Two entries stand before the words that you give. For what?",
        "Small letters, no punctuation, cut at the spaces. Which of the four words is unknown?",
    ),
    solution_source=_solve_indices,
)


# --- 3 ------------------------------------------------------------------------------------------


def _check_gaps(fill_gaps: Callable[..., tuple[np.ndarray, np.ndarray]]) -> str:
    nan = np.nan
    train = np.array([[1, 10, 0.5], [2, nan, 0.5], [nan, 30, 0.1], [90, 50, 0.2], [4, 200, 0.4]])
    test = np.array([[nan, 11.0, nan], [70, nan, 0.9], [80, 900, 0.8]])
    before = train.copy(), test.copy()
    result = fill_gaps(train, test)
    if not isinstance(result, (tuple, list)) or len(result) != 2:
        raise WrongAnswer(f"Return two arrays: train and test, both filled. It returns {described(result)}.")
    a, b = (tried(lambda: np.asarray(part, dtype=float), "It returns no arrays of numbers.") for part in result)
    if not all(np.array_equal(*pair, equal_nan=True) for pair in zip((train, test), before)):
        raise WrongAnswer("The arrays that came in were changed. Whoever called you still needs them.")
    if a.shape == train.shape and b.shape == test.shape:
        raise WrongAnswer("The indicators are missing: three columns came in, and six should come out.")
    if a.shape != (5, 6) or b.shape != (3, 6):
        raise WrongAnswer(f"The shapes are {a.shape} and {b.shape}, not (5, 6) and (3, 6).")
    if np.isnan(a).any() or np.isnan(b).any():
        raise WrongAnswer("There is still a nan in it. np.median of a column with a gap is nan itself.")
    gaps = [np.isnan(part) for part in (train, test)]
    for found, gap in zip((a, b), gaps):
        if np.array_equal(found[:, :3], gap):
            raise WrongAnswer("The indicators stand before the columns. They should stand behind them.")
        if np.array_equal(found[:, 3:], ~gap):
            raise WrongAnswer("The indicators are the wrong way round: 1 is where there was a gap.")
        if not np.array_equal(found[:, 3:], gap):
            raise WrongAnswer("Columns 3 to 5 should be the indicators of columns 0 to 2: 1 where there was a gap.")
    for found, part, gap in zip((a, b), (train, test), gaps):
        if not np.allclose(found[:, :3][~gap], part[~gap], rtol=1e-4):
            raise WrongAnswer("A number that was there has changed. Only the gaps are filled.")

    def filled_with(*values: np.ndarray) -> bool:
        return all(
            np.allclose(found[:, :3], np.where(gap, value, part), rtol=1e-4)
            for found, part, gap, value in zip((a, b), (train, test), gaps, values)
        )

    median, every = np.nanmedian(train, axis=0), np.concatenate([train, test])
    if filled_with(median, np.nanmedian(test, axis=0)):
        raise WrongAnswer("test was filled with its own medians. They should come from train.")
    if filled_with(*[np.nanmedian(every, axis=0)] * 2):
        raise WrongAnswer("The medians come from train and test together. That is the leak.")
    if filled_with(*[np.nanmean(train, axis=0)] * 2):
        raise WrongAnswer("Those are the means. The median is the number in the middle.")
    if filled_with(*[np.full(3, np.nanmedian(train))] * 2):
        raise WrongAnswer("One median for all columns. Each column needs its own: mind the axis.")
    if filled_with(0, 0):
        raise WrongAnswer("The gaps were filled with 0. Fill them with the medians of the columns.")
    if not filled_with(median, median):
        raise WrongAnswer("The gaps are not filled with the median of their column in train.")
    return "The medians came from train alone, and the indicators remember where they stand."


def _solve_gaps():
    def fill_gaps(train, test):
        median = np.nanmedian(train, axis=0)

        def fill(table):
            gaps = np.isnan(table)
            return np.column_stack([np.where(gaps, median, table), gaps])

        return fill(train), fill(test)

    return fill_gaps


fill_gaps = Exercise(
    title="fill the gaps of a table",
    difficulty="medium",
    minutes=8,
    checker=_check_gaps,
    hints=(
        "np.isnan finds the gaps, and np.nanmedian leaves them out.",
        "From which of the two arrays may the medians come? axis=0 gives one for each column.",
        "np.where(gaps, median, table) fills, and np.column_stack puts tables side by side.",
    ),
    solution_source=_solve_gaps,
)


# --- 4 ------------------------------------------------------------------------------------------


def _outputs(model: keras.Model, table: np.ndarray) -> np.ndarray:
    """What a model gives. Not by predict, which warns of retracing when it has met five new models."""
    return tried(lambda: np.asarray(model(table, training=False)), "It does not take a table of raw numbers.")


def _check_raw_input(with_raw_input: Callable[..., keras.Model]) -> str:
    generator = np.random.default_rng(0)
    mean, deviation = np.array([40.0, 0.5, -3.0]), np.array([12.0, 0.1, 2.0])
    raw = generator.normal(mean, deviation, (20, 3)).astype("float32")
    core = keras.Sequential([keras.Input((3,)), layers.Dense(4, activation="tanh"), layers.Dense(1)])
    right = _outputs(core, (raw - mean) / deviation)
    model = require(with_raw_input(core, mean, deviation), keras.Model, "a model")
    if model is core:
        raise WrongAnswer("That is core itself. Something must stand before it.")
    if not np.allclose(_outputs(core, (raw - mean) / deviation), right, atol=1e-3):
        raise WrongAnswer("core itself was changed. Whoever gave it to you still needs it, for standardized tables.")
    found = _outputs(model, raw)
    if found.shape != right.shape:
        raise WrongAnswer(f"It gives the shape {found.shape}. core must come last.")
    if not np.allclose(found, right, atol=1e-3):
        if np.allclose(found, _outputs(core, raw), atol=1e-3):
            raise WrongAnswer("The raw numbers reach core as they are: is the layer adapted, or given its state?")
        if np.allclose(found, _outputs(core, (raw - mean) / np.sqrt(deviation)), atol=1e-3):
            raise WrongAnswer("Each column is divided by the wrong number. Normalization asks for a variance.")
        raise WrongAnswer("It does not give what core gives for the standardized table.")
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "raw.keras")
        try:
            model.save(path)
            loaded = keras.saving.load_model(path)
        except Exception as error:
            raise WrongAnswer(
                "Right numbers, but it cannot be saved and loaded "
                f"({type(error).__name__}). Use a layer of Keras rather than a Lambda."
            ) from error
        if not np.allclose(_outputs(loaded, raw), right, atol=1e-3):
            raise WrongAnswer("The loaded model gives other numbers.")
    return "And the file takes raw tables."


def _solve_raw_input():
    def with_raw_input(core, mean, deviation):
        standardized = layers.Normalization(mean=mean, variance=deviation**2)
        return keras.Sequential([keras.Input((len(mean),)), standardized, core])

    return with_raw_input


with_raw_input = Exercise(
    title="a model for raw tables",
    difficulty="medium",
    minutes=7,
    checker=_check_raw_input,
    hints=(
        "Which layer takes away a mean and divides? It can be given its state.",
        "A variance is a deviation squared.",
        "A model may stand in a list of layers, as core does here.",
    ),
    solution_source=_solve_raw_input,
)
