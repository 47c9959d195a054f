"""EMNIST ByClass, handwritten digits and letters; and the sample that stands in for it, drawn from fonts.

G. Cohen, S. Afshar, J. Tapson, A. van Schaik, "EMNIST: an extension of MNIST to handwritten
letters", 2017, arXiv:1702.05373, made from NIST Special Database 19.
"""

import functools
import hashlib
import math
import os
import zipfile
import zlib
from pathlib import Path

import numpy as np
from filelock import FileLock

from text_recognizer.datasets.synthetic import characters
from text_recognizer.datasets.synthetic.characters import CHARACTERS
from text_recognizer.datasets.download import DownloadError, download, extract
from text_recognizer.datasets.idx import read_idx
from text_recognizer.datasets.keras_files import keras_home
from text_recognizer.datasets.source import FULL, SAMPLE, VARIABLE, DatasetUnavailableError, source

NAME = "EMNIST ByClass"
URL = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"
MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"
TRAIN_FILES, TEST_FILES = (
    tuple(f"emnist-byclass-{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1"))
    for part in ("train", "test")
)
CLASSES = len(CHARACTERS)
SAMPLE_NAME = "characters drawn from fonts"
SAMPLE_COUNT = 240  # images of each character


class EmnistDataset:
    """Images of the 62 characters 0-9, A-Z, a-z, to train on and to test on.

    On `full`, EMNIST ByClass: the archive, 535 MB, is downloaded once into the Keras home. Where
    the home has only the test split, that is divided 4 : 1 in place of the published parts, class
    by class, the same way for everybody: a network must never be tested on what it was trained on
    under another seed. On `sample`, characters drawn from fonts, divided likewise.

    Which source it is, is decided when the object is made; the data are loaded when they are first
    asked for. So a network that only reads needs none.

    Balance and fraction choose images at random, class by class, so that every class stays in both
    parts. Balance is for training: in EMNIST ByClass half of the images are digits, and of 1 there
    are 20 times as many as of some letters. The test part keeps the published distribution, which
    is what test accuracies in the literature mean; so a network trained on balanced classes scores
    lower there, and better on the rare letters.

    Attributes:
        x_train, x_test: uint8 (n, 28, 28), 0 (paper) to 255 (ink), upright, in random order.
        y_train, y_test: one-hot float32 (n, 62).
        mapping: a dict from the index of a class to its character.
        input_shape: of an image, (28, 28).
        output_shape: of a target, (62,).
        source: "sample" or "full".

    Args:
        subsample_fraction: how much of each class to keep, in both parts, above 0 and up to 1.
            Default: all of it.
        balance: whether to reduce each class of the training part to the mean number of images of
            a class where it has more.
        seed: of the choice and of the order, an integer. Not of what is in which part.

    Raises:
        ValueError: the fraction is out of range, or `WORKBOOK_DATA` is neither sample nor full;
            when the data are loaded, the fraction leaves a class without an image.
        DatasetUnavailableError: when the data are loaded, they can be neither found nor downloaded,
            or they are broken.
    """

    input_shape = (28, 28)
    output_shape = (CLASSES,)

    def __init__(self, subsample_fraction=None, balance=False, seed=0):
        if subsample_fraction is not None and not 0 < subsample_fraction <= 1:
            raise ValueError(f"subsample_fraction is {subsample_fraction}; it must be above 0, and at most 1")
        self.source = source()
        self.mapping = dict(enumerate(CHARACTERS))
        self.subsample_fraction = subsample_fraction
        self.balance = balance
        self.seed = seed

    x_train = property(lambda self: self._parts[1][0])
    y_train = property(lambda self: self._parts[1][1])
    x_test = property(lambda self: self._parts[2][0])
    y_test = property(lambda self: self._parts[2][1])

    def describe(self):
        """Say in one line what the data are, and how many. Loads them."""
        return f"{self.source}: {self._parts[0]}, {len(self.x_train):,} + {len(self.x_test):,} images"

    def __repr__(self):
        """Say what the object holds. Loads the data."""
        lines = [
            f"EmnistDataset(subsample_fraction={self.subsample_fraction}, balance={self.balance}, seed={self.seed})",
            self.describe(),
            f"{CLASSES} classes: 0-9, A-Z, a-z",
        ]
        for part, x, y in (("train", self.x_train, self.y_train), ("test", self.x_test, self.y_test)):
            counts = y.sum(axis=0)
            lines.append(
                f"x_{part} {x.dtype} {x.shape}, {x.min()} to {x.max()}; y_{part} {y.dtype} {y.shape}, "
                f"{counts.min():,.0f} to {counts.max():,.0f} of a class"
            )
        return "\n".join(lines)

    @functools.cached_property
    def _parts(self):
        name, train, test = _load_full() if self.source == FULL else _load_sample()
        rarest = min(np.bincount(labels).min() for _, labels in (train, test))
        if self.subsample_fraction and rarest * self.subsample_fraction < 1:
            raise ValueError(
                f"subsample_fraction is {self.subsample_fraction}, and of the rarest character a part has {rarest} "
                f"images: take at least {math.ceil(1000 / rarest) / 1000}, or some character has none"
            )
        return name, self._choose(*train, self.balance), self._choose(*test, balance=False)

    def _choose(self, x, labels, balance):
        """Return the images to keep, and their one-hot labels, in random order."""
        rng = np.random.default_rng(self.seed)
        classes = _by_class(labels, rng)
        keep = np.array([len(rows) for rows in classes])
        if balance:
            keep = np.minimum(keep, keep.mean())
        keep = (keep * (self.subsample_fraction or 1)).astype(int)
        rows = rng.permutation(np.concatenate([rows[:count] for rows, count in zip(classes, keep)]))
        return np.ascontiguousarray(x[rows]), np.eye(CLASSES, dtype=np.float32)[labels[rows]]


def _by_class(labels, rng):
    """Return the rows of each class, in random order, a list of 62 arrays."""
    return [rng.permutation(np.flatnonzero(labels == i)) for i in range(CLASSES)]


def _divide(x, labels):
    """Divide images 4 : 1 into a part for training and one for testing, each with a fifth of every class."""
    rows = _by_class(labels, np.random.default_rng(0))
    test = np.zeros(len(labels), bool)
    test[np.concatenate([of_class[: len(of_class) // 5] for of_class in rows])] = True
    return (x[~test], labels[~test]), (x[test], labels[test])


def _load_sample():
    """Return the name of the sample and its two parts, drawn once and then kept in the Keras home."""
    path = keras_home()[0] / "datasets" / f"characters-{_drawing()}.npz"
    try:
        with np.load(path) as file:
            x, labels = file["x"], file["labels"]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):  # missing, or damaged
        x, labels = characters.draw_characters(SAMPLE_COUNT)
        try:
            _save(path, x=x, labels=labels)
        except OSError:
            pass  # no place to keep them: they are drawn anew each time
    return SAMPLE_NAME, *_divide(x, labels)


def _drawing():
    """Return a name for what is drawn, another one whenever the code or the fonts' versions change."""
    import matplotlib
    import PIL

    what = f"{SAMPLE_COUNT} {matplotlib.__version__} {PIL.__version__} ".encode()
    return hashlib.sha256(what + Path(characters.__file__).read_bytes()).hexdigest()[:12]


def _save(path, **arrays):
    """Write beside and rename, so that a process which builds the same meanwhile does no harm."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(beside, "wb") as file:
            np.savez(file, **arrays)
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def _load_full():
    """Return the name of what the Keras home has of EMNIST ByClass, and its two parts, upright."""
    home, note = keras_home()
    folder = home / "datasets" / "emnist"
    try:
        _provide(folder)
    except (DownloadError, OSError) as error:
        raise DatasetUnavailableError(
            f"{NAME} is not in {folder}.{note} {error} Or start Python with KERAS_HOME set to a Keras home that has "
            f"{Path('datasets', 'emnist')}, or set {VARIABLE}={SAMPLE}, which needs no network."
        ) from error
    try:
        x_test, y_test = _read(folder, TEST_FILES)
        if _has(folder, TRAIN_FILES):
            return NAME, _read(folder, TRAIN_FILES), (x_test, y_test)
    except (OSError, ValueError, EOFError, zlib.error) as error:
        raise DatasetUnavailableError(
            f"{NAME} in {folder} is broken ({type(error).__name__}: {error}).{note} Delete {folder} and run this again "
            f"to download it anew, or set {VARIABLE}={SAMPLE}, which needs no network."
        ) from error
    return f"{NAME}, the test split only (the cache has no other) divided 4 : 1", *_divide(x_test, y_test)


def _provide(folder):
    """Download and unpack the four files, unless at least the test split is there."""
    if _has(folder, TEST_FILES):
        return
    folder.mkdir(parents=True, exist_ok=True)
    with FileLock(folder / "files.lock"):  # around all three steps: they have their own, but not together
        if _has(folder, TEST_FILES):  # another process was faster
            return
        archive = download(URL, folder / "gzip.zip", MD5)
        # The test split last: where it is, the training split has come, or was never meant to.
        extract(archive, folder, {f"gzip/{name}": name for name in TRAIN_FILES + TEST_FILES})
        archive.unlink()


def _has(folder, names):
    return all((folder / name).exists() for name in names)


def _read(folder, names):
    images, labels = (read_idx(folder / name) for name in names)
    if images.shape[1:] != (28, 28) or labels.shape != images.shape[:1]:
        raise ValueError(f"{names[0]} holds {images.shape}, and {names[1]} {labels.shape}")
    counts = np.bincount(labels, minlength=CLASSES)
    if len(counts) != CLASSES or counts.min() < 5:  # a fifth is to be one at least
        raise ValueError(
            f"{names[1]} holds {len(counts)} labels, {counts.min()} of the rarest, not {CLASSES} of 5 or more"
        )
    return images.transpose(0, 2, 1), labels  # EMNIST has each image column by column
