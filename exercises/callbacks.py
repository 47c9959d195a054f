"""The exercises of page 06, callbacks."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import layers

from exercises.answers import WrongAnswer, described, in_form, require, tried
from exercises.exercise import Exercise
from exercises.kinds.diagnosis import Diagnosis
from exercises.kinds.training import Arrays, Training, digits

# --- 1 ------------------------------------------------------------------------------------------


# the highest validation accuracy is that of epoch 1; what else may be watched has its best in another epoch
_LOGS = (
    {"loss": 0.9, "accuracy": 0.6, "val_loss": 0.9, "val_accuracy": 0.5},
    {"loss": 0.8, "accuracy": 0.7, "val_loss": 0.8, "val_accuracy": 0.9},
    {"loss": 0.7, "accuracy": 0.8, "val_loss": 0.5, "val_accuracy": 0.8},
    {"loss": 0.6, "accuracy": 0.9, "val_loss": 0.6, "val_accuracy": 0.7},
    {"loss": 0.5, "accuracy": 0.8, "val_loss": 0.7, "val_accuracy": 0.6},
)


def _numbered(epoch: int) -> keras.Model:
    """A model compiled with accuracy that has been trained up to an epoch: its weights are the epoch's number."""
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1, kernel_initializer="zeros")])
    model.compile(loss="mse", metrics=["accuracy"])
    zero = keras.ops.zeros((1, 1))
    model.compute_metrics(zero, zero, zero, None)  # where no mode is given, Keras asks the metric: it must be built
    model.set_weights([np.full(weight.shape, epoch) for weight in model.get_weights()])
    return model


def _as_in_fit(callback: keras.callbacks.Callback, model: keras.Model, epochs: int) -> keras.callbacks.CallbackList:
    """What calls a callback as `fit` does: it knows the model and the number of epochs, and always gets logs."""
    return keras.callbacks.CallbackList([callback], model=model, verbose=0, epochs=epochs, steps=1)


def _epoch(training: keras.callbacks.CallbackList, epoch: int, logs: dict[str, float]) -> None:
    """Call the callbacks as in an epoch with these logs; the validation, if any, is an evaluation within it."""
    training.on_epoch_begin(epoch)
    if validation := {name.removeprefix("val_"): logs[name] for name in logs if name.startswith("val_")}:
        training.on_test_begin()
        training.on_test_end(validation)
    training.on_epoch_end(epoch, dict(logs))


def _kept(keeper: keras.callbacks.Callback, path: str) -> int:
    """The epoch whose weights are in the file after a training with `_LOGS`."""
    model = _numbered(0)
    training = _as_in_fit(keeper, model, len(_LOGS))
    training.on_train_begin()
    for epoch, logs in enumerate(_LOGS):
        model.set_weights([np.full(weight.shape, epoch) for weight in model.get_weights()])
        _epoch(training, epoch, logs)
    training.on_train_end()
    if not Path(path).exists():
        raise WrongAnswer("After five epochs there is no file at `path`. Which callback of Keras saves?")
    loaded = _numbered(-1)
    tried(lambda: loaded.load_weights(path), "The file holds no weights of the model.")
    return int(loaded.get_weights()[0].item())


def _check_keep_the_best(make: Callable[[str], keras.callbacks.Callback]) -> str:
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a metric that is not in the logs
        path = str(Path(folder, "best.weights.h5"))
        keeper = require(make(path), keras.callbacks.Callback, "a callback")
        if not getattr(keeper, "save_weights_only", True):
            raise WrongAnswer("It saves the whole model. Only the weights are asked for.")
        if not getattr(keeper, "save_best_only", True):
            raise WrongAnswer("Each epoch writes over the one before: it keeps the last, not the best.")
        monitor = getattr(keeper, "monitor", "val_accuracy")
        if monitor not in _LOGS[0]:
            raise WrongAnswer(f"There is no {monitor!r} in the history.")
        kept = tried(lambda: _kept(keeper, path), "It fails in the training.")
    watched = {
        "val_loss": "It watches the validation loss. That is the default of `monitor`.",
        "loss": "It watches the training loss. What is the validation accuracy called in the history?",
        "accuracy": "It watches the training accuracy. Which prefix has a validation metric?",
    }
    if monitor in watched:
        raise WrongAnswer(watched[monitor])
    if kept == 0:
        raise WrongAnswer("The epoch with the lowest validation accuracy is kept. The higher the better: see `mode`.")
    if kept != 1:
        best = {2: "that with the lowest loss there", 3: "that with the best training accuracy"}.get(kept, "the last")
        raise WrongAnswer(f"Not the epoch with the best validation accuracy is kept, but {best}.")
    return "The mode was guessed from the metric, or you gave it. Giving it is safer."


def _solve_keep_the_best():
    def keep_the_best(path):
        return keras.callbacks.ModelCheckpoint(
            path,
            monitor="val_accuracy",
            mode="max",
            save_best_only=True,
            save_weights_only=True,
        )

    return keep_the_best


keep_the_best = Exercise(
    title="a checkpoint of the best weights",
    difficulty="easy",
    minutes=4,
    checker=_check_keep_the_best,
    hints=(
        "It is a ModelCheckpoint. Two of its arguments begin with save_.",
        "What is the validation accuracy called in the history?",
        "Losses are best when low, accuracies when high. The argument is called mode.",
    ),
    solution_source=_solve_keep_the_best,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_patience(answer: tuple[int, int]) -> str:
    if len(answer) != 2:
        raise WrongAnswer("Give two numbers: epochs run, and the epoch of the weights.")
    ran, kept = answer
    if (ran, kept) == (4, 7):
        raise WrongAnswer("First how many epochs are run, then the epoch of the weights.")
    if ran == 10:
        raise WrongAnswer("It does not get that far. Which epochs after the fourth are better than the fourth?")
    if ran == 8:
        raise WrongAnswer("The eighth would be better, but it is never run. A tie is no improvement.")
    if ran in (5, 6):
        raise WrongAnswer("Too early. An improvement starts the count anew, and patience is 3.")
    if ran != 7:
        raise WrongAnswer("Go through the list and write beside each epoch how many have passed since the best.")
    if kept == 7:
        raise WrongAnswer("Seven are run. But restore_best_weights=True does not leave the last.")
    if kept == 6:
        raise WrongAnswer("Epoch 6 only equals the best. Which epoch was it that reached it first?")
    if kept == 3:
        raise WrongAnswer("Count the epochs from 1.")
    if kept != 4:
        raise WrongAnswer("Seven are run. Which of them had the lowest validation loss, first?")
    return "0.65, 0.6 and 0.62 are three epochs that are not better than 0.6."


def _solve_patience():
    losses = [0.9, 0.7, 0.7, 0.6, 0.65, 0.6, 0.62, 0.5, 0.4, 0.3]
    best, best_epoch = float("inf"), 0
    for epoch, loss in enumerate(losses, start=1):
        if loss < best:
            best, best_epoch = loss, epoch
        if epoch - best_epoch == 3:
            break
    return (epoch, best_epoch)


patience = Exercise(
    title="epochs run, and the epoch of the weights",
    difficulty="easy",
    minutes=3,
    checker=_check_patience,
    hints=(
        "A tie is no improvement.",
        "Note for each epoch how many epochs have passed since the best one so far.",
    ),
    solution_source=_solve_patience,
)

# --- 3 ------------------------------------------------------------------------------------------


def _takes_rate(schedule: Any) -> bool:
    """Whether a schedule takes the current rate beside the epoch. Keras gives it both then."""
    try:
        in_form(schedule, lambda epoch, rate: rate)
    except WrongAnswer:
        return False
    return True


def _as_schedule(answer: Any) -> Callable[..., float]:
    return answer if _takes_rate(answer) else in_form(answer, _solve_warm_up())


def _check_warm_up(schedule: Callable[..., float]) -> str:
    both, rates = _takes_rate(schedule), []
    for epoch in range(12):
        rate = schedule(epoch, rates[-1] if rates else 0.001) if both else schedule(epoch)
        if rate is None:
            raise WrongAnswer(f"For epoch {epoch} it returns None. Is a return missing?")
        if isinstance(rate, (int, np.integer)):
            raise WrongAnswer(f"For epoch {epoch} it returns the integer {rate}. Keras wants a float.")
        if not isinstance(rate, (float, np.float32)):
            raise WrongAnswer(f"For epoch {epoch} it returns {described(rate)}. Keras wants a float.")
        rates.append(rate)
    if rates[0] == 0:
        raise WrongAnswer("In the first epoch the rate is 0, so it learns nothing. Epochs count from 0.")
    right = _solve_warm_up()
    if not np.isclose(rates[0], 0.002):
        called = " Keras gives the current rate to what takes two arguments." if both else ""
        raise WrongAnswer(f"Epoch 0, the first one, has {rates[0]:.4g}. It should have 0.002.{called}")
    if not np.isclose(rates[4], 0.01):
        raise WrongAnswer(f"Epoch 4, the fifth one, has {rates[4]:.4g}. There the climb ends, at 0.01.")
    if np.isclose(rates[5], 0.01):
        raise WrongAnswer("Epoch 5 still has 0.01. It should have 0.9 times that.")
    for epoch, rate in enumerate(rates):
        if not np.isclose(rate, right(epoch)):
            step = "0.002 more" if epoch < 5 else "0.9 times that"
            raise WrongAnswer(
                f"Epoch {epoch} has {rate:.4g}, and the epoch before it {rates[epoch - 1]:.4g}. It should have {step}."
            )
    return "The callback passes the number of the epoch, from 0, and your function gives the rate of that epoch."


def _solve_warm_up():
    def warm_up(epoch):
        if epoch < 5:
            return 0.002 * (epoch + 1)
        return 0.01 * 0.9 ** (epoch - 4)

    return warm_up


warm_up_schedule = Exercise(
    title="a schedule that climbs, then decays",
    difficulty="medium",
    minutes=5,
    checker=_check_warm_up,
    hints=(
        "The first epoch is number 0. Write down the rates of epochs 0, 4 and 5.",
        "Two cases: epoch < 5, and the rest. An if inside the function is fine.",
        "After n epochs of decay the rate is 0.01 * 0.9 ** n. What is n in epoch 5?",
    ),
    solution_source=_solve_warm_up,
    form=_as_schedule,
)

# --- 4 ------------------------------------------------------------------------------------------


def _epochs_run(callback: keras.callbacks.Callback, logs: list[dict]) -> int:
    model = keras.Sequential([keras.Input((1,)), layers.Dense(1)])
    model.stop_training = False
    training = _as_in_fit(callback, model, len(logs))
    training.on_train_begin()
    for epoch, values in enumerate(logs):
        _epoch(training, epoch, values)
        if model.stop_training:
            return epoch + 1
    return len(logs)


def _check_stop_on_gap(make: Callable[[float], keras.callbacks.Callback]) -> str:
    callback = require(make(2.0), keras.callbacks.Callback, "the callback")
    losses, val_losses = [1.0, 0.8, 0.5, 0.3, 0.2], [1.1, 1.0, 0.9, 0.9, 0.9]
    gap = [{"loss": a, "val_loss": b} for a, b in zip(losses, val_losses)]
    ran = _epochs_run(callback, gap)
    if ran == 5:
        raise WrongAnswer(
            "In epoch 4 the training loss is 0.3 and the validation loss 0.9, 3 times as much, and it goes on. "
            "Is the comparison right, and is stop_training set on self.model?"
        )
    if ran == 1:
        raise WrongAnswer(
            "It stops after the first epoch, where the training loss is 1.0 and the validation loss 1.1. "
            "Which is to be larger, and how many times?"
        )
    if ran != 4:
        raise WrongAnswer(
            f"It stops after epoch {ran}, with a training loss of {losses[ran - 1]} and a validation loss of "
            f"{val_losses[ran - 1]}. The ratio was 2: a quotient is asked for, not a difference."
        )
    if _epochs_run(make(2.0), [{"loss": 0.5, "val_loss": 1.0}] * 2) != 2:
        raise WrongAnswer(
            "It stops where the validation loss is just twice the training loss. More than twice is asked for."
        )
    rises = [{"loss": 0.3, "val_loss": 0.5}, {"loss": 0.6, "val_loss": 0.9}]
    if _epochs_run(make(2.0), [*rises, *rises]) != 4:
        raise WrongAnswer(
            "It stops after an epoch with a training loss of 0.6 and a validation loss of 0.9, since the training loss "
            "was 0.3 before. Compare the two losses of the same epoch."
        )
    if _epochs_run(make(4.0), gap) != 5:
        raise WrongAnswer("It is right for a ratio of 2. With 4 it is not: does it use `ratio`?")
    try:
        without = _epochs_run(make(2.0), [{"loss": 1.0}, {"loss": 0.9}])
    except (KeyError, TypeError) as error:
        raise WrongAnswer(
            f"Without validation data it raises {type(error).__name__}: there is no val_loss in logs then."
        ) from None
    if without != 2:
        raise WrongAnswer("Without validation data it stops at once.")
    return "It stops on the gap, and leaves a training without validation data alone."


def _solve_stop_on_gap():
    def stop_on_gap(ratio):
        class StopOnGap(keras.callbacks.Callback):
            def on_epoch_end(self, epoch, logs=None):
                if "val_loss" in logs and logs["val_loss"] > ratio * logs["loss"]:
                    self.model.stop_training = True

        return StopOnGap()

    return stop_on_gap


stop_on_gap = Exercise(
    title="a callback that stops on a gap",
    difficulty="hard",
    minutes=9,
    checker=_check_stop_on_gap,
    hints=(
        "logs is a dictionary. What are the two losses called in it?",
        'logs.get("val_loss") gives None where there is none.',
        "Compare logs['val_loss'] with ratio * logs['loss'], and set self.model.stop_training.",
    ),
    solution_source=_solve_stop_on_gap,
)

# --- 5 ------------------------------------------------------------------------------------------


def _broken_schedule(x_train, y_train, x_val, y_val):
    epochs, batch_size = 6, 32
    schedule = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=epochs)
    hidden = layers.Dense(64, activation="relu")
    output = layers.Dense(10, activation="softmax")
    model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), hidden, output])
    sgd = keras.optimizers.SGD(schedule)
    model.compile(sgd, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    model.fit(x_train, y_train, epochs=epochs, batch_size=batch_size, verbose=0)
    return model


def _solve_gone_too_soon():
    def colleagues_training(x_train, y_train, x_val, y_val):
        epochs, batch_size = 6, 32
        steps = epochs * int(np.ceil(len(x_train) / batch_size))
        schedule = keras.optimizers.schedules.CosineDecay(0.1, decay_steps=steps)
        hidden = layers.Dense(64, activation="relu")
        output = layers.Dense(10, activation="softmax")
        model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), hidden, output])
        sgd = keras.optimizers.SGD(schedule)
        model.compile(sgd, loss="sparse_categorical_crossentropy", metrics=["accuracy"])
        model.fit(x_train, y_train, epochs=epochs, batch_size=batch_size, verbose=0)
        return model

    return colleagues_training


gone_too_soon = Diagnosis(
    title="find what ends the learning at once",
    difficulty="medium",
    minutes=6,
    broken=_broken_schedule,
    data=digits,
    at_least=0.92,
    fault="A schedule counts steps, and it was given epochs: after six steps of 222 the rate was 0.",
    hints=(
        "The model and the loss are fine. What is the learning rate after the first epoch?",
        "Print schedule(0), schedule(6) and schedule(37). An epoch has 37 steps.",
        "decay_steps is how many steps, so batches, the decay takes. How many has the whole training?",
    ),
    solution_source=_solve_gone_too_soon,
)

# --- 6 ------------------------------------------------------------------------------------------


@cache
def _mislabelled() -> Arrays:
    """The digits of `digits`; of the training labels, three in ten are drawn anew. Those to validate with are right."""
    x_train, y_train, x_val, y_val = digits()
    draw = np.random.default_rng(7)
    wrong = draw.random(len(y_train)) < 0.3
    return x_train, np.where(wrong, draw.integers(0, 10, len(y_train)), y_train), x_val, y_val


def _refuse_another_network(model: keras.Model) -> None:
    sizes = [tuple(weight.shape) for weight in model.trainable_weights]
    if sizes != [(784, 64), (64,), (64, 64), (64,), (64, 10), (10,)]:
        raise WrongAnswer("Leave the network as it is: only the optimizer is yours to choose.")
    if any(layer.__class__.__name__ not in ("InputLayer", "Flatten", "Dense") for layer in model.layers):
        raise WrongAnswer("Leave the network as it is, without layers more: only the optimizer is yours to choose.")


def _solve_beat_the_constant():
    def beat_the_constant():
        schedule = keras.optimizers.schedules.CosineDecay(0.2, decay_steps=5 * 73)
        hidden = [layers.Dense(64, activation="relu") for _ in range(2)]
        output = layers.Dense(10, activation="softmax")
        model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), *hidden, output])
        model.compile(keras.optimizers.SGD(schedule), loss="sparse_categorical_crossentropy")
        return model

    return beat_the_constant


beat_the_constant = Training(
    title="a schedule that reaches what a constant rate misses",
    difficulty="medium",
    minutes=6,
    data=_mislabelled,
    at_least=0.925,
    epochs=5,
    batch_size=16,
    refuse=_refuse_another_network,
    hints=(
        "The section on schedules trained with wrong labels too. Which schedule did best there, and from which rate?",
        "Five epochs of 73 steps: the decay should end with the last of them.",
        "keras.optimizers.schedules.CosineDecay(0.2, decay_steps=365) goes into SGD in place of a number.",
    ),
    solution_source=_solve_beat_the_constant,
)
