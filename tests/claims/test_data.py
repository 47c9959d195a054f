"""Controls of what page 02 says about causes: order, class weights."""

import functools

import keras
import numpy as np
import tensorflow as tf
from keras import layers
from sklearn.model_selection import train_test_split

from tests.claims.control import batches, long, pairs
from text_recognizer.datasets import Digits


@functools.cache
def digits():
    """The 1,340 and 200 images of the page."""
    x, y = Digits("sample").x_train, Digits("sample").y_train
    return train_test_split(x, y, test_size=200, stratify=y, random_state=0)


def trained(stream, epochs=3):
    """The validation loss and accuracy of the page's network after a training on a stream."""
    dense = [layers.Dense(128, "relu"), layers.Dense(128, "relu"), layers.Dense(10, "softmax")]
    model = keras.Sequential([keras.Input((28, 28)), layers.Rescaling(1 / 255), layers.Flatten(), *dense])
    model.compile("adam", loss="sparse_categorical_crossentropy")
    model.fit(stream, epochs=epochs, shuffle=False, verbose=0)
    _, x_val, _, y_val = digits()
    p = np.asarray(model(x_val))
    return -np.mean(np.log(p[np.arange(len(p)), y_val])), np.mean(p.argmax(axis=-1) == y_val)


def by_label(buffer):
    """Called with a seed: a training on the digits sorted by label, shuffled within a buffer."""
    x, _, y, _ = digits()
    order = np.argsort(y, kind="stable")
    dataset = tf.data.Dataset.from_tensor_slices((x[order], y[order]))
    return lambda seed: trained(dataset.shuffle(buffer, seed=seed).batch(32))


def dealt(seed):
    """A training on the digits taken from ten classes in turn, shuffled within a buffer of 32."""
    x, _, y, _ = digits()

    def of_class(label):
        mine = y == label
        return tf.data.Dataset.from_tensor_slices((tf.boolean_mask(x, mine), tf.boolean_mask(y, mine)))

    turns = tf.data.Dataset.range(10).interleave(of_class, cycle_length=10)
    turns = turns.apply(tf.data.experimental.assert_cardinality(len(x)))
    return trained(turns.shuffle(32, seed=seed).batch(32))


@long
def test_a_short_buffer_over_sorted_labels_spoils_training_and_interleave_does_not():
    one_batch, all_data = np.moveaxis(pairs(by_label(32), by_label(1340), range(5)), 1, 0)
    third, in_turn = np.moveaxis(pairs(by_label(320), dealt, range(5)), 1, 0)
    print(one_batch, third, all_data, in_turn, sep="\n\n")
    # the page: in 5 of 5
    assert np.sum(one_batch[:, 1] < 0.6) >= 4 and np.sum(all_data[:, 1] > 0.9) >= 4
    assert np.sum((one_batch[:, 1] < third[:, 1]) & (third[:, 1] < all_data[:, 1])) >= 4
    assert np.sum(in_turn[:, 1] > 0.9) >= 4


@long
def test_the_same_batches_in_every_epoch_made_no_difference_to_a_small_network():
    x, _, y, _ = digits()

    def same(seed):
        dataset = tf.data.Dataset.from_tensor_slices((x, y))
        return trained(dataset.shuffle(len(x), seed=seed, reshuffle_each_iteration=False).batch(32), 10)

    results = pairs(same, lambda seed: trained(batches(x, y, seed), 10), range(8))
    print(results)
    means = results[:, :, 1].mean(axis=0)  # of the validation accuracy; the page: 0.98 and 0.98
    assert abs(means[1] - means[0]) < 0.01 and means.min() > 0.965


@functools.cache
def eights():
    """The page's 800 images, of which 40 are an 8, and the 660 to check with."""
    x, is_eight = Digits("sample").x_train, Digits("sample").y_train == 8
    rng = np.random.default_rng(0)
    rare, others = rng.permutation(np.flatnonzero(is_eight)), rng.permutation(np.flatnonzero(~is_eight))
    rows, held_out = (np.concatenate(parts) for parts in ([rare[:40], others[:760]], [rare[40:73], others[760:1387]]))
    return x[rows], is_eight[rows].astype("int64"), x[held_out], is_eight[held_out]


WEIGHTS = {0: 800 / (2 * 760), 1: 800 / (2 * 40)}


def yes_no():
    stack = [layers.Rescaling(1 / 255), layers.Flatten(), layers.Dense(32, "relu"), layers.Dense(1, "sigmoid")]
    model = keras.Sequential([keras.Input((28, 28)), *stack])
    model.compile(keras.optimizers.Adam(0.003), loss="binary_crossentropy")
    return model


def asked(class_weight):
    """Called with a seed: what a model says of each image to check with, the probability of an 8."""

    def train(seed):
        x, y, x_check, _ = eights()
        model = yes_no()
        model.fit(batches(x, y, seed), epochs=8, shuffle=False, class_weight=class_weight, verbose=0)
        return np.asarray(model(x_check))[:, 0]

    return train


def recall_and_precision(says_yes):
    is_rare = eights()[3]
    found = np.sum(says_yes & is_rare)
    return found / is_rare.sum(), found / max(says_yes.sum(), 1)


@long
def test_class_weights_raise_recall_and_lower_precision_and_a_lower_threshold_does_nearly_the_same():
    results = pairs(asked(None), asked(WEIGHTS), range(10))
    plain, weighted = (np.array([recall_and_precision(p > 0.5) for p in results[:, i]]) for i in (0, 1))
    # the plain model says yes as often as the weighted one, by a lower threshold
    often = np.sum(results[:, 1] > 0.5, axis=1)
    lowered = np.array([recall_and_precision(p >= np.sort(p)[-n]) for p, n in zip(results[:, 0], often)])
    print(np.round(np.hstack([plain, weighted, lowered]), 2))
    assert np.sum(weighted[:, 0] > plain[:, 0]) >= 9  # the page: 10 of 10
    assert np.sum(weighted[:, 1] < plain[:, 1]) >= 9
    assert np.mean(lowered[:, 0]) > np.mean(plain[:, 0]) + 0.2
    assert abs(np.mean(weighted[:, 0] - lowered[:, 0])) < 0.06


def test_validation_data_gets_no_class_weights():
    x, y, _, _ = eights()
    keras.utils.set_random_seed(0)
    model = yes_no()
    history = model.fit(x, y, batch_size=800, class_weight=WEIGHTS, validation_data=(x, y), verbose=0).history
    p = np.asarray(model(x))[:, 0]
    plain = -np.log(np.where(y == 1, p, 1 - p))
    assert np.isclose(history["val_loss"][0], plain.mean(), rtol=1e-3)
    assert not np.isclose(history["val_loss"][0], np.mean(plain * np.where(y == 1, WEIGHTS[1], WEIGHTS[0])), rtol=0.01)
