"""A training run of seconds: a small ResNet on a few images of the sample."""

import dataclasses

import h5py
import numpy as np

from text_recognizer.recipes.resnet_configuration import SAMPLE

CONFIGURATION = dataclasses.replace(
    SAMPLE, classes=4, filters=16, levels=(1,), batch_size=12, shuffle=32, shards=2, epochs=3, initial_rate=0.01, seed=1
)
IMAGES_PER_CLASS = 10  # 8 to train on: batches of 12, 12 and 8


def command(folder, *more):
    """The arguments of `python -m text_recognizer resnet` for this run."""
    names = ("classes", "filters", "batch_size", "shuffle", "shards", "epochs", "initial_rate", "seed")
    constants = [f"--{name.replace('_', '-')}={getattr(CONFIGURATION, name)}" for name in names]
    return [f"--folder={folder}", f"--images-per-class={IMAGES_PER_CLASS}", "--levels=1", *constants, *more]


def arrays(checkpoint):
    """All arrays of a checkpoint by their path: weights, moving statistics, momentum."""
    found = {}

    def collect(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f":
            found[name] = item[()]

    with h5py.File(checkpoint) as file:
        file.visititems(collect)
    return found


def largest_difference(one, other):
    """The largest difference of two checkpoints' arrays."""
    one, other = arrays(one), arrays(other)
    assert one.keys() == other.keys() and len(one) > 50
    return max(np.abs(one[name] - other[name]).max() for name in one)
