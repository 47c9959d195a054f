"""The exercises of page 02, data."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import tensorflow as tf

from exercises.answers import WrongAnswer, described, number, require, tried
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
    return {"batches": int(np.ceil(images / 64)), "images in the last": images % 64}


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


def _reads_ahead(dataset: tf.data.Dataset) -> bool:
    """Whether batches are made ahead of time: whether a prefetch stands anywhere behind the step that makes them."""
    steps = [dataset]
    while steps and "Batch" not in type(steps[0]).__name__:
        if "Prefetch" in type(steps[0]).__name__:
            return True
        steps = steps[0]._inputs()
    return False


def _check_pipeline(pipeline: Callable[..., tf.data.Dataset]) -> str:
    # more than the round numbers that are written for a buffer, and a size that nobody writes for a batch
    n, size = 5003, 500
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

# --- 3 ------------------------------------------------------------------------------------------


def _check_balanced(balanced: Callable[..., Mapping[int, float]]) -> str:
    counts = {0: 60, 2: 30, 5: 10}
    labels = np.random.default_rng(0).permutation(np.repeat(list(counts), list(counts.values())))
    before = labels.copy()
    weights = require(balanced(labels), Mapping, "a dictionary, from class to weight")
    if not np.array_equal(labels, before):
        raise WrongAnswer("The labels that came in were changed. Whoever called you still needs them.")
    given = {number(key): number(value) for key, value in weights.items()}
    if None in given or None in given.values():
        raise WrongAnswer(f"The dictionary should go from numbers to numbers. It is {described(dict(weights))}.")
    if set(given) != set(counts):
        raise WrongAnswer(f"The classes in the labels are {list(counts)}, and the keys are {list(given)}.")
    if min(given.values()) <= 0 or not all(map(np.isfinite, given.values())):
        raise WrongAnswer(f"A weight should be a positive number. These are {list(given.values())}.")
    shown = {label: round(weight, 3) for label, weight in given.items()}
    totals = {label: given[label] * count for label, count in counts.items()}
    if given[0] > given[5]:
        raise WrongAnswer(f"The most frequent class has the largest weight: {shown}. It is the other way round.")
    if not np.isclose(max(totals.values()), min(totals.values()), rtol=1e-3):
        raise WrongAnswer(
            "The classes should have the same weight in all, which is weight times count. With 60, 30 and 10 examples "
            f"it is {', '.join(f'{total:.3g}' for total in totals.values())}."
        )
    mean = sum(totals.values()) / len(labels)
    if not np.isclose(mean, 1, rtol=1e-3):
        raise WrongAnswer(f"All classes weigh the same. But over the examples the mean weight is {mean:.3g}, not 1.")
    return "Each class weighs as much as the others, and the mean weight is 1."


def _solve_balanced():
    def balanced(labels):
        classes, counts = np.unique(labels, return_counts=True)
        weights = len(labels) / (len(classes) * counts)
        return dict(zip(classes.tolist(), weights.tolist()))

    return balanced


balanced = Exercise(
    title="the weights that balance the classes",
    difficulty="medium",
    minutes=6,
    checker=_check_balanced,
    hints=(
        "np.unique(labels, return_counts=True) gives the classes and how often each occurs.",
        "Let each class weigh the same in all: weight times count is the same number for each.",
        "The weights of all examples add up to their number, so each class has len(labels) / number of classes.",
    ),
    solution_source=_solve_balanced,
)
