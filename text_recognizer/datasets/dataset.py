"""What all data sets have in common: where the arrays are, what the labels mean, sample or full."""

import abc
import contextlib
import functools
import inspect
import os
from pathlib import Path

import numpy as np

from text_recognizer import files
from text_recognizer.arguments import whole_number

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

    A subclass sets `title`, `input_shape`, `output_shape` and `class_names` (or `feature_names`), and
    has `describe` and `_load`. `repr` shows the arguments of its `__init__`, each of which it keeps
    in an attribute of that name.

    Attributes:
        title: what the real data are called.
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

    def _fetch(self, name, make):
        """Return the path of a file or a folder of the data: where the Keras home has it, or else where it is put now.

        Args:
            name: where it is in the folder `datasets` of a Keras home, e.g. "mnist.npz".
            make: called with the `pathlib.Path` of where to put it, e.g. to download it.

        Raises:
            DatasetUnavailableError: it is not there, and `make` fails.
        """
        if path := files.find(name):
            return path
        path = files.place(name)
        try:
            make(path)
        except (files.DownloadError, OSError) as error:
            raise self._unavailable(
                f"{self.title} is not in {files.data_home() / 'datasets' / name}, and could not be put into {path}. "
                f"{error} You can also put it there yourself, or start Python with KERAS_HOME set to a Keras home that "
                f"has {Path('datasets', name)}, or to a folder that you can write to"
            ) from error
        return path

    def _fetch_unpacked(self, name, archive, url, checksum, **how):
        """As `_fetch`, for a folder that comes in a zip archive, if need be by download; `how`: as for `extract`."""

        def fill(folder):
            files.extract(files.find(archive) or files.download(url, files.place(archive), checksum), folder, **how)

        return self._fetch(name, lambda folder: files.make_folder(folder, fill))

    @contextlib.contextmanager
    def _reading(self, *paths):
        """Say of what is read in this context, and turns out to be broken, what is wrong and which paths to delete."""
        try:
            yield
        except MemoryError:
            raise
        except Exception as error:  # damaged files lead the libraries that read them to errors of every kind
            if os.access(paths[0].parent, os.W_OK):
                advice = f"Delete {' and '.join(map(str, paths))} and run this again to get it anew"
            else:
                advice = "You cannot write there: have it replaced, or set KERAS_HOME to a folder of your own"
            raise self._unavailable(
                f"{self.title} in {paths[0]} is broken ({type(error).__name__}: {error}). {advice}"
            ) from error

    def _unavailable(self, message):
        sample = f", or take the sample, which needs no network (source={SAMPLE!r}, or {VARIABLE}={SAMPLE})"
        return DatasetUnavailableError(f"{message}{sample if self.source == FULL else ''}.")


class LineDataset(Dataset):
    """Base class of the data sets of lines: label 0 stands for no character, a text has a sequence of the others."""

    def decode(self, labels):
        """Return the texts of labels, a list of n strings. Zeros and negative labels stand for nothing.

        Args:
            labels: integers below the number of classes, of shape (n, length), a NumPy array or
                whatever NumPy makes one of, such as a list of lists or a tensor.

        Raises:
            ValueError: they have another shape, or are no such integers.
        """
        labels = np.asarray(labels)  # once: to iterate over a tensor takes a thousand times as long
        most = len(self.class_names) - 1
        if labels.size and (labels.ndim != 2 or labels.dtype.kind not in "iu" or labels.max() > most):
            what = f"labels are {labels.dtype} {labels.shape}"
            raise ValueError(f"{what}; give integers up to {most} of shape (n, length)")
        return ["".join(self.class_names[label] for label in row if label > 0) for row in labels.tolist()]


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
        sample, full = f"{SAMPLE!r} (small, needs no network, the default)", f"{FULL!r} (real, downloaded once)"
        raise ValueError(f"{name} is {value!r}. Set it to {sample} or to {full}.")
    return value


def check_seed(seed):
    """Return a seed as an int, if it is one from 0 to 2^32 - 1, which all of NumPy's generators take.

    None, which they take as well, would give the two parts of a data set two different shufflings.

    Raises:
        TypeError: it is no integer.
        ValueError: it is out of that range.

    Example:
        >>> check_seed(-1)
        Traceback (most recent call last):
        ValueError: seed is -1; give an integer, from 0 to 4,294,967,295
    """
    return whole_number("seed", seed, least=0, most=2**32 - 1)


def check_array(name, array, shape, dtype):
    """Raise a `ValueError` unless an array, called `name`, has this shape, a tuple, and this dtype.

    Example:
        >>> check_array("y", np.zeros(3, np.uint8), (4,), np.uint8)
        Traceback (most recent call last):
        ValueError: y is uint8 (3,), not uint8 (4,)
    """
    if array.shape != shape or array.dtype != dtype:
        raise ValueError(f"{name} is {array.dtype} {array.shape}, not {np.dtype(dtype)} {shape}")
