"""Wrong answers that people give on page 02, and a word of what they are told."""

import numpy as np
import tensorflow as tf
from sklearn.model_selection import train_test_split

from exercises import data as page


def batches(count, last):
    return {"batches": count, "images in the last": last}


def pipeline(build):
    return lambda x, y, n: build(tf.data.Dataset.from_tensor_slices((x, y)), n)


def drawn_with_replacement(x, y, batch_size):
    drawn = np.random.default_rng(0).integers(len(x), size=len(x))
    return tf.data.Dataset.from_tensor_slices((x[drawn], y[drawn])).batch(batch_size).prefetch(1)


def failing_generator(x, y, batch_size):
    def batches():
        yield x, y["label"]

    signature = (tf.TensorSpec((None, 3), tf.float32), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(batches, output_signature=signature)


def split(draw, rest=None):
    """A split whose validation part is what `draw(labels, share, rng)` gives."""

    def stratified_split(labels, share, seed):
        rng = np.random.default_rng(seed)
        validation = draw(labels, share, rng)
        every = np.arange(len(labels))
        return (np.setdiff1d(every, validation) if rest is None else rest(every, validation, rng)), validation

    return stratified_split


def of_each_class(take):
    def draw(labels, share, rng):
        return np.concatenate([take(np.flatnonzero(labels == label), share, rng) for label in np.unique(labels)])

    return draw


def mixed(rows, share, rng):
    return rng.permutation(rows)[: round(share * len(rows))]


def with_mask(labels, share, seed):
    mask = np.zeros(len(labels), bool)
    mask[split(of_each_class(mixed))(labels, share, seed)[1]] = True
    return ~mask, mask


def of_labels(labels, share, seed):
    return tuple(labels[part] * 100 for part in split(of_each_class(mixed))(labels, share, seed))


def without_seed(labels, share, seed):
    return train_test_split(np.arange(len(labels)), test_size=share, stratify=labels)


def weights(weight):
    """For each class `weight(examples, classes, count)`."""

    def balanced(labels):
        classes, counts = np.unique(labels, return_counts=True)
        return {int(label): weight(len(labels), len(classes), count) for label, count in zip(classes, counts)}

    return balanced


def numbered(labels):
    counts = np.unique(labels, return_counts=True)[1]
    return dict(enumerate(len(labels) / (len(counts) * counts)))


WRONG = [
    (page.last_batch, batches("13", "32"), "without quotes"),
    (page.last_batch, [13, 32], "Keep the dictionary"),
    (page.last_batch, batches(16, 40), "whole folder"),
    (page.last_batch, batches(12, 32), "left over"),
    (page.last_batch, batches(13, 64), "not filled up"),
    (page.last_batch, batches(4, 8), "validation part"),
    (page.last_batch, batches(13, 31), "leave over"),
    (page.last_batch, batches(15, 32), "Not 15"),
    (page.training_pipeline, pipeline(lambda d, n: d.batch(n).shuffle(6000).prefetch(1)), "shuffled the batches"),
    (page.training_pipeline, pipeline(lambda d, n: d.batch(n).prefetch(1)), "old order"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(10).batch(n).prefetch(1)), "buffer"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(1000).batch(n).prefetch(1)), "buffer"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).batch(32).prefetch(1)), "not (64, 3)"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).cache().batch(n).prefetch(1)), "same order"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).repeat().batch(n).prefetch(1)), "never ends"),
    (page.training_pipeline, pipeline(lambda d, n: d.repeat(3).shuffle(6000).batch(n)), "more than once"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).batch(n, drop_remainder=True)), "smaller batch"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000)), "no batch"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).batch(n)), "reads ahead"),
    (page.training_pipeline, pipeline(lambda d, n: None), "return"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).prefetch(1).batch(n)), "reads ahead"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).batch(n).take(0).prefetch(1)), "nothing in it"),
    (page.training_pipeline, pipeline(lambda d, n: d.map(lambda x, y: (y, x)).shuffle(6000).batch(n).prefetch(1)), "has the shapes"),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).batch(n).map(lambda x, y: x).prefetch(1)), "pair"),
    (page.training_pipeline, drawn_with_replacement, "come twice"),
    (page.training_pipeline, pipeline(lambda d, n: d.batch(n).map(lambda x, y: (tf.random.shuffle(x), y)).prefetch(1)), "belong together"),
    (page.training_pipeline, failing_generator, "IndexError: only integers"),
    (page.training_pipeline, lambda x, y: None, "Yours takes (x, y)"),
    (page.stratified_split, split(lambda labels, share, rng: rng.permutation(len(labels))[: round(share * len(labels))]), "of a class"),
    (page.stratified_split, split(of_each_class(lambda rows, share, rng: rows[: round(share * len(rows))])), "not drawn at random"),
    (page.stratified_split, split(of_each_class(lambda rows, share, rng: rng.permutation(rows)[: int(share * len(rows))])), "should be 2"),
    (page.stratified_split, split(of_each_class(lambda rows, share, rng: rng.choice(rows, round(share * len(rows))))), "twice"),
    (page.stratified_split, split(of_each_class(mixed), lambda every, validation, rng: every), "in both parts"),
    (page.stratified_split, split(of_each_class(mixed), lambda every, validation, rng: np.setdiff1d(every, validation)[:-5]), "in neither part"),
    (page.stratified_split, lambda labels, share, seed: split(of_each_class(mixed))(labels, share, seed)[::-1], "Return training first"),
    (page.stratified_split, with_mask, "np.flatnonzero"),
    (page.stratified_split, of_labels, "The indices from"),
    (page.stratified_split, without_seed, "The same seed gives another"),
    (page.stratified_split, lambda labels, share, seed: None, "It returns None"),
    (page.balanced, weights(lambda n, k, count: count / n), "other way round"),
    (page.balanced, weights(lambda n, k, count: 1 / count), "not 1"),
    (page.balanced, weights(lambda n, k, count: n / count), "not 1"),
    (page.balanced, weights(lambda n, k, count: 1 - count / n), "weight times count"),
    (page.balanced, numbered, "The classes in the labels"),
    (page.balanced, lambda labels: len(labels) / (3 * np.unique(labels, return_counts=True)[1]), "a dictionary"),
    (page.balanced, {0: 0.5, 1: 10}, "Give a function"),
]  # fmt: skip
