"""Images as TFRecord shards: a few large files that read fast, instead of many small ones.

A shard is a file of records, each a `tf.train.Example` with the pixels, the label and the file name
of one image (https://www.tensorflow.org/tutorials/load_data/tfrecord). The pixels are stored as
they are, uint8, and not as a JPEG: that takes six times the room and is read twice as fast, since
nothing is left to decode. What changes from epoch to epoch, the order and the flips, is not stored:
it happens on reading.

The folder of the shards has a table of contents, shards.json: what the shards were made from, how
many images each holds, and its checksum. The folder is there whole or not at all.
"""

import hashlib
import json
import math
import multiprocessing
import os
import re
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from text_recognizer.datasets.folders import make_folder
from text_recognizer.datasets.tiny_imagenet import IMAGE_SHAPE, read_image

CONTENTS = "shards.json"
FILE_FORMAT = "shard_{shard:02d}.tfrecord"


@dataclass(frozen=True)
class Shards:
    """A folder of shards, opened by `write_shards` or `open_shards`, which check it.

    Attributes:
        folder: a `pathlib.Path`.
        contents: what shards.json holds: `count`, `seed` and `file_format` as given to
            `write_shards`; `source`, a checksum of the names, sizes and labels of the image files;
            `shards`, a dict from file name to `images` and `sha256`.
    """

    folder: Path
    contents: dict

    def __len__(self):
        """The number of images."""
        return sum(shard["images"] for shard in self.contents["shards"].values())

    @property
    def files(self):
        """The paths of the shards, in their order."""
        return [self.folder / name for name in self.contents["shards"]]

    def steps(self, batch_size):
        """Return how many batches one pass takes, the last one smaller where they do not come out even."""
        return math.ceil(len(self) / batch_size)

    def buffer_bytes(self, shuffle):
        """Return how much memory a shuffle buffer of `shuffle` images takes: it holds records, not yet floats."""
        size = sum(file.stat().st_size for file in self.files)
        return round(size / len(self) * min(shuffle, len(self)))

    def training_batches(self, batch_size, shuffle, *, seed=0, first_epoch=0, flip=True, standardize=True):
        """Read the shards again and again, in another order and with other flips in each epoch.

        The order of the shards is drawn, images are taken from four of them in turn, and go through
        a shuffle buffer. Each epoch is shuffled by itself and then follows the one before: a batch
        never mixes two, and each epoch gives every image once. What an epoch gives depends on `seed`
        and its number alone, not on how many were read before. So training that was interrupted
        goes on with `first_epoch` as if nothing had happened.

        Args:
            batch_size: images in a batch; the last batch of an epoch may have fewer.
            shuffle: images in the shuffle buffer. 1 leaves only the order of the shards to chance.
            seed: of the order and the flips, an integer.
            first_epoch: the number of the epoch to begin with.
            flip: mirror images left to right, each with a chance of one half. In a model, that is
                `keras.layers.RandomFlip("horizontal")`.
            standardize: give each image mean 0 and standard deviation 1, by
                `tf.image.per_image_standardization`. In a model, that is
                `keras.layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)`.

        Returns:
            A `tf.data.Dataset` without an end, of `images, labels`: float32 (batch, 64, 64, 3), or
            uint8 if not standardized, and int64 (batch,). Give `fit` `steps_per_epoch=steps(batch_size)`.
        """
        import tensorflow as tf

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
            images, labels = _parse(records)
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
            images, labels = _parse(records)
            return tf.image.per_image_standardization(images) if standardize else images, labels

        records = tf.data.Dataset.from_tensor_slices(list(map(str, self.files))).flat_map(_read_records)
        return records.batch(batch_size).map(parse, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)

    def verify(self, files, labels):
        """Compare every image and every label with the files that the shards were made from.

        Args:
            files, labels: as for `write_shards`.

        Raises:
            ValueError: an image or a label differs, is missing, is there twice or too much, or a
                record cannot be read; the message names the shard and the image.
        """
        expected = {Path(file).name: (file, label) for file, label in zip(files, labels, strict=True)}
        for shard in self.files:
            for name, pixels, label in _examples(shard):
                if name not in expected:
                    raise ValueError(f"{shard} holds {name}, which is none of the files, or is there twice")
                file, expected_label = expected.pop(name)
                if label != expected_label:
                    raise ValueError(f"{shard} holds {name} with label {label}, not {expected_label}")
                if not np.array_equal(pixels, read_image(file)):
                    raise ValueError(f"{shard} holds {name} with other pixels than {file}")
        if expected:
            raise ValueError(f"{self.folder} lacks {len(expected)} images, the first is {next(iter(expected))}")


def write_shards(folder, files, labels, *, count=30, seed=0, file_format=FILE_FORMAT, processes=None, progress=True):
    """Write images into shards, or open the folder if it holds just these already.

    The images are shuffled before they are dealt out, so that each shard is a fair sample. Several
    processes write, each a shard at a time. They are new Pythons (spawned): a fork of a process in
    which TensorFlow has started its threads may hang. In a script, call this below
    `if __name__ == "__main__":`, since a new Python imports the script; a notebook needs nothing.

    Args:
        folder: of the shards; made whole, or not at all.
        files: paths of images, no two with the same file name.
        labels: an integer for each.
        count: how many shards. TensorFlow's advice is ten or more for each machine that reads, of
            10 MB or more each.
        seed: of the shuffling.
        file_format: of the names, with `{shard}` for the number.
        processes: how many write at once. 1 writes in this process. Default: a core each, as far as
            each has 5,000 images to write; fewer are written before a new Python has started.
        progress: show a bar.

    Returns:
        `Shards`.

    Raises:
        ValueError: an argument does not fit, an image cannot be read (nothing is written then), or
            the folder holds other shards, from other files, labels, or arguments, or damaged ones.
        RuntimeError: a process ended without a word.
    """
    # The script of a caller, imported by a new process, would come here again, and wait for its parent for ever.
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        raise RuntimeError("write_shards was called while a new process imports the script")
    folder = Path(folder)
    files, labels = [Path(file) for file in files], np.asarray(labels)
    if labels.shape != (len(files),) or labels.dtype.kind not in "iu":
        raise ValueError(f"labels is {labels.dtype} {labels.shape}; give an integer for each of the {len(files)} files")
    if len({file.name for file in files}) < len(files):
        raise ValueError("two files have the same name, by which an image is known in the shards")
    if not 1 <= count <= len(files):
        raise ValueError(f"count is {count}; {len(files)} images fill 1 to {len(files)} shards")
    names = [file_format.format(shard=shard) for shard in range(count)]
    if len(set(names)) < count:
        raise ValueError(f"file_format is {file_format!r}, which has no place for the number: write {FILE_FORMAT!r}")

    order = np.random.default_rng(seed).permutation(len(files))
    parts = {
        name: ([files[i] for i in part], labels[part].tolist())
        for name, part in zip(names, np.array_split(order, count))
    }
    made_from = {"count": count, "seed": seed, "file_format": file_format, "source": _source(files, labels)}

    def fill(beside):
        jobs = [(beside / name, *part) for name, part in parts.items()]
        worthwhile = min(os.cpu_count(), count, len(files) // 5_000)
        sums = _write_all(jobs, processes or max(worthwhile, 1), progress)
        shards = {name: {"images": len(part[0]), "sha256": sums[beside / name]} for name, part in parts.items()}
        (beside / CONTENTS).write_text(json.dumps({**made_from, "shards": shards}, indent=1), encoding="utf-8")

    shards = open_shards(make_folder(folder, fill))
    for key, value in made_from.items():
        if (found := shards.contents[key]) != value:
            what = "other images or labels" if key == "source" else f"{key} {found!r}, not {value!r}"
            raise ValueError(f"{folder} holds shards made with {what}. Delete it, or give another folder")
    return shards


def open_shards(folder):
    """Open a folder that `write_shards` made, and check every byte of it, about a second a gigabyte.

    TensorFlow notices a damaged record too, but in the middle of an epoch, and it does not say in which file.

    Returns:
        `Shards`.

    Raises:
        ValueError: the folder has no table of contents, lacks a shard, has one too many, or holds a
            truncated, damaged or foreign one; the message names the file.
    """
    folder = Path(folder)
    try:
        shards = Shards(folder, json.loads((folder / CONTENTS).read_text(encoding="utf-8")))
        expected, pattern = shards.contents["shards"], glob(shards.contents["file_format"])
    except (OSError, ValueError, KeyError) as error:
        raise ValueError(f"{folder} is no folder of shards: {CONTENTS} cannot be read ({error!r})") from error
    found = {file.name for file in folder.glob(pattern)}
    if differing := sorted(found ^ expected.keys()):
        raise ValueError(
            f"{folder} and its {CONTENTS} differ in the files {', '.join(differing)}. Delete it, and write it anew"
        )
    with ThreadPoolExecutor() as threads:
        for file, sha256 in zip(shards.files, threads.map(_sha256, shards.files)):
            if sha256 != expected[file.name]["sha256"]:
                raise ValueError(f"{_what_is_wrong(file)}. Delete {folder}, and write it anew")
    return shards


def glob(file_format):
    """Return the pattern that finds what `file_format` names, e.g. "shard_*.tfrecord"."""
    return re.sub(r"\{shard[^}]*\}", "*", file_format)


def _read_records(file):
    import tensorflow as tf

    return tf.data.TFRecordDataset(file, buffer_size=1 << 20)


def _parse(records):
    """Return the images, uint8 (batch, 64, 64, 3), and labels, int64 (batch,), of a batch of records."""
    import tensorflow as tf

    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
    examples = tf.io.parse_example(records, features)
    return tf.reshape(tf.io.decode_raw(examples["image"], tf.uint8), (-1, *IMAGE_SHAPE)), examples["label"]


def _examples(shard):
    """Yield the name, the pixels and the label of each record of a shard."""
    import tensorflow as tf
    from google.protobuf.message import DecodeError

    number = 0
    try:
        for number, record in enumerate(tf.data.TFRecordDataset(str(shard)), start=1):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            (image,), (label,) = feature["image"].bytes_list.value, feature["label"].int64_list.value
            (name,) = feature["name"].bytes_list.value
            yield name.decode(), np.frombuffer(image, np.uint8).reshape(IMAGE_SHAPE), label
    except tf.errors.DataLossError as error:
        reason = re.sub(r"^{{.*}} | \[Op:.*", "", error.message)  # without the name of TensorFlow's operation
        raise ValueError(f"{shard} cannot be read after record {number}: {reason}") from error
    except (DecodeError, ValueError) as error:
        raise ValueError(f"{shard} holds a foreign record, number {number}, counted from 1: {error}") from error


def _what_is_wrong(shard):
    try:
        for _ in _examples(shard):
            pass
    except ValueError as error:
        return str(error)
    return f"{shard} can be read, but it is not the one that {CONTENTS} was written with"


def _write_all(jobs, processes, progress):
    """Write a shard for each job, `(path, files, labels)`; return their checksums by path."""
    sums = {}
    show = _progress_bar(len(jobs)) if progress else lambda done: None
    for path, sha256 in _finished(jobs, processes):
        sums[path] = sha256
        show(len(sums))
    return sums


def _finished(jobs, processes):
    """Yield the path and the checksum of each shard as soon as it is written."""
    if processes == 1:
        yield from ((path, _write_shard(path, *images)) for path, *images in jobs)
        return
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_end_with_parent)
    futures = {pool.submit(_write_shard, *job): job[0] for job in jobs}
    try:
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool as error:
        raise RuntimeError(
            "a process that wrote shards ended: in a script, call write_shards below `if __name__ == '__main__':`; "
            "or the memory ran out: pass processes=1"
        ) from error
    finally:
        pool.shutdown(cancel_futures=True)


def _write_shard(path, files, labels):
    """Write images and labels into one shard; return its SHA-256."""
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for file, label in zip(files, labels):
            feature = {
                "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[read_image(file).tobytes()])),
                "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
                "name": tf.train.Feature(bytes_list=tf.train.BytesList(value=[file.name.encode()])),
            }
            example = tf.train.Example(features=tf.train.Features(feature=feature))
            writer.write(example.SerializeToString(deterministic=True))  # else the features come in any order
    return _sha256(path)


def _end_with_parent():
    """End this process when its parent is killed; else it would wait for work for ever."""

    def wait():
        multiprocessing.parent_process().join()
        os._exit(1)

    threading.Thread(target=wait, daemon=True).start()


def _progress_bar(total):
    import keras

    return keras.utils.Progbar(total, unit_name="shard").update


def _sha256(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _source(files, labels):
    """Return a checksum of the names, sizes and labels of files, whatever their order and their folder."""
    rows = sorted(f"{file.name} {file.stat().st_size} {label}" for file, label in zip(files, labels))
    return hashlib.sha256("\n".join(rows).encode()).hexdigest()
