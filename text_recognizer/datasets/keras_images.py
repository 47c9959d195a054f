"""The data sets of `keras.datasets` in MNIST's form, with the digits as the sample of each."""

import os
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text_recognizer.datasets import digits
from text_recognizer.datasets.source import FULL, SAMPLE, VARIABLE, DatasetUnavailableError, source

TRAIN, TEST = 60_000, 10_000


@dataclass(frozen=True)
class KerasImages:
    """60,000 + 10,000 grey images of 28x28 pixels in ten classes, from `keras.datasets`.

    Attributes:
        name: what the data set is called.
        module: its module in `keras.datasets`.
        folder: its own folder in `$KERAS_HOME/datasets`; empty where it is one file without one.
        files: the files that make it up, in that folder.
        names: the names of the ten classes.
    """

    name: str
    module: str
    folder: str
    files: tuple[str, ...]
    names: tuple[str, ...]

    def load_data(self):
        """Return `(x_train, y_train), (x_test, y_test)` of whichever source is on."""
        return self._load_full() if source() == FULL else digits.load_data()

    def class_names(self):
        """Return the names of the ten classes of whichever source is on."""
        return list(self.names) if source() == FULL else digits.class_names()

    def describe(self):
        """Say in one line which source is on."""
        if source() == FULL:
            return f"{FULL}: {self.name}, {TRAIN:,} + {TEST:,} images"
        return f"{SAMPLE}: {digits.NAME}, {digits.TRAIN:,} + {digits.TEST:,} images"

    def _load_full(self):
        import keras

        try:
            data = getattr(keras.datasets, self.module).load_data()
            _check(data)
        except Exception as error:  # Keras raises a bare Exception where a download fails
            raise DatasetUnavailableError(self._diagnose(error)) from error
        # Keras maps Fashion-MNIST read-only; the sample can be written to, so this can too.
        return tuple(tuple(np.array(array) for array in part) for part in data)

    def _diagnose(self, error):
        home, note = keras_home()
        # What to delete or to provide: the folder, or the one file that has none.
        place = Path("datasets", self.folder or self.files[0])
        what = f"{type(error).__name__}: {error}"
        folder = home / "datasets" / self.folder
        missing = [name for name in self.files if not (folder / name).exists()]
        if missing:
            return (
                f"{self.name} could not be downloaded, and {folder} has no {', '.join(missing)} "
                f"({what}).{note} Connect to the network once and run this again, or start Python "
                f"with KERAS_HOME set to a Keras home that has {place}, or set {VARIABLE}={SAMPLE}, "
                "which needs no network."
            )
        return (
            f"{self.name} in {home / place} is broken ({what}).{note} Delete {home / place} and run "
            f"this again to download it anew, or set {VARIABLE}={SAMPLE}, which needs no network."
        )


def keras_home():
    """Return the folder in which `keras.utils.get_file` keeps its files, and a note for the reader.

    The note is empty unless Keras turned away from `$KERAS_HOME` (or `~/.keras`), as it does,
    without a word, where that folder cannot be written to.
    """
    from keras.src.backend.config import keras_home as configured  # get_file's own; not exported

    home = Path(configured()).expanduser()
    if os.access(home, os.W_OK):
        return home, ""
    fallback = Path("/tmp" if os.path.isdir("/tmp") else tempfile.gettempdir(), ".keras")
    return fallback, f" (Keras looks there because it cannot write to {home}.)"


def _check(data):
    (x_train, y_train), (x_test, y_test) = data
    for name, array, shape in (
        ("x_train", x_train, (TRAIN, 28, 28)),
        ("y_train", y_train, (TRAIN,)),
        ("x_test", x_test, (TEST, 28, 28)),
        ("y_test", y_test, (TEST,)),
    ):
        if array.shape != shape or array.dtype != np.uint8:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not uint8 {shape}")
    for name, labels in (("y_train", y_train), ("y_test", y_test)):
        if (found := np.unique(labels).tolist()) != list(range(10)):
            raise ValueError(f"{name} holds the labels {found}, not 0 to 9")
