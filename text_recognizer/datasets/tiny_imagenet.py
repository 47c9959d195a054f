"""Tiny ImageNet, photographs of 200 classes in 64x64 pixels; patterned shapes stand in on `sample`.

Y. Le, X. Yang, "Tiny ImageNet Visual Recognition Challenge", Stanford CS 231N, 2015: 200 classes of
ImageNet, 500 images of each to train with, 50 to validate with, 50 to test with. The labels of the
last were never published, so the validation images serve as the test.

It comes as a folder of JPEGs:

    wnids.txt                               the 200 classes, by their number in WordNet, unsorted
    words.txt                               number, tab, names; all 82,115 nouns of WordNet
    train/<wnid>/images/<wnid>_<i>.JPEG     a folder for each class
    train/<wnid>/<wnid>_boxes.txt           file, left, top, right, bottom: where the thing is, in pixels
    val/images/val_<i>.JPEG                 all classes in one folder
    val/val_annotations.txt                 file, wnid, left, top, right, bottom
    test/images/test_<i>.JPEG               without labels

The sample has the same layout, with ten classes of `text_recognizer.datasets.synthetic.shapes`.
"""

import contextlib
import functools
import math
import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from text_recognizer import files
from text_recognizer.arguments import real_number, whole_number
from text_recognizer.datasets.dataset import FULL, SAMPLE, Dataset, check_seed
from text_recognizer.datasets.synthetic import shapes

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"  # 248,100,043 bytes
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"

NAME = "tiny-imagenet-200"
ARCHIVE = f"{NAME}.zip"
SAMPLE_NAME = "tiny-imagenet-sample-1"  # count on when the sample's pixels change: the old ones are cached

IMAGE_SHAPE = (64, 64, 3)

_CLASSES = {FULL: 200, SAMPLE: len(shapes.CLASSES)}


@dataclass(frozen=True, eq=False)
class LabeledFiles:
    """Image files and their labels.

    Attributes:
        files: paths of JPEG files, n of them.
        labels: int64 (n,), indices into `TinyImagenet.wnids`.

    Example:
        >>> images = TinyImagenet(classes=2, source="sample").train()
        >>> len(images), images.files[-1].name, images.labels[-1]
        (120, 'n90000001_9.JPEG', np.int64(1))
    """

    files: tuple[Path, ...]
    labels: np.ndarray

    def __len__(self):
        return len(self.files)

    def split(self, fraction, seed=0):
        """Set a part aside, the same share of every class, by `sklearn.model_selection.train_test_split`.

        Args:
            fraction: the share to set aside, between 0 and 1: of all images, rounded to the nearest
                number, and of each class as nearly as whole images allow. Which ones is random.
            seed: of the choice, an integer from 0 to 2^32 - 1.

        Returns:
            `rest, part`, two `LabeledFiles`, in the order of this one.

        Raises:
            TypeError: the fraction is no number, or the seed no integer.
            ValueError: the fraction would leave a class empty on one side, or the seed is out of range.

        Example:
            >>> rest, part = TinyImagenet(classes=2, source="sample").train().split(0.25)
            >>> len(rest), len(part)
            (90, 30)
        """
        from sklearn.model_selection import train_test_split

        count = round(real_number("fraction", fraction, least=0, below=1) * len(self))
        seed = check_seed(seed)
        with contextlib.suppress(ValueError):
            divided = train_test_split(range(len(self)), test_size=count, random_state=seed, stratify=self.labels)
            rest, part = (
                LabeledFiles(tuple(self.files[i] for i in rows), self.labels[rows]) for rows in map(sorted, divided)
            )
            if set(rest.labels) == set(part.labels):
                return rest, part
        raise ValueError(
            f"a fraction of {fraction} sets {count} of the {len(self):,} images aside: of each of the "
            f"{len(set(self.labels))} classes some must go, and some must stay"
        )

    def decode(self):
        """Read all the images, with several threads.

        Returns:
            uint8 (n, 64, 64, 3), RGB, a new array: 12 kB an image, 1.2 GB for all of Tiny ImageNet.

        Raises:
            ValueError: as for `read_image`.

        Example:
            >>> TinyImagenet(classes=2, source="sample").validation().decode().shape
            (40, 64, 64, 3)
        """
        pixels = np.empty((len(self), *IMAGE_SHAPE), np.uint8)
        with ThreadPoolExecutor() as threads:
            for i, image in enumerate(threads.map(read_image, self.files)):
                pixels[i] = image
        return pixels


class TinyImagenet(Dataset):
    """Photographs of 200 classes, 64x64 pixels, 100,000 to train on and 10,000 to test on.

    On `full`, Tiny ImageNet, in the folder tiny-imagenet-200 of the Keras home. When it is first
    asked for, the archive tiny-imagenet-200.zip is downloaded into the Keras home and unpacked. An
    archive or a folder that you put there yourself is not compared with the publisher's checksum,
    so one with fewer images is welcome, if its parts fit together. On `sample`, ten classes of
    drawn shapes, 600 images and 200, which are drawn in a second or two, once.

    The test images are those that are called validation there, since nobody has the labels of those
    that are called test. They are never taken from the training images.

    A photograph is a file, and the files can be had without being read: `train()` and `validation()`.

    Attributes:
        x_train, x_test: uint8 (n, 64, 64, 3), RGB, decoded when they are first asked for; 1.2 GB and
            120 MB on `full`.
        y_train, y_test: the labels, uint8 (n,).
        class_names: a name for each label, the first that words.txt gives, e.g. "goldfish".
        wnids: the number of each in WordNet, e.g. "n01443537"; sorted, as
            `keras.utils.image_dataset_from_directory` sorts the folders of the classes. The order
            in the file wnids.txt is another one.
        folder: where it is, a `pathlib.Path`.
        input_shape, output_shape: (64, 64, 3) and (number of classes,).
        source: "sample" or "full", or the name of the folder that was given.

    Args:
        classes: take the first so many classes alone, in sorted order. Default: all, 200 or 10.
        source: see `Dataset`.
        folder: any folder in this layout, in place of a source.

    Raises:
        TypeError: `classes` is no integer.
        ValueError: the source is neither "sample" nor "full"; `classes` is less than 1, or more than
            there are; the folder that was given lacks a part, or two of its parts contradict each
            other, or, when they are decoded, one of its images is broken.
        DatasetUnavailableError: when anything of it is first asked for, it can be neither found nor
            downloaded, or there is no room for it, or it is broken.

    Example:
        >>> data = TinyImagenet(classes=2, source="sample")
        >>> data.x_train.shape, data.y_train.dtype
        ((120, 64, 64, 3), dtype('uint8'))
        >>> data.class_names
        ('striped disc', 'checked disc')
    """

    title = "Tiny ImageNet"
    input_shape = IMAGE_SHAPE

    wnids = property(lambda self: tuple(self._layout.names))
    class_names = property(lambda self: tuple(self._layout.names.values()))
    output_shape = property(lambda self: (len(self.wnids),))

    def __init__(self, classes=None, source=None, folder=None):
        self._given = folder is not None
        if self._given and source is not None:
            raise ValueError(f"source is {source!r}, and folder {str(folder)!r}: give one of them")
        if self._given:
            self.folder = Path(folder)
            self.source = self.folder.resolve().name
        else:
            super().__init__(source)
        if classes is not None:
            whole_number("classes", classes, most=math.inf if self._given else _CLASSES[self.source])
        self.classes = classes
        if self._given:
            _ = self._layout  # what is wrong with the folder is said at once

    @functools.cached_property
    def folder(self):
        if self.source == FULL:
            return self._fetch_unpacked(NAME, ARCHIVE, URL, f"md5:{MD5}", strip=NAME)
        return self._fetch(SAMPLE_NAME, lambda folder: files.make_folder(folder, write_sample))

    def train(self, per_class=None):
        """Return the training images as `LabeledFiles`, sorted by class, then by file name.

        Args:
            per_class: take the first so many of each class alone, which are those numbered 0 to
                `per_class` - 1. Default: all.

        Raises:
            TypeError: `per_class` is no integer.
            ValueError: it is less than 1, or a class has fewer images than that.

        Example:
            >>> images = TinyImagenet(classes=2, source="sample").train(per_class=3)
            >>> [path.name for path in images.files[:2]], images.labels.tolist()
            (['n90000000_0.JPEG', 'n90000000_1.JPEG'], [0, 0, 0, 1, 1, 1])
        """
        paths, labels = [], []
        for label, (wnid, names) in enumerate(self._layout.train.items()):
            if per_class is not None:
                first = {f"{wnid}_{i}.JPEG" for i in range(whole_number("per_class", per_class))}
                names = [name for name in names if name in first]
                if len(names) < per_class:
                    raise ValueError(f"per_class is {per_class}, and class {wnid} has {len(names)} images up to there")
            paths += [self.folder / "train" / wnid / "images" / name for name in names]
            labels += [label] * len(names)
        return LabeledFiles(tuple(paths), np.array(labels, dtype=np.int64))

    def validation(self):
        """Return the images to test on as `LabeledFiles`, sorted by file name, as Keras sorts files.

        So `image_dataset_from_directory(folder / "val" / "images", labels=labels.tolist())` gives
        each its label. The names sort as text: val_0, val_1, val_10, val_100.

        Example:
            >>> images = TinyImagenet(source="sample").validation()
            >>> [path.name for path in images.files[:3]], images.labels[:3].tolist()
            (['val_0.JPEG', 'val_1.JPEG', 'val_10.JPEG'], [1, 1, 4])
        """
        return self._layout.validation

    def describe(self):
        """Say in one line what this is, e.g. "full: Tiny ImageNet, 200 classes, 100,000 + 10,000 images".

        It decodes and downloads nothing: of what is not there yet it says so.
        """
        if self.source == FULL and not self._given and not files.find(NAME):
            return f"{FULL}: {self.title}, not {'unpacked' if files.find(ARCHIVE) else 'downloaded'} yet"
        what = self.title if self.source == FULL else "patterned shapes"
        name = self.folder if self._given else f"{self.source}: {what}"
        return f"{name}, {len(self.wnids)} classes, {len(self.train()):,} + {len(self.validation()):,} images"

    def __repr__(self):
        """Say how the object was made. It reads nothing."""
        where = f"folder={str(self.folder)!r}" if self._given else f"source={self.source!r}"
        return f"{type(self).__name__}(classes={self.classes}, {where})"

    def _load(self, part):
        images = self.train() if part == "train" else self.validation()
        with self._reading_folder():
            return images.decode(), images.labels.astype(np.min_scalar_type(len(self.wnids) - 1))

    @functools.cached_property
    def _layout(self):
        with self._reading_folder():
            layout = _read_layout(self.folder, self.classes)
        if self.classes is not None and self.classes > len(layout.names):
            raise ValueError(f"classes is {self.classes}; {self.folder} has {len(layout.names)}")
        return layout

    def _reading_folder(self):
        """As `_reading`, unless the folder was given: then what is wrong with it is said as it is."""
        if self._given:
            return contextlib.nullcontext()
        archive = files.find(ARCHIVE) if self.source == FULL else None
        return self._reading(*filter(None, (self.folder, archive)))


class _Layout(NamedTuple):
    """What a folder holds.

    Attributes:
        names: of the classes asked for, a dict by wnid, sorted.
        train: the names of the files of each of them, sorted, a dict by wnid.
        validation: of all of them.
    """

    names: dict[str, str]
    train: dict[str, list[str]]
    validation: LabeledFiles


def _read_layout(folder, classes):
    """List a folder, and check that all its parts fit together; the images stay unread.

    Raises:
        ValueError: a part is missing, or two parts contradict each other; the message names them.
    """
    wnids = sorted({wnid for wnid, _ in _rows(folder / "wnids.txt")})
    words = dict(_rows(folder / "words.txt"))
    if unnamed := [wnid for wnid in wnids if not words.get(wnid)]:
        raise ValueError(f"{folder / 'words.txt'} has no name for {_some(unnamed)}")
    path, images = folder / "val" / "val_annotations.txt", folder / "val" / "images"
    validation = sorted(_rows(path))
    if unknown := sorted({wnid for _, wnid in validation} - set(wnids)):
        raise ValueError(f"{path} names classes that are not in wnids.txt: {_some(unknown)}")
    annotated, listed = Counter(name for name, _ in validation), Counter(_names(images, "val"))
    if unmatched := sorted((annotated - listed) + (listed - annotated)):  # one that is named twice, too
        raise ValueError(f"{path} and the files in {images} differ: {_some(unmatched)}")
    train = {wnid: _names(folder / "train" / wnid / "images", wnid) for wnid in wnids[:classes]}
    if empty := [wnid for wnid, names in train.items() if not names]:
        raise ValueError(f"{folder / 'train'} has no images/<class>_<number>.JPEG of {_some(empty)}")
    chosen = [(images / name, wnids.index(wnid)) for name, wnid in validation if wnid in train]
    labels = np.array([label for _, label in chosen], dtype=np.int64)
    names = {wnid: words[wnid].split(",")[0] for wnid in train}
    return _Layout(names, train, LabeledFiles(tuple(path for path, _ in chosen), labels))


def _names(folder, start):
    """Return the names of the images in a folder, sorted; none where there is no folder."""
    wanted = re.compile(rf"{re.escape(start)}_\d+\.JPEG")
    return sorted(filter(wanted.fullmatch, os.listdir(folder))) if folder.is_dir() else []


def _rows(path):
    """Return the first two fields of each line, which a tab separates; "" for one that is missing."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error}): this is not the layout of Tiny ImageNet") from error
    return [tuple(f"{line}\t".split("\t")[:2]) for line in lines]


def _some(names):
    """List the first few."""
    return ", ".join(map(repr, names[:5])) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")


def read_image(file):
    """Decode an image.

    One in forty or so is grey, a JPEG of one channel; it gets three equal ones. The decoder is
    Pillow's, exact to the bit with `tf.io.decode_jpeg(..., dct_method="INTEGER_ACCURATE")`.
    TensorFlow's default is a faster transform, whose values differ by up to 5 of 255.

    Args:
        file: path of a JPEG file.

    Returns:
        uint8 (64, 64, 3), RGB, a new array.

    Raises:
        ValueError: the file cannot be decoded, or has another size; the message names it.

    Example:
        >>> image = read_image(TinyImagenet(source="sample").train().files[0])
        >>> image.shape, image.dtype
        ((64, 64, 3), dtype('uint8'))
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            if image.size == IMAGE_SHAPE[1::-1]:  # else it stays undecoded: it may be huge
                return np.array(image.convert("RGB"))
            problem, cause = "{}x{} pixels, not {}x{}".format(*image.size, *IMAGE_SHAPE[1::-1]), None
    except Exception as error:  # a damaged file leads Pillow to errors of many kinds
        problem, cause = f"no whole image: {error}", error
    raise ValueError(f"{file} is {problem}") from cause


def find_broken_images(paths):
    """Decode all the files, and tell which of them cannot be.

    Args:
        paths: of JPEG files, in any iterable.

    Returns:
        A dict from the path of a broken file to the reason, the message of `read_image`.

    Example:
        >>> find_broken_images(TinyImagenet(source="sample").validation().files)
        {}
    """

    def reason(path):
        try:
            read_image(path)
        except ValueError as error:
            return str(error)

    paths = list(paths)
    with ThreadPoolExecutor() as threads:
        return {path: why for path, why in zip(paths, threads.map(reason, paths)) if why}


def write_sample(folder, train=60, validation=20, test=20):
    """Draw the sample into an empty folder, in the layout of Tiny ImageNet.

    Args:
        folder: a `pathlib.Path`, to fill.
        train, validation: images of each of the ten classes.
        test: images in all, without labels.

    Raises:
        OSError: they cannot be written there.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write_sample(Path(folder), train=2, validation=1)
        ...     TinyImagenet(folder=folder).train().files[-1].name
        'n90000009_1.JPEG'
    """
    wnids = [f"n9{label:07}" for label in range(len(shapes.CLASSES))]
    words = [f"{wnid}\t{name}, shape" for wnid, name in zip(wnids, shapes.CLASSES)]
    _write(folder / "wnids.txt", np.random.default_rng(0).permutation(wnids))  # unsorted, as in the original
    _write(folder / "words.txt", ["n90000099\tshape", *words])
    for label, wnid in enumerate(wnids):
        place = folder / "train" / wnid
        rows = [_draw(place / "images" / f"{wnid}_{i}.JPEG", label, 0, i) for i in range(train)]
        _write(place / f"{wnid}_boxes.txt", rows)
    labels = np.random.default_rng(1).permutation(np.arange(validation * len(wnids)) % len(wnids))
    images = folder / "val" / "images"
    rows = [_draw(images / f"val_{i}.JPEG", label, 1, i, wnids[label]) for i, label in enumerate(labels)]
    _write(folder / "val" / "val_annotations.txt", rows)
    for i in range(test):
        _draw(folder / "test" / "images" / f"test_{i}.JPEG", i % len(wnids), 2, i)


def _draw(file, label, part, number, *fields):
    """Draw an image of a class into a JPEG file, some of them grey; return its row in a list: file, fields, box."""
    from PIL import Image

    pixels, box = shapes.draw_shape(label, seed=(part, label, number))
    image = Image.fromarray(pixels)
    file.parent.mkdir(parents=True, exist_ok=True)
    (image.convert("L") if number % 40 == 7 else image).save(file, quality=90)
    return "\t".join(map(str, (file.name, *fields, *box)))


def _write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
