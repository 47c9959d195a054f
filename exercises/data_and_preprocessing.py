"""The exercises of page 02, data and preprocessing."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from exercises.answers import WrongAnswer, described, require, tried
from exercises.exercise import Exercise

# --- 1 ------------------------------------------------------------------------------------------


def _check_last_batch(answer: Mapping[str, int]) -> str:
    given = (answer["batches"], answer["images in the last"])
    said = {
        (16, 40): "That is the whole folder. How many images are left for training?",
        (12, 32): "The images that are left over make a batch too.",
        (12.5, 32): "There is no half batch. What is left over makes a smaller one.",
        (13, 64): "The last batch is not filled up. Count what the full ones leave over.",
        (4, 8): "That is the validation part. The question is about the other one.",
        (12, 64): "The images that are left over make a batch too.",
    }
    if given in said:
        raise WrongAnswer(said[given])
    right = tuple(_solve_last_batch().values())
    if given[0] != right[0]:
        raise WrongAnswer(f"Not {given[0]} batches. First: how many images are in the training part?")
    if given[1] != right[1]:
        raise WrongAnswer(f"{right[0]} batches it is. How many images do the full ones leave over?")
    return "800 images: twelve full batches, and one with what is left."


def _solve_last_batch():
    images = 1000 - 200
    return {"batches": -(-images // 64), "images in the last": images % 64}


last_batch = Exercise(
    title="the batches of the training part",
    difficulty="easy",
    minutes=4,
    checker=_check_last_batch,
    hints=(
        "A fifth of the images is set aside. How many remain?",
        "800 / 64 is 12.5. How many images make the half?",
    ),
    solution_source=_solve_last_batch,
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
    minutes=4,
    checker=_check_indices,
    hints=(
        "Two entries stand before the words that you give. For what?",
        "Small letters, no punctuation, cut at the spaces. Which of the four words is unknown?",
    ),
    solution_source=_solve_indices,
)

# --- 3 ------------------------------------------------------------------------------------------


def _reads_ahead(dataset: tf.data.Dataset) -> bool:
    """Whether batches are made ahead of time: whether a prefetch stands anywhere behind the step that makes them."""
    steps = [dataset]
    while steps and "Batch" not in type(steps[0]).__name__:
        if "Prefetch" in type(steps[0]).__name__:
            return True
        steps = steps[0]._inputs()
    return False


def _check_pipeline(pipeline: Callable[..., tf.data.Dataset]) -> str:
    n, size = 5003, 64  # more than the round numbers that are written for a buffer
    x = np.arange(n, dtype="float32")[:, None] * np.ones(3, "float32")
    y = np.arange(n)
    dataset = require(pipeline(x, y, size), tf.data.Dataset, "a dataset")
    spec = dataset.element_spec
    if not (isinstance(spec, tuple) and len(spec) == 2 and all(isinstance(part, tf.TensorSpec) for part in spec)):
        raise WrongAnswer("Each batch must be a pair (x, y).")
    if int(dataset.cardinality()) == tf.data.INFINITE_CARDINALITY:
        raise WrongAnswer("It never ends: a repeat without a number. fit starts each epoch itself.")

    def read(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
        return tried(lambda: list(dataset.take(count).as_numpy_iterator()), "It cannot be read.")

    for first, first_labels in read(1):
        if first.shape == (3,):
            raise WrongAnswer(
                "These are single examples: there is no batch in it. batch changes nothing: it returns a new dataset."
            )
        if first.shape != (size, 3) or first_labels.shape != (size,):
            raise WrongAnswer(
                f"A batch has the shapes {first.shape} and {first_labels.shape}, not {(size, 3)} and {(size,)}."
            )
    epochs = [read(3 * n // size) for _ in range(2)]
    if not all(epochs):
        raise WrongAnswer("There is nothing in it.")
    labels = [[batch[1] for batch in epoch] for epoch in epochs]
    orders = [np.concatenate(epoch) for epoch in labels]
    if len(orders[0]) > n:
        raise WrongAnswer("An epoch holds examples more than once: leave repeat to fit.")
    if len(orders[0]) < n:
        raise WrongAnswer(f"An epoch has {len(orders[0])} of {n} examples. What became of the last, smaller batch?")
    if any(len(np.unique(order)) < n for order in orders):
        raise WrongAnswer("In an epoch some examples come twice, and others never.")
    if any((xs[:, 0] != ys).any() for epoch in epochs for xs, ys in epoch):
        raise WrongAnswer("Images and labels no longer belong together.")
    if (orders[0] == np.arange(n)).all():
        raise WrongAnswer("The examples come in their old order.")
    if all(len(b) < 2 or (np.diff(b) == 1).all() for epoch in labels for b in epoch):
        raise WrongAnswer("You shuffled the batches: the same examples always come together. Mind the order.")
    if (orders[0] == orders[1]).all():
        raise WrongAnswer(
            "Both epochs have the same order. Is there a cache behind the shuffle, or reshuffle_each_iteration=False?"
        )
    if max((np.arange(n) - np.argsort(order)).max() for order in orders) < 0.9 * n:
        raise WrongAnswer("Examples from the end never come early: the buffer is smaller than the data.")
    if not _reads_ahead(dataset):
        raise WrongAnswer("All is right but the last step, which reads ahead.")
    return "Shuffled over all the data, anew each epoch, and read ahead."


def _solve_pipeline():
    def training_pipeline(x, y, batch_size):
        dataset = tf.data.Dataset.from_tensor_slices((x, y))
        return dataset.shuffle(len(x)).batch(batch_size).prefetch(tf.data.AUTOTUNE)

    return training_pipeline


training_pipeline = Exercise(
    title="a pipeline for training",
    difficulty="medium",
    minutes=8,
    checker=_check_pipeline,
    hints=(
        "Three steps: one mixes, one groups, one reads ahead.",
        "What is mixed is what comes in. How large must the buffer be, to mix all of it?",
        "dataset.shuffle(len(x)), then batch, then prefetch(tf.data.AUTOTUNE).",
    ),
    solution_source=_solve_pipeline,
)

# --- 4 ------------------------------------------------------------------------------------------


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
    minutes=10,
    checker=_check_standardize,
    hints=(
        "From which of the two arrays may mean and deviation come?",
        "axis=0 gives a mean for each column.",
        "A constant column has deviation 0. Replace it by 1: np.where.",
    ),
    solution_source=_solve_standardize,
)

# --- 5 ------------------------------------------------------------------------------------------


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
        inputs = keras.Input(core.input_shape[1:])
        standardized = layers.Normalization(mean=mean, variance=deviation**2)(inputs)
        return keras.Model(inputs, core(standardized))

    return with_raw_input


with_raw_input = Exercise(
    title="a model for raw tables",
    difficulty="hard",
    minutes=15,
    checker=_check_raw_input,
    hints=(
        "Which layer takes away a mean and divides? It can be given its state.",
        "A variance is a deviation squared.",
        "A model can be called like a layer: core(...).",
    ),
    solution_source=_solve_raw_input,
)
