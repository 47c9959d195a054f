"""Images a second from the files of Tiny ImageNet, as a training loop would take them, beside Keras' own way.

    python -m benchmarks.tiny_imagenet_input          # 5,000 images of the sample, drawn for it
    python -m benchmarks.tiny_imagenet_input --full   # as many real ones, from the Keras home

Each way ends in the same: batches of 128 images, float32 (64, 64, 3), in another order each epoch, mirrored at random,
each with mean 0 and standard deviation 1, and their labels. They differ in who does it, and when:

- directory: `image_dataset_from_directory`, the rival of all others. TensorFlow opens and decodes each file in each
  epoch; `tf.image` mirrors and standardizes the batch.
- directory, cache(): decoded in the first epoch, and kept in memory as floats, 49 kB an image.
- shards: decoded when the TFRecord files were written, which is not counted. They are read in each epoch.
- shards, cache(): read in the first epoch, and kept in memory as bytes, 12 kB an image.
- memory-mapped: decoded when the array was written, which is not counted. Once in the compiled pipeline of
  `batched_dataset`, once as a `DatasetSequence`, mirrored by the same function and standardized by `ImageModel`'s; and
  once mirrored by `keras.layers.RandomFlip`, which serves every backend.
- generator: the legacy `ImageDataGenerator`, by Python, image by image. Once more, in the batches of one that it is
  often made to give.

"unchanged" is reading alone: neither mirrored nor standardized. The files are read once before, so that none waits for
the disk; where they must, the many small ones wait longer. The ways take turns; the best round of each counts.
"""

import argparse
import contextlib
import io
import itertools
import os
import tempfile
import time
from pathlib import Path

BATCH, SHUFFLE = 128, 5000
CLASSES, PER_CLASS = 50, 100  # of the real images: as many as the sample has here
RIVAL = "directory"


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="real images, from the Keras home")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), arguments.full, arguments.rounds)


def compare(folder, full, rounds):
    from text_recognizer.datasets.tiny_imagenet import read_image
    from text_recognizer.pipelines.memory_mapped import memory_mapped
    from text_recognizer.pipelines.tfrecord_shards import write_shards

    train = write_images(folder / "images", full)
    files = sorted(train.glob("*/images/*.JPEG"))
    names = sorted(path.name for path in train.iterdir())
    labels = [names.index(file.parts[-3]) for file in files]
    started = time.perf_counter()
    shards = write_shards(folder / "shards", files, labels, read=read_image, progress=False)
    seconds = time.perf_counter() - started
    arrays = memory_mapped(folder / "array", files, labels, read_image)
    kind = "real" if full else "drawn"
    print(f"{len(files):,} {kind} images, {os.cpu_count()} cores; {seconds:.1f} s to write the shards")

    ways = {
        RIVAL: finish(directory(train)),
        "directory, cache()": finish(from_cache(directory(train, shuffle=False))),
        "directory, unchanged": directory(train),
        "shards": shards.training_batches(BATCH, SHUFFLE),
        "shards, cache()": finish_fast(from_cache(shards.batches(BATCH, standardize=False))),
        "shards, unchanged": shards.training_batches(BATCH, SHUFFLE, flip=False, standardize=False),
        **by_array(*arrays),
        "generator": generator(train, BATCH),
        "generator, batches of one": generator(train, 1),
    }
    streams = {name: iter(batches) for name, batches in ways.items()}
    rates = dict.fromkeys(ways, 0)
    for _ in range(rounds):
        for name, batches in streams.items():
            rates[name] = max(rates[name], measure(batches))
    print(f"{'':<34}{'images/s':>10}{'times the rival':>18}")
    for name, rate in rates.items():
        print(f"{name:<34}{rate:>10,.0f}{rate / rates[RIVAL]:>18.1f}")
    for kind in ("cache()", "unchanged"):
        ratio = rates[f"shards, {kind}"] / rates[f"directory, {kind}"]
        print(f"{f'shards / directory, {kind}':<34}{ratio:>28.1f}")


def measure(batches, seconds=1.0):
    """Return images a second, after what lies ready from before has been taken."""
    for _ in range(20):
        next(batches)
    done, started = 0, time.perf_counter()
    while time.perf_counter() - started < seconds:
        done += len(next(batches)[1])
    return done / (time.perf_counter() - started)


def write_images(folder, full):
    """Put images into `folder`, in the layout of Tiny ImageNet; return the folder train in it."""
    from text_recognizer.datasets import tiny_imagenet

    folder.mkdir()
    if full:
        for file in tiny_imagenet.TinyImagenet(CLASSES, source="full").train(PER_CLASS).files:
            copy = folder / "train" / file.relative_to(file.parents[2])
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(file.read_bytes())
    else:
        tiny_imagenet.write_sample(folder, train=500)
    return folder / "train"


def directory(train, shuffle=True):
    """Return batches of Keras' pipeline: without an end, or of one epoch in the order of the files."""
    import keras

    settings = {"image_size": (64, 64), "batch_size": BATCH, "verbose": False}
    batches = keras.utils.image_dataset_from_directory(train, shuffle=shuffle, seed=0, **settings)
    return batches.repeat() if shuffle else batches


def from_cache(epoch):
    """Return batches without an end, of the images of one epoch, which stay in memory."""
    return epoch.unbatch().cache().shuffle(SHUFFLE, seed=0).repeat().batch(BATCH)


def finish(batches):
    """Mirror and standardize batches with `tf.image`."""
    import tensorflow as tf

    def change(batch, seed):
        images, labels = batch
        return tf.image.per_image_standardization(tf.image.stateless_random_flip_left_right(images, seed)), labels

    return with_seeds(batches).map(change, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def finish_fast(batches):
    """Mirror and standardize batches as the shards' pipeline does."""
    import tensorflow as tf

    from text_recognizer.pipelines.tfrecord_shards import random_flip, standardize

    def change(batch, seed):
        images, labels = batch
        return standardize(random_flip(images, seed)), labels

    return with_seeds(batches).map(change, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def with_seeds(batches):
    import tensorflow as tf

    return tf.data.Dataset.zip(batches, tf.data.Dataset.random(seed=0).batch(2))


def by_array(x, y):
    import keras

    from text_recognizer.models.image_model import standardize
    from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset
    from text_recognizer.pipelines.tfrecord_shards import random_flip

    seeds, layer = keras.random.SeedGenerator(0), keras.layers.RandomFlip("horizontal", seed=0)
    by_function = {"augment_fn": lambda x, y: (random_flip(x, seeds.next()), y), "format_fn": standardize}
    by_layer = {"augment_fn": lambda x, y: (layer(x, training=True), y), "format_fn": standardize}
    order = {"batch_size": BATCH, "shuffle": True, "seed": 0}
    return {
        "memory-mapped, batched_dataset": batched_dataset(x, y, **order, **by_function).repeat(),
        "memory-mapped, DatasetSequence": repeated(DatasetSequence(x, y, **order, **by_function)),
        "batched_dataset, RandomFlip": batched_dataset(x, y, **order, **by_layer).repeat(),
        "DatasetSequence, RandomFlip": repeated(DatasetSequence(x, y, **order, **by_layer)),
    }


def repeated(sequence):
    return itertools.chain.from_iterable(itertools.repeat(sequence))


def generator(train, batch):
    import tensorflow as tf

    images = tf.keras.preprocessing.image.ImageDataGenerator(
        samplewise_center=True, samplewise_std_normalization=True, horizontal_flip=True
    )

    def flow():
        with contextlib.redirect_stdout(io.StringIO()):  # Found 5000 images belonging to 10 classes.
            return images.flow_from_directory(train, target_size=(64, 64), batch_size=1, class_mode="sparse")

    signature = (tf.TensorSpec((None, 64, 64, 3)), tf.TensorSpec((None,)))
    dataset = tf.data.Dataset.from_generator(flow, output_signature=signature)
    return (dataset if batch == 1 else dataset.unbatch().batch(batch)).prefetch(tf.data.AUTOTUNE)


if __name__ == "__main__":
    main()
