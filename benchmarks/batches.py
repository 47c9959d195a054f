"""How fast DatasetSequence and batched_dataset bring batches, measured in turns in one run.

    python -m benchmarks.batches

Both get the same arrays and the same functions, a scaling to [0, 1] and, in half of the rows, an
affine augmentation on top. They are read alone, and by `fit` of a small network.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from text_recognizer.augmentation import RandomAffine
from text_recognizer.datasets import Emnist
from text_recognizer.networks import mlp
from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset

BATCH_SIZE = 64
ROUNDS = 5


def main():
    data = Emnist()
    layer = RandomAffine()
    print(f"{data.describe()}; an epoch of the first in batches of {BATCH_SIZE}, shuffled")
    print(
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {os.cpu_count()} cores; best of {ROUNDS}, in turns\n"
    )
    print(f"{'seconds':<34}{'DatasetSequence':>16}{'batched_dataset':>16}{'ratio':>8}")
    for augmented, augment_fn in (("", None), (", augmented", lambda x, y: (layer(x, training=True), y))):
        arguments = {"format_fn": scale, "augment_fn": augment_fn, "shuffle": True}
        batches = [
            make(data.x_train, data.y_train, BATCH_SIZE, **arguments) for make in (DatasetSequence, batched_dataset)
        ]
        for name, epoch in (("batches alone", read), ("fit of an mlp", fit(data))):
            slow, fast = best(epoch, batches)
            print(f"{name + augmented:<34}{slow:>16.2f}{fast:>16.2f}{slow / fast:>8.1f}")


def scale(x, y):
    return keras.ops.cast(x, "float32") / 255, y


def read(batches):
    for _ in batches:
        pass


def fit(data):
    network = mlp(data.input_shape, data.output_shape)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return lambda batches: network.fit(batches, shuffle=False, verbose=0)


def best(epoch, candidates):
    """Return the least seconds that each candidate takes, after one epoch to warm up."""
    seconds = [[] for _ in candidates]
    for _ in range(ROUNDS + 1):
        for candidate, measured in zip(candidates, seconds):
            start = time.perf_counter()
            epoch(candidate)
            measured.append(time.perf_counter() - start)
    return [min(measured[1:]) for measured in seconds]


if __name__ == "__main__":
    main()
