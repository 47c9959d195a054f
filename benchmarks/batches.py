"""How fast DatasetSequence and batched_dataset bring batches, measured in turns in one run.

    python -m benchmarks.batches

Both get the same arrays and the same functions, a scaling to [0, 1] and, in half of the rows, an
affine augmentation on top. They are read alone, and by `fit` of a small network.
"""

import argparse
import functools
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import tensorflow as tf

from text_recognizer.augmentation import RandomAffine
from text_recognizer.datasets import Emnist
from text_recognizer.models.character_model import scale
from text_recognizer.networks import mlp
from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset
from text_recognizer.training.profile import measure

BATCH_SIZE = 64


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--rounds", type=int, default=5, help="of which the median counts (default: 5)")
    rounds = parser.parse_args().rounds
    data = Emnist()
    layer = RandomAffine()
    print(f"{data.describe()}; an epoch of the first in batches of {BATCH_SIZE}, shuffled")
    print(f"TensorFlow {tf.__version__}, Keras {keras.__version__}, {os.cpu_count()} cores, {rounds} rounds in turns\n")
    print(f"{'seconds':<34}{'DatasetSequence':>16}{'batched_dataset':>16}{'ratio':>8}")
    for augmented, augment_fn in (("", None), (", augmented", lambda x, y: (layer(x, training=True), y))):
        options = {"format_fn": scale, "augment_fn": augment_fn, "shuffle": True}
        forms = [make(data.x_train, data.y_train, BATCH_SIZE, **options) for make in (DatasetSequence, batched_dataset)]
        for name, epoch in (("batches alone", read), ("fit of an mlp", fit(data))):
            slow, fast = measure(dict(enumerate(functools.partial(epoch, form) for form in forms)), rounds).values()
            print(f"{name + augmented:<34}{slow:>16.2f}{fast:>16.2f}{slow / fast:>8.1f}")


def read(batches):
    for _ in batches:
        pass


def fit(data):
    network = mlp(data.input_shape, data.output_shape)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return functools.partial(network.fit, shuffle=False, verbose=0)


if __name__ == "__main__":
    main()
