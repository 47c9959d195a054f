"""Right answers on page 14 that are written otherwise than the solution."""

import csv
import functools
import io
import math
import random

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers

from exercises import resnet as page

# --- 1 ------------------------------------------------------------------------------------------


def counted_by_keras():
    blocks = []
    for filters, kernel in ((64, 1), (64, 3), (256, 1)):
        blocks += [layers.BatchNormalization(), layers.Conv2D(filters, kernel, padding="same", use_bias=False)]
    return keras.Sequential([keras.Input((8, 8, 256)), *blocks]).count_params()


# --- 2 ------------------------------------------------------------------------------------------


def by_a_schedule(step, images, batch_size):
    boundary = 64 * math.ceil(images / batch_size) - 1
    return keras.optimizers.schedules.PiecewiseConstantDecay([boundary], [0.01, 0.001])(step)


def by_powers(step, images, batch_size):
    steps_per_epoch = (images + batch_size - 1) // batch_size
    return 10.0 ** (-2 - (step >= 64 * steps_per_epoch))


def by_tensors(step, images, batch_size):
    epoch = step // int(np.ceil(images / batch_size))
    return tf.where(epoch < 64, 0.01, 0.001)


def by_numpy(n, of, at_once):
    return np.where(n < 64 * -(-of // at_once), 1e-2, 1e-3)


class Rate:
    def __init__(self, first, epochs):
        self.first, self.epochs = first, epochs

    def __call__(self, step, images, batch_size):
        return self.first / 10 if step // -(-images // batch_size) >= self.epochs else self.first


# --- 3 ------------------------------------------------------------------------------------------


def by_pandas(annotations, wnids):
    table = pd.read_csv(io.StringIO(annotations), sep="\t", header=None, usecols=[0, 1]).sort_values(0)
    return pd.Categorical(table[1], categories=sorted(wnids)).codes


def by_csv(annotations, wnids):
    rows = sorted(row[:2] for row in csv.reader(io.StringIO(annotations), delimiter="\t"))
    wnids.sort()
    return (wnids.index(wnid) for _, wnid in rows)


def into_zeros(annotations, wnids):
    lines = sorted(annotations.split("\n")[:-1])
    labels = np.zeros(len(lines))
    for i, line in enumerate(lines):
        labels[i] = np.searchsorted(np.sort(wnids), line.split()[1])
    return labels


def by_a_lookup_of_keras(annotations, wnids):
    lookup = layers.StringLookup(vocabulary=sorted(wnids), num_oov_indices=0)
    return lookup([line.split("\t")[1] for line in sorted(annotations.splitlines())])


# --- 4 ------------------------------------------------------------------------------------------


def as_one_matrix(jacobians, gradient):
    whole = np.eye(len(gradient))
    for J in jacobians:
        whole = (np.eye(len(J)) + J) @ whole
    return whole.T @ gradient


def recursively(jacobians, gradient):
    if not len(jacobians):
        return gradient
    first, *others = jacobians
    behind = recursively(others, gradient)
    return behind + behind @ first


def folded(jacobians, gradient):
    return functools.reduce(lambda g, J: g + np.einsum("ij,i->j", J, g), jacobians[::-1], gradient)


def by_multi_dot(jacobians, gradient):
    return np.linalg.multi_dot([gradient, *(J + np.eye(3) for J in np.asarray(jacobians)[::-1])])


def in_float32(jacobians, gradient):
    gradient = tf.constant(gradient, tf.float32)
    for J in reversed(jacobians):
        gradient += tf.linalg.matvec(tf.constant(J, tf.float32), gradient, transpose_a=True)
    return gradient


def by_a_tape(jacobians, gradient):
    x = tf.zeros(3, tf.float64)
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = x
        for J in jacobians:
            y = y + tf.linalg.matvec(J, y)
    return tape.gradient(y, x, output_gradients=tf.constant(gradient))


# --- 5 ------------------------------------------------------------------------------------------


def by_the_standard_library(count, seed, epoch):
    order = list(range(count))
    random.Random(f"{seed}-{epoch}").shuffle(order)
    return order


def by_tensorflow(count, seed, epoch):
    return tf.random.experimental.stateless_shuffle(tf.range(count), seed=[seed, epoch])


def drawn_epoch_by_epoch(count, seed, epoch):
    generator = np.random.default_rng(seed)
    for _ in range(epoch):
        generator.permutation(count)
    return generator.permutation(count)


def spawned(count, seed, epoch):
    sequence = np.random.SeedSequence(seed, spawn_key=(epoch,))
    return iter(np.argsort(np.random.Generator(np.random.Philox(sequence)).random(count)))


def from_a_hash_of_numbers(count, seed, epoch):
    return np.random.default_rng(abs(hash((seed, epoch)))).permutation(count)


def seeding_everything(count, seed, epoch):
    np.random.seed(1000 * seed + epoch)
    return np.random.permutation(count).tolist()


RIGHT = [
    (page.parameters_of_a_bottleneck, counted_by_keras()),
    (page.parameters_of_a_bottleneck, np.float64(71_168)),
    (page.parameters_of_a_bottleneck, tf.constant(71_168)),
    (page.rate_of_a_step, by_a_schedule),
    (page.rate_of_a_step, by_powers),
    (page.rate_of_a_step, by_tensors),
    (page.rate_of_a_step, by_numpy),
    (page.rate_of_a_step, Rate(0.01, 64)),
    (page.labels_in_keras_order, by_pandas),
    (page.labels_in_keras_order, by_csv),
    (page.labels_in_keras_order, into_zeros),
    (page.labels_in_keras_order, by_a_lookup_of_keras),
    (page.back_through_blocks, as_one_matrix),
    (page.back_through_blocks, recursively),
    (page.back_through_blocks, folded),
    (page.back_through_blocks, by_multi_dot),
    (page.back_through_blocks, in_float32),
    (page.back_through_blocks, by_a_tape),
    (page.order_of_an_epoch, by_the_standard_library),
    (page.order_of_an_epoch, by_tensorflow),
    (page.order_of_an_epoch, drawn_epoch_by_epoch),
    (page.order_of_an_epoch, spawned),
    (page.order_of_an_epoch, from_a_hash_of_numbers),
    (page.order_of_an_epoch, seeding_everything),
]
