"""Checkpoints: a training that was stopped, by whatever, goes on as if nothing had happened."""

import contextlib
import csv
import json
import math
import os
import re
from pathlib import Path

import keras
import numpy as np

from text_recognizer.files import atomic_write
from text_recognizer.training import weights
from text_recognizer.training.weights import WeightsError

FILENAME = "epoch_{epoch:04d}.weights.h5"


class Checkpoints(keras.callbacks.Callback):
    """Writes a checkpoint and history.csv after every epoch, and goes on from the newest checkpoint.

    A checkpoint is all that the next epoch depends on: weights, moving statistics, the optimizer's
    state (momentum, the number of steps taken, the learning rate), where the random numbers of the
    layers stand (of dropout, of augmentation), and the history, whose length is the number of epochs
    done. It is one file, of the form of `training.weights`, written beside its place and renamed. So
    it is there whole or not at all, and no part of it can be older than another. history.csv is
    written anew from that history after each checkpoint, and when a run goes on, so it never has a
    row too many or too few. A checkpoint's weights are still Keras': `network.load_weights(path)`
    reads them.

    A run that goes on ends with the weights of one that was never stopped, to the bit, where the
    computer repeats itself: where the same step from the same state gives the same weights. On a CPU
    it does for the networks of this library, as the tests compare. On a GPU it does after
    `tf.config.experimental.enable_op_determinism()`
    (https://www.tensorflow.org/api_docs/python/tf/config/experimental/enable_op_determinism), which
    makes some operations slower. Otherwise the two runs differ as any two runs do there: by rounding,
    which grows with each step.

    Besides, what an epoch is fed must depend on its number and on seeds alone, as it does with
    `DatasetSequence(..., seed=0, first_epoch=epochs_done)`. This callback knows nothing of the random
    numbers of NumPy and TensorFlow, and nothing of what other callbacks count: `EarlyStopping` and
    `ReduceLROnPlateau` begin their count anew.

    Why not Keras' own? `BackupAndRestore` keeps the weights and the number of the epoch in two files
    and overwrites both in place: after `kill -9` between the two, an epoch is trained twice, and
    within the first, nothing can be restored. With `double_checkpoint=True` it keeps a copy of both,
    made in place too, which helps in the second case and not in the first. `OrbaxCheckpoint` writes
    whole checkpoints in the background, and several machines can write one together, which is better
    for large networks; it needs another package, and going on is left to the caller. All of them
    leave the history to others (`CSVLogger` has an epoch twice that was trained twice), and the first
    leaves out the random state.

    Args:
        folder: of the run, made if need be. One process at a time trains in it.
        filename: of a checkpoint, with `{epoch}` or the like of `{epoch:02d}`, counted from 1; it
            ends in ".weights.h5".
        keep: how many checkpoints stay, the newest; 1 or more.
        settings: what the run is made with, a dict that JSON can hold. In the folder of a run with
            other settings, `restore` refuses to go on.
        name, class_names: as for `weights.save`.
        layers: layers outside of the network from whose random numbers the training draws, such as an
            augmentation. Call `restore` before the pipeline is made that they are in.
        writes: False for those processes of a run that only restore.

    Attributes:
        history: a list of a dict for each epoch: `epoch` (from 1), `learning_rate` (at its start),
            and what `fit` reports.

    Raises:
        ValueError: an argument is none of these. In `fit`: the epoch is not the one after those of
            the history, as where `restore` was not called; or the network cannot say what it is
            made of (`weights.WeightsError`), which it says before the first epoch.
        FloatingPointError: in `fit`, after an epoch, the loss is no number. No checkpoint of it is
            written.
        OSError: in `fit`, the checkpoint cannot be written, e.g. since the disk is full. The ones
            before are still there.

    Put it behind callbacks that change the network or the optimizer at the end of an epoch.

    Example:
        >>> import tempfile
        >>> x, folder = np.eye(4), tempfile.mkdtemp()
        >>> def go_on(epochs):
        ...     network = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        ...     network.compile("adam", "mse")
        ...     checkpoints = Checkpoints(folder, settings={"dropout": 0.5})
        ...     done = checkpoints.restore(network)
        ...     _ = network.fit(x, x[:, 0], epochs=epochs, initial_epoch=done, callbacks=[checkpoints], verbose=0)
        ...     return f"{done} epochs done before, {len(checkpoints.history)} now"
        >>> go_on(2)
        '0 epochs done before, 2 now'
        >>> go_on(3)
        '2 epochs done before, 3 now'
        >>> sorted(os.listdir(folder))
        ['epoch_0002.weights.h5', 'epoch_0003.weights.h5', 'history.csv']
    """

    def __init__(
        self,
        folder,
        filename=FILENAME,
        keep=2,
        settings=None,
        *,
        name="the network",
        class_names=None,
        layers=(),
        writes=True,
    ):
        super().__init__()
        self.folder, self.filename, self.keep, self.writes = Path(folder), filename, keep, writes
        self.name, self.class_names, self.layers = name, class_names, list(layers)
        if isinstance(keep, bool) or not isinstance(keep, int | np.integer) or keep < 1:
            raise ValueError(f"keep is {keep!r}; give the number of checkpoints that stay, 1 or more")
        self._pattern = _pattern(filename)
        try:  # as it will be read back: a tuple is a list then
            self.settings = dict(json.loads(json.dumps(settings or {}, allow_nan=False)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"settings are {settings!r}; give a dict that JSON can hold ({error})") from error
        self.history = []

    def restore(self, network):
        """Give the network, and `history`, the state of the newest checkpoint, if there is one.

        Args:
            network: a `keras.Model`, built and compiled.

        Returns:
            The number of epochs done, for `initial_epoch` of `fit`.

        Raises:
            ValueError: the checkpoint is damaged, of another network or optimizer, or of a run with
                other settings; the network is as it was.
        """
        if self.writes:
            with self._complaint():
                self._remove_leftovers()
        epochs = self._epochs()
        if not epochs:
            return 0
        path, names = self._path(epochs[-1]), {"name": self.name, "class_names": self.class_names}
        run = weights.load(path, network, **names, check_run=lambda run: self._check(run, network))
        for variable, value in zip(self._random_states(network), run["random_states"]):
            variable.assign(np.array(value, variable.dtype))
        self.history = run["history"]
        if self.writes:
            with self._complaint():
                self._write_csv()
        return len(self.history)

    def on_train_begin(self, logs=None):
        weights.check_saveable(self.model)
        if self.writes and max(self._epochs(), default=0) != len(self.history):
            raise self._not_restored()

    def on_epoch_begin(self, epoch, logs=None):
        if epoch != len(self.history):
            raise self._not_restored()

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:  # all callbacks that set the rate at the start of an epoch have set it
            self._learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs):
        logs = {name: np.asarray(value).tolist() for name, value in logs.items()}
        if not math.isfinite(logs.get("loss", 0)):
            raise FloatingPointError(f"the loss of epoch {epoch + 1} is {logs['loss']}: try a smaller learning rate")
        ours = {"epoch": epoch + 1, "learning_rate": self._learning_rate}
        self.history.append(ours | logs | ours)
        if self.writes:
            with self._complaint():
                self._write_checkpoint()
                self._write_csv()

    def _not_restored(self):
        return ValueError(
            f"this training does not begin after the epochs that {self.folder} has checkpoints of: call restore before "
            "fit, and give fit what it returns as initial_epoch; or take another folder"
        )

    def _check(self, run, network):
        """Raise unless a checkpoint's run is this one."""
        if not isinstance(run, dict) or not {"settings", "history", "random_states"} <= run.keys():
            raise WeightsError(f"the newest weights in {self.folder} are no checkpoint: give another folder or filename")
        for name in self.settings | run["settings"]:
            self._compare(name, run["settings"].get(name), self.settings.get(name))
        self._compare("layers with random numbers:", len(run["random_states"]), len(self._random_states(network)))

    def _compare(self, name, theirs, ours):
        if theirs != ours:
            raise ValueError(f"the run in {self.folder} has {name} {theirs}, not {ours}. Give another folder")

    def _random_states(self, network):
        """Return the variables that Keras does not save with the weights: where the layers' random numbers stand."""
        states = []
        for layer in [network, *self.layers]:
            saved = {id(weight) for weight in layer.weights}
            states += [variable for variable in layer.variables if id(variable) not in saved]
        return states

    def _write_checkpoint(self):
        states = [keras.ops.convert_to_numpy(state).tolist() for state in self._random_states(self.model)]
        run = {"settings": self.settings, "history": self.history, "random_states": states}
        path = self._path(len(self.history))
        weights.save(path, self.model, name=self.name, class_names=self.class_names, run=run)
        for epoch in self._epochs()[: -self.keep]:
            self._path(epoch).unlink()

    def _write_csv(self):
        columns = dict.fromkeys(name for row in self.history for name in row)  # in order of appearance
        with atomic_write(self.folder / "history.csv") as beside, open(beside, "w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, columns)
            writer.writeheader()
            writer.writerows(self.history)

    def _path(self, epoch):
        return self.folder / self.filename.format(epoch=epoch)

    def _epochs(self):
        """Return the epochs that have a checkpoint, in order."""
        names = os.listdir(self.folder) if self.folder.exists() else []
        return sorted(int(match[1]) for match in map(self._pattern.fullmatch, names) if match)

    def _remove_leftovers(self):
        """Remove the files of `atomic_write` that `kill -9` left beside their places."""
        for path in self.folder.glob(".*.*"):
            name = path.name.split(".", 2)[2]
            if name == "history.csv" or self._pattern.fullmatch(name):
                path.unlink()

    @contextlib.contextmanager
    def _complaint(self):
        try:
            yield
        except OSError as error:
            raise OSError(
                f"nothing could be written to {self.folder}: {error}. The checkpoints of the epochs before are still "
                "there. Make room, or mend the right to write, and start again to go on after them"
            ) from error


def _pattern(filename):
    """Return a regular expression for the names of checkpoints, whose group is the epoch."""
    parts = re.split(r"\{epoch[^}]*\}", filename)
    if len(parts) == 2 and filename.endswith(".weights.h5") and not set(filename) & set("/\\"):
        pattern = re.compile(rf"{re.escape(parts[0])}(\d+){re.escape(parts[1])}")
        with contextlib.suppress(ValueError, KeyError, IndexError):
            names = {epoch: pattern.fullmatch(filename.format(epoch=epoch)) for epoch in (1, 12, 1234567)}
            if all(match and int(match[1]) == epoch for epoch, match in names.items()):
                return pattern
    raise ValueError(f"filename is {filename!r}; give one with the number of the epoch, such as {FILENAME!r}")
