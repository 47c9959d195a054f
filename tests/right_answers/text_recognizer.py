"""Right answers on page 12 that are written otherwise than the solution."""

import functools
import re

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers

from exercises import text_recognizer as page
from text_recognizer.networks.mlp import mlp

# --- 2 ------------------------------------------------------------------------------------------


def by_tensorflow(images, labels):
    return tf.image.convert_image_dtype(images, tf.float32), labels


def by_dividing_tensors(x, y):
    return keras.ops.divide(keras.ops.convert_to_tensor(x), 255.0), y


def by_kind(x, y):
    if isinstance(x, np.ndarray):
        return x / np.float32(255), y
    return tf.cast(x, tf.float32) * (1 / 255), y


class Scale:
    def __init__(self):
        self.rescale = layers.Rescaling(1 / 255)

    def __call__(self, x, y):
        return (self.rescale(x), y)


# --- 3 ------------------------------------------------------------------------------------------


def with_a_loop(best_path):
    labels, before = [], 0
    for label in best_path:
        if label not in (before, 0):
            labels.append(label)
        before = label
    return tuple(labels)


def by_numpy(best_path):
    path = np.asarray(best_path, int)
    return path[(np.diff(path, prepend=-1) != 0) & (path != 0)]


def by_pandas(best_path):
    path = pd.Series(best_path, dtype=float)
    return path[(path != path.shift()) & (path > 0)]


def by_tensors(best_path):
    path = tf.constant(best_path, tf.int64)
    before = tf.concat([[-1], path], axis=0)[:-1]
    return tf.boolean_mask(path, (path != before) & (path != 0))


def in_turn(best_path):
    before = None
    for label in best_path:
        if label != before and label:
            yield label
        before = label


def as_characters(best_path):
    text = "".join(chr(label) for label in best_path)
    return [ord(c) for c in re.sub(r"(.)\1+", r"\1", text, flags=re.DOTALL) if c != "\0"]


# --- 4 ------------------------------------------------------------------------------------------


def by_chance(labels, fraction):
    chosen = []
    for label, count in zip(*np.unique(labels, return_counts=True)):
        size = max(1, int(np.floor(count * fraction)))
        chosen.append(np.random.choice(np.where(labels == label)[0], size, replace=False))
    return np.sort(np.hstack(chosen))


def by_rank_within_the_class(labels, fraction):
    labels = pd.Series(labels)
    size = (labels.map(labels.value_counts()) * fraction).astype(int).clip(lower=1)
    return labels.index[labels.groupby(labels).cumcount() < size]


def by_a_mask(labels, fraction):
    kept = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        kept[np.flatnonzero(labels == label)[: max(1, int(fraction * np.sum(labels == label)))]] = True
    return np.nonzero(kept)


def with_a_dictionary(labels, fraction):
    places = {}
    for place, label in enumerate(labels):
        places.setdefault(int(label), []).append(place)
    return [place for of_class in places.values() for place in of_class[-max(1, int(fraction * len(of_class))) :]]


def by_tensorflow_places(labels, fraction):
    rows = []
    for label in tf.unique(labels).y:
        places = tf.where(labels == label)[:, 0]
        rows.append(places[: max(1, int(len(places) * fraction))])
    return tf.concat(rows, axis=0)


# --- 5 ------------------------------------------------------------------------------------------


def in_a_table_of_floats(a, b):
    table = np.zeros((len(a) + 1, len(b) + 1))
    table[:, 0], table[0] = np.arange(len(a) + 1), np.arange(len(b) + 1)
    for i in range(1, len(a) + 1):
        for j in range(1, len(b) + 1):
            replaced = table[i - 1, j - 1] + (a[i - 1] != b[j - 1])
            table[i, j] = min(table[i - 1, j] + 1, table[i, j - 1] + 1, replaced)
    return table[-1, -1]


def recursively(a, b):
    @functools.cache
    def distance(i, j):
        if not i or not j:
            return i + j
        if a[i - 1] == b[j - 1]:
            return distance(i - 1, j - 1)
        return 1 + min(distance(i - 1, j), distance(i, j - 1), distance(i - 1, j - 1))

    return distance(len(a), len(b))


def by_shortest_path(a, b):
    """Breadth first through the pairs of beginnings: after each edit, all equal characters are passed for nothing."""

    def slide(i, j):
        while i < len(a) and j < len(b) and a[i] == b[j]:
            i, j = i + 1, j + 1
        return i, j

    reached, edits = {slide(0, 0)}, 0
    while (len(a), len(b)) not in reached:
        steps = {(i + di, j + dj) for i, j in reached for di, dj in ((1, 0), (0, 1), (1, 1))}
        reached = {slide(i, j) for i, j in steps if i <= len(a) and j <= len(b)}
        edits += 1
    return edits


def by_rows_of_arrays(a, b):
    places = np.arange(len(b) + 1)
    row, letters = places, np.array(list(b))
    for i, letter in enumerate(a, start=1):
        above = np.r_[i, np.minimum(row[1:] + 1, row[:-1] + (letters != letter))]
        row = np.minimum.accumulate(above - places) + places
    return tf.constant(row)[-1]


RIGHT = [
    (page.parameters_of_mlp, mlp((28, 28), (62,), layer_size=256, num_layers=2).count_params()),
    (page.parameters_of_mlp, np.array(282_686)),
    (page.parameters_of_mlp, sum(tf.size(w) for w in mlp((28, 28), (62,), layer_size=256, num_layers=2).weights)),
    (page.format_batch, by_tensorflow),
    (page.format_batch, by_dividing_tensors),
    (page.format_batch, by_kind),
    (page.format_batch, Scale()),
    (page.read_a_path, with_a_loop),
    (page.read_a_path, by_numpy),
    (page.read_a_path, by_pandas),
    (page.read_a_path, by_tensors),
    (page.read_a_path, in_turn),
    (page.read_a_path, as_characters),
    (page.keep_every_class, by_chance),
    (page.keep_every_class, by_rank_within_the_class),
    (page.keep_every_class, by_a_mask),
    (page.keep_every_class, with_a_dictionary),
    (page.keep_every_class, by_tensorflow_places),
    (page.edits, in_a_table_of_floats),
    (page.edits, recursively),
    (page.edits, by_shortest_path),
    (page.edits, by_rows_of_arrays),
]
