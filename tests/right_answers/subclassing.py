"""Right answers on page 09 that are written otherwise than the solution."""

from types import MappingProxyType

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from exercises import subclassing as page

SEEN = page.what_keras_sees.solution_source()

# --- 2 ------------------------------------------------------------------------------------------


class Scale(layers.Layer):
    """Handed in as the class: calling it makes a layer."""

    def build(self, shape):
        super().build(shape)
        self.gamma = keras.Variable(ops.ones(shape[-1]), name="gamma")

    def call(self, x):
        return tf.einsum("...i,i->...i", x, self.gamma)


def with_a_layer_built_later():
    class Wrapper(layers.Layer):
        def __init__(self):
            super().__init__()
            self.scale = in_a_row()

        def call(self, inputs):
            return self.scale(inputs)

    return Wrapper()


def in_a_row():
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.row = self.add_weight(shape=(1, input_shape[-1]), initializer=keras.initializers.Constant(1.0))
            self.built = True

        def call(self, inputs):
            return ops.multiply(inputs, ops.squeeze(self.row, axis=0))

    return Scale(name="scale")


def from_zero():
    class OnePlus(layers.Layer):
        def build(self, input_shape):
            self.above_one = self.add_weight(shape=input_shape[-1:], initializer="zeros")

        def call(self, inputs):
            return inputs + inputs * self.above_one

    return OnePlus()


def one_weight_a_feature():
    class Scale(layers.Layer):
        def build(self, input_shape):
            self.scales = [self.add_weight(initializer="ones") for _ in range(input_shape[-1])]

        def call(self, inputs):
            features = ops.split(inputs, len(self.scales), axis=-1)
            return ops.concatenate([feature * scale for feature, scale in zip(features, self.scales)], axis=-1)

    return Scale()


def with_a_layer_inside():
    class Scale(layers.Layer):
        def build(self, input_shape):
            features = input_shape[-1]
            self.inner = layers.EinsumDense("ni,i->ni", (features,), kernel_initializer="ones")
            self.inner.build((None, features))

        def call(self, inputs):
            flat = self.inner(ops.reshape(inputs, (-1, inputs.shape[-1])))
            return ops.reshape(flat, ops.shape(inputs))

    return Scale()


# --- 3 ------------------------------------------------------------------------------------------


def made_in_init():
    class Largest(layers.Layer):
        def __init__(self):
            super().__init__()
            self.largest = keras.Variable(1.0, trainable=False)

        def call(self, inputs, training=False):
            if training:
                self.largest.assign(tf.maximum(self.largest.value, tf.reduce_max(tf.abs(inputs))))
            return tf.divide(inputs, self.largest)

    return Largest()


def of_shape_one():
    class Largest(layers.Layer):
        def build(self, input_shape):
            self.seen = self.add_weight(shape=(1, 1), initializer=ops.ones, trainable=False)

        def call(self, x, *, training=None):
            new = ops.max(ops.concatenate([ops.ravel(x), -ops.ravel(x), ops.ravel(self.seen)]))
            self.seen.assign(ops.where(bool(training), ops.reshape(new, (1, 1)), self.seen))
            return x / self.seen[0, 0]

    return Largest()


def with_cond():
    class Largest(layers.Layer):
        def build(self, input_shape):
            self.largest = self.add_weight(initializer="ones")
            self.largest.trainable = False

        def call(self, inputs, training=None):
            if training:
                top = ops.norm(ops.ravel(inputs), ord=np.inf)
                self.largest.assign(ops.cond(top > self.largest, lambda: top, lambda: self.largest + 0))
            return ops.multiply(inputs, ops.reciprocal(self.largest))

    return Largest()


def with_a_layer_that_remembers():
    class Memory(layers.Layer):
        def build(self, input_shape):
            self.largest = self.add_weight(shape=(), initializer="ones", trainable=False)

        def call(self, inputs, training=None):
            if training:
                self.largest.assign(ops.amax([ops.amax(ops.absolute(inputs)), self.largest.value]))
            return ops.convert_to_tensor(self.largest)

    class Largest(layers.Layer):
        def __init__(self):
            super().__init__()
            self.memory = Memory()

        def call(self, inputs):
            return inputs / self.memory(inputs)

    return Largest


# --- 4 ------------------------------------------------------------------------------------------


def of_sequential_branches():
    @keras.saving.register_keras_serializable(package="right_answers")
    class ResidualNet(keras.Model):
        def __init__(self, width, depth, rate, **kwargs):
            super().__init__(**kwargs)
            self.arguments = (width, depth, rate)
            self.branches = [
                keras.Sequential([layers.Dense(width), layers.ReLU(), layers.Dropout(rate)]) for _ in range(depth)
            ]
            self.first, self.last = layers.Dense(width), layers.Dense(10)

        def call(self, x, training=False):
            x = self.first(x)
            for branch in self.branches:
                x = layers.add([x, branch(x, training=training)])
            return self.last(x)

        def get_config(self):
            config = super().get_config()
            config.update(zip(("width", "depth", "rate"), self.arguments))
            return config

    return ResidualNet


def of_blocks_that_draw():
    class Block(layers.Layer):
        def __init__(self, width, rate):
            super().__init__()
            self.dense, self.rate = layers.Dense(width), rate
            self.seed = keras.random.SeedGenerator()

        def call(self, inputs, training=None):
            x = keras.activations.relu(self.dense(inputs))
            return inputs + (keras.random.dropout(x, self.rate, seed=self.seed) if training else x)

    class Net(keras.Model):
        def __init__(self, width, depth, rate, name=None, **others):
            super().__init__(name=name, **others)
            self.settings = {"width": width, "depth": depth, "rate": rate}
            self.steps = [layers.Dense(width), *(Block(width, rate) for _ in range(depth)), layers.Dense(10)]

        def call(self, inputs, training=None):
            for step in self.steps:
                inputs = step(inputs)  # the context tells the blocks of training
            return inputs

        def get_config(self):
            return super().get_config() | self.settings

    return Net


def built_from_functional_parts():
    class ResidualNet(keras.Model):
        def __init__(self, width=32, depth=2, rate=0.1, **kwargs):
            super().__init__(**kwargs)
            self.width, self.depth, self.rate = width, depth, rate

        def build(self, input_shape):
            inputs = keras.Input(input_shape[1:])
            x = layers.Dense(self.width)(inputs)
            for _ in range(self.depth):
                branch = ops.relu(layers.Dropout(self.rate)(layers.Dense(self.width)(x)))
                x = layers.Add()([x, branch])
            self.whole = keras.Model(inputs, layers.Dense(10)(x))

        def call(self, inputs, training=None):
            return self.whole(inputs, training=training)

        def get_config(self):
            return {"width": self.width, "depth": self.depth, "rate": self.rate, "name": self.name}

        @classmethod
        def from_config(cls, config):
            return cls(**config)

    return ResidualNet


RIGHT = [
    (page.what_keras_sees, {line: SEEN[line] for line in reversed(SEEN)}),
    (page.what_keras_sees, {line: f" {word.capitalize()}" for line, word in SEEN.items()}),
    (page.what_keras_sees, MappingProxyType({line: np.str_(word) for line, word in SEEN.items()})),
    (page.scale_layer, Scale),
    (page.scale_layer, with_a_layer_built_later),
    (page.scale_layer, in_a_row),
    (page.scale_layer, from_zero),
    (page.scale_layer, one_weight_a_feature),
    (page.scale_layer, with_a_layer_inside),
    (page.largest_seen, made_in_init),
    (page.largest_seen, of_shape_one),
    (page.largest_seen, with_cond),
    (page.largest_seen, with_a_layer_that_remembers()),
    (page.residual_net, of_sequential_branches),
    (page.residual_net, of_blocks_that_draw),
    (page.residual_net, built_from_functional_parts),
]
