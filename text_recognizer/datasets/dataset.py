"""What all data sets have in common: where the arrays are, what the labels mean, sample or full."""

import abc
import contextlib
import functools
import inspect
import numbers
import os
import zipfile
import zlib
from pathlib import Path

from text_recognizer import files

KERAS_URL = "https://storage.googleapis.com/tensorflow/tf-keras-datasets"  # from where `keras.datasets` downloads
VARIABLE = "WORKBOOK_DATA"
SAMPLE, FULL = "sample", "full"


class DatasetUnavailableError(RuntimeError):
    """The real data could not be had; the message says where they were looked for, why, and what to do."""


class Dataset(abc.ABC):
    """Base class of the data sets: training and test arrays, the meaning of the labels, the source.

    Every data set has two sources. `full` is the real one, which is downloaded once. `sample` is
    small, needs no network, and stands in for it. Which one it is, is settled when the object is
    made. The arrays are loaded when they are first asked for, the training part and the test part
    apart, and belong to the object: whoever writes to them changes no other object's.

    A subclass sets `input_shape`, `output_shape` and `class_names` (or `feature_names`), and has
    `describe` and `_load`. `repr` shows the arguments of its `__init__`, each of which it keeps in
    an attribute of that name.

    Attributes:
        source: "sample" or "full".
        input_shape: of one example, without the batch, e.g. (28, 28).
        output_shape: of what a network gives for one example: (number of classes,), or (1,) where a
            number is to be predicted.
        class_names: the name of each label, a tuple of strings: `class_names[label]`. A table has
            `feature_names` instead, the name of each column.
        x_train, x_test: NumPy arrays (n, *input_shape).
        y_train, y_test: the labels, integers (n,), uint8 where they are up to 255; a table has
            float32 (n,), and lines of text have a sequence each.

    Args:
        source: "sample" or "full". Default: what the environment variable `WORKBOOK_DATA` says
            now, and "sample" if it is not set.

    Raises:
        ValueError: the source is neither.
        DatasetUnavailableError: when the arrays are loaded, on `full`, the data can be neither
            found nor downloaded, or they are broken.

    Example:
        >>> from text_recognizer.datasets import Digits
        >>> data = Digits()
        >>> data.x_train.shape, data.y_train.shape
        ((1540, 28, 28), (1540,))
        >>> data.class_names[data.y_test[0]]
        '9'
    """

    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    class_names: tuple[str, ...]

    def __init__(self, source=None):
        self.source = choose_source(source)

    x_train = property(lambda self: self._train[0])
    y_train = property(lambda self: self._train[1])
    x_test = property(lambda self: self._test[0])
    y_test = property(lambda self: self._test[1])

    @abc.abstractmethod
    def describe(self):
        """Say in one line what the data are, and how many, e.g. "full: MNIST, 60,000 + 10,000 images"."""

    @abc.abstractmethod
    def _load(self, part):
        """Return `x, y` of a part, "train" or "test". Called once for each."""

    @functools.cached_property
    def _train(self):
        return self._load("train")

    @functools.cached_property
    def _test(self):
        return self._load("test")

    def __repr__(self):
        """Say how the object was made. It loads nothing."""
        names = inspect.signature(type(self)).parameters
        arguments = ", ".join(f"{name}={vars(self)[name]!r}" for name in names if name in vars(self))
        return f"{type(self).__name__}({arguments})"


def choose_source(source=None):
    """Return which data to use, "sample" or "full".

    Args:
        source: one of these. Default: what the environment variable `WORKBOOK_DATA` says now, and
            "sample" if it is not set.

    Raises:
        ValueError: the source, or the variable, is something else.

    Example:
        >>> choose_source("full")
        'full'
    """
    name, value = ("source", source) if source is not None else (VARIABLE, os.environ.get(VARIABLE) or SAMPLE)
    if value not in (SAMPLE, FULL):
        raise ValueError(
            f"{name} is {value!r}. Set it to {SAMPLE!r} (small, needs no network; also what you get when it is not "
            f"set) or to {FULL!r} (the real data set, downloaded once)."
        )
    return value


def check_seed(seed):
    """Raise a `ValueError` unless this is an integer from 0 to 2^32 - 1, which all of NumPy's generators take.

    None, which they take as well, would give the two parts of a data set two different shufflings.
    """
    if not isinstance(seed, numbers.Integral) or not 0 <= seed < 2**32:
        raise ValueError(f"seed is {seed!r}; it must be an integer from 0 to {2**32 - 1:,}")


def fetch(title, place, url, checksum):
    """Return the path of a file of a data set: where it is in the Keras home, or else downloaded to.

    Args:
        title: what the data set is called, for the message.
        place: where the file is in the folder `datasets` of a Keras home, e.g. "mnist.npz".
        url, checksum: as for `text_recognizer.files.download`.

    Raises:
        DatasetUnavailableError: it is not there, and cannot be downloaded.
    """
    if path := files.find(place):
        return path
    try:
        return files.download(url, files.place(place), checksum)
    except files.DownloadError as error:
        raise missing(title, place, error) from error


@contextlib.contextmanager
def reading(title, path):
    """Let what is wrong with a file, while it is read within this context, be told by `broken`."""
    try:
        yield
    except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise broken(title, path, error) from error


def missing(title, place, error):
    """Return the `DatasetUnavailableError` that tells of data which are nowhere and could not be downloaded.

    Args:
        title: what the data set is called.
        place: where the Keras home should have it: its file or its folder, in the folder `datasets`.
        error: why; the message of a `text_recognizer.files.DownloadError` says what was tried.
    """
    return DatasetUnavailableError(
        f"{title} is not in {files.data_home() / 'datasets' / place}, and could not be downloaded. {error} Or start "
        f"Python with KERAS_HOME set to a Keras home that has {Path('datasets', place)}, or take the sample, which "
        f"needs no network (source={SAMPLE!r}, or {VARIABLE}={SAMPLE})."
    )


def broken(title, path, error):
    """Return the `DatasetUnavailableError` that tells of data which are there and cannot be used.

    Args:
        title: what the data set is called.
        path: its file or its folder, a `pathlib.Path`: what is to be deleted.
        error: what is wrong with it, an exception.
    """
    if os.access(path.parent, os.W_OK):
        advice = f"Delete {path} and run this again to download it anew"
    else:
        advice = "You cannot write there: have it replaced, or set KERAS_HOME to a folder of your own"
    return DatasetUnavailableError(
        f"{title} in {path} is broken ({type(error).__name__}: {error}). {advice}, or take the sample, which needs no "
        f"network (source={SAMPLE!r}, or {VARIABLE}={SAMPLE})."
    )
