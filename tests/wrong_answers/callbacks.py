"""Wrong answers that people give on page 06, and a word of what they are told."""

import keras
import tensorflow as tf
from keras import layers

from exercises import callbacks as page


def checkpoint(**kwargs):
    def keep_the_best(path):
        return keras.callbacks.ModelCheckpoint(path, **kwargs)

    return keep_the_best


def saving_when(decide):
    class Saving(keras.callbacks.Callback):
        def __init__(self, path):
            super().__init__()
            self.path, self.best = path, 1.0

        def on_epoch_end(self, epoch, logs=None):
            if decide(logs, self.best):
                self.best = logs["val_loss"]
                self.model.save_weights(self.path)

    return Saving


def gap(decide):
    def stop_on_gap(ratio):
        class StopOnGap(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if decide(logs, ratio):
                    self.model.stop_training = True

        return StopOnGap()

    return stop_on_gap


def stops_on_the_lowest(ratio):
    class StopOnGap(keras.callbacks.Callback):
        lowest = float("inf")

        def on_epoch_end(self, epoch, logs=None):
            self.lowest = min(self.lowest, logs["loss"])
            self.model.stop_training = logs.get("val_loss", 0) > ratio * self.lowest

    return StopOnGap()


def stops_itself(ratio):
    class StopOnGap(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            if logs.get("val_loss", 0) > ratio * logs["loss"]:
                self.stop_training = True

    return StopOnGap()


def without_return(ratio):
    class StopOnGap(keras.callbacks.Callback):
        pass


def training(decay_steps=222, units=64, epochs=6, rate=0.1, returns=True, constant=None, **settings):
    def train(x_train, y_train, x_val, y_val):
        stack = [keras.Input((28, 28)), layers.Flatten(), layers.Dense(units, "relu"), layers.Dense(10, "softmax")]
        model = keras.Sequential(stack)
        schedule = constant or keras.optimizers.schedules.CosineDecay(rate, decay_steps=decay_steps)
        sgd = keras.optimizers.SGD(schedule)
        model.compile(sgd, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=epochs, batch_size=32, verbose=0, **settings)
        return model if returns else None

    return train


def compiled(optimizer, units=64, extra=()):
    def build():
        hidden = [layers.Dense(units, "relu") for _ in range(2)]
        stack = [keras.Input((28, 28)), layers.Flatten(), *hidden, *extra, layers.Dense(10, "softmax")]
        model = keras.Sequential(stack)
        model.compile(optimizer(), loss="sparse_categorical_crossentropy")
        return model

    return build


SGD, CosineDecay = keras.optimizers.SGD, keras.optimizers.schedules.CosineDecay
BEST = {"save_best_only": True, "save_weights_only": True}

WRONG = [
    (page.patience, (10, 10), "that far"),
    (page.patience, (8, 8), "never run"),
    (page.patience, (5, 2), "anew"),
    (page.patience, (7, 7), "does not leave the last"),
    (page.patience, (4, 7), "First how many"),
    (page.patience, (7, 6), "reached it first"),
    (page.patience, 7, "two numbers"),
    (page.patience, (7, 4, 1), "two numbers"),
    (page.warm_up_schedule, lambda e: 0.002 * e if e < 5 else 0.01 * 0.9 ** (e - 5), "count from 0"),
    (page.warm_up_schedule, lambda e: 0.002 * (e + 1) if e < 5 else 0.01 * 0.9 ** (e - 5), "still has 0.01"),
    (page.warm_up_schedule, lambda e: 0.002 * (e + 1) if e < 5 else 0.01 * 0.9**e, "Epoch 5 has"),
    (page.warm_up_schedule, lambda e: 0.002 * (e + 1) if e < 5 else None, "None"),
    (page.warm_up_schedule, lambda e: 1, "integer"),
    (page.warm_up_schedule, lambda e: tf.constant(0.002) * (e + 1), "Keras wants a float"),
    (page.warm_up_schedule, lambda e, peak=0.01: peak * (e + 1) / 5 if e < 5 else peak * 0.9 ** (e - 4), "two arguments"),
    (page.warm_up_schedule, lambda e, rate: rate + 0.002 if e < 5 else rate * 0.9, "Epoch 0"),
    (page.keep_the_best, checkpoint(monitor="val_accuracy", save_weights_only=True), "keeps the last"),
    (page.keep_the_best, checkpoint(**BEST), "the default"),
    (page.keep_the_best, checkpoint(monitor="accuracy", **BEST), "prefix"),
    (page.keep_the_best, checkpoint(monitor="val_accuracy", mode="min", **BEST), "mode"),
    (page.keep_the_best, checkpoint(monitor="val_accuracy", save_best_only=True), "whole model"),
    (page.keep_the_best, lambda path: keras.callbacks.EarlyStopping(), "Which callback of Keras saves"),
    (page.keep_the_best, keras.callbacks.CSVLogger, "holds no weights"),
    (page.keep_the_best, lambda path: None, "return"),
    (page.keep_the_best, lambda path: keras.callbacks.ModelCheckpoint, "brackets"),
    (page.keep_the_best, checkpoint(monitor="loss", **BEST), "the training loss"),
    (page.keep_the_best, checkpoint(monitor="val_acc", mode="max", **BEST), "no 'val_acc'"),
    (page.keep_the_best, checkpoint(monitor="val_accuracy", mode="max", initial_value_threshold=1.0, **BEST), "no file"),
    (page.keep_the_best, lambda path: checkpoint(monitor="val_accuracy", **BEST)(path.replace("best", "other")), "no file"),
    (page.keep_the_best, saving_when(lambda logs, best: logs["val_accuracy"] >= 0.5), "the last"),
    (page.keep_the_best, saving_when(lambda logs, best: logs["val_loss"] < best), "lowest loss"),
    (page.keep_the_best, "best.weights.h5", "Give a function of one argument"),
    (page.stop_on_gap, without_return, "must return"),
    (page.stop_on_gap, stops_itself, "self.model"),
    (page.stop_on_gap, stops_on_the_lowest, "of the same epoch"),
    (page.stop_on_gap, gap(lambda logs, ratio: logs["loss"] * ratio > logs["val_loss"]), "larger"),
    (page.stop_on_gap, gap(lambda logs, ratio: logs["val_loss"] > logs["loss"]), "larger"),
    (page.stop_on_gap, gap(lambda logs, ratio: logs["val_loss"] - logs["loss"] > 0.3), "quotient"),
    (page.stop_on_gap, gap(lambda logs, ratio: logs["val_loss"] > 2 * logs["loss"]), "does it use"),
    (page.stop_on_gap, gap(lambda logs, ratio: logs.get("val_loss", 0) >= ratio * logs["loss"]), "just twice"),
    (page.stop_on_gap, gap(lambda logs, ratio: logs.get("val_loss", 9) > ratio * logs["loss"]), "stops at once"),
    (page.stop_on_gap, lambda ratio: keras.callbacks.EarlyStopping, "brackets"),
    (page.stop_on_gap, gap(lambda logs, ratio: logs["val_loss"] > ratio * logs["loss"]), "no val_loss in logs"),
    (page.gone_too_soon, training(decay_steps=6, rate=0.3), "The fault is still there. Validation accuracy: 0."),
    (page.gone_too_soon, training(decay_steps=37), "The fault is still there. Validation accuracy: 0."),
    (page.gone_too_soon, training(constant=0.1), "learning rate: CosineDecay became 0.1"),
    (page.gone_too_soon, training(units=128), "layers: Dense(units=64"),
    (page.gone_too_soon, training(shuffle=False), "settings of fit: shuffle=True became shuffle=False"),
    (page.gone_too_soon, training(epochs=7), "epochs: 6 became 7"),
    (page.gone_too_soon, training(epochs=1, returns=False), "must return the model"),
    (page.beat_the_constant, compiled(lambda: SGD(0.2)), "should reach 0.925"),
    (page.beat_the_constant, compiled(lambda: SGD(0.03)), "should reach 0.925"),
    (page.beat_the_constant, compiled(lambda: SGD(CosineDecay(0.2, decay_steps=5))), "should reach 0.925"),
    (page.beat_the_constant, compiled(lambda: SGD(CosineDecay(0.01, 365))), "should reach 0.925"),
    (page.beat_the_constant, compiled(lambda: SGD(0.1), units=256), "Leave the network"),
    (page.beat_the_constant, compiled(lambda: SGD(0.1), extra=[layers.Dropout(0.5)]), "Leave the network"),
]  # fmt: skip
