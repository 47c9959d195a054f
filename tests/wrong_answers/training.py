"""Wrong answers that people give on page 04, and a word of what they are told."""

import keras
import numpy as np
from keras import layers

from exercises import training as page


def training(mended=True, units=64, epochs=3, rate=0.003, returns=True, times=1, adam=(), **settings):
    def train(x_train, y_train, x_val, y_val):
        shuffle = np.random.default_rng(0)
        order = shuffle.permutation(len(x_train))
        x_train, y_train = x_train[order], y_train[order if mended else shuffle.permutation(len(y_train))]
        stack = [keras.Input((28, 28)), layers.Flatten(), layers.Dense(units, "relu"), layers.Dense(10, "softmax")]
        model = keras.Sequential(stack)
        model.compile(keras.optimizers.Adam(rate, *adam), loss="sparse_categorical_crossentropy")
        model.fit(x_train * times, y_train, epochs=epochs, batch_size=32, verbose=0, **settings)
        return model if returns else None

    return train


def two_hidden(rate=0.003, activation="relu", optimizer=keras.optimizers.Adam, epochs=3):
    def train(x_train, y_train, x_val, y_val):
        hidden = [layers.Dense(64, activation) for _ in range(2)]
        model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), *hidden, layers.Dense(10, "softmax")])
        model.compile(optimizer(rate), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=epochs, batch_size=32, verbose=0)
        return model

    return train


def network(*hidden, output=10, loss="sparse_categorical_crossentropy", rate=0.001):
    def held_back():
        stack = [keras.Input((28, 28)), layers.Flatten(), *(make() for make in hidden), layers.Dense(output, "softmax")]
        model = keras.Sequential(stack)
        model.compile(keras.optimizers.Adam(rate), loss=loss)
        return model

    return held_back


def wide():
    return layers.Dense(256, "relu")


WRONG = [
    (page.tags, ("softmax", "binary_crossentropy"), "sum to 1"),
    (page.tags, ("softmax", "categorical_crossentropy"), "sum to 1"),
    (page.tags, ("sigmoid", "categorical_crossentropy"), "expects one true class"),
    (page.tags, ("binary_crossentropy", "sigmoid"), "First the activation"),
    (page.tags, ("sigmoid", "mse"), "last row"),
    (page.tags, ("relu", "binary_crossentropy"), "a probability of its own"),
    (page.tags, ("linear", "binary_crossentropy"), "expects probabilities"),
    (page.tags, "sigmoid", "two names"),
    (page.rows_needed, 900, "one standard error"),
    (page.rows_needed, 864, "0.02 to each side"),
    (page.rows_needed, 9604, "0.5"),
    (page.rows_needed, 128, "Too few"),
    (page.rows_needed, 5000, "Solve"),
    (page.at_chance, training(mended=False, rate=0.01), "The fault is still there. Validation accuracy: 0."),
    (page.at_chance, training(units=128), "layers: Dense(units=64"),
    (page.at_chance, training(adam=[0.5]), "settings of the optimizer: beta_1=0.9 became beta_1=0.5"),
    (page.at_chance, training(rate=keras.optimizers.schedules.ExponentialDecay(0.003, 10**9, 1)), "0.003 became Exponential"),
    (page.at_chance, training(callbacks=[keras.callbacks.LearningRateScheduler([0.01, 0.003, 0.003].__getitem__)]), "(0.01, 0.003)"),
    (page.at_chance, training(times=4), "what it is trained on: 1155 examples, mean 0.158"),
    (page.at_chance, training(shuffle=False), "settings of fit: shuffle=True became shuffle=False"),
    (page.at_chance, training(epochs=1, returns=False), "must return the model"),
    (page.at_chance, training(epochs=0), "trains nothing"),
    (page.silent_layers, two_hidden(0.1), "The fault is still there"),
    (page.silent_layers, two_hidden(0.3, epochs=4), "The fault is still there"),
    (page.silent_layers, two_hidden(activation="tanh"), "layers: Dense(units=64, activation=relu"),
    (page.silent_layers, two_hidden(0.1, optimizer=keras.optimizers.SGD, epochs=4), "optimizer: Adam became SGD"),
    (page.silent_layers, two_hidden, "The function"),
    (page.despite_wrong_labels, network(wide, wide), "short. Its training loss went from"),
    (page.despite_wrong_labels, network(lambda: layers.Dense(512, "relu"), lambda: layers.Dense(512, "relu")), "short"),
    (page.despite_wrong_labels, network(wide, layers.BatchNormalization, wide), "short"),
    (page.despite_wrong_labels, network(wide, lambda: layers.Dropout(0.5), output=1), "It should give (2, 10)"),
    (page.despite_wrong_labels, network(wide, loss="mse"), "Keras cannot train it"),
    (page.despite_wrong_labels, network(wide, wide)(), "without calling it"),
]  # fmt: skip
