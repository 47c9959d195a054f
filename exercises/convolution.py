"""The exercises of page 05, convolution."""

from __future__ import annotations

from functools import cache

import keras
import numpy as np
from keras import layers

from exercises.answers import WrongAnswer
from exercises.exercise import Exercise
from exercises.kinds.diagnosis import Diagnosis
from exercises.kinds.training import Arrays, Training, digits

# --- 1 ------------------------------------------------------------------------------------------


def _check_shape(answer: tuple[int, ...]) -> str:
    if len(answer) == 4 and answer[0] is None:
        raise WrongAnswer("Leave the batch out.")
    if len(answer) != 3:
        raise WrongAnswer("A shape has three numbers: height, width and channels.")
    height, width, channels = answer
    if height != width:
        raise WrongAnswer("The image is a square, and so is all that becomes of it.")
    if channels in (1, 3) and height == 8:
        raise WrongAnswer("The size is right. The channels are as many as the filters.")
    if channels != 32:
        raise WrongAnswer("The last number is wrong. How many channels has the output of the convolution?")
    said = {
        25: "That is the shape after the convolution. The pooling comes after it.",
        23: "The stride of a pooling is not 1 by default.",
        9: "The pooling does not say padding='same', so nothing is added at the border.",
        50: "'same' keeps the size only with stride 1.",
        16: "'same' does not keep the size here: the convolution has stride 2.",
        17: "'same' does not keep the size here: the convolution has stride 2.",
        7: "The convolution is padded, so its border is not lost.",
        12: "The pooling's window is 3, and so is its stride.",
    }
    if height in said:
        raise WrongAnswer(said[height])
    if answer != _solve_shape():
        raise WrongAnswer("Work out the convolution first, then the pooling with its own rule.")
    return "50 / 2 is 25, and a window of 3 fits 8 times into 25."


def _solve_shape():
    after_convolution = int(np.ceil(50 / 2))  # same
    after_pooling = int(np.ceil((after_convolution - 3 + 1) / 3))  # valid, the stride is the window
    return (after_pooling, after_pooling, 32)


shape_after_pooling = Exercise(
    title="the shape after convolution and pooling",
    difficulty="easy",
    minutes=4,
    checker=_check_shape,
    hints=(
        "'same' gives ceil(n / stride), whatever the window.",
        "MaxPooling2D has defaults of its own. Which padding, which stride?",
        "How often does a window of 3 fit into what the convolution leaves?",
    ),
    solution_source=_solve_shape,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_parameters(answer: int) -> str:
    first, second = 5 * 5 * 3 * 32 + 32, 3 * 3 * 32 * 64
    said = {
        first: "That is the first convolution alone.",
        second: "That is the second convolution alone.",
        first
        - 32
        + second: "The first convolution has a bias for each filter. Only the second one was told otherwise.",
        first + second + 64: "The second convolution has no bias: look at its arguments.",
        5 * 5 * 3 * 32 + 3 + second: "There is one bias for each filter, not for each channel of the input.",
        5 * 5 * 32 + 32 + second: "A window of the first convolution has three channels.",
        5 * 5 * 32 + 32 + 3 * 3 * 64: "A window has as many channels as what comes in.",
        first + 3 * 3 * 64: "A window of the second convolution has as many channels as the first one makes.",
        first + 3 * 3 * 3 * 64: "The second convolution does not see the image. How many channels come in?",
    }
    if answer in said:
        raise WrongAnswer(said[answer])
    if answer != _solve_parameters():
        raise WrongAnswer(
            "For each convolution: window height * window width * channels in * filters, plus the biases."
        )
    return "2,432 for the first convolution and 18,432 for the second, on an image of any size."


def _solve_parameters():
    first = 5 * 5 * 3 * 32 + 32
    second = 3 * 3 * 32 * 64  # its input has the 32 channels of the first one
    return first + second


parameters_of_two = Exercise(
    title="the parameters of two convolutions",
    difficulty="easy",
    minutes=3,
    checker=_check_parameters,
    hints=(
        "A filter has a weight for each number in its window, over all channels.",
        "How many channels does the first convolution make? The second one gets all of them.",
    ),
    solution_source=_solve_parameters,
)

# --- 3 ------------------------------------------------------------------------------------------


@cache
def grey_digits() -> Arrays:
    """The digits of `digits` with a channel axis, as a convolution wants them."""
    x_train, y_train, x_val, y_val = digits()
    return x_train[..., None], y_train, x_val[..., None], y_val


def _refuse_a_large_one(model: keras.Model) -> None:
    if model.count_params() > 4000:
        raise WrongAnswer(
            f"It has {model.count_params():,} parameters, and 4,000 are allowed. `model.summary()` says where they "
            "are. Most of them are often in the dense layer behind Flatten."
        )


def _solve_small_convnet():
    def small_convnet():
        model = keras.Sequential(
            [
                keras.Input((28, 28, 1)),
                layers.Conv2D(8, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(16, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Conv2D(8, 3, padding="same", activation="relu"),
                layers.MaxPooling2D(),
                layers.Flatten(),
                layers.Dense(10, activation="softmax"),
            ]
        )
        model.compile(keras.optimizers.Adam(0.005), loss="sparse_categorical_crossentropy")
        return model

    return small_convnet


small_convnet = Training(
    title="a convnet of at most 4,000 parameters",
    difficulty="medium",
    minutes=10,
    data=grey_digits,
    at_least=0.9,
    epochs=5,
    refuse=_refuse_a_large_one,
    hints=(
        "The dense layer has ten weights for each number that Flatten gives it. What makes them fewer?",
        "A third convolution with a third pooling leaves 3 x 3 places. With 8 channels these are 72 numbers.",
        "If it has the right size and learns too slowly: the string 'adam' stands for a rate of 0.001. Try 0.005.",
    ),
    solution_source=_solve_small_convnet,
)

# --- 4 ------------------------------------------------------------------------------------------


def _broken_training(x_train, y_train, x_val, y_val):
    stack = [keras.Input((28, 28, 1))]
    for filters in (8, 16):
        stack += [
            layers.Conv2D(filters, 3, padding="same", use_bias=False),
            layers.BatchNormalization(),
            layers.ReLU(),
            layers.MaxPooling2D(),
        ]
    model = keras.Sequential([*stack, layers.Flatten(), layers.Dense(10, activation="softmax")])
    adam, loss = keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy"
    model.compile(adam, loss, metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=2, batch_size=64, validation_data=(x_val, y_val), verbose=0)
    return model


def _solve_lost_in_validation():
    def colleagues_training(x_train, y_train, x_val, y_val):
        stack = [keras.Input((28, 28, 1))]
        for filters in (8, 16):
            stack += [
                layers.Conv2D(filters, 3, padding="same", use_bias=False),
                layers.BatchNormalization(momentum=0.8),
                layers.ReLU(),
                layers.MaxPooling2D(),
            ]
        model = keras.Sequential([*stack, layers.Flatten(), layers.Dense(10, activation="softmax")])
        adam, loss = keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy"
        model.compile(adam, loss, metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=2, batch_size=64, validation_data=(x_val, y_val), verbose=0)
        return model

    return colleagues_training


lost_in_validation = Diagnosis(
    title="find what is lost between training and validation",
    difficulty="medium",
    minutes=8,
    broken=_broken_training,
    data=grey_digits,
    at_least=0.85,
    seeds=(3, 1),  # from these two the fault costs most: 0.62 and 0.76, and without it 0.89 and more
    fault="Two epochs are 38 batches, and with a momentum of 0.99 two thirds of the averages were still their start.",
    may_change=("layers",),
    hints=(
        "Train it with verbose=2, and compare the accuracy on the training batches with that on the validation images.",
        "Which layer does something else in training than afterwards, and how many batches has it seen?",
        "After 38 batches, a share of momentum ** 38 of the start is left. With 0.95 that is 14 %, too much here.",
    ),
    solution_source=_solve_lost_in_validation,
)
