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

import functools
import numbers
import os
import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from text_recognizer import files
from text_recognizer.datasets.dataset import (
    FULL,
    SAMPLE,
    VARIABLE,
    Dataset,
    DatasetUnavailableError,
    broken,
    check_seed,
)
from text_recognizer.datasets.synthetic import shapes

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"  # 248,100,043 bytes
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"

NAME = "tiny-imagenet-200"
ARCHIVE = f"{NAME}.zip"
SAMPLE_NAME = "tiny-imagenet-sample-1"  # count on when the sample's pixels change: the old ones are cached

IMAGE_SHAPE = (64, 64, 3)

_TITLE = "Tiny ImageNet"
_CLASSES = {FULL: 200, SAMPLE: len(shapes.CLASSES)}
_PER_CLASS = {FULL: 500, SAMPLE: 60}  # images to train on
_WITHOUT = f"take the sample, which needs no network (source={SAMPLE!r}, or {VARIABLE}={SAMPLE})"


@dataclass(frozen=True, eq=False)
class LabeledFiles:
    """Image files and their labels.

    Attributes:
        files: paths of JPEG files, n of them.
        labels: int64 (n,), indices into `TinyImagenet.wnids`.

    Example:
        >>> images = TinyImagenet(classes=2, source="sample").train()
        >>> rest, part = images.split(0.25)
        >>> len(images), len(rest), len(part)
        (120, 90, 30)
        >>> part.decode().shape
        (30, 64, 64, 3)
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
            ValueError: the fraction would leave a class empty on one side, or the seed is no seed.
        """
        from sklearn.model_selection import train_test_split

        check_seed(seed)
        count = round(fraction * len(self)) if 0 < fraction < 1 else 0
        wrong = ValueError(
            f"a fraction of {fraction} sets {count} of the {len(self):,} images aside: of each of the "
            f"{len(set(self.labels))} classes some must go, and some must stay"
        )
        try:
            divided = train_test_split(range(len(self)), test_size=count, random_state=seed, stratify=self.labels)
        except ValueError:
            raise wrong from None
        rest, part = (self._choose(sorted(rows)) for rows in divided)
        if set(rest.labels) != set(part.labels):
            raise wrong
        return rest, part

    def decode(self):
        """Read all the images, with several threads.

        Returns:
            uint8 (n, 64, 64, 3), RGB, a new array: 12 kB an image, 1.2 GB for all of Tiny ImageNet.

        Raises:
            ValueError: as for `read_image`.
        """
        pixels = np.empty((len(self), *IMAGE_SHAPE), np.uint8)

        def read(i):
            pixels[i] = read_image(self.files[i])

        with ThreadPoolExecutor() as threads:
            for _ in threads.map(read, range(len(self))):  # raises what `read` raises
                pass
        return pixels

    def _choose(self, rows):
        return LabeledFiles(tuple(self.files[i] for i in rows), self.labels[rows])


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
        per_class: of the training images of each class, take the first so many alone, which are
            those numbered 0 to `per_class` - 1. Default: all.
        source: see `Dataset`.
        folder: any folder in this layout, in place of a source.

    Raises:
        ValueError: the source is neither "sample" nor "full"; `classes` or `per_class` is less than
            1, or more than there are (the latter when the images are listed); the folder that was
            given lacks a part, or two of its parts contradict each other, or, when they are decoded,
            one of its images is broken.
        DatasetUnavailableError: when anything of it is first asked for, it can be neither found nor
            downloaded, or there is no room for it, or it is broken.

    Example:
        >>> data = TinyImagenet(classes=2, per_class=3, source="sample")
        >>> data.x_train.shape, data.y_train.tolist()
        ((6, 64, 64, 3), [0, 0, 0, 1, 1, 1])
        >>> data.class_names
        ('striped disc', 'checked disc')
    """

    input_shape = IMAGE_SHAPE

    def __init__(self, classes=None, per_class=None, source=None, folder=None):
        _check_number("classes", classes)
        _check_number("per_class", per_class)
        self.classes, self.per_class, self._given = classes, per_class, folder is not None
        if not self._given:
            super().__init__(source)
            _check_number("classes", classes, most=_CLASSES[self.source])
            _check_number("per_class", per_class, most=_PER_CLASS[self.source])
            return
        if source is not None:
            raise ValueError(f"source is {source!r}, and folder {str(folder)!r}: give one of them")
        self.folder = Path(folder)
        self.source = self.folder.resolve().name
        self._layout  # what is wrong with the folder is said at once

    @property
    def wnids(self):
        return self._layout.wnids[: self.classes]

    @property
    def class_names(self):
        return self._layout.names[: self.classes]

    @property
    def output_shape(self):
        return (len(self.wnids),)

    @functools.cached_property
    def folder(self):
        return _provide(self.source)

    def train(self, per_class=None):
        """Return the training images as `LabeledFiles`, sorted by class, then by file name.

        Args:
            per_class: as for the class. Default: what that was given.

        Raises:
            ValueError: a class has fewer images than that.
        """
        _check_number("per_class", per_class)
        per_class = self.per_class if per_class is None else per_class
        paths, labels = [], []
        for label, wnid in enumerate(self.wnids):
            names = self._layout.train[wnid]
            if per_class is not None:
                names = [name for name in names if _number(name) < per_class]
                if len(names) != per_class:
                    raise ValueError(f"per_class is {per_class}, and class {wnid} has {len(names)} images up to there")
            paths += [self.folder / "train" / wnid / "images" / name for name in names]
            labels += [label] * len(names)
        return LabeledFiles(tuple(paths), np.array(labels, dtype=np.int64))

    def validation(self):
        """Return the images to test on as `LabeledFiles`, sorted by file name, as Keras sorts files.

        So `image_dataset_from_directory(folder / "val" / "images", labels=labels.tolist())` gives
        each its label. The names sort as text: val_0, val_1, val_10, val_100.
        """
        label = {wnid: i for i, wnid in enumerate(self.wnids)}
        chosen = [(name, label[wnid]) for name, wnid in self._layout.validation if wnid in label]
        paths = tuple(self.folder / "val" / "images" / name for name, _ in chosen)
        return LabeledFiles(paths, np.array([label for _, label in chosen], dtype=np.int64))

    def describe(self):
        """Say in one line what this is, e.g. "full: Tiny ImageNet, 200 classes, 100,000 + 10,000 images".

        It decodes and downloads nothing: of what is not there yet it says so.
        """
        if self.source == FULL and not self._given and not files.find(NAME):
            return f"{FULL}: {_TITLE}, not {'unpacked' if files.find(ARCHIVE) else 'downloaded'} yet"
        what = {FULL: _TITLE, SAMPLE: "patterned shapes"}
        name = self.folder if self._given else f"{self.source}: {what[self.source]}"
        images = f"{len(self.train()):,} + {len(self.validation()):,} images"
        return f"{name}, {len(self.wnids)} classes, {images}"

    def __repr__(self):
        """Say how the object was made. It reads nothing."""
        where = f"folder={str(self.folder)!r}" if self._given else f"source={self.source!r}"
        return f"{type(self).__name__}(classes={self.classes}, per_class={self.per_class}, {where})"

    def _load(self, part):
        images = self.train() if part == "train" else self.validation()
        try:
            x = images.decode()
        except ValueError as error:
            raise self._error(error) from error
        return x, images.labels.astype(np.min_scalar_type(len(self.wnids) - 1))

    @functools.cached_property
    def _layout(self):
        try:
            layout = _read_layout(self.folder, self.classes)
        except (OSError, ValueError) as error:
            raise self._error(error) from error
        if self.classes is not None and self.classes > len(layout.wnids):
            raise ValueError(f"classes is {self.classes}; {self.folder} has {len(layout.wnids)}")
        return layout

    def _error(self, error):
        """Return what to raise for an error in the folder: itself, or, where it is a source's, what to do about it."""
        if self._given:
            return error
        archive = files.find(ARCHIVE) if self.source == FULL else None
        too = f"; delete {archive} too, from which it is unpacked" if archive else ""
        return broken(_TITLE, self.folder, ValueError(f"{error}{too}"))


def _check_number(name, value, most=np.inf):
    """Raise a `ValueError` unless this is None or a number of classes or images that there can be."""
    if value is not None and (not isinstance(value, numbers.Integral) or not 1 <= value <= most):
        limit = "at least 1" if most == np.inf else f"from 1 to {most}"
        raise ValueError(f"{name} is {value!r}; it must be an integer {limit}")


class _Layout(NamedTuple):
    """What a folder holds.

    Attributes:
        wnids, names: of all classes, sorted by the first.
        train: the names of the files of each class, sorted, a dict by wnid, of the classes asked for.
        validation: pairs of the name of a file and its wnid, sorted, of all classes.
    """

    wnids: tuple[str, ...]
    names: tuple[str, ...]
    train: dict[str, list[str]]
    validation: list[tuple[str, str]]


def _read_layout(folder, classes):
    """List a folder, and check that all its parts fit together; the images stay unread.

    Raises:
        ValueError: a part is missing, or two parts contradict each other; the message names them.
    """
    wnids = tuple(sorted(_lines(folder / "wnids.txt")))
    if len(set(wnids)) < len(wnids):
        raise ValueError(f"{folder / 'wnids.txt'} names a class twice")
    words = dict(map(_two_fields, _lines(folder / "words.txt")))
    if unnamed := [wnid for wnid in wnids if not words.get(wnid)]:
        raise ValueError(f"{folder / 'words.txt'} has no name for {_some(unnamed)}")

    path = folder / "val" / "val_annotations.txt"
    validation = sorted(map(_two_fields, _lines(path)))
    annotated = dict(validation)
    if len(annotated) < len(validation):
        raise ValueError(f"{path} names an image twice")
    if unknown := sorted(set(annotated.values()) - set(wnids)):
        raise ValueError(f"{path} names classes that are not in wnids.txt: {_some(unknown)}")
    images = path.parent / "images"
    if unmatched := sorted(set(_names(images, "val")) ^ annotated.keys()):
        raise ValueError(f"{path} and the files in {images} differ: {_some(unmatched)}")

    train = {}
    for wnid in wnids[:classes]:
        images = folder / "train" / wnid / "images"
        if not (found := _names(images, wnid)):
            raise ValueError(f"{images} has no {wnid}_<number>.JPEG")
        train[wnid] = sorted(found)
    return _Layout(wnids, tuple(words[wnid].split(",")[0] for wnid in wnids), train, validation)


def _names(folder, start):
    """Return the names of the images in a folder; none where there is no folder."""
    wanted = re.compile(rf"{re.escape(start)}_\d+\.JPEG")
    return [name for name in os.listdir(folder) if wanted.fullmatch(name)] if folder.is_dir() else []


def _number(name):
    """Return the number of an image: 12 of n01443537_12.JPEG."""
    return int(name.rpartition("_")[2].partition(".")[0])


def _lines(path):
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} cannot be read ({error}): this is not the layout of Tiny ImageNet") from error


def _provide(source):
    """Return the folder of a source, where it is, or else where it is put now."""
    name = NAME if source == FULL else SAMPLE_NAME
    if found := files.find(name):
        return found
    folder, archive = files.place(name), files.place(ARCHIVE)
    try:
        if source == FULL:
            archive = files.find(ARCHIVE) or files.download(URL, archive, f"md5:{MD5}")
            files.extract(archive, folder, strip=NAME)
        else:
            files.make_folder(folder, write_sample)
    except files.DownloadError as error:
        raise DatasetUnavailableError(
            f"{_TITLE} is not there: {error} You can also put the archive at {archive} yourself, or {_WITHOUT}."
        ) from error
    except OSError as error:
        raise DatasetUnavailableError(
            f"The sample of {_TITLE} could not be drawn to {folder} ({error}). Mend that, or start Python with "
            "KERAS_HOME set to a folder that you can write to."
        ) from error
    return folder


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

    height, width, _ = IMAGE_SHAPE
    try:
        with Image.open(file) as image:
            found = image.size
            if found == (width, height):  # else it stays undecoded: it may be huge
                return np.array(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:  # Pillow has no one for all
        raise ValueError(f"{file} is no whole image: {error}") from error
    raise ValueError(f"{file} is {found[0]}x{found[1]} pixels, not {width}x{height}")


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


def write_sample(folder, train=_PER_CLASS[SAMPLE], validation=20, test=20):
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
    names = {f"n9{label:07}": name for label, name in enumerate(shapes.CLASSES)}
    unsorted = np.random.default_rng(0).permutation(list(names))  # as in the original
    _write(folder / "wnids.txt", unsorted)
    _write(folder / "words.txt", ["n90000099\tshape", *(f"{wnid}\t{name}, shape" for wnid, name in names.items())])

    for label, wnid in enumerate(names):
        rows = []
        for i in range(train):
            name = f"{wnid}_{i}.JPEG"
            box = _draw(folder / "train" / wnid / "images" / name, label, part=0, number=i)
            rows.append("\t".join(map(str, (name, *box))))
        _write(folder / "train" / wnid / f"{wnid}_boxes.txt", rows)

    rows = []
    labels = np.random.default_rng(1).permutation(np.arange(validation * len(names)) % len(names))
    for i, (wnid, label) in enumerate((list(names)[label], label) for label in labels):
        box = _draw(folder / "val" / "images" / f"val_{i}.JPEG", label, part=1, number=i)
        rows.append("\t".join(map(str, (f"val_{i}.JPEG", wnid, *box))))
    _write(folder / "val" / "val_annotations.txt", rows)

    for i in range(test):
        _draw(folder / "test" / "images" / f"test_{i}.JPEG", i % len(names), part=2, number=i)


def _draw(file, label, part, number):
    """Draw an image of a class into a JPEG file, some of them grey; return the shape's box."""
    from PIL import Image

    pixels, box = shapes.draw_shape(label, seed=(part, label, number))
    image = Image.fromarray(pixels)
    file.parent.mkdir(parents=True, exist_ok=True)
    (image.convert("L") if number % 40 == 7 else image).save(file, quality=90)
    return box


def _write(path, lines):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")


def _two_fields(line):
    """Return the first two fields of a line, which a tab separates; "" for one that is missing."""
    first, _, rest = line.partition("\t")
    return first, rest.partition("\t")[0]


def _some(names):
    """List the first few."""
    return ", ".join(map(repr, names[:5])) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")
