"""Train: the checker trains what the learner built, and says how far it is from what was asked."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context

from exercises.answers import tried
from exercises.exercise import Exercise, WrongAnswer
from text_recognizer.datasets import Digits

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(kw_only=True)
class Training(Exercise):
    """An exercise whose answer is trained: a function that builds and compiles a classifier.

    The checker calls it once for each seed, trains what it returns, and measures the validation accuracy. Each seed has
    to reach what is asked: one may be luck. Afterwards the seeds of the notebook are what they were.

    Attributes:
        data: gives the images or rows to train on, their labels, and the same to validate with: x_train, y_train, x_val
            and y_val. The labels are indices.
        at_least: the validation accuracy that is asked for.
        epochs, batch_size: how `fit` is called.
        refuse: called with each model before it is trained; raises `WrongAnswer` for one that breaks a rule, such as a
            number of parameters.
        seeds: for weights, batches and dropout, a training each.
        seconds: how long all trainings together may take.

    Example:
        reach_93 = Training(..., data=digits, at_least=0.93, epochs=3)
    """

    checker: Callable[[Any], str] = field(init=False, repr=False)
    data: Callable[[], Arrays]
    at_least: float
    epochs: int
    batch_size: int = 32
    refuse: Callable[[keras.Model], None] = lambda model: None
    seeds: Sequence[int] = (0, 1, 2)
    seconds: float = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        self.checker = self._train

    def _train(self, build: Callable[[], keras.Model]) -> str:
        if isinstance(build, keras.Model):
            raise WrongAnswer("Give the function itself, without calling it: each training needs a fresh model.")
        x_train, y_train, x_val, y_val = self.data()
        classes = int(max(y_train.max(), y_val.max())) + 1
        settings = {"epochs": self.epochs, "batch_size": self.batch_size, "verbose": 0}
        deadline, runs, known = Deadline(self.seconds), [], []
        for seed in self.seeds:
            watch = Watch(deadline)
            with seeded(seed):
                with _refusing_fit():
                    model = build()
                self._look_at(model, x_val[:2], classes)
                refuse_trained(model, known)
                keras.utils.set_random_seed(seed)  # the answer may have set a seed of its own
                told = "Keras cannot train it. Do the loss and the metrics fit the labels, which are indices?"
                trace_once(model, x_train, y_train)
                tried(lambda: model.fit(x_train, y_train, callbacks=[watch], **settings), told)
            runs.append(Run(accuracy(model, x_val, y_val), watch))
        return judged(runs, self.at_least)

    def _look_at(self, model: Any, examples: np.ndarray, classes: int) -> None:
        """Refuse what cannot be trained, or would not be trained from its beginning."""
        if not isinstance(model, keras.Model):
            raise WrongAnswer(f"The function must return a model, not {type(model).__name__}. Is a return missing?")
        if not model.compiled:
            raise WrongAnswer("The model is not compiled. Compile it in the function, before you return it.")
        if int(model.optimizer.iterations):
            raise WrongAnswer(
                "The model, or its optimizer, has been trained already. Make both anew in the function, without `fit`."
            )
        shape, wanted = tuple(model(examples, training=False).shape), (len(examples), classes)
        if shape != wanted:
            raise WrongAnswer(f"For {len(examples)} examples it gives {shape}. It should give {wanted}.")
        self.refuse(model)


def trace_once(model: keras.Model, x: Any, y: Any) -> None:
    """Let `fit` trace its step once: what makes variables within the step, costs a second tracing.

    An optimizer makes some, and so do metrics that were given by name. Nothing is trained, and `fit` begins its metrics
    anew.
    """
    if not (model.built and model.compiled) or model.train_function:
        return
    model.optimizer.build(model.trainable_variables)
    with suppress(Exception):  # data that come in another form; what does not fit, `fit` says
        model.compute_metrics(x[:2], y[:2], model(x[:2], training=False), None)


@contextmanager
def _refusing_fit() -> Iterator[None]:
    """While it lasts, a call of `fit` is a wrong answer."""

    def refused(self, *arguments, **settings):
        raise WrongAnswer("The function calls `fit`. Build and compile the model there: the training is done here.")

    with mock.patch.object(keras.Model, "fit", refused):
        yield


def refuse_trained(model: keras.Model, known: list) -> None:
    """Refuse a model with weights that are in `known`, those of trainings before; if it has none, add its own there."""
    if {id(weight) for weight in model.trainable_weights} & {id(weight) for weight in known}:
        raise WrongAnswer(
            "It gives weights that it gave before, and they have been trained since. Make the model and its layers "
            "anew in the function."
        )
    known += model.trainable_weights


@cache
def digits() -> Arrays:
    """1,155 digits to train on and 385 to validate with: images (n, 28, 28), float32 from 0 to 1, and their classes.

    They are those of the sample, on both settings of the data switch.
    """
    data = Digits(source="sample")
    order = np.random.default_rng(0).permutation(len(data.x_train))
    x, y = data.x_train[order].astype("float32") / 255, data.y_train[order].astype("int64")
    return x[:1155], y[:1155], x[1155:], y[1155:]


@dataclass(frozen=True)
class Run:
    """A training that ended: the validation accuracy of its model, and what was seen of it."""

    accuracy: float
    watch: Watch


class Deadline:
    """A moment, so many seconds from now, after which `Watch` stops a training."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self._moment = seconds, time.monotonic() + seconds

    def is_over(self) -> bool:
        return time.monotonic() > self._moment


class Watch(keras.callbacks.Callback):
    """Ends a training that takes too long, or whose loss is no number any more, by raising `WrongAnswer`.

    Attributes:
        losses: the training loss of each epoch.
        rates: the learning rate at the beginning of each epoch.
        steps: how many batches were trained on.
        data, settings: what `fit` was given, where somebody notes it.
    """

    def __init__(self, deadline: Deadline) -> None:
        super().__init__()
        self.deadline, self.losses, self.rates, self.steps = deadline, [], [], 0
        self.data, self.settings = None, {}

    def on_epoch_begin(self, epoch: int, logs: dict | None = None) -> None:
        self.rates.append(round(float(self.model.optimizer.learning_rate), 7))

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.steps += 1
        if self.deadline.is_over():
            raise WrongAnswer(
                f"The {self.deadline.seconds:g} seconds are over, in epoch {len(self.losses) + 1} of a training. "
                "Is the model larger than it needs to be?"
            )

    def on_epoch_end(self, epoch: int, logs: dict) -> None:
        if "loss" not in logs:
            raise WrongAnswer("Its train_step does not return the loss under the name that Keras gives it, loss.")
        self.losses.append(float(logs["loss"]))
        if not np.isfinite(self.losses[-1]):
            raise WrongAnswer(
                f"After {len(self.losses)} epoch(s) the loss is {self.losses[-1]}. A step was too large: look at the "
                "learning rate, and at the scale of what goes in."
            )


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed all that Keras draws from, and put it back at the end.

    Python's generator and NumPy's go on where they were. TensorFlow has its old seed again, or none, and begins anew
    with it.
    """
    before = random.getstate(), np.random.get_state(), context.global_seed()
    keras.utils.set_random_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        tf.random.set_seed(before[2])


def accuracy(model: keras.Model, x: np.ndarray, y: np.ndarray) -> float:
    """The share of `x` whose class, an index in `y`, gets the largest output. All go through the model at once."""
    return float(np.mean(np.argmax(model(x, training=False), axis=-1) == y))


def judged(runs: Sequence[Run], at_least: float) -> str:
    """In words, what the runs reached, if each of them reached what was asked.

    Raises:
        WrongAnswer: with how far the worst is from it, and what its loss did.
    """
    # rounded down, so that what fell short by a hair does not look as if it had arrived
    reached = [np.floor(run.accuracy * 1000) / 1000 for run in runs]
    several = len(runs) > 1
    said = f"Validation accuracy: {', '.join(f'{value:.3f}' for value in reached)}"
    said += ", each from another seed." if several else "."
    worst = min(runs, key=lambda run: run.accuracy)
    if worst.accuracy >= at_least:
        return f"{said} {at_least:g} was asked for."
    first, last = worst.watch.losses[0], worst.watch.losses[-1]
    fell = f"from {first:.2f} to {last:.2f}{', so it hardly falls.' if last > 0.95 * first else '.'}"
    raise WrongAnswer(
        f"{said} {'Each' if several else 'It'} should reach {at_least:g}, and "
        f"{'the lowest' if several else 'it'} is {at_least - min(reached):.3f} short. "
        f"Its training loss went {fell}"
    )
