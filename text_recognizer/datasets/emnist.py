"""EMNIST ByClass, handwritten digits and letters; and the sample that stands in for it, drawn from fonts.

G. Cohen, S. Afshar, J. Tapson, A. van Schaik, "EMNIST: an extension of MNIST to handwritten
letters", 2017, arXiv:1702.05373, made from NIST Special Database 19.
"""

import functools
import hashlib
import math
import zipfile
import zlib
from pathlib import Path

import numpy as np
from filelock import FileLock

from text_recognizer import files
from text_recognizer.datasets.dataset import FULL, SAMPLE, Dataset, check_seed, missing, reading
from text_recognizer.datasets.idx import read_idx, read_shape
from text_recognizer.datasets.synthetic import characters
from text_recognizer.datasets.synthetic.characters import CHARACTERS

URL = "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip"  # 535 MB
MD5 = "58c8d27c78d21e728a6bc7b3cc06412e"
SAMPLE_COUNT = 240  # images of each character

_TITLE = "EMNIST ByClass"
_PARTS = ("train", "test")
_FILES = {  # images and labels
    part: tuple(f"emnist-byclass-{part}-{kind}-ubyte.gz" for kind in ("images-idx3", "labels-idx1")) for part in _PARTS
}
_CLASSES = len(CHARACTERS)


class Emnist(Dataset):
    """Images of the 62 characters 0-9, A-Z, a-z, to train on and to test on.

    On `full`, EMNIST ByClass. The publisher's archive, 535 MB, is downloaded once, and unpacked to
    datasets/emnist in the Keras home. Files that you have unpacked there yourself are used, gzipped
    or not, in the archive's folder `gzip` or without it. Where the home has only the test split, that
    is divided 4 : 1 in place of the published parts, class by class, whatever the seed: a network
    must never be tested on what it was trained on under another one. On `sample`, characters drawn
    from fonts (see `synthetic.characters`), divided likewise.

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
        ValueError: the fraction is out of range, or the source is neither "sample" nor "full"; when
            the images are counted or loaded, the fraction leaves a class without an image.
        DatasetUnavailableError: when the images are loaded, on `full`, they can be neither found
            nor downloaded, or they are broken.

    Example:
        >>> data = Emnist(subsample_fraction=0.1, source="sample")
        >>> print(data.describe())
        sample: characters drawn from fonts, 1,178 + 248 images
        >>> data.x_test.shape, data.class_names[61]
        ((248, 28, 28), 'z')
    """

    input_shape = (28, 28)
    output_shape = (_CLASSES,)
    class_names = tuple(CHARACTERS)

    def __init__(self, subsample_fraction=None, balance=False, seed=0, source=None):
        super().__init__(source)
        if subsample_fraction is not None and not 0 < subsample_fraction <= 1:
            raise ValueError(f"subsample_fraction is {subsample_fraction}; it must be above 0, and at most 1")
        check_seed(seed)
        self.subsample_fraction = subsample_fraction
        self.balance = balance
        self.seed = seed

    def describe(self):
        """Say in one line what the data are, and how many. Of the files, it reads the labels alone, which are small.

        It downloads nothing: of what is not there yet it says so.
        """
        if self.source == FULL and not _find("test"):
            return f"{FULL}: {_TITLE}, not downloaded yet"
        name = "characters drawn from fonts" if self.source == SAMPLE else _TITLE
        if self.source == FULL and self._divided:
            name += ", the test split only (the cache has no other) divided 4 : 1"
        counts = (len(self._chosen[part][0]) for part in _PARTS)
        return f"{self.source}: {name}, {' + '.join(f'{count:,}' for count in counts)} images"

    def _load(self, part):
        if self.source == FULL and not _find("test"):
            _download()
        rows, labels = self._chosen[part]
        if self.source == SAMPLE:
            return self._drawn[rows], labels
        images, _ = _find("test" if self._divided else part)
        with reading(_TITLE, images.parent):
            return _upright(read_idx(images, rows)), labels

    @functools.cached_property
    def _drawn(self):
        return _sample_images()

    @functools.cached_property
    def _divided(self):
        """Whether one part is divided in two, the sample or the test split that is alone."""
        return self.source == SAMPLE or not _find("train")

    @functools.cached_property
    def _chosen(self):
        """Return the rows to take from the images of each part, and their labels, a dict by part."""
        given = self._divide_labels()
        rarest = min(np.bincount(labels).min() for _, labels in given.values())
        if self.subsample_fraction and rarest * self.subsample_fraction < 1:
            raise ValueError(
                f"subsample_fraction is {self.subsample_fraction}, and of the rarest character a part has {rarest} "
                f"images: take at least {math.ceil(1000 / rarest) / 1000}, or some character has none"
            )
        chosen = {}
        for part, (rows, labels) in given.items():
            taken = self._choose(labels, self.balance and part == "train")
            chosen[part] = rows[taken], labels[taken]
        return chosen

    def _divide_labels(self):
        """Return the rows of each part in the images, and their labels, a dict by part."""
        if self.source == SAMPLE:
            return _divide(np.repeat(np.arange(_CLASSES, dtype=np.uint8), SAMPLE_COUNT))
        if self._divided:
            return _divide(_read_labels("test"))
        labels = {part: _read_labels(part) for part in _PARTS}
        return {part: (np.arange(len(labels[part])), labels[part]) for part in _PARTS}

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


def _divide(labels):
    """Divide rows 4 : 1 into those to train on and those to test on, a fifth of every class.

    These rows are what stored results rest on. `sklearn.model_selection.train_test_split` would
    divide as well, and into other rows.
    """
    test = np.zeros(len(labels), bool)
    for rows in _by_class(labels, np.random.default_rng(0)):
        test[rows[: len(rows) // 5]] = True
    return {part: (np.flatnonzero(of_part), labels[of_part]) for part, of_part in (("train", ~test), ("test", test))}


def _sample_images():
    """Return the images of the sample, drawn once and then kept in the Keras home."""
    name = f"characters-{_drawing()}.npz"
    if path := files.find(name):
        try:
            with np.load(path) as file:
                return file["x"]
        except (OSError, ValueError, LookupError, EOFError, zipfile.BadZipFile, zlib.error):
            pass  # damaged: they are drawn anew
    x, _ = characters.draw_characters(SAMPLE_COUNT)
    try:
        with files.atomic_write(files.place(name)) as beside:
            np.savez(beside, x=x)
    except OSError:
        pass  # no place to keep them: they are drawn anew each time
    return x


def _drawing():
    """Return a name for what is drawn, another one whenever the code or the packages' versions change."""
    import matplotlib
    import PIL

    what = f"{SAMPLE_COUNT} {matplotlib.__version__} {np.__version__} {PIL.__version__} ".encode()
    return hashlib.sha256(what + Path(characters.__file__).read_bytes()).hexdigest()[:12]


def _find(part):
    """Return the paths of the images and the labels of a part, however they were unpacked; None if one is missing."""
    paths = []
    for name in _FILES[part]:
        places = (f"emnist/{folder}{form}" for form in (name, name.removesuffix(".gz")) for folder in ("", "gzip/"))
        if not (path := next(filter(None, map(files.find, places)), None)):
            return None
        paths.append(path)
    return paths


def _download():
    """Download and unpack the four files."""
    folder = files.place("emnist")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with FileLock(folder / "files.lock"):  # around all three steps: they have their own, but not together
            if _find("test"):  # another process was faster
                return
            put_there = files.find("emnist/gzip.zip")
            archive = put_there or files.download(URL, folder / "gzip.zip", f"md5:{MD5}")
            # The test split last: where it is, the training split has come, or was never meant to.
            files.extract(archive, folder, {name: name for part in _PARTS for name in _FILES[part]}, strip="gzip")
            if not put_there:
                archive.unlink()
    except (files.DownloadError, OSError) as error:
        raise missing(_TITLE, "emnist", error) from error


def _read_labels(part):
    """Return the labels of one of the publisher's parts, if they and the images can be what they should be."""
    images, path = _find(part)
    with reading(_TITLE, path.parent):
        labels, shape = read_idx(path), read_shape(images)
        if labels.ndim != 1 or shape != (len(labels), 28, 28):
            raise ValueError(f"{images.name} holds {shape}, and {path.name} {labels.shape}")
        counts = np.bincount(labels, minlength=_CLASSES)
        if len(counts) != _CLASSES or counts.min() < 5:  # a fifth is to be one at least
            raise ValueError(
                f"{path.name} holds {len(counts)} labels, {counts.min()} of the rarest, not {_CLASSES} of 5 or more"
            )
        return labels


def _upright(images):
    """Turn images upright, in place: EMNIST has each of them column by column."""
    for start in range(0, len(images), 1000):
        block = images[start : start + 1000]
        block[:] = block.transpose(0, 2, 1).copy()
    return images
