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

import zipfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text_recognizer.datasets.synthetic import shapes
from text_recognizer.datasets.download import DownloadError, download, extract
from text_recognizer.datasets.folders import make_folder
from text_recognizer.datasets.keras_files import keras_home
from text_recognizer.datasets.source import FULL, SAMPLE, VARIABLE, DatasetUnavailableError, source

URL = "http://cs231n.stanford.edu/tiny-imagenet-200.zip"  # 248,100,043 bytes
MD5 = "90528d7ca1a48142e341f4ef8d21d0de"

NAME = "tiny-imagenet-200"
SAMPLE_NAME = "tiny-imagenet-sample-1"  # count on when the sample's pixels change: the old ones are cached

IMAGE_SHAPE = (64, 64, 3)


@dataclass(frozen=True, eq=False)
class LabeledFiles:
    """Image files and their labels.

    Attributes:
        files: paths of JPEG files, n of them.
        labels: int64 of shape (n,), indices into `TinyImagenet.wnids`.
    """

    files: tuple[Path, ...]
    labels: np.ndarray

    def __len__(self):
        return len(self.files)

    def split(self, fraction, seed=0):
        """Set a part aside, the same share of every class.

        Args:
            fraction: the share to set aside, between 0 and 1. Of each class that many images are
                taken, rounded to the nearest, at random.
            seed: of the choice.

        Returns:
            `rest, part`, two `LabeledFiles`, in the order of this one.

        Raises:
            ValueError: the fraction would leave a class empty on one side.
        """
        rng = np.random.default_rng(seed)
        taken = np.zeros(len(self), dtype=bool)
        for label in np.unique(self.labels):
            members = np.flatnonzero(self.labels == label)
            count = round(fraction * len(members))
            if not 0 < count < len(members):
                raise ValueError(
                    f"a fraction of {fraction} sets {count} of the {len(members)} images of class {label} aside: "
                    "some must go, and some must stay"
                )
            taken[rng.choice(members, count, replace=False)] = True
        return self._where(~taken), self._where(taken)

    def _where(self, chosen):
        return LabeledFiles(tuple(self.files[i] for i in np.flatnonzero(chosen)), self.labels[chosen])


class TinyImagenet:
    """The folder of Tiny ImageNet, or one in the same layout.

    Attributes:
        folder: a `pathlib.Path`.
        wnids: the classes in the order of their labels: label 0 is `wnids[0]`. They are sorted, as
            `keras.utils.image_dataset_from_directory` sorts the folders of the classes. The order
            in the file wnids.txt is another one.
        class_names: a name for each, the first that words.txt gives, e.g. "goldfish".
    """

    def __init__(self, folder, classes=None):
        """Open the folder, and check that all parts of the layout fit together (the images stay unread).

        Args:
            folder: with wnids.txt, words.txt, train and val.
            classes: take the first so many classes alone, in sorted order. Default: all.

        Raises:
            ValueError: a part is missing, or two parts contradict each other; the message names them.
        """
        self.folder = Path(folder)
        listed = sorted(self._lines("wnids.txt"))
        if classes is not None and not 1 <= classes <= len(listed):
            raise ValueError(f"classes is {classes}; {self.folder} has {len(listed)}")
        self.wnids = listed[:classes]
        words = dict(_two_fields(line) for line in self._lines("words.txt"))
        if unnamed := [wnid for wnid in listed if not words.get(wnid)]:
            raise ValueError(f"{self.folder / 'words.txt'} has no name for {_some(unnamed)}")
        self.class_names = [words[wnid].split(",")[0] for wnid in self.wnids]
        self._annotations = self._read_annotations(set(listed))
        for wnid in self.wnids:
            if not self._images(wnid):
                raise ValueError(f"{self.folder / 'train' / wnid / 'images'} has no {wnid}_<number>.JPEG")

    def train(self, per_class=None):
        """Return the training images as `LabeledFiles`, sorted by class, then by file name.

        Args:
            per_class: of each class, take those numbered 0 to `per_class` - 1 alone. Default: all.

        Raises:
            ValueError: a class has fewer images than that.
        """
        files, labels = [], []
        for label, wnid in enumerate(self.wnids):
            images = self._images(wnid)
            if per_class is not None:
                images = [file for file in images if int(file.stem.rpartition("_")[2]) < per_class]
                if len(images) != per_class:
                    raise ValueError(f"per_class is {per_class}, and class {wnid} has {len(images)} images up to there")
            files += images
            labels += [label] * len(images)
        return LabeledFiles(tuple(files), np.array(labels, dtype=np.int64))

    def validation(self):
        """Return the validation images as `LabeledFiles`, sorted by file name, as Keras sorts files.

        So `image_dataset_from_directory(folder / "val" / "images", labels=labels.tolist())` gives
        each its label. The names sort as text: val_0, val_1, val_10, val_100.
        """
        label = {wnid: i for i, wnid in enumerate(self.wnids)}
        chosen = sorted((name, label[wnid]) for name, wnid in self._annotations.items() if wnid in label)
        files = tuple(self.folder / "val" / "images" / name for name, _ in chosen)
        return LabeledFiles(files, np.array([label for _, label in chosen], dtype=np.int64))

    def describe(self):
        """Say in one line what this is, e.g. "full: Tiny ImageNet, 200 classes, 100,000 + 10,000 images"."""
        known = {NAME: f"{FULL}: Tiny ImageNet", SAMPLE_NAME: f"{SAMPLE}: patterned shapes"}
        images = f"{len(self.train()):,} + {len(self.validation()):,} images"
        return f"{known.get(self.folder.name, self.folder)}, {len(self.wnids)} classes, {images}"

    def _images(self, wnid):
        return sorted((self.folder / "train" / wnid / "images").glob(f"{wnid}_*.JPEG"))

    def _lines(self, name):
        try:
            return (self.folder / name).read_text(encoding="utf-8").splitlines()
        except FileNotFoundError:
            raise ValueError(f"{self.folder} has no {name}: it is not in the layout of Tiny ImageNet") from None

    def _read_annotations(self, wnids):
        """Return the class of each validation image, by file name."""
        path = self.folder / "val" / "val_annotations.txt"
        rows = [_two_fields(line) for line in self._lines("val/val_annotations.txt")]
        annotations = dict(rows)
        if len(annotations) < len(rows):
            raise ValueError(f"{path} names an image twice")
        if unknown := sorted(set(annotations.values()) - wnids):
            raise ValueError(f"{path} names classes that are not in wnids.txt: {_some(unknown)}")
        images = {file.name for file in (self.folder / "val" / "images").glob("val_*.JPEG")}
        if unmatched := sorted(images ^ set(annotations)):
            raise ValueError(f"{path} and the files in {path.parent / 'images'} differ: {_some(unmatched)}")
        return annotations


def load(classes=None):
    """Open whichever source is on: Tiny ImageNet on `full`, the sample on `sample`.

    Both lie in the folder `datasets` of the Keras home, and are put there by the first call: the
    sample is drawn in a second or two; Tiny ImageNet is downloaded as tiny-imagenet-200.zip, with
    its checksum, and unpacked. An archive or a folder that you put there yourself is not compared
    with that checksum, so one with fewer images is welcome, if its parts fit together.

    Args:
        classes: take the first so many classes alone, in sorted order. Default: all, 200 or 10.

    Returns:
        A `TinyImagenet`.

    Raises:
        DatasetUnavailableError: on `full`, the archive cannot be downloaded or unpacked, or what it
            holds does not fit together.
        ValueError: `WORKBOOK_DATA` is neither `sample` nor `full`, or there are not so many classes.
    """
    full = source() == FULL
    home, note = keras_home()
    folder = home / "datasets" / (NAME if full else SAMPLE_NAME)
    if not full:
        return TinyImagenet(make_folder(folder, write_sample), classes)

    archive = folder.with_name(f"{NAME}.zip")
    try:
        if not folder.exists():
            download(URL, archive, MD5)
            _unpack(archive, folder)
        TinyImagenet(folder)
    except DownloadError as error:
        raise DatasetUnavailableError(
            f"Tiny ImageNet is not there: {error}{note} You can also put the archive at {archive} yourself, or set "
            f"{VARIABLE}={SAMPLE}, which needs no network."
        ) from error
    except ValueError as error:
        raise DatasetUnavailableError(
            f"Tiny ImageNet in {folder} is broken ({error}).{note} Delete {folder} and {archive} and run this again "
            f"to download it anew, or set {VARIABLE}={SAMPLE}, which needs no network."
        ) from error
    return TinyImagenet(folder, classes)


def read_image(file):
    """Decode an image.

    One in forty or so is grey, a JPEG of one channel; it gets three equal ones. The decoder is
    Pillow's, exact to the bit with `tf.io.decode_jpeg(..., dct_method="INTEGER_ACCURATE")`.
    TensorFlow's default is a faster transform, whose values differ by up to 5 of 255.

    Args:
        file: path of a JPEG file.

    Returns:
        uint8 of shape (64, 64, 3), RGB, a new array.

    Raises:
        ValueError: the file cannot be decoded, or has another size; the message names it.
    """
    from PIL import Image

    try:
        with Image.open(file) as image:
            pixels = np.array(image.convert("RGB"))
    except (OSError, SyntaxError) as error:  # Pillow raises both for broken files
        raise ValueError(f"{file} is no whole image: {error}") from error
    if pixels.shape != IMAGE_SHAPE:
        height, width, _ = pixels.shape
        raise ValueError(f"{file} is {width}x{height} pixels, not {IMAGE_SHAPE[1]}x{IMAGE_SHAPE[0]}")
    return pixels


def find_broken_images(files):
    """Decode all the files, and return the reasons of `read_image` why some cannot be, a dict by path."""

    def reason(file):
        try:
            read_image(file)
        except ValueError as error:
            return str(error)

    with ThreadPoolExecutor() as threads:
        return {file: broken for file, broken in zip(files, threads.map(reason, files)) if broken}


def write_sample(folder, train=60, validation=20, test=20):
    """Draw the sample into an empty folder, in the layout of Tiny ImageNet.

    Args:
        folder: the folder to fill.
        train, validation: images of each of the ten classes.
        test: images in all, without labels.
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


def _unpack(archive, folder):
    """Unpack what lies in the archive's one folder."""
    try:
        with zipfile.ZipFile(archive) as opened:
            names = [info.filename for info in opened.infolist() if not info.is_dir()]
    except zipfile.BadZipFile as error:
        raise DownloadError(
            f"{archive} is damaged ({error}). Delete it and run this again to download it anew."
        ) from error
    extract(archive, folder, {name: name.removeprefix(f"{NAME}/") for name in names})


def _two_fields(line):
    """Return the first two fields of a line, which a tab separates; "" for one that is missing."""
    first, _, rest = line.partition("\t")
    return first, rest.partition("\t")[0]


def _some(names):
    """List the first few."""
    return ", ".join(map(repr, names[:5])) + (f", ... ({len(names)} in all)" if len(names) > 5 else "")
