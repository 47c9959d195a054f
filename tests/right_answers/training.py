"""Right answers of other kinds on page 04."""

import math
from fractions import Fraction

import keras
import numpy as np
import tensorflow as tf
from keras import callbacks, layers

from exercises import training as page


def training(shuffled, *more, **settings):
    def train(x_train, y_train, x_val, y_val):
        x_train, y_train = shuffled(x_train, y_train)
        stack = [keras.Input((28, 28)), layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
        model = keras.Sequential(stack)
        loss = keras.losses.SparseCategoricalCrossentropy()
        model.compile(keras.optimizers.Adam(0.003), loss=loss, metrics=["accuracy"])
        model.fit(x_train, y_train, 32, 3, 0, *more, validation_data=(x_val, y_val), **settings)
        return model

    return train


def functional(x_train, y_train, x_val, y_val):
    image = keras.Input((28, 28))
    x = layers.Dense(64, activation="relu")(layers.Flatten()(image))
    model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=3, batch_size=32, validation_data=(x_val, y_val), verbose=0)
    return model


def of_a_dataset(x_train, y_train, x_val, y_val):
    data = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(len(x_train)).batch(32)
    stack = [keras.Input((28, 28)), layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
    model = keras.Sequential(stack)
    model.compile(keras.optimizers.Adam(0.003), "sparse_categorical_crossentropy")
    model.fit(data, epochs=3, verbose=0, validation_data=(x_val, y_val))
    return model


def two_generators(x, y):
    return np.random.default_rng(0).permutation(x), np.random.default_rng(0).permutation(y)


def at_a_rate(rate, as_a_functional_model=False):
    def train(x_train, y_train, x_val, y_val):
        stack = [layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
        model = keras.Sequential([keras.Input((28, 28)), *stack])
        if as_a_functional_model:
            model = keras.Model(model.inputs, model.outputs)
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=3, batch_size=32, verbose=0)
        return model

    return train


def network(*hidden, rate=0.001):
    def held_back():
        stack = [keras.Input((28, 28)), layers.Flatten(), *(make() for make in hidden), layers.Dense(10, "softmax")]
        model = keras.Sequential(stack)
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
        return model

    return held_back


def penalised():
    return layers.Dense(256, "relu", kernel_regularizer=keras.regularizers.L2(0.03))


def wide():
    return layers.Dense(256, "relu")


def drop():
    return layers.Dropout(0.6)


RIGHT = [
    (page.tags, ["sigmoid", "BinaryCrossentropy"]),
    (page.tags, ("sigmoid", "bce")),
    (page.tags, (keras.activations.sigmoid, keras.losses.BinaryCrossentropy())),
    (page.rows_needed, 3458),
    (page.rows_needed, math.ceil(1.96**2 * 0.09 / 0.0001)),
    (page.rows_needed, Fraction(3457)),
    (page.at_chance, training(lambda x, y: (x, y))),  # `fit` shuffles
    (page.at_chance, training(lambda x, y: (x[::-1], y[::-1]))),
    (page.at_chance, training(two_generators)),
    (page.at_chance, training(two_generators, [callbacks.TerminateOnNaN()])),
    (page.at_chance, training(two_generators, callbacks=callbacks.TerminateOnNaN())),
    (page.at_chance, training(two_generators, callbacks=callbacks.CallbackList([]))),
    (page.at_chance, of_a_dataset),
    (page.at_chance, functional),
    (page.silent_layers, at_a_rate(0.001)),
    (page.silent_layers, at_a_rate(0.01)),
    (page.silent_layers, at_a_rate(0.003, as_a_functional_model=True)),
    (page.silent_layers, at_a_rate(keras.optimizers.schedules.CosineDecay(0.005, 111))),
    (page.despite_wrong_labels, network(drop, wide, drop)),
    (page.despite_wrong_labels, network(penalised, drop, wide, drop)),
    (page.despite_wrong_labels, network(penalised)),
]  # fmt: skip
