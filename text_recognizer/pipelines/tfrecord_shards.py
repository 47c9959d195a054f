"""Images as TFRecord shards: a few large files that read fast, instead of many small ones.

A shard is a file of records, each a `tf.train.Example` with the pixels, the label and the name of one image
(https://www.tensorflow.org/tutorials/load_data/tfrecord). The pixels are stored as they are, uint8, and not as a JPEG:
that takes six times the room and is read twice as fast, since nothing is left to decode. What changes from epoch to
epoch, the order and the flips, is not stored: it happens on reading.

The folder of the shards has a table of contents, shards.json: what the shards were made from, the shape of the images,
how many each shard holds, and its checksum. The folder is there whole or not at all.
"""

import contextlib
import hashlib
import json
import math
import os
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from glob import escape
from pathlib import Path, PureWindowsPath

import numpy as np

from text_recognizer.files import make_folder
from text_recognizer.pipelines.arguments import whole_number

CONTENTS = "shards.json"
FILE_FORMAT = "shard_{shard:02d}.tfrecord"


@dataclass(frozen=True)
class Shards:
    """A folder of shards, opened by `write_shards` or `open_shards`, which check it.

    Attributes:
        folder: a `pathlib.Path`.
        contents: what shards.json holds: `count`, `seed` and `file_format` as given to `write_shards`; `source`, a
            checksum of the images and their labels; `image_shape`, (height, width, channels); `shards`, a dict from
            file name to `images` and `sha256`.
    """

    folder: Path
    contents: dict

    def __len__(self):
        """The number of images."""
        return sum(shard["images"] for shard in self.contents["shards"].values())

    @property
    def image_shape(self):
        """The shape of an image, (height, width, channels)."""
        return tuple(self.contents["image_shape"])

    @property
    def files(self):
        """The paths of the shards, in their order."""
        return [self.folder / name for name in self.contents["shards"]]

    def steps(self, batch_size):
        """Return how many batches one pass takes, the last one smaller where they do not come out even."""
        return math.ceil(len(self) / whole_number("batch_size", batch_size, least=1))

    def buffer_bytes(self, shuffle):
        """Return how much memory a shuffle buffer of `shuffle` images takes: it holds records, not yet floats."""
        size = sum(file.stat().st_size for file in self.files)
        return round(size / len(self) * min(shuffle, len(self)))

    def training_batches(self, batch_size, shuffle, *, seed=0, first_epoch=0, flip=True, standardize=True):
        """Return an endless stream of training batches, reshuffled and flipped anew in each epoch.

        The order of the shards is drawn, images are taken from four of them in turn, and go through a shuffle buffer.
        Each epoch is shuffled by itself and then follows the one before: a batch never mixes two, and each epoch gives
        every image once. What an epoch gives depends on `seed` and its number alone, not on how many were read before.
        So training that was interrupted goes on with `first_epoch` as if nothing had happened.

        A record that was damaged since the shards were opened ends the reading with a `tf.errors.DataLossError`.
        TensorFlow does not say in which file that is; `check` does.

        Args:
            batch_size: images in a batch; the last batch of an epoch may have fewer.
            shuffle: images in the shuffle buffer. 1 leaves only the order of the shards to chance.
            seed: of the order and the flips, an integer, 0 or more.
            first_epoch: the number of the epoch to begin with.
            flip: mirror images left to right, each with a chance of one half. In a model, that is
                `keras.layers.RandomFlip("horizontal")`.
            standardize: give each image mean 0 and standard deviation 1, by `tf.image.per_image_standardization`. In a
                model, that is `keras.layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)`.

        Returns:
            A `tf.data.Dataset` without an end, of `images, labels`: float32 (batch, height, width, channels), or uint8
            if not standardized, and int64 (batch,). Give `fit` `steps_per_epoch=steps(batch_size)`.

        Raises:
            ValueError: a number is not what it must be.
        """
        import tensorflow as tf

        batch_size, shuffle = whole_number("batch_size", batch_size, 1), whole_number("shuffle", shuffle, 1)
        seed, first_epoch = whole_number("seed", seed, 0), whole_number("first_epoch", first_epoch, 0)

        def epoch_batches(epoch):
            # Of this function's graph alone: else the global seed would count too, and where that is 0, `shuffle`
            # takes no tensor as its seed.
            tf.compat.v1.set_random_seed(1)
            seeds = tf.random.stateless_uniform((2,), (seed, epoch), 0, tf.int64.max, tf.int64)
            files = tf.data.Dataset.from_tensor_slices(list(map(str, self.files)))
            records = files.shuffle(len(self.files), seed=seeds[0]).interleave(
                _read_records, cycle_length=4, block_length=16, num_parallel_calls=tf.data.AUTOTUNE, deterministic=True
            )
            batches = records.shuffle(shuffle, seed=seeds[1]).batch(batch_size)
            return batches.enumerate().map(lambda step, records: (records, seeds + step))

        def parse(records, seeds):
            images, labels = self._parse(records)
            if flip:
                images = tf.image.stateless_random_flip_left_right(images, seeds)
            return tf.image.per_image_standardization(images) if standardize else images, labels

        epochs = tf.data.Dataset.range(first_epoch, tf.int64.max)
        return epochs.flat_map(epoch_batches).map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def batches(self, batch_size, *, standardize=True):
        """Read the shards once, in their order: to validate, and to look at them.

        Returns:
            A `tf.data.Dataset` of `steps(batch_size)` batches like those of `training_batches`.
        """
        import tensorflow as tf

        def parse(records):
            images, labels = self._parse(records)
            return tf.image.per_image_standardization(images) if standardize else images, labels

        records = tf.data.Dataset.from_tensor_slices(list(map(str, self.files))).flat_map(_read_records)
        batches = records.batch(batch_size).apply(tf.data.experimental.assert_cardinality(self.steps(batch_size)))
        return batches.map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def check(self):
        """Compare every byte with the checksums, about a second a gigabyte.

        TensorFlow notices a damaged record too, but in the middle of an epoch, and it does not say in which file.

        Raises:
            ValueError: the folder lacks a shard, has one too many, or holds a truncated, damaged or foreign one; the
                message names the file.
        """
        expected = self.contents["shards"]
        found = {file.name for file in self.folder.glob(glob(self.contents["file_format"]))}
        if differing := sorted(found ^ expected.keys()):
            raise ValueError(
                f"{self.folder} and its {CONTENTS} differ in the files {', '.join(differing)}. Delete it, and write it "
                "anew"
            )
        with ThreadPoolExecutor() as threads:
            for file, sha256 in zip(self.files, threads.map(_sha256, self.files)):
                if sha256 != expected[file.name]["sha256"]:
                    raise ValueError(f"{self._what_is_wrong(file)}. Delete {self.folder}, and write it anew")

    def verify(self, images, labels, *, read=None, names=None):
        """Compare every image and every label with what the shards were made from.

        Args:
            images, labels, read, names: as for `write_shards`.

        Raises:
            ValueError: an image or a label differs, is missing, is there twice or too much, or a record cannot be
                read; the message names the shard and the image.
        """
        source = _Source(images, labels, read, names)
        expected = {name: number for number, name in enumerate(source.names)}
        for shard in self.files:
            for name, pixels, label in self._examples(shard):
                if name not in expected:
                    raise ValueError(f"{shard} holds {name}, which is none of the images, or is there twice")
                number = expected.pop(name)
                if label != source.labels[number]:
                    raise ValueError(f"{shard} holds {name} with label {label}, not {source.labels[number]}")
                if not np.array_equal(pixels, source.pixels(number)):
                    raise ValueError(f"{shard} holds {name} with other pixels than the image has")
        if expected:
            raise ValueError(f"{self.folder} lacks {len(expected)} images, the first is {next(iter(expected))}")

    def _parse(self, records):
        """Return the images, uint8 (batch, *image_shape), and labels, int64 (batch,), of a batch of records."""
        import tensorflow as tf

        features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
        examples = tf.io.parse_example(records, features)
        return tf.reshape(tf.io.decode_raw(examples["image"], tf.uint8), (-1, *self.image_shape)), examples["label"]

    def _examples(self, shard):
        """Yield the name, the pixels and the label of each record of a shard."""
        import tensorflow as tf

        number = 0
        try:
            for number, record in enumerate(tf.data.TFRecordDataset(str(shard)), start=1):
                feature = tf.train.Example.FromString(record.numpy()).features.feature
                (image,), (label,) = feature["image"].bytes_list.value, feature["label"].int64_list.value
                (name,) = feature["name"].bytes_list.value
                yield name.decode(), np.frombuffer(image, np.uint8).reshape(self.image_shape), label
        except tf.errors.DataLossError as error:
            raise ValueError(f"{shard} cannot be read after record {number}: {_without_operation(error)}") from error
        except Exception as error:  # no Example, or another one than `_write_shard` writes
            raise ValueError(f"{shard} holds a foreign record, number {number}, counted from 1: {error}") from error

    def _what_is_wrong(self, shard):
        try:
            for _ in self._examples(shard):
                pass
        except ValueError as error:
            return str(error)
        return f"{shard} can be read, but it is not the one that {CONTENTS} was written with"


def write_shards(
    folder,
    images,
    labels,
    *,
    read=None,
    names=None,
    count=30,
    seed=0,
    file_format=FILE_FORMAT,
    threads=None,
    progress=True,
):
    """Write images into shards, or open the folder if it holds just these already.

    The images are shuffled before they are dealt out, so that each shard is a fair sample. Several threads write, each
    a shard at a time: while a JPEG is decoded, others can work.

    Args:
        folder: of the shards; made whole, or not at all.
        images: an array, uint8 (n, height, width, channels). Or, with `read`, a list of what that takes, e.g. of paths.
        labels: an integer for each.
        read: a function that makes an image of an item of `images`, uint8 (height, width, channels).
        names: a string for each image, no two the same, by which messages and `Shards.verify` call it. Default: the
            name of the file where an item is a path, and else the number of the image.
        count: how many shards. TensorFlow's advice is ten or more for each machine that reads, of 10 MB or more each
            (https://www.tensorflow.org/tutorials/load_data/tfrecord).
        seed: of the shuffling, an integer, 0 or more.
        file_format: of the names, with `{shard}` for the number.
        threads: how many write at once. Default: one for each core.
        progress: show a bar.

    Returns:
        `Shards`.

    Raises:
        ValueError: an argument does not fit, an image cannot be read or has another shape than the first (nothing is
            written then), or the folder holds other shards, from other images, labels, or arguments, or damaged ones.
            Images are compared by the bytes of their files, and by what `read` makes of one of them.
        OSError: a file cannot be read or written, e.g. because the disk is full. Nothing is left behind then.

    Example:
        >>> import tempfile
        >>> images = np.random.default_rng(0).integers(0, 256, (10, 8, 6, 1), dtype="uint8")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     shards = write_shards(Path(folder, "shards"), images, range(10), count=2, progress=False)
        ...     len(shards), shards.image_shape, [file.name for file in shards.files]
        ...     images, labels = next(iter(shards.training_batches(4, shuffle=10)))
        ...     images.shape, images.dtype, labels.dtype
        (10, (8, 6, 1), ['shard_00.tfrecord', 'shard_01.tfrecord'])
        (TensorShape([4, 8, 6, 1]), tf.float32, tf.int64)
    """
    folder, source = Path(folder), _Source(images, labels, read, names)
    count, seed = whole_number("count", count, least=1), whole_number("seed", seed, least=0)
    if count > len(source):
        raise ValueError(f"count is {count}, and there are {len(source)} images: a shard needs at least one")
    threads = os.cpu_count() if threads is None else whole_number("threads", threads, least=1)
    files = _file_names(file_format, count)
    order = np.random.default_rng(seed).permutation(len(source))
    parts = dict(zip(files, np.array_split(order, count)))
    made_from = {
        "count": count,
        "seed": seed,
        "file_format": file_format,
        "source": source.sha256(),
        "image_shape": list(source.shape),
    }

    def fill(beside):
        show = _progress_bar(count) if progress else lambda done: None
        pool = ThreadPoolExecutor(threads)
        written = {pool.submit(_write_shard, beside / file, source, rows): file for file, rows in parts.items()}
        sums = {}
        try:
            for shard in as_completed(written):
                sums[written[shard]] = shard.result()
                show(len(sums))
        finally:
            pool.shutdown(cancel_futures=True)
        shards = {file: {"images": len(rows), "sha256": sums[file]} for file, rows in parts.items()}
        (beside / CONTENTS).write_text(json.dumps({**made_from, "shards": shards}, indent=1), encoding="utf-8")

    shards = open_shards(make_folder(folder, fill))
    for key, value in made_from.items():
        if (found := shards.contents[key]) != value:
            what = "other images or labels" if key == "source" else f"{key} {found!r}, not {value!r}"
            raise ValueError(f"{folder} holds shards made with {what}. Delete it, or give another folder")
    return shards


def open_shards(folder):
    """Open a folder that `write_shards` made, and check every byte of it, about a second a gigabyte.

    A right to write is needed neither in the folder nor beside it.

    Returns:
        `Shards`.

    Raises:
        ValueError: the folder has no table of contents, or one that makes no sense, or as for `Shards.check`.
    """
    folder = Path(folder)
    try:
        contents = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        _check_contents(contents)
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder} is no folder of shards: {CONTENTS} cannot be read ({error!r}). If it was to be one, delete it, "
            "and write it anew"
        ) from error
    shards = Shards(folder, contents)
    shards.check()
    return shards


def glob(file_format):
    """Return the pattern that finds what `file_format` names.

    Example:
        >>> glob("shard_{shard:02d}.tfrecord")
        'shard_*.tfrecord'
    """
    return "*".join(map(escape, re.split(r"\{shard[^}]*\}", file_format)))


class _Source:
    """Images, wherever they are from, each with a label and a name."""

    def __init__(self, images, labels, read, names):
        self.read = read
        self.images = np.asarray(images) if read is None else list(images)
        if read is None and (self.images.dtype != np.uint8 or self.images.ndim != 4):
            raise ValueError(
                f"images is {self.images.dtype} {self.images.shape}; give uint8 (n, height, width, channels), or a "
                "list of files and a function `read` for them"
            )
        labels = np.asarray(labels)
        if labels.shape != (len(self),) or labels.dtype.kind not in "iu":
            raise ValueError(
                f"labels is {labels.dtype} {labels.shape}; give an integer for each of the {len(self)} images"
            )
        self.labels = labels.tolist()
        self.names = [_name(i, image) for i, image in enumerate(self.images)] if names is None else list(map(str, names))
        if len(self.names) != len(self):
            raise ValueError(f"there are {len(self.names)} names for {len(self)} images")
        if len(set(self.names)) < len(self):
            ((twice, _),) = Counter(self.names).most_common(1)
            raise ValueError(f"two images have the same name, {twice}, by which one is known in the shards: give names")
        self.shape = None
        if len(self):
            self.shape = self.pixels(0).shape

    def __len__(self):
        return len(self.images)

    def pixels(self, number):
        """Return an image, uint8 (height, width, channels)."""
        if self.read is None:
            return self.images[number]
        pixels = np.asarray(self.read(self.images[number]))
        if pixels.dtype != np.uint8 or pixels.ndim != 3:
            raise ValueError(
                f"{self.names[number]} is read as {pixels.dtype} {pixels.shape}; give uint8 (height, width, channels)"
            )
        if self.shape not in (None, pixels.shape):
            raise ValueError(f"{self.names[number]} has shape {pixels.shape}, and {self.names[0]} has {self.shape}")
        return pixels

    def sha256(self):
        """Return a checksum of names, labels and images, whatever their order and their folder.

        Files are not decoded for it, but one, so that it changes with what `read` makes of them.
        """
        with ThreadPoolExecutor() as threads:
            sums = threads.map(self._sha256, range(len(self)))
            rows = sorted(map(list, zip(self.names, self.labels, sums)))
        first = min(range(len(self)), key=self.names.__getitem__)
        rows.append(hashlib.sha256(self.pixels(first).tobytes()).hexdigest())
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()

    def _sha256(self, number):
        image = self.images[number]
        return _sha256(image) if _is_path(image) else hashlib.sha256(self.pixels(number).tobytes()).hexdigest()


def _is_path(image):
    return isinstance(image, (str, os.PathLike))


def _name(number, image):
    return Path(image).name if _is_path(image) else str(number)


def _file_names(file_format, count):
    """Return the names of the shards, or refuse a format that does not give as many, all in one folder."""
    names = set()
    with contextlib.suppress(LookupError, ValueError, TypeError, AttributeError):  # braces of something else
        names = dict.fromkeys(file_format.format(shard=shard) for shard in range(count))
    if len(names) < count or not all(map(_is_file_name, names)):
        raise ValueError(
            f"file_format is {file_format!r}; give the name of a file with {{shard}} in it, as in {FILE_FORMAT!r}"
        )
    return list(names)


def _is_file_name(name):
    return name not in ("", ".", "..", CONTENTS) and PureWindowsPath(name).name == name == Path(name).name


def _check_contents(contents):
    """Raise an error if what shards.json holds cannot be what `write_shards` wrote."""
    shards, shape, count = contents["shards"], contents["image_shape"], contents["count"]
    numbers = [count, *shape, *(shard["images"] for shard in shards.values())]
    if len(shape) != 3 or not all(type(number) is int and number > 0 for number in numbers):
        raise ValueError("a number is none that it can be")
    if count != len(shards) or list(shards) != _file_names(contents["file_format"], count):
        raise ValueError("the files are not those of its file_format")
    _ = contents["seed"], contents["source"], [shard["sha256"] for shard in shards.values()]


def _write_shard(path, source, rows):
    """Write images into one shard; return its SHA-256."""
    import tensorflow as tf

    try:
        with tf.io.TFRecordWriter(str(path)) as writer:
            for i in map(int, rows):
                feature = {
                    "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[source.pixels(i).tobytes()])),
                    "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[source.labels[i]])),
                    "name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[source.names[i].encode()])),
                }
                example = tf.train.Example(features=tf.train.Features(feature=feature))
                writer.write(example.SerializeToString(deterministic=True))  # else the features come in any order
    except tf.errors.OpError as error:
        raise OSError(f"{path} cannot be written: {_without_operation(error)}") from error
    return _sha256(path)


def _read_records(file):
    import tensorflow as tf

    return tf.data.TFRecordDataset(file, buffer_size=1 << 20)


def _without_operation(error):
    """Return the message of a TensorFlow error, without the name of the operation."""
    return re.sub(r"^{{.*}} | \[Op:.*", "", error.message)


def _progress_bar(total):
    import keras

    return keras.utils.Progbar(total, unit_name="shard").update


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
