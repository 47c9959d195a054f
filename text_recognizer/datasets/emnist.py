"""EMNIST ByClass, handwritten digits and letters; and the sample that stands in for it, drawn from fonts.

G. Cohen, S. Afshar, J. Tapson, A. van Schaik, "EMNIST: an extension of MNIST to handwritten
letters", 2017, arXiv:1702.05373, made from NIST Special Database 19.
"""

import functools
import math

import numpy as np

from text_recognizer import files
from text_recognizer.datasets.dataset import FULL, SAMPLE, Dataset, check_seed
from text_recognizer.datasets.idx import read_idx, read_shape
from text_recognizer.datasets.synthetic import characters
from text_recognizer.datasets.synthetic.characters import CHARACTERS

URL = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"  # 535 MB
MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"
ARCHIVE = "emnist/gzip.zip"
SAMPLE_COUNT = 240  # images of each character

_FILES = {  # images and labels
    part: [f"emnist-byclass-{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")]
    for part in ("train", "test")
}
_CLASSES = len(CHARACTERS)


class Emnist(Dataset):
    """Images of the 62 characters 0-9, A-Z, a-z, to train on and to test on.

    On `full`, EMNIST ByClass. The publisher's archive, 535 MB, is downloaded once, and unpacked to
    datasets/emnist/byclass in the Keras home. Files that you have unpacked to datasets/emnist
    yourself are used, gzipped or not, in the archive's folder `gzip` or without it. Where the home
    has only the test split, that is divided 4 : 1 in place of the published parts, class by class,
    whatever the seed: a network must never be tested on what it was trained on under another one. On
    `sample`, characters drawn from fonts (see `synthetic.characters`) in a second, divided likewise.

    Balance and fraction choose images at random, class by class, so that every class stays in both
    parts. Balance is for training: in EMNIST ByClass half of the images are digits, and of 1 there
    are 20 times as many as of some letters. The test part keeps the published distribution, which
    is what test accuracies in the literature mean; so a network trained on balanced classes scores
    lower there, and better on the rare letters.

    What is chosen, and in which order, follows from the seed, and so does the 4 : 1 from a fixed
    one, by `numpy.random.default_rng`. NumPy may change its stream in a new version (NumPy
    Enhancement Proposal 19). It has not so far: the tests compare checksums of the parts.

    Attributes:
        x_train, x_test: uint8 (n, 28, 28), 0 (paper) to 255 (ink), upright, in random order.
        y_train, y_test: uint8 (n,), 0 to 61.
        class_names: the 62 characters, in the order of the labels.
        input_shape, output_shape: (28, 28) and (62,).
        source: "sample" or "full".

    Args:
        subsample_fraction: how much of each class to keep, in both parts, above 0 and up to 1.
            Default: all of it.
        balance: whether to reduce each class of the training part to the mean number of images of
            a class where it has more.
        seed: of the choice and of the order, an integer, 0 or more. Not of what is in which part.
        source: see `Dataset`.

    Raises:
        ValueError: the fraction or the seed is out of range, or the source is neither "sample" nor
            "full"; when the images are counted or loaded, the fraction leaves a class without one.
        TypeError: the seed is no integer.
        DatasetUnavailableError: when the images are loaded, on `full`, they can be neither found
            nor downloaded, or they are broken.

    Example:
        >>> data = Emnist(subsample_fraction=0.1, source="sample")
        >>> print(data.describe())
        sample: characters drawn from fonts, 1,178 + 248 images
        >>> data.x_test.shape, data.class_names[61]
        ((248, 28, 28), 'z')
    """

    title = "EMNIST ByClass"
    input_shape = (28, 28)
    output_shape = (_CLASSES,)
    class_names = tuple(CHARACTERS)

    def __init__(self, subsample_fraction=None, balance=False, seed=0, source=None):
        super().__init__(source)
        if subsample_fraction is not None and not 0 < subsample_fraction <= 1:
            raise ValueError(f"subsample_fraction is {subsample_fraction}; it must be above 0, and at most 1")
        self.subsample_fraction = subsample_fraction
        self.balance = balance
        self.seed = check_seed(seed)

    def describe(self):
        """Say in one line what the data are, and how many. Of the files, it reads the labels alone, which are small.

        It downloads nothing: of what is not there yet it says so.
        """
        if self.source == FULL and not _find("test"):
            return f"{FULL}: {self.title}, not downloaded yet"
        name = "characters drawn from fonts" if self.source == SAMPLE else self.title
        if self.source == FULL and self._divided:
            name += ", the test split only (the cache has no other) divided 4 : 1"
        train, test = (len(self._chosen[part][0]) for part in _FILES)
        return f"{self.source}: {name}, {train:,} + {test:,} images"

    def _load(self, part):
        if self.source == FULL and not _find("test"):
            put_there, names = files.find(ARCHIVE), sum(_FILES.values(), [])
            self._fetch_unpacked("emnist/byclass", ARCHIVE, URL, f"md5:{MD5}", members=names, strip="gzip")
            if not put_there:
                files.place(ARCHIVE).unlink(missing_ok=True)
        rows, labels = self._chosen[part]
        if self.source == SAMPLE:
            return _drawn()[rows], labels
        paths = _find("test" if self._divided else part)
        with self._reading(*paths):
            images = read_idx(paths[0], rows)
        for start in range(0, len(images), 1000):  # EMNIST has them column by column; in place, for there are many
            block = images[start : start + 1000]
            block[:] = block.transpose(0, 2, 1).copy()
        return images, labels

    @functools.cached_property
    def _divided(self):
        """Whether one part is divided in two, the sample or the test split that is alone."""
        return self.source == SAMPLE or not _find("train")

    @functools.cached_property
    def _chosen(self):
        """Return the rows to take from the images of each part, and their labels, a dict by part."""
        given = self._divide()
        rarest = min(np.bincount(labels).min() for _, labels in given.values())
        if self.subsample_fraction and rarest * self.subsample_fraction < 1:
            raise ValueError(
                f"subsample_fraction is {self.subsample_fraction}, and of the rarest character a part has {rarest} "
                f"images: take at least {math.ceil(1000 / rarest) / 1000}, or some character has none"
            )
        taken = {part: self._choose(labels, self.balance and part == "train") for part, (_, labels) in given.items()}
        return {part: (rows[taken[part]], labels[taken[part]]) for part, (rows, labels) in given.items()}

    def _divide(self):
        """Return all rows of each part in the images, and their labels, a dict by part.

        A part that is alone is divided 4 : 1, in every class. These rows are what stored results rest on.
        `sklearn.model_selection.train_test_split` would divide as well, and into other rows.
        """
        if not self._divided:
            labels = {part: self._read_labels(part) for part in _FILES}
            return {part: (np.arange(len(labels[part])), labels[part]) for part in _FILES}
        if self.source == SAMPLE:
            labels = np.repeat(np.arange(_CLASSES, dtype=np.uint8), SAMPLE_COUNT)
        else:
            labels = self._read_labels("test")
        test = np.zeros(len(labels), bool)
        for rows in _by_class(labels, np.random.default_rng(0)):
            test[rows[: len(rows) // 5]] = True
        return {part: (np.flatnonzero(of), labels[of]) for part, of in (("train", ~test), ("test", test))}

    def _read_labels(self, part):
        """Return the labels of one of the publisher's parts, if they and the images can be what they should be."""
        paths = _find(part)
        with self._reading(*paths):
            shape, labels = read_shape(paths[0]), read_idx(paths[1])
            if labels.ndim != 1 or shape != (len(labels), 28, 28):
                raise ValueError(f"{paths[0].name} holds {shape}, and {paths[1].name} {labels.shape}")
            counts = np.bincount(labels, minlength=_CLASSES)
            if len(counts) != _CLASSES or counts.min() < 5:  # a fifth is to be one at least
                found = f"{len(counts)} labels, {counts.min()} of the rarest"
                raise ValueError(f"{paths[1].name} holds {found}, not {_CLASSES} of 5 or more")
        return labels

    def _choose(self, labels, balance):
        """Return which of the images to keep, in random order."""
        rng = np.random.default_rng(self.seed)
        classes = _by_class(labels, rng)
        keep = np.array([len(rows) for rows in classes])
        if balance:
            keep = np.minimum(keep, keep.mean())
        keep = (keep * (self.subsample_fraction or 1)).astype(int)
        return rng.permutation(np.concatenate([rows[:count] for rows, count in zip(classes, keep)]))


def _by_class(labels, rng):
    """Return the rows of each class, in random order, a list of 62 arrays."""
    return [rng.permutation(np.flatnonzero(labels == i)) for i in range(_CLASSES)]


@functools.cache
def _drawn():
    """Return the images of the sample. They are drawn once in a process, which takes a second."""
    return characters.draw_characters(SAMPLE_COUNT)[0]


def _find(part):
    """Return the paths of the images and the labels of a part, however they were unpacked; None if one is missing."""
    paths = []
    for name in _FILES[part]:
        forms = (f"emnist/{folder}{name}" for folder in ("", "gzip/", "byclass/"))
        places = (place for form in forms for place in (form, form.removesuffix(".gz")))
        paths.append(next(filter(None, map(files.find, places)), None))
    return paths if all(paths) else None
