"""Images a second from the files of Tiny ImageNet, three ways, as a training loop would take them.

    python -m benchmarks.tiny_imagenet_input          # 5,000 images of the sample, drawn for it
    python -m benchmarks.tiny_imagenet_input --full   # as many real ones, from the Keras home

Each way ends in the same: batches of 128 images, float32 (64, 64, 3), in another order each epoch,
mirrored at random, each with mean 0 and standard deviation 1, and their labels. They differ in who
does it, and when:

- generator: the legacy `ImageDataGenerator` hands single images to `Dataset.from_generator`. Python
  opens, decodes, mirrors and standardizes each. Once more, in the batches of one that it comes in.
- directory: `image_dataset_from_directory`. TensorFlow opens, decodes and resizes each file.
- shards: decoded when the TFRecord files were written, which is not counted. Once more, with the
  JPEGs in the records as they are.

The files are read once before, so that none waits for the disk; where they must, the many small
ones wait longer. The ways take turns; the best round of each counts.
"""

import argparse
import contextlib
import io
import os
import tempfile
import time
from pathlib import Path

BATCH, SHUFFLE = 128, 5000
CLASSES, PER_CLASS = 50, 100  # of the real images: as many as the sample has here


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--full", action="store_true", help="real images, from the Keras home")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        compare(Path(folder), arguments.full, arguments.rounds)


def compare(folder, full, rounds):
    from text_recognizer.datasets.tiny_imagenet import read_image
    from text_recognizer.pipelines.tfrecord_shards import write_shards

    train = write_images(folder / "images", full)
    files = sorted(train.glob("*/images/*.JPEG"))
    labels = [sorted(path.name for path in train.iterdir()).index(file.parts[-3]) for file in files]
    started = time.perf_counter()
    shards = write_shards(folder / "shards", files, labels, read=read_image, progress=False)
    seconds = time.perf_counter() - started
    kind = "real" if full else "drawn"
    print(f"{len(files):,} {kind} images, {os.cpu_count()} cores; {seconds:.1f} s to write the shards")
    jpegs = write_jpegs(folder / "jpegs.tfrecord", files, labels)

    ways = {  # each with as many images as take about a second
        "generator, batches of one": (by_generator(train, 1), 1_500),
        "generator": (by_generator(train, BATCH), 1_500),
        "directory": (by_directory(train), 6_000),
        "shards, JPEG": (by_jpegs(jpegs), 12_000),
        "shards": (shards.training_batches(BATCH, SHUFFLE), 25_000),
    }
    rates = {name: [] for name in ways}
    for _ in range(rounds):
        for name, (dataset, images) in ways.items():
            rates[name].append(measure(dataset, images))
    report({name: max(values) for name, values in rates.items()})


def report(rates):
    best = rates["shards"]
    for name, rate in rates.items():
        print(f"{name:26}{rate:8,.0f} images/s, the last is {best / rate:.1f} times as fast")
    generator, directory = best / rates["generator, batches of one"], best / rates["directory"]
    print(f"shards / generator, batches of one: {generator:.1f}; shards / directory: {directory:.1f}")


def measure(dataset, images):
    """Return images a second, from the second batch on: the buffers are full then."""
    batches = iter(dataset)
    next(batches)
    done, started = 0, time.perf_counter()
    while done < images:
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


def by_generator(train, batch):
    import tensorflow as tf

    generator = tf.keras.preprocessing.image.ImageDataGenerator(
        samplewise_center=True, samplewise_std_normalization=True, horizontal_flip=True
    )

    def flow():
        with contextlib.redirect_stdout(io.StringIO()):  # Found 5000 images belonging to 10 classes.
            return generator.flow_from_directory(train, target_size=(64, 64), batch_size=1, class_mode="sparse")

    signature = (tf.TensorSpec((None, 64, 64, 3)), tf.TensorSpec((None,)))
    dataset = tf.data.Dataset.from_generator(flow, output_signature=signature)
    return (dataset if batch == 1 else dataset.unbatch().batch(batch)).prefetch(tf.data.AUTOTUNE)


def by_directory(train):
    import keras

    return finish(
        keras.utils.image_dataset_from_directory(
            train, image_size=(64, 64), batch_size=BATCH, shuffle=True, seed=0, verbose=False
        ).repeat()
    )


def by_jpegs(path):
    import tensorflow as tf

    features = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}

    def parse(record):
        example = tf.io.parse_single_example(record, features)
        return tf.ensure_shape(tf.io.decode_jpeg(example["image"], channels=3), (64, 64, 3)), example["label"]

    records = tf.data.TFRecordDataset(str(path), buffer_size=1 << 20).shuffle(SHUFFLE, seed=0).repeat()
    return finish(records.map(parse, tf.data.AUTOTUNE).batch(BATCH))


def finish(dataset):
    """Mirror and standardize batches, as the shards' pipeline does."""
    import tensorflow as tf

    def change(batch, seed):
        images, labels = batch
        return tf.image.per_image_standardization(tf.image.stateless_random_flip_left_right(images, seed)), labels

    seeds = tf.data.Dataset.random(seed=0).batch(2)
    return tf.data.Dataset.zip(dataset, seeds).map(change, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def write_jpegs(path, files, labels):
    import numpy as np
    import tensorflow as tf

    with tf.io.TFRecordWriter(str(path)) as writer:
        for i in np.random.default_rng(0).permutation(len(files)):
            image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[files[i].read_bytes()]))
            label = tf.train.Feature(int64_list=tf.train.Int64List(value=[labels[i]]))
            example = tf.train.Example(features=tf.train.Features(feature={"image": image, "label": label}))
            writer.write(example.SerializeToString())
    return path


if __name__ == "__main__":
    main()
