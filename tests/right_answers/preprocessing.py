"""Right answers of other kinds on page 03."""

import keras
import numpy as np
import pandas as pd
import tensorflow as tf
from keras import layers, ops
from sklearn.impute import SimpleImputer
from sklearn.preprocessing import StandardScaler

from exercises import preprocessing as page


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


def with_indicators(fill):
    return lambda train, test: tuple(np.hstack([fill(part, train), np.isnan(part)]) for part in (train, test))


def gaps_by_pandas(train, test):
    train, test = pd.DataFrame(train), pd.DataFrame(test)
    return tuple(pd.concat([part.fillna(train.median()), part.isna()], axis=1) for part in (train, test))


def gaps_by_sklearn(part, train):
    return SimpleImputer(strategy="median").fit(train).transform(part)


def gaps_one_by_one(part, train):
    filled = part.copy()
    for j in range(part.shape[1]):
        known = sorted(train[~np.isnan(train[:, j]), j])
        middle = (known[(len(known) - 1) // 2] + known[len(known) // 2]) / 2
        for i in range(len(part)):
            if part[i, j] != part[i, j]:
                filled[i, j] = middle
    return filled


def functional(core, mean, deviation):
    inputs = keras.Input(core.input_shape[1:])
    return keras.Model(inputs, core(layers.Normalization(mean=mean, variance=deviation**2)(inputs)))


RIGHT = [
    (page.indices_of_words, (4, 2, 1, 3)),
    (page.indices_of_words, np.array([4, 2, 1, 3], np.uint8)),
    (page.indices_of_words, tf.constant([[4, 2, 1, 3]])),
    (page.indices_of_words, pd.Series([4, 2, 1, 3])),
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
    (page.fill_gaps, gaps_by_pandas),
    (page.fill_gaps, with_indicators(gaps_by_sklearn)),
    (page.fill_gaps, with_indicators(gaps_one_by_one)),
    (page.fill_gaps, with_indicators(lambda part, train: np.nan_to_num(part) + np.isnan(part) * np.nanmedian(train, 0))),
    (page.with_raw_input, functional),
]  # fmt: skip
