"""Right answers of other kinds on page 06."""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import callbacks, layers

from exercises import callbacks as page

CHECKPOINT = functools.partial(
    callbacks.ModelCheckpoint, monitor="val_accuracy", save_best_only=True, save_weights_only=True
)


def from_a_table(epoch):
    return [0.002, 0.004, 0.006, 0.008, 0.01, *(0.01 * np.cumprod([0.9] * 20))][epoch]


def step_by_step(epoch):
    rate = 0.0
    for e in range(epoch + 1):
        rate = rate + 0.002 if e < 5 else rate * 0.9
    return rate


def of_the_current_rate(epoch, rate):
    return 0.002 * (epoch + 1) if epoch < 5 else rate * 0.9


class Schedule:
    def __init__(self, peak=0.01):
        self.peak = peak

    def __call__(self, epoch):
        return min((epoch + 1) / 5 * self.peak, self.peak * 0.9 ** max(0, epoch - 4))


def by_position(path):
    return callbacks.ModelCheckpoint(path, "val_accuracy", 0, True, True, "max")


class Best(callbacks.ModelCheckpoint):
    def __init__(self, path):
        super().__init__(path, monitor="val_accuracy", mode="max", save_best_only=True, save_weights_only=True)


class ByHand(callbacks.Callback):
    def __init__(self, path):
        super().__init__()
        self.path, self.best = path, -np.inf

    def on_epoch_end(self, epoch, logs=None):
        if logs["val_accuracy"] > self.best:
            self.best = logs["val_accuracy"]
            self.model.save_weights(self.path)


def in_a_lambda(path):
    seen = []

    def on_epoch_end(epoch, logs):
        seen.append(logs["val_accuracy"])
        if seen[-1] == max(seen):
            callback.model.save_weights(path, overwrite=True)

    callback = callbacks.LambdaCallback(on_epoch_end=on_epoch_end)
    return callback


class StopOnGap(callbacks.Callback):
    """The class itself is a function that gives a callback."""

    def __init__(self, ratio):
        super().__init__()
        self.ratio = ratio

    def on_epoch_end(self, epoch, logs=None):
        loss, val_loss = logs.get("loss"), logs.get("val_loss")
        if val_loss is not None and val_loss / loss > self.ratio:
            self.model.stop_training = True


def stop_in_a_lambda(ratio):
    def on_epoch_end(epoch, logs):
        callback.model.stop_training |= logs.get("val_loss", 0) > ratio * logs["loss"]

    callback = callbacks.LambdaCallback(on_epoch_end=on_epoch_end)
    return callback


def stop_with_a_word(ratio):
    class Telling(callbacks.Callback):
        def on_train_begin(self, logs):
            self.epochs = self.params["epochs"]

        def on_epoch_end(self, epoch, logs):
            if logs.get("val_loss", 0) > ratio * logs["loss"]:
                self.word = f"stopped in epoch {epoch + 1} of {self.epochs}"
                self.model.stop_training = True

    return Telling()


def stop_after_the_evaluation(ratio):
    """`fit` evaluates within the epoch, and what comes of that is `loss` there."""

    class StopOnGap(keras.callbacks.Callback):
        validation = None

        def on_test_end(self, logs=None):
            self.validation = logs["loss"]

        def on_epoch_end(self, epoch, logs=None):
            if self.validation is not None and self.validation > ratio * logs["loss"]:
                self.model.stop_training = True

    return StopOnGap()


def best_of_what_was_seen(path):
    class Best(callbacks.Callback):
        def on_train_begin(self, logs):
            self.seen, self.epochs = [], self.params["epochs"]

        def on_epoch_end(self, epoch, logs):
            self.seen.append(logs["val_accuracy"])
            if self.seen[-1] == max(self.seen):
                self.model.save_weights(path)

    return Best()


def stop_by_trying(ratio):
    class Trying(callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            try:
                gap = logs["val_loss"] - ratio * logs["loss"]
            except KeyError:
                return
            if gap > 0:
                self.model.stop_training = True

    return Trying()


def cosine_of(*arguments, **settings):
    return keras.optimizers.schedules.CosineDecay(*arguments, **settings)


def mended(make_schedule, *more, optimizer=keras.optimizers.SGD, **settings):
    """The training of exercise 5 with a schedule that is made from the number of steps of an epoch."""

    def train(x_train, y_train, x_val, y_val):
        stack = [keras.Input((28, 28)), layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
        model = keras.Sequential(stack)
        loss = keras.losses.SparseCategoricalCrossentropy()
        model.compile(optimizer(make_schedule(-(-len(x_train) // 32))), loss, metrics=["accuracy"])
        model.fit(x_train, y_train, 32, 6, 0, *more, **settings)
        return model

    return train


def of_a_dataset(x_train, y_train, x_val, y_val):
    data = tf.data.Dataset.from_tensor_slices((x_train, y_train)).shuffle(len(x_train)).batch(32)
    stack = [keras.Input((28, 28)), layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(10, "softmax")]
    model = keras.Sequential(stack)
    schedule = cosine_of(0.1, decay_steps=6 * int(data.cardinality()))
    model.compile(keras.optimizers.SGD(schedule), "sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(data, epochs=6, validation_data=(x_val, y_val), verbose=0)
    return model


def functional(optimizer):
    def build():
        image = keras.Input((28, 28))
        x = layers.Flatten()(image)
        for _ in range(2):
            x = layers.Dense(64, activation="relu")(x)
        model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
        model.compile(optimizer(), loss="sparse_categorical_crossentropy")
        return model

    return build


SGD, Adam, schedules = keras.optimizers.SGD, keras.optimizers.Adam, keras.optimizers.schedules


RIGHT = [
    (page.patience, [7, 4]),
    (page.patience, np.array([7, 4])),
    (page.patience, (np.int64(7), 4.0)),
    (page.warm_up_schedule, from_a_table),
    (page.warm_up_schedule, step_by_step),
    (page.warm_up_schedule, of_the_current_rate),
    (page.warm_up_schedule, Schedule()),
    (page.warm_up_schedule, lambda e: np.float32(np.interp(e, [0, 4], [0.002, 0.01]) * 0.9 ** np.clip(e - 4, 0, None))),
    (page.keep_the_best, CHECKPOINT),
    (page.keep_the_best, functools.partial(CHECKPOINT, mode="max", initial_value_threshold=0.3)),
    (page.keep_the_best, by_position),
    (page.keep_the_best, Best),
    (page.keep_the_best, ByHand),
    (page.keep_the_best, in_a_lambda),
    (page.keep_the_best, best_of_what_was_seen),
    (page.stop_on_gap, StopOnGap),
    (page.stop_on_gap, stop_in_a_lambda),
    (page.stop_on_gap, stop_by_trying),
    (page.stop_on_gap, stop_after_the_evaluation),
    (page.stop_on_gap, stop_with_a_word),
    (page.gone_too_soon, mended(lambda steps: cosine_of(0.1, 6 * steps))),
    (page.gone_too_soon, mended(lambda steps: cosine_of(0.1, 6 * steps), [callbacks.TerminateOnNaN()])),
    (page.gone_too_soon, mended(lambda steps: cosine_of(0.1, decay_steps=222, alpha=0.01))),
    (page.gone_too_soon, of_a_dataset),
    (page.beat_the_constant, functional(lambda: SGD(cosine_of(0.1, 365)))),
    (page.beat_the_constant, functional(lambda: SGD(cosine_of(0.02, 365), momentum=0.9))),
    (page.beat_the_constant, functional(lambda: SGD(cosine_of(0.0, 330, warmup_target=0.2, warmup_steps=35)))),
    (page.beat_the_constant, functional(lambda: Adam(cosine_of(3e-3, 365)))),
]  # fmt: skip
