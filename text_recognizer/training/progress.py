"""How far a training is, and how long it will take."""

import sys

import keras
import numpy as np
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


class ProgressBar(keras.callbacks.Callback):
    """One bar over all epochs that are left, with the time they will take, and a line for each one done.

    The time is estimated from what is done so far, the validation included. The bar moves with each
    step; if nobody can tell how many steps an epoch has, with each epoch. Where the output is a file,
    there are only the lines.

    A context manager: the bar ends with its block, even if the training fails.

    Example:
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, kernel_initializer="zeros")])
        >>> network.compile("sgd", "mse")
        >>> with ProgressBar() as progress:
        ...     _ = network.fit(np.zeros((4, 2)), np.zeros(4), epochs=2, callbacks=[progress], verbose=0)
        epoch 1/2  loss 0.0000
        epoch 2/2  loss 0.0000
    """

    def __init__(self):
        super().__init__()
        self._progress = Progress(
            TextColumn("epoch {task.fields[epoch]} of {task.fields[epochs]}"),
            BarColumn(),
            TimeElapsedColumn(),
            TextColumn("left"),
            TimeRemainingColumn(),
            speed_estimate_period=3600,  # seconds to average over
            console=Console(force_jupyter=False),  # in a notebook, lines of text, not one of HTML for each
            disable=not sys.stdout.isatty(),
        )

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *exception):
        self._progress.stop()

    def on_train_begin(self, logs=None):
        self._first = None
        self._task = self._progress.add_task("", total=None, epoch=1, epochs=self.params["epochs"])

    def on_epoch_begin(self, epoch, logs=None):
        self._first = epoch if self._first is None else self._first
        self._done = epoch - self._first
        self._progress.update(self._task, epoch=epoch + 1, total=self.params["epochs"] - self._first)

    def on_train_batch_end(self, batch, logs=None):
        if self.params["steps"]:
            self._progress.update(self._task, completed=self._done + (batch + 1) / self.params["steps"])

    def on_epoch_end(self, epoch, logs):
        self._progress.update(self._task, completed=self._done + 1)
        values = "  ".join(f"{name} {_text(np.asarray(value))}" for name, value in logs.items())
        line = f"epoch {epoch + 1}/{self.params['epochs']}  {values}"
        self._progress.print(line, markup=False, highlight=False, soft_wrap=True)


def _text(value):
    return str(value.tolist()) if value.ndim else f"{value:.4f}"
