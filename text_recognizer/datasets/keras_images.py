"""The data sets of `keras.datasets` in MNIST's form, with the digits as the sample of each."""

from dataclasses import dataclass

import numpy as np

from text_recognizer.datasets import digits
from text_recognizer.datasets.keras_files import KerasFiles
from text_recognizer.datasets.source import FULL, SAMPLE, source

TRAIN, TEST = 60_000, 10_000


@dataclass(frozen=True)
class KerasImages(KerasFiles):
    """60,000 + 10,000 grey images of 28x28 pixels in ten classes, from `keras.datasets`.

    Attributes:
        names: the names of the ten classes.
    """

    names: tuple[str, ...]

    def load_data(self):
        """Return `(x_train, y_train), (x_test, y_test)` of whichever source is on."""
        return self.load_full(_check) if source() == FULL else digits.load_data()

    def class_names(self):
        """Return the names of the ten classes of whichever source is on."""
        return list(self.names) if source() == FULL else digits.class_names()

    def describe(self):
        """Say in one line which source is on."""
        if source() == FULL:
            return f"{FULL}: {self.name}, {TRAIN:,} + {TEST:,} images"
        return f"{SAMPLE}: {digits.NAME}, {digits.TRAIN:,} + {digits.TEST:,} images"


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
