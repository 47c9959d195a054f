"""What a long run needs: to go on after an interruption, and to say how long it will take."""

import csv
import json
import math
import os
import re
import sys
from pathlib import Path

import h5py
import keras
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

RUN = "training_run"  # the data set in the HDF5 file, beside the groups that Keras makes


class Checkpoints(keras.callbacks.Callback):
    """Writes a checkpoint and history.csv after every epoch, and goes on from the newest checkpoint.

    A checkpoint is all that the next epoch depends on: weights, moving statistics, the momentum and
    the number of steps taken, and the history, whose length is the number of epochs done. It is one
    file, written beside its place and renamed: it is there whole or not at all, and no part of it
    can be older than another. history.csv is written anew from that history after each checkpoint,
    and when a run goes on, so it never has a row too many or too few.

    Keras' own parts leave gaps that `kill -9` finds. `BackupAndRestore` keeps the weights and the
    number of the epoch in two files and overwrites both in place: between the two, an epoch is
    trained twice, and `CSVLogger` has it twice; within the first, nothing can be restored.
    `ModelCheckpoint` and `tf.train.CheckpointManager` know nothing of the history. The weights in a
    checkpoint are still Keras': `network.load_weights(path)` reads them.

    Args:
        folder: of the run, made if need be.
        filename: of a checkpoint, with `{epoch}`, counted from 1; it ends in ".weights.h5".
        keep: how many checkpoints stay, the newest.
        settings: what the run is made with, a dict that JSON can hold. In the folder of a run with
            other settings, `restore` refuses to go on.
        writes: False for those processes of a run that only restore.

    Attributes:
        history: a list of a dict for each epoch: `epoch` (from 1), `learning_rate` (at its start),
            and what `fit` reports.

    Raises:
        FloatingPointError: after an epoch, the loss is no number. No checkpoint of it is written.
    """

    def __init__(self, folder, filename, keep, settings, writes=True):
        super().__init__()
        self.folder, self.filename, self.keep, self.writes = Path(folder), filename, keep, writes
        self.settings = json.loads(json.dumps(settings))  # as it will be read back: a tuple is a list then
        self.history = []

    def restore(self, network):
        """Give the network, and `history`, the state of the newest checkpoint, if there is one.

        Args:
            network: a `keras.Model`, built, compiled, and its optimizer built.

        Returns:
            The number of epochs done.

        Raises:
            ValueError: the checkpoint is damaged, or of a run with other settings; the network is as
                it was.
        """
        path = self._newest()
        if path is None:
            return 0
        try:
            with h5py.File(path) as file:
                run = json.loads(file[RUN][()])
        except (OSError, KeyError, ValueError) as error:
            raise ValueError(f"{path} is damaged ({error}). Delete it, to go on from the one before it") from error
        for name in self.settings | run["settings"]:
            ours, theirs = self.settings.get(name), run["settings"].get(name)
            if ours != theirs:
                raise ValueError(f"the run in {self.folder} has {name} {theirs}, not {ours}. Give another folder")
        network.load_weights(path)
        self.history = run["history"]
        if self.writes:
            self._write_csv()
        return len(self.history)

    def on_epoch_begin(self, epoch, logs=None):
        self._learning_rate = float(self.model.optimizer.learning_rate)

    def on_epoch_end(self, epoch, logs):
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(f"the loss of epoch {epoch + 1} is {logs['loss']}: try a smaller learning rate")
        self.history.append({"epoch": epoch + 1, "learning_rate": self._learning_rate, **logs})
        if self.writes:
            self._write_checkpoint()
            self._write_csv()

    def _write_checkpoint(self):
        self.folder.mkdir(parents=True, exist_ok=True)
        beside = self.folder / ".beside.weights.h5"  # the ending is the one that Keras demands
        self.model.save_weights(beside)
        with h5py.File(beside, "a") as file:
            file[RUN] = json.dumps({"settings": self.settings, "history": self.history})
        _replace(beside, self._path(len(self.history)))
        for epoch in range(1, len(self.history) - self.keep + 1):
            self._path(epoch).unlink(missing_ok=True)

    def _write_csv(self):
        beside = self.folder / ".beside.csv"
        with open(beside, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, self.history[0])
            writer.writeheader()
            writer.writerows(self.history)
        _replace(beside, self.folder / "history.csv")

    def _path(self, epoch):
        return self.folder / self.filename.format(epoch=epoch)

    def _newest(self):
        """Return the path of the newest checkpoint, or None."""
        before, after = map(re.escape, re.split(r"\{epoch[^}]*\}", self.filename))
        names = os.listdir(self.folder) if self.folder.exists() else []
        found = [int(match[1]) for match in map(re.compile(rf"{before}(\d+){after}").fullmatch, names) if match]
        return self._path(max(found)) if found else None


class ProgressBar(keras.callbacks.Callback):
    """One bar over all epochs that are left, with the time they will take, and a line for each one done.

    The time is estimated from the steps so far, the validation between them included. Where the
    output is a file, there are only the lines.

    A context manager: the bar ends with its block, however that ends.

    Args:
        epochs: how many the run has in all.
        done: how many of them are done.
    """

    def __init__(self, epochs, done=0):
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
        self._epochs, self._done = epochs, done

    def __enter__(self):
        self._progress.start()
        return self

    def __exit__(self, *exception):
        self._progress.stop()

    def on_train_begin(self, logs=None):
        total = (self._epochs - self._done) * self.params["steps"]
        self._task = self._progress.add_task("", total=total, epoch=self._done + 1, epochs=self._epochs)

    def on_epoch_begin(self, epoch, logs=None):
        self._progress.update(self._task, epoch=epoch + 1)

    def on_train_batch_end(self, batch, logs=None):
        self._progress.advance(self._task)

    def on_epoch_end(self, epoch, logs):
        values = "  ".join(f"{name} {value:.4f}" for name, value in logs.items())
        self._progress.print(f"epoch {epoch + 1}/{self._epochs}  {values}", highlight=False, soft_wrap=True)


def _replace(beside, path):
    """Rename a file to its place, once the disk has it: not even a loss of power leaves half of it there."""
    with open(beside, "rb+") as file:
        os.fsync(file.fileno())
    os.replace(beside, path)
