"""Wrong answers that people give on page 02, and a word of what they are told."""

import numpy as np
import tensorflow as tf

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
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).batch(64).prefetch(1)), "not (500, 3)"),
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
    (page.balanced, weights(lambda n, k, count: count / n), "other way round"),
    (page.balanced, weights(lambda n, k, count: 1 / count), "not 1"),
    (page.balanced, weights(lambda n, k, count: n / count), "not 1"),
    (page.balanced, weights(lambda n, k, count: 1 - count / n), "weight times count"),
    (page.balanced, numbered, "The classes in the labels"),
    (page.balanced, lambda labels: len(labels) / (3 * np.unique(labels, return_counts=True)[1]), "a dictionary"),
    (page.balanced, {0: 0.5, 1: 10}, "Give a function"),
]  # fmt: skip
