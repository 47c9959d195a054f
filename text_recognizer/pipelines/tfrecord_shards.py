"""Images as TFRecord shards: a few large files that read fast, instead of many small ones.

A shard is a file of records, each a `tf.train.Example` with the pixels, the label and the name of one image
(https://www.tensorflow.org/tutorials/load_data/tfrecord). The pixels are stored as they are, uint8, and not as a JPEG:
that takes six times the room, and nothing is left to decode. What changes from epoch to epoch, the order and the
flips, is not stored: it happens on reading.

The folder of the shards has a table of contents, shards.json: what the shards were made from, the shape of the images,
how many each shard holds, and its checksum. The folder is there whole or not at all.
"""

import hashlib
import json
import math
import re
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath

import numpy as np

from text_recognizer.arguments import whole_number
from text_recognizer.files import make_folder
from text_recognizer.pipelines.source import Source, sha256

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

    Example:
        >>> import tempfile
        >>> images = np.random.default_rng(0).integers(0, 256, (10, 8, 6, 1), dtype="uint8")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     shards = write_shards(Path(folder, "shards"), images, range(10), count=2, progress=False)
        ...     len(shards), shards.image_shape, [file.name for file in shards.files]
        ...     [len(labels) for _, labels in shards.batches(4)]
        (10, (8, 6, 1), ['shard_00.tfrecord', 'shard_01.tfrecord'])
        [4, 4, 2]
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
        return math.ceil(len(self) / whole_number("batch_size", batch_size))

    def buffer_bytes(self, shuffle):
        """Return how much memory a shuffle buffer of `shuffle` images takes: it holds records, not yet floats."""
        size = sum(file.stat().st_size for file in self.files)
        return round(size / len(self) * min(shuffle, len(self)))

    def training_batches(self, batch_size, shuffle, *, seed=0, first_epoch=0, flip=True, standardize=True):
        """Return an endless stream of training batches, reshuffled and flipped anew in each epoch.

        The order of the shards is drawn, images are taken from four of them in turn, and go through a shuffle buffer.
        Each epoch is shuffled by itself and then follows the one before: a batch never mixes two, and each epoch gives
        every image once. What an epoch gives depends on `seed` and its number alone, not on how many were read before,
        nor on the number of threads. So training that was interrupted goes on with `first_epoch` as if nothing had
        happened.

        A record that was damaged since the shards were opened ends the reading with a `tf.errors.DataLossError`.
        TensorFlow does not say in which file that is; `check` does.

        Args:
            batch_size: images in a batch; the last batch of an epoch may have fewer.
            shuffle: images in the shuffle buffer. 1 leaves only the order of the shards to chance.
            seed: of the order and the flips, an integer, 0 or more.
            first_epoch: the number of the epoch to begin with.
            flip: mirror images left to right, each with a chance of one half. In a model, that is
                `keras.layers.RandomFlip("horizontal")`.
            standardize: give each image mean 0 and standard deviation 1, as `tf.image.per_image_standardization`. In a
                model, that is `keras.layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)`.

        Returns:
            A `tf.data.Dataset` without an end, of `images, labels`: float32 (batch, height, width, channels), or uint8
            if not standardized, and int64 (batch,). Give `fit` `steps_per_epoch=steps(batch_size)`.

        Raises:
            TypeError: a number is no integer.
            ValueError: a number is out of its range.

        Example:
            >>> import tempfile
            >>> images = np.random.default_rng(0).integers(0, 256, (10, 8, 6, 1), dtype="uint8")
            >>> with tempfile.TemporaryDirectory() as folder:
            ...     shards = write_shards(Path(folder, "shards"), images, range(10), count=2, progress=False)
            ...     two_epochs = list(shards.training_batches(4, shuffle=10).take(2 * shards.steps(4)))
            >>> [images.shape[0] for images, _ in two_epochs]
            [4, 4, 2, 4, 4, 2]
            >>> images, labels = two_epochs[0]
            >>> images.shape, images.dtype, labels.dtype, bool(abs(np.mean(images[0])) < 1e-5)
            (TensorShape([4, 8, 6, 1]), tf.float32, tf.int64, True)
        """
        import tensorflow as tf

        batch_size, shuffle = whole_number("batch_size", batch_size), whole_number("shuffle", shuffle)
        seed, first_epoch = whole_number("seed", seed, 0), whole_number("first_epoch", first_epoch, 0)

        def epoch_batches(epoch):
            # Of this function's graph alone: else the global seed would count too, and where that is 0, `shuffle`
            # takes no tensor as its seed.
            tf.compat.v1.set_random_seed(1)
            seeds = tf.random.stateless_uniform((2,), (seed, epoch), 0, tf.int64.max, tf.int64)
            files = tf.data.Dataset.from_tensor_slices(list(map(str, self.files)))
            records = files.shuffle(len(self.files), seed=seeds[0]).interleave(_read, cycle_length=4, block_length=16)
            batches = records.shuffle(shuffle, seed=seeds[1]).batch(batch_size)
            return batches.enumerate().map(lambda step, records: (records, seeds + step))

        batches = tf.data.Dataset.range(first_epoch, tf.int64.max).flat_map(epoch_batches)
        return self._parsed(batches if flip else batches.map(lambda records, _: records), standardize)

    def batches(self, batch_size, *, standardize=True):
        """Read the shards once, in their order: to validate, and to look at them.

        Returns:
            A `tf.data.Dataset` of `steps(batch_size)` batches like those of `training_batches`.
        """
        import tensorflow as tf

        records = tf.data.Dataset.from_tensor_slices(list(map(str, self.files))).flat_map(_read)
        batches = records.batch(batch_size).apply(tf.data.experimental.assert_cardinality(self.steps(batch_size)))
        return self._parsed(batches, standardize)

    def check(self):
        """Compare every byte with the checksums, about a second a gigabyte.

        TensorFlow notices a damaged record too, but in the middle of an epoch, and it does not say in which file.

        Raises:
            ValueError: the folder lacks a shard, has one too many, or holds a truncated, damaged or foreign one; the
                message names the file.
        """
        expected = self.contents["shards"]
        endings = {Path(name).suffix for name in expected}
        found = {file.name for file in self.folder.glob("*") if file.suffix in endings} - {CONTENTS}
        if differing := sorted(found ^ expected.keys()):
            raise self._error(f"{self.folder} and its {CONTENTS} differ in the files {', '.join(differing)}")
        with ThreadPoolExecutor() as threads:
            for file, found in zip(self.files, threads.map(sha256, self.files)):
                if found != expected[file.name]["sha256"]:
                    for _ in self._examples(file):  # which says where it cannot be read
                        pass
                    raise self._error(f"{file} can be read, but it is not the one that {CONTENTS} was written with")

    def verify(self, images, labels, *, read=None):
        """Compare every image and every label with what the shards were made from.

        Args:
            images, labels, read: as for `write_shards`.

        Raises:
            ValueError: an image or a label differs, is missing, is there twice or too much, or a record cannot be
                read; the message names the image.
        """
        source = Source(images, labels, read)
        given = zip(source.names, source.labels.tolist(), map(source.pixels, range(len(source))))
        written = (example for shard in self.files for example in self._examples(shard))
        given, written = (
            Counter((name, label, hashlib.sha256(pixels.tobytes()).digest()) for name, label, pixels in images)
            for images in (given, written)
        )
        if differing := sorted((given - written) + (written - given)):
            names = {name for name, *_ in differing}
            raise self._error(f"{self.folder} differs from {len(names)} of the images, the first is {min(names)}")

    def _parsed(self, batches, standardized):
        """Return the images and labels of batches of records, which are flipped where there are seeds for it."""
        import tensorflow as tf

        features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

        def parse(records, seeds=None):
            examples = tf.io.parse_example(records, features)
            images = tf.reshape(tf.io.decode_raw(examples["image"], tf.uint8), (-1, *self.image_shape))
            images = images if seeds is None else random_flip(images, seeds)
            return standardize(images) if standardized else images, examples["label"]

        return batches.map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def _examples(self, shard):
        """Yield the name, the label and the pixels of each record of a shard."""
        import tensorflow as tf

        number = 0
        try:
            for record in tf.data.TFRecordDataset(str(shard)):
                feature = tf.train.Example.FromString(record.numpy()).features.feature
                (image,), (label,) = feature["image"].bytes_list.value, feature["label"].int64_list.value
                (name,) = feature["name"].bytes_list.value
                yield name.decode(), label, np.frombuffer(image, np.uint8).reshape(self.image_shape)
                number += 1
        except Exception as error:  # damaged, or no Example, or another one than `_write_shard` writes
            raise self._error(f"{shard} cannot be read after record {number}: {_without_operation(error)}") from error

    def _error(self, message):
        return ValueError(f"{message}. Delete {self.folder}, and write it anew")


def write_shards(folder, images, labels, *, read=None, count=30, seed=0, file_format=FILE_FORMAT, progress=True):
    """Write images into shards, or open the folder if it holds just these already.

    The images are shuffled before they are dealt out, so that each shard is a fair sample. Several threads write, each
    a shard at a time: while a JPEG is decoded, others can work.

    Args:
        folder: of the shards; made whole, or not at all.
        images: an array, uint8 (n, height, width, channels). Or, with `read`, a list of what that takes, e.g. of paths.
        labels: an integer for each.
        read: a function that makes an image of an item of `images`, uint8 (height, width, channels).
        count: how many shards. TensorFlow's advice is ten or more for each machine that reads, of 10 MB or more each
            (https://www.tensorflow.org/tutorials/load_data/tfrecord).
        seed: of the shuffling, an integer, 0 or more.
        file_format: of the names, with `{shard}` for the number.
        progress: show a bar.

    Returns:
        `Shards`.

    Raises:
        TypeError: a number is no integer.
        ValueError: an argument does not fit, an image cannot be read or has another shape than the first (nothing is
            written then), or the folder holds other shards, from other images, labels, or arguments, or damaged ones.
            Images are compared by the bytes of their files, and by what `read` makes of one of them.
        OSError: a file cannot be read or written, e.g. because the disk is full. Nothing is left behind then.

    Example:
        >>> import tempfile
        >>> images = np.random.default_rng(0).integers(0, 256, (10, 8, 6, 1), dtype="uint8")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     shards = write_shards(Path(folder, "shards"), images, range(10), count=2, progress=False)
        ...     shards.verify(images, range(10))
        ...     [shard["images"] for shard in shards.contents["shards"].values()]
        [5, 5]
    """
    folder, source = Path(folder), Source(images, labels, read)
    made_from = {
        "count": whole_number("count", count, most=len(source)),
        "seed": whole_number("seed", seed, least=0),
        "file_format": file_format,
        "source": source.sha256(),
        "image_shape": list(source.shape),
    }
    files = _file_names(file_format, count)
    parts = np.array_split(np.random.default_rng(seed).permutation(len(source)), count)

    def fill(beside):
        if progress:
            import keras

            bar = keras.utils.Progbar(count, unit_name="shard")
        shards = {}
        with ThreadPoolExecutor() as threads:
            sums = threads.map(lambda file, rows: _write_shard(beside / file, source, rows), files, parts)
            for file, rows, written in zip(files, parts, sums):
                shards[file] = {"images": len(rows), "sha256": written}
                if progress:
                    bar.update(len(shards))
        (beside / CONTENTS).write_text(json.dumps({**made_from, "shards": shards}, indent=1), encoding="utf-8")

    shards = open_shards(make_folder(folder, fill))
    for key, value in made_from.items():
        if (found := shards.contents.get(key)) != value:
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
        shards, shape, _ = contents["shards"], contents["image_shape"], contents["source"]
        numbers = [*shape, *(shard["images"] for shard in shards.values() if shard["sha256"])]
        if not all(type(number) is int and number > 0 for number in numbers) or len(shape) != 3 or not shards:
            raise ValueError("a number is none that it can be")
        if not all(map(_is_file_name, shards)):
            raise ValueError("a shard is not in the folder")
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(
            f"{folder} is no folder of shards: {CONTENTS} cannot be read ({error!r}). If it was to be one, delete it, "
            "and write it anew"
        ) from error
    shards = Shards(folder, contents)
    shards.check()
    return shards


def _file_names(file_format, count):
    """Return the names of the shards, or refuse a format that does not tell them apart, all in one folder."""
    try:
        names = [file_format.format(shard=shard) for shard in range(max(count, 2))]
    except (LookupError, ValueError, TypeError, AttributeError):  # braces of something else
        names = []
    if len(set(names)) < max(count, 2) or not all(map(_is_file_name, names)):
        raise ValueError(
            f"file_format is {file_format!r}; give the name of a file with {{shard}} in it, as in {FILE_FORMAT!r}"
        )
    return names[:count]


def _is_file_name(name):
    return PureWindowsPath(name).name == name


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
    return sha256(path)


def _read(file):
    import tensorflow as tf

    return tf.data.TFRecordDataset(file, buffer_size=1 << 20)


def random_flip(images, seeds):
    """Mirror images left to right, each with a chance of one half.

    It does what `tf.image.stateless_random_flip_left_right` does, with other random numbers, in a fifth of the time:
    each image is only copied, and TensorFlow reverses rows of pixels fast where they are given as three dimensions.

    Args:
        images: a tensor (batch, height, width, channels), of any type.
        seeds: two integers. The same give the same flips.

    Returns:
        A tensor like `images`.

    Example:
        >>> import tensorflow as tf
        >>> images = tf.tile(tf.reshape(tf.range(3), (1, 1, 3, 1)), (4, 1, 1, 1))
        >>> random_flip(images, (0, 2)).numpy()[:, 0, :, 0].tolist()
        [[2, 1, 0], [2, 1, 0], [0, 1, 2], [0, 1, 2]]
    """
    import tensorflow as tf

    shape = tf.shape(images)
    coins = tf.random.stateless_uniform(shape[:1], seeds, 0, 2, tf.int32)
    rows = tf.dynamic_partition(tf.range(shape[0]), coins, 2)
    same, mirrored = (tf.gather(images, part) for part in rows)
    mirrored = tf.reverse(tf.reshape(mirrored, (-1, shape[2], shape[3])), [1])
    return tf.dynamic_stitch(rows, [same, tf.reshape(mirrored, (-1, *images.shape[1:]))])


def standardize(images):
    """Give each image mean 0 and standard deviation 1.

    It does what `tf.image.per_image_standardization` does, to rounding, in half the time: that one computes each mean
    twice.

    Args:
        images: a tensor (batch, height, width, channels), of any type.

    Returns:
        A float32 tensor. The deviation is taken to be at least 1 / sqrt(values of an image), so that an image of one
        colour becomes 0.

    Example:
        >>> standardize(np.array([0, 0, 4, 4], "uint8").reshape(1, 2, 2, 1)).numpy().ravel().tolist()
        [-1.0, -1.0, 1.0, 1.0]
    """
    import tensorflow as tf

    images = tf.cast(images, tf.float32)
    images -= tf.reduce_mean(images, axis=(1, 2, 3), keepdims=True)
    variance = tf.reduce_mean(tf.square(images), axis=(1, 2, 3), keepdims=True)
    return images * tf.math.rsqrt(tf.maximum(variance, 1 / math.prod(images.shape[1:])))


def _without_operation(error):
    """Return the message of an error, without the name of TensorFlow's operation."""
    return re.sub(r"^{{.*}} | \[Op:.*", "", str(error))
