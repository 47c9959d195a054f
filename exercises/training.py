"""The exercises of page 04, training."""

from __future__ import annotations

from functools import cache
from typing import Any

import keras
import numpy as np
from keras import layers

from exercises.answers import WrongAnswer, described
from exercises.exercise import Exercise
from exercises.kinds.diagnosis import Diagnosis
from exercises.kinds.training import Arrays, Training, digits

# --- 1 ------------------------------------------------------------------------------------------


def _as_names(answer: Any) -> tuple[str, str]:
    """The activation and the loss by name; objects and functions of Keras have one too."""
    if not isinstance(answer, (list, tuple)) or len(answer) != 2:
        raise WrongAnswer(f"Give two names in quotes, the activation and the loss, not {described(answer)}.")
    names = [part if isinstance(part, str) else getattr(part, "name", getattr(part, "__name__", "")) for part in answer]
    if not all(names):
        raise WrongAnswer("Give both as the strings that Keras takes, in quotes.")
    activation, loss = (name.strip().lower() for name in names)
    return activation, {"binarycrossentropy": "binary_crossentropy", "bce": "binary_crossentropy"}.get(loss, loss)


def _check_tags(answer: tuple[str, str]) -> str:
    activation, loss = answer
    if "crossentropy" in activation or loss in ("softmax", "sigmoid", "linear", "relu"):
        raise WrongAnswer("First the activation, then the loss.")
    if activation == "softmax":
        raise WrongAnswer("A softmax makes the outputs sum to 1. Then a cat makes a dog less probable.")
    if activation == "linear":
        raise WrongAnswer("The loss, as a string, expects probabilities. Which activation gives them?")
    if activation != "sigmoid":
        raise WrongAnswer("Each output is to be a probability of its own, from 0 to 1.")
    if loss in ("categorical_crossentropy", "sparse_categorical_crossentropy"):
        raise WrongAnswer("The activation is right. This loss expects one true class. Here two questions are answered.")
    if loss != "binary_crossentropy":
        raise WrongAnswer("The activation is right. Look at the last row of the table for the loss.")
    return "Each output answers its own yes-or-no question."


def _solve_tags():
    return ("sigmoid", "binary_crossentropy")


tags = Exercise(
    title="activation and loss for several tags",
    difficulty="easy",
    minutes=2,
    checker=_check_tags,
    hints=(
        "Can both labels be 1 at once? Then the two outputs need not sum to 1.",
        "Which activation turns each logit into a probability by itself? It is in the last row of the table.",
    ),
    solution_source=_solve_tags,
    form=_as_names,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_rows_needed(answer: float) -> str:
    if np.isclose(answer, 0.9 * 0.1 / 0.01**2, rtol=0.02):
        raise WrongAnswer("That makes one standard error 0.01. The interval reaches 1.96 of them to each side.")
    if np.isclose(answer, 0.9 * 0.1 * (1.96 / 0.02) ** 2, rtol=0.02) or np.isclose(answer, 864, rtol=0.02):
        raise WrongAnswer("That is 0.02 to each side. The interval should reach 0.01 to each side.")
    if np.isclose(answer, 0.5 * 0.5 * (1.96 / 0.01) ** 2, rtol=0.02):
        raise WrongAnswer("That is for an accuracy of 0.5. Here p is 0.9.")
    if answer < 1000:
        raise WrongAnswer("Too few. Solve 1.96 * sqrt(p * (1 - p) / n) = 0.01 for n.")
    if not np.isclose(answer, _solve_rows_needed(), rtol=0.05):
        raise WrongAnswer("Solve 1.96 * sqrt(p * (1 - p) / n) = 0.01 for n.")
    return "27 times as many rows as 128, for an interval that is a fifth as wide."


def _solve_rows_needed():
    return 0.9 * 0.1 * (1.96 / 0.01) ** 2


rows_needed = Exercise(
    title="rows for an interval of 0.01 to each side",
    difficulty="medium",
    minutes=3,
    checker=_check_rows_needed,
    hints=(
        "The half width is 1.96 times the standard error, sqrt(p * (1 - p) / n).",
        "Set it equal to 0.01, square both sides, and solve for n.",
    ),
    solution_source=_solve_rows_needed,
)

# --- 3 ------------------------------------------------------------------------------------------


def _broken_training(x_train, y_train, x_val, y_val):
    shuffle = np.random.default_rng(0)
    x_train = shuffle.permutation(x_train)
    y_train = shuffle.permutation(y_train)
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    adam = keras.optimizers.Adam(0.003)
    model.compile(adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=3, batch_size=32, validation_data=(x_val, y_val), verbose=0)
    return model


def _solve_at_chance():
    def train(x_train, y_train, x_val, y_val):
        order = np.random.default_rng(0).permutation(len(x_train))
        x_train, y_train = x_train[order], y_train[order]
        hidden, output = layers.Dense(64, activation="relu"), layers.Dense(10, activation="softmax")
        model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), hidden, output])
        adam = keras.optimizers.Adam(0.003)
        model.compile(adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=3, batch_size=32, validation_data=(x_val, y_val), verbose=0)
        return model

    return train


at_chance = Diagnosis(
    title="find what keeps a training at chance",
    difficulty="medium",
    minutes=6,
    broken=_broken_training,
    data=digits,
    at_least=0.85,
    fault="Each call of permutation draws another order, so the images no longer had their own labels.",
    hints=(
        "The model is fine, and so is the way it is compiled. Look at what it is given.",
        "Which label belongs to the first image, before and after the first three lines?",
        "Draw one order of len(x_train), and take both arrays in that order.",
    ),
    solution_source=_solve_at_chance,
)

# --- 4 ------------------------------------------------------------------------------------------


def _all_dead(x_train, y_train, x_val, y_val):
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(64, activation="relu"),
            layers.Dense(64, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    adam = keras.optimizers.Adam(0.3)
    model.compile(adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=3, batch_size=32, validation_data=(x_val, y_val), verbose=0)
    return model


def _solve_silent_layers():
    def train(x_train, y_train, x_val, y_val):
        hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
        output = layers.Dense(10, activation="softmax")
        model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), *hidden, output])
        adam = keras.optimizers.Adam(0.003)
        model.compile(adam, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=3, batch_size=32, validation_data=(x_val, y_val), verbose=0)
        return model

    return train


silent_layers = Diagnosis(
    title="find why a network answers the same for every image",
    difficulty="medium",
    minutes=4,
    broken=_all_dead,
    data=digits,
    at_least=0.85,
    may_change=("learning rate",),
    fault="The rate was a hundred times too high: its first steps left dead units only.",
    hints=(
        "Train it once, and count the dead units of what it returns with `dead_units(model, x_val)`.",
        "Before the training few units are dead. What can push so many of them below zero at once?",
        "Do a rate test: 0.3, 0.03, 0.003.",
    ),
    solution_source=_solve_silent_layers,
)

# --- 5 ------------------------------------------------------------------------------------------


@cache
def noisy_digits() -> Arrays:
    """300 digits to train on, of which 90 have a wrong label, and 385 to validate with, whose labels are right."""
    x_train, y_train, x_val, y_val = digits()
    x_train, y_train = x_train[:300], y_train[:300].copy()
    draw = np.random.default_rng(0)
    wrong = draw.choice(300, size=90, replace=False)
    y_train[wrong] = (y_train[wrong] + draw.integers(1, 10, size=90)) % 10
    return x_train, y_train, x_val, y_val


def _solve_despite_wrong_labels():
    def held_back():
        model = keras.Sequential([keras.Input((28, 28)), layers.Flatten()])
        for _ in range(2):
            model.add(layers.Dense(256, activation="relu"))
            model.add(layers.Dropout(0.5))
        model.add(layers.Dense(10, activation="softmax"))
        model.compile("adam", loss="sparse_categorical_crossentropy")
        return model

    return held_back


despite_wrong_labels = Training(
    title="a network that learns despite wrong labels",
    difficulty="medium",
    minutes=6,
    data=noisy_digits,
    at_least=0.8,
    epochs=30,
    hints=(
        "Thirty epochs are enough to learn the wrong labels by heart. Which remedies of the page delay that?",
        "Of those that need no more images, dropout after each hidden layer did most on the page.",
        "An L2 penalty is given to each Dense layer: kernel_regularizer=keras.regularizers.L2(0.01).",
    ),
    solution_source=_solve_despite_wrong_labels,
)
