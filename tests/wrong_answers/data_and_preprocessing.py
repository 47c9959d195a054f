"""Wrong answers that people give on page 02, and a word of what they are told."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from exercises import data_and_preprocessing as page


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


def scaled_by(mean, deviation):
    return lambda train, test: tuple((part - mean(train, test)) / deviation(train, test) for part in (train, test))


def safe(deviation):
    return np.where(deviation == 0, 1, deviation)


def both(train, test):
    return np.concatenate([train, test])


def in_place(train, test):
    mean, deviation = train.mean(axis=0), safe(train.std(axis=0))
    for part in (train, test):
        part -= mean
        part /= deviation
    return train, test


def raw_input(layer):
    def with_raw_input(core, mean, deviation):
        inputs = keras.Input(core.input_shape[1:])
        return keras.Model(inputs, core(layer(mean, deviation)(inputs)))

    return with_raw_input


def constant_as_it_was(train, test):
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return tuple(np.divide(p - mean, deviation, out=p.copy(), where=deviation > 0) for p in (train, test))


def into_core_itself(core, mean, deviation):
    kernel, bias = core.layers[0].get_weights()
    core.layers[0].set_weights([kernel / deviation[:, None], bias - mean / deviation @ kernel])
    return keras.Model(core.inputs, core.outputs)


def without_core(core, mean, deviation):
    inputs = keras.Input(core.input_shape[1:])
    return keras.Model(inputs, layers.Normalization(mean=mean, variance=deviation**2)(inputs))


WRONG = [
    (page.last_batch, batches("13", "32"), "without quotes"),
    (page.last_batch, [13, 32], "Keep the dictionary"),
    (page.last_batch, batches(16, 40), "whole folder"),
    (page.last_batch, batches(12, 32), "left over"),
    (page.last_batch, batches(13, 64), "not filled up"),
    (page.last_batch, batches(4, 8), "validation part"),
    (page.last_batch, batches(13, 31), "leave over"),
    (page.last_batch, batches(15, 32), "Not 15"),
    (page.indices_of_words, [2, 0, 1], "counted from 0"),
    (page.indices_of_words, [4, 2, 0, 3], "0 is for padding"),
    (page.indices_of_words, [4, 2, 3], "not left out"),
    (page.indices_of_words, [1, 1, 1, 3], "Capitals"),
    (page.indices_of_words, [2, 4, 1, 3], "keeps its order"),
    (page.indices_of_words, [1, 2, 3, 4, 5], "Four words"),
    (page.indices_of_words, [4, 3, 1, 2], "from 0"),
    (page.indices_of_words, ["blue", "red", "[UNK]", "green"], "without quotes"),
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
    (page.standardize, scaled_by(lambda a, b: a.mean(axis=0), lambda a, b: a.std(axis=0)), "constant"),
    (page.standardize, scaled_by(lambda a, b: both(a, b).mean(0), lambda a, b: safe(both(a, b).std(0))), "leak"),
    (page.standardize, scaled_by(lambda a, b: a.mean(), lambda a, b: a.std()), "axis"),
    (page.standardize, scaled_by(lambda a, b: a.mean(axis=0), lambda a, b: safe(a.var(axis=0))), "square root"),
    (page.standardize, lambda a, b: tuple((p - p.mean(0)) / safe(p.std(0)) for p in (a, b)), "by itself"),
    (page.standardize, lambda a, b: ((a - a.mean(0)) / safe(a.std(0)), b), "same two numbers"),
    (page.standardize, lambda a, b: (a - a.mean(0), b - a.mean(0)), "deviation 1"),
    (page.standardize, constant_as_it_was, "constant column should get mean 0"),
    (page.standardize, in_place, "were changed"),
    (page.standardize, lambda train, test: None, "It returns None"),
    (page.standardize, lambda train, test: (train.mean(0), train.std(0)), "shapes are (4,)"),
    (page.with_raw_input, raw_input(lambda m, d: layers.Normalization(mean=m, variance=d)), "variance"),
    (page.with_raw_input, raw_input(lambda m, d: layers.Normalization()), "given its state"),
    (page.with_raw_input, raw_input(lambda m, d: layers.Lambda(lambda x: (x - m) / d)), "Lambda"),
    (page.with_raw_input, lambda core, mean, deviation: core, "core itself"),
    (page.with_raw_input, into_core_itself, "core itself was changed"),
    (page.with_raw_input, without_core, "core must come last"),
    (page.with_raw_input, lambda core, mean, deviation: core(mean / deviation), "It returns a"),
    (page.with_raw_input, raw_input(lambda m, d: layers.Rescaling(1 / d, -m)), "does not give"),
]  # fmt: skip
