"""Right answers of other kinds on page 02."""

from collections import Counter

import numpy as np
import pandas as pd
import tensorflow as tf
from sklearn.utils.class_weight import compute_class_weight

from exercises import data as page


def pipeline(build):
    return lambda x, y, n: build(tf.data.Dataset.from_tensor_slices((x, y)), n)


def prefetch(dataset):
    return dataset.prefetch(tf.data.AUTOTUNE)


def with_options(x, y, batch_size):
    options = tf.data.Options()
    options.deterministic = True
    dataset = tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(y)).batch(batch_size)
    return dataset.prefetch(1).with_options(options)


def of_two(x, y, batch_size):
    both = tf.data.Dataset.zip(tuple(map(tf.data.Dataset.from_tensor_slices, (x, y))))
    return both.cache().shuffle(both.cardinality(), seed=0).batch(batch_size).prefetch(2)


def of_indices(x, y, batch_size):
    indices = tf.data.Dataset.range(len(x)).shuffle(10 * len(x)).batch(batch_size)
    return prefetch(indices.map(lambda i: (tf.gather(x, i), tf.gather(y, i)), num_parallel_calls=tf.data.AUTOTUNE))


def of_a_generator(x, y, batch_size):
    def batches():
        order = np.random.permutation(len(x))
        for i in range(0, len(x), batch_size):
            yield x[order[i : i + batch_size]], y[order[i : i + batch_size]]

    signature = (tf.TensorSpec((None, 3), tf.float32), tf.TensorSpec((None,), tf.int64))
    return tf.data.Dataset.from_generator(batches, output_signature=signature).prefetch(1)


def balanced_by_sklearn(labels):
    classes = np.unique(labels)
    return dict(zip(classes, compute_class_weight("balanced", classes=classes, y=labels)))


def balanced_by_counter(labels):
    counts = Counter(labels.tolist())
    return {label: len(labels) / len(counts) / counts[label] for label in counts}


def balanced_by_pandas(labels):
    inverse = 1 / pd.Series(labels).value_counts()
    return (inverse * len(labels) / len(inverse)).to_dict()


def balanced_by_mean(labels):
    weights = {int(label): 1 / np.mean(labels == label) for label in set(labels)}
    mean = np.mean([weights[int(label)] for label in labels])
    return {label: tf.constant(weight / mean) for label, weight in weights.items()}


RIGHT = [
    (page.last_batch, {"images in the last": np.int64(32), "batches": np.ceil(800 / 64)}),
    (page.last_batch, dict(zip(["batches", "images in the last"], np.array([13, 32])))),
    (page.last_batch, {"batches": tf.data.Dataset.range(800).batch(64).cardinality(), "images in the last": 800 % 64}),
    (page.training_pipeline, with_options),
    (page.training_pipeline, of_two),
    (page.training_pipeline, of_indices),
    (page.training_pipeline, of_a_generator),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).repeat(1).batch(n, num_parallel_calls=2).apply(prefetch))),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(5003).batch(n).prefetch(2).map(lambda x, y: (x, y)))),
    (page.balanced, balanced_by_sklearn),
    (page.balanced, balanced_by_counter),
    (page.balanced, balanced_by_pandas),
    (page.balanced, balanced_by_mean),
]  # fmt: skip
