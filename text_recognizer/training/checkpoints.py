"""Checkpoints: a training that was stopped, by whatever, goes on as if nothing had happened."""

import contextlib
import csv
import hashlib
import json
import math
import os
import re
from pathlib import Path

import keras
import numpy as np
from filelock import FileLock, Timeout

from text_recognizer.arguments import whole_number
from text_recognizer.files import atomic_write
from text_recognizer.training import weights
from text_recognizer.training.weights import WeightsError

FILENAME = "epoch_{epoch:04d}.weights.h5"
REMEDY = "Give another folder, or delete this one to begin anew"
OURS = ("epoch", "learning_rate")  # the columns of the history that `fit` does not report


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

    Put it behind callbacks that change the network or the optimizer at the end of an epoch.

    Keras has two callbacks for this. `BackupAndRestore` keeps the weights in one file and the number
    of the epoch in another, and overwrites both in place. After `kill -9` between the two, an epoch is
    trained twice; after one in the middle of the weights, nothing can be restored. With
    `double_checkpoint=True` it copies both before, which helps in the middle and not between. It does
    not keep the layers' random numbers. `OrbaxCheckpoint` keeps them and writes whole checkpoints, in
    the background, with JAX on several machines together: better for large networks. It needs another
    package, and leaves it to you to go on after the right epoch. Neither keeps the history.

    Args:
        folder: of the run, made if need be. One process at a time trains in it; see `locked`.
        filename: of a checkpoint, with `{epoch}` or the like of `{epoch:02d}`, counted from 1; it
            ends in ".weights.h5".
        keep: how many checkpoints stay, the newest; 1 or more.
        settings: what the run is made with, a dict that JSON can hold. In the folder of a run with
            other settings, `restore` refuses to go on.
        name, class_names: as for `weights.save`.
        layers: layers outside of the network from whose random numbers the training draws, such as an
            augmentation; None among them is passed over. Call `restore` before the pipeline is made
            that they are in.
        writes: False for those processes of a run that only restore.

    Attributes:
        history: a list of a dict for each epoch: `epoch` (from 1), `learning_rate` (at its start),
            and what `fit` reports.

    Raises:
        TypeError: `keep` is no integer, or JSON cannot hold the settings.
        ValueError: `filename` or `keep` is none of these, or a setting is NaN. In `fit`: the epoch is
            not the one after those of the history, as where `restore` was not called; or the network
            cannot say what it is made of (`weights.WeightsError`), which it says before the first epoch.
        FloatingPointError: in `fit`, after an epoch, the loss is no number. No checkpoint of it is
            written.
        OSError: in `fit`, the checkpoint cannot be written, e.g. since the disk is full. The ones
            before are still there.

    Example:
        >>> import tempfile
        >>> def go_on(folder, epochs):
        ...     network = keras.Sequential([keras.Input((4,)), keras.layers.Dropout(0.5), keras.layers.Dense(1)])
        ...     network.compile("adam", "mse")
        ...     checkpoints = Checkpoints(folder, settings={"dropout": 0.5})
        ...     with checkpoints.locked():
        ...         done, x = checkpoints.restore(network), np.eye(4)
        ...         network.fit(x, x[:, 0], epochs=epochs, initial_epoch=done, callbacks=[checkpoints], verbose=0)
        ...     print(f"{done} epochs done before, {len(checkpoints.history)} now")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     go_on(folder, 2)
        ...     go_on(folder, 3)
        ...     print(*sorted(path.name for path in Path(folder).glob("[eh]*")))
        0 epochs done before, 2 now
        2 epochs done before, 3 now
        epoch_0002.weights.h5 epoch_0003.weights.h5 history.csv
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
        self.folder, self.filename, self.keep, self.writes = Path(folder), filename, whole_number("keep", keep), writes
        self.names = {"name": name, "class_names": class_names}
        self.layers = [layer for layer in layers if layer is not None]
        self.settings = json.loads(json.dumps(dict(settings or {}), allow_nan=False))  # as read back: a tuple is a list
        self.history = []
        self._lock = FileLock(self.folder / ".lock")
        self._pattern = re.compile(r"(\d+)".join(map(re.escape, re.split(r"\{epoch[^}]*\}", filename))))
        try:
            right = all(self._epoch(filename.format(epoch=epoch)) == epoch for epoch in (1, 1234567))
        except (AttributeError, LookupError, ValueError):  # another name in the braces, or no format
            right = False
        if not right or not filename.endswith(".weights.h5") or set(filename) & set("/\\"):
            raise ValueError(f"filename is {filename!r}; give one with the number of the epoch, such as {FILENAME!r}")

    @contextlib.contextmanager
    def locked(self):
        """Keep other processes out of the folder for the time of a block: from `restore` to the end of `fit`.

        The lock ends with the process, however that ends. Blocks may be nested. For a process that
        only restores there is no lock.

        Raises:
            ValueError: another process is in such a block.
            OSError: the folder cannot be made.
        """
        lock = contextlib.nullcontext()
        if self.writes:
            with self._complaint():
                self.folder.mkdir(parents=True, exist_ok=True)
                try:
                    lock = self._lock.acquire(blocking=False)
                except Timeout:
                    message = f"another process trains in {self.folder}: wait for it, or give another folder"
                    raise ValueError(message) from None
        with lock:
            yield

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
        epochs = self._epochs()
        if not epochs:
            return 0
        path = self._path(epochs[-1])
        run = weights.load(path, network, **self.names, check_run=lambda run: self._check(run, network))
        for variable, value in zip(self._random_states(network), run["random_states"]):
            variable.assign(np.array(value, variable.dtype))
        self.history = run["history"]
        return len(self.history)

    def columns(self):
        """Return the history as `fit` returns one, which knows of the last call alone.

        Returns:
            For a `keras.callbacks.History`, its `epoch`, a list of the epochs counted from 0, and its
            `history`, a dict of the name of what is reported to a list of values.
        """
        columns = {}
        for row in self.history:
            for name, value in row.items():
                if name not in OURS:
                    columns.setdefault(name, []).append(value)
        return [row["epoch"] - 1 for row in self.history], columns

    def remove(self):
        """Remove what this callback wrote: the checkpoints, history.csv, and the folder if nothing else is in it."""
        with self._complaint():
            self._tidy(keep=0)
            for name in ("history.csv", ".lock"):
                (self.folder / name).unlink(missing_ok=True)
            with contextlib.suppress(OSError):  # something else is in it, or it was never there
                self.folder.rmdir()

    def on_train_begin(self, logs=None):
        weights.check_saveable(self.model)
        if self.writes and self.history:
            with self._complaint():
                self._tidy(self.keep)
                self._write_csv()

    def on_epoch_begin(self, epoch, logs=None):
        newest = max(self._epochs(), default=0) if self.writes else epoch
        if not epoch == len(self.history) == newest:
            raise ValueError(
                f"this training does not begin after the epochs that {self.folder} has checkpoints of: call restore "
                "before fit, and give fit what it returns as initial_epoch; or take another folder"
            )

    def on_train_batch_begin(self, batch, logs=None):
        if batch == 0:  # all callbacks that set the rate at the start of an epoch have set it
            self._learning_rate = float(keras.ops.convert_to_numpy(self.model.optimizer.learning_rate))

    def on_epoch_end(self, epoch, logs):
        logs = {name: np.asarray(value).tolist() for name, value in logs.items()}
        if not math.isfinite(logs.get("loss", 0)):
            raise FloatingPointError(f"the loss of epoch {epoch + 1} is {logs['loss']}: try a smaller learning rate")
        ours = dict(zip(OURS, (epoch + 1, self._learning_rate)))
        self.history.append(ours | logs | ours)
        if self.writes:
            states = [keras.ops.convert_to_numpy(state).tolist() for state in self._random_states(self.model)]
            run = {"settings": self.settings, "history": self.history, "random_states": states}
            with self._complaint():
                weights.save(self._path(epoch + 1), self.model, **self.names, run=run)
                self._tidy(self.keep)
                self._write_csv()

    def _check(self, run, network):
        """Raise unless a checkpoint's run is this one."""
        if not isinstance(run, dict) or not {"settings", "history", "random_states"} <= run.keys():
            raise WeightsError(f"the newest weights in {self.folder} are no checkpoint. {REMEDY}")
        random = "layers with random numbers:"
        theirs = run["settings"] | {random: len(run["random_states"])}
        ours = self.settings | {random: len(self._random_states(network))}
        for name in ours | theirs:
            if (one := theirs.get(name)) != (other := ours.get(name)):
                raise ValueError(f"the run in {self.folder} has {name} {one}, not {other}. {REMEDY}")

    def _random_states(self, network):
        """Return the variables that Keras does not save with the weights: where the layers' random numbers stand."""
        states = []
        for layer in [network, *self.layers]:
            saved = {id(weight) for weight in layer.weights}
            states += [variable for variable in layer.variables if id(variable) not in saved]
        return states

    def _write_csv(self):
        columns = dict.fromkeys(name for row in self.history for name in row)  # in order of appearance
        with atomic_write(self.folder / "history.csv") as beside:
            with open(beside, "w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, columns)
                writer.writeheader()
                writer.writerows(self.history)

    def _path(self, epoch):
        return self.folder / self.filename.format(epoch=epoch)

    def _epoch(self, name):
        """Return the epoch of the checkpoint with this file name, None if there is no such checkpoint."""
        match = self._pattern.fullmatch(name)
        return match and int(match[1])

    def _epochs(self):
        """Return the epochs that have a checkpoint, in order."""
        names = os.listdir(self.folder) if self.folder.exists() else []
        return sorted(filter(None, map(self._epoch, names)))

    def _tidy(self, keep):
        """Remove all checkpoints but the newest, and what `kill -9` left of `atomic_write` beside its places."""
        for epoch in self._epochs()[::-1][keep:]:
            self._path(epoch).unlink()
        for path in self.folder.glob(".*.*"):
            name = path.name.split(".", 2)[2]
            if name == "history.csv" or self._epoch(name):
                path.unlink()

    @contextlib.contextmanager
    def _complaint(self):
        try:
            yield
        except OSError as error:
            raise OSError(
                f"nothing could be written to {self.folder}: {error}. Checkpoints of earlier epochs are still there. "
                "Make room, or mend the right to write, and start again to go on after them"
            ) from error


def checksum(*parts):
    """Return a checksum of data for the `settings` of a run, so that it does not go on with others.

    Args:
        *parts: of the data, as what is trained on and what is held out: dicts of a name to an array of any
            type, also of objects that are arrays. An array that is in two parts is read once.

    Returns:
        A string, "sha256" and 16 digits.

    Example:
        >>> x, y = np.zeros((3, 8, 8), "uint8"), np.arange(3)
        >>> checksum({"x": x, "y": y}) == checksum({"x": x.copy(), "y": y}) != checksum({"x": x, "y": y[::-1]})
        True
    """
    digest = hashlib.sha256()
    for array in {id(array): array for part in parts for array in part.values()}.values():
        _digest(array, digest)
    return f"sha256 {digest.hexdigest()[:16]}"


def _digest(array, digest):
    array = np.asarray(array)
    digest.update(f"{array.dtype} {array.shape} ".encode())
    if array.dtype != object:
        digest.update(np.ascontiguousarray(array).reshape(-1).view(np.uint8))
    else:
        for item in array.flat:
            _digest(item, digest)
