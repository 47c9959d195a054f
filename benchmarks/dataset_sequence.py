"""How fast DatasetSequence and as_tf_data bring batches, measured in turns in one run.

    python -m benchmarks.dataset_sequence

Both get the same arrays and the same functions, a scaling to [0, 1] and, in half of the rows, an
affine augmentation on top. They are read alone, and by `fit` of a small network.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from text_recognizer.augmentation import random_affine
from text_recognizer.pipelines.arrays import DatasetSequence, as_tf_data
from text_recognizer.datasets.emnist import EmnistDataset
from text_recognizer.networks.mlp import mlp

BATCH_SIZE = 64
ROUNDS = 5


def main():
    data = EmnistDataset()
    print(f"{data.describe()}; an epoch of the first in batches of {BATCH_SIZE}, shuffled")
    print(
        f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {os.cpu_count()} cores; best of {ROUNDS}, in turns\n"
    )
    print(f"{'seconds':<34}{'DatasetSequence':>16}{'as_tf_data':>12}{'ratio':>8}")
    for augmented in ("", ", augmented"):
        arguments = {"format_fn": scale, "augment_fn": random_affine() if augmented else None, "shuffle": True}
        batches = [make(data.x_train, data.y_train, BATCH_SIZE, **arguments) for make in (DatasetSequence, as_tf_data)]
        for name, epoch in (("batches alone", read), ("fit of an mlp", fit(data))):
            slow, fast = best(epoch, batches)
            print(f"{name + augmented:<34}{slow:>16.2f}{fast:>12.2f}{slow / fast:>8.1f}")


def scale(x, y):
    return keras.ops.cast(x, "float32") / 255, y


def read(batches):
    for _ in batches:
        pass


def fit(data):
    network = mlp(data.input_shape, data.output_shape)
    network.compile("adam", "categorical_crossentropy")
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
