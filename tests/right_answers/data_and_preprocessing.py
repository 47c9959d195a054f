"""Right answers of other kinds on page 02."""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers, ops
from sklearn.preprocessing import StandardScaler

from exercises import data_and_preprocessing as page


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


def by_sklearn(train, test):
    scaler = StandardScaler().fit(train)
    return scaler.transform(train), scaler.transform(test)


def by_keras(train, test):
    layer = layers.Normalization()
    layer.adapt(train)
    return layer(train), layer(test)


def by_pandas(train, test):
    train, test = pd.DataFrame(train), pd.DataFrame(test)
    return tuple((part - train.mean()).div(train.std().replace(0, 1)) for part in (train, test))


def column_by_column(train, test):
    scaled = [np.zeros(part.shape) for part in (train, test)]
    for j in range(train.shape[1]):
        mean = sum(train[:, j]) / len(train)
        deviation = (sum((train[:, j] - mean) ** 2) / len(train)) ** 0.5
        for part, result in zip((train, test), scaled):
            result[:, j] = (part[:, j] - mean) / max(deviation, 1e-9)
    return scaled


def nan_to_zero(train, test):
    def scale(part):
        return np.nan_to_num(np.divide(part - train.mean(0), train.std(0)))

    return scale(train), scale(test)


def by_rescaling(core, mean, deviation):
    return keras.Sequential([keras.Input((3,)), layers.Rescaling(1 / deviation, -mean / deviation), core])


def by_operations(core, mean, deviation):
    inputs = keras.Input((len(mean),))
    return keras.Model(inputs, core((inputs - mean) / deviation))


def by_operations_of_keras(core, mean, deviation):
    inputs = keras.Input(core.input_shape[1:])
    scaled = ops.divide(ops.subtract(inputs, ops.array(mean, "float32")), ops.array(deviation, "float32"))
    return keras.Model(inputs, core(scaled))


def by_adapting(core, mean, deviation):
    layer = layers.Normalization()
    layer.adapt(np.stack([mean - deviation, mean + deviation]))
    return keras.Sequential([layer, *core.layers])


def by_dense(core, mean, deviation):
    dense = layers.Dense(3, trainable=False)
    model = keras.Sequential([keras.Input((3,)), dense, core])
    dense.set_weights([np.diag(1 / deviation), -mean / deviation])
    return model


def into_the_first_layer(core, mean, deviation):
    model = keras.models.clone_model(core)
    (kernel, bias), *others = [layer.get_weights() for layer in core.layers]
    for layer, weights in zip(model.layers, [[kernel / deviation[:, None], bias - mean / deviation @ kernel], *others]):
        layer.set_weights(weights)
    return model


@keras.saving.register_keras_serializable("tests")
class Standardized(keras.Model):
    def __init__(self, core, mean, deviation, **kwargs):
        super().__init__(**kwargs)
        self.core, self.mean, self.deviation = core, list(map(float, mean)), list(map(float, deviation))

    def call(self, table):
        return self.core((ops.convert_to_tensor(table) - ops.array(self.mean)) / ops.array(self.deviation))

    def get_config(self):
        core = keras.saving.serialize_keras_object(self.core)
        return super().get_config() | {"core": core, "mean": self.mean, "deviation": self.deviation}

    @classmethod
    def from_config(cls, config):
        return cls(keras.saving.deserialize_keras_object(config.pop("core")), **config)


RIGHT = [
    (page.last_batch, {"images in the last": np.int64(32), "batches": np.ceil(800 / 64)}),
    (page.last_batch, dict(zip(["batches", "images in the last"], np.array([13, 32])))),
    (page.last_batch, {"batches": tf.data.Dataset.range(800).batch(64).cardinality(), "images in the last": 800 % 64}),
    (page.indices_of_words, (4, 2, 1, 3)),
    (page.indices_of_words, np.array([4, 2, 1, 3], np.uint8)),
    (page.indices_of_words, tf.constant([[4, 2, 1, 3]])),
    (page.indices_of_words, pd.Series([4, 2, 1, 3])),
    (page.training_pipeline, with_options),
    (page.training_pipeline, of_two),
    (page.training_pipeline, of_indices),
    (page.training_pipeline, of_a_generator),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(6000).repeat(1).batch(n, num_parallel_calls=2).apply(prefetch))),
    (page.training_pipeline, pipeline(lambda d, n: d.shuffle(5003).batch(n).prefetch(2).map(lambda x, y: (x, y)))),
    (page.standardize, by_sklearn),
    (page.standardize, by_keras),
    (page.standardize, by_pandas),
    (page.standardize, column_by_column),
    (page.standardize, nan_to_zero),
    (page.standardize, lambda train, test: [(p - train.mean(0)) / (train.std(0) + 1e-8) for p in (train, test)]),
    (page.with_raw_input, by_rescaling),
    (page.with_raw_input, by_operations),
    (page.with_raw_input, by_operations_of_keras),
    (page.with_raw_input, by_adapting),
    (page.with_raw_input, by_dense),
    (page.with_raw_input, into_the_first_layer),
    (page.with_raw_input, Standardized),
]  # fmt: skip
