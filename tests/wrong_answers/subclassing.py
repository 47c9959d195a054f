"""Wrong answers that people give on page 09, and a word of what they are told."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from exercises import subclassing as page

SEEN = page.what_keras_sees.solution_source()


def seen(letter, given):
    return {line: given if line.startswith(f"self.{letter}") else right for line, right in SEEN.items()}


# --- 2 ------------------------------------------------------------------------------------------


def scale(shape=lambda s: (s[-1],), call=None, weight=None, **kwargs):
    def make_scale():
        class Scale(layers.Layer):
            def build(self, input_shape):
                settings = {"initializer": "ones", **kwargs}
                self.scale = weight(input_shape) if weight else self.add_weight(shape=shape(input_shape), **settings)

            def call(self, inputs):
                return call(inputs, self.scale) if call else inputs * self.scale

        return Scale()

    return make_scale


def scale_in_init():
    class Scale(layers.Layer):
        def __init__(self):
            super().__init__()
            self.scale = self.add_weight(shape=(3,), initializer="ones")

        def call(self, inputs):
            return inputs * self.scale

    return Scale()


def scale_class():
    class Scale(layers.Layer):
        pass

    return Scale


# --- 3 ------------------------------------------------------------------------------------------


def largest(update, always=False, shape=(), **kwargs):
    def make_largest():
        class Largest(layers.Layer):
            def build(self, input_shape):
                self.largest = self.add_weight(shape=shape, **{"initializer": "ones", "trainable": False, **kwargs})

            def call(self, inputs, training=False):
                if training or always:
                    update(self, inputs)
                return inputs / self.largest

        return Largest()

    return make_largest


def assign(layer, inputs):
    layer.largest.assign(ops.maximum(layer.largest, ops.max(ops.abs(inputs))))


def assign_signed(layer, inputs):
    layer.largest.assign(ops.maximum(layer.largest, ops.max(inputs)))


def assign_first(layer, inputs):
    layer.largest.assign(ops.maximum(layer.largest, ops.max(ops.abs(inputs[0]))))


def assign_newest(layer, inputs):
    layer.largest.assign(ops.max(ops.abs(inputs)))


def no_update(layer, inputs):
    ops.maximum(layer.largest, ops.max(ops.abs(inputs)))


def largest_in_python():
    class Largest(layers.Layer):
        def build(self, input_shape):
            self.largest = 1.0

        def call(self, inputs, training=False):
            if training:
                self.largest = ops.maximum(self.largest, ops.max(ops.abs(inputs)))
            return inputs / self.largest

    return Largest()


def largest_by_python_max(layer, inputs):
    layer.largest.assign(max(layer.largest, ops.max(ops.abs(inputs))))


def largest_by_numpy(layer, inputs):
    layer.largest.assign(np.maximum(layer.largest.numpy(), np.abs(inputs).max()))


def largest_where_numbers_are_known(layer, inputs):
    if hasattr(inputs, "numpy"):  # written after fit has said that a tensor has no numpy
        layer.largest.assign(max(layer.largest.numpy(), np.abs(inputs.numpy()).max()))


# --- 4 ------------------------------------------------------------------------------------------

RIGHT = page.residual_net.solution_source()


def residual(**methods):
    """The right class with some of its methods replaced."""

    def make():
        right = RIGHT()

        class ResidualNet(right):
            pass

        for name, method in methods.items():
            setattr(ResidualNet, name, method)
        return ResidualNet

    return make


def without_config():
    class ResidualNet(keras.Model):
        def __init__(self, width=12, depth=3, rate=0.1, **kwargs):
            super().__init__(**kwargs)
            self.first, self.dropout, self.head = (
                layers.Dense(width),
                layers.Dropout(rate),
                layers.Dense(10),
            )
            self.branches = [layers.Dense(width, activation="relu") for _ in range(depth)]

        def call(self, inputs, training=None):
            x = self.first(inputs)
            for branch in self.branches:
                x = x + self.dropout(branch(x), training=training)
            return self.head(x)

    return ResidualNet


def without_config_or_defaults():
    class ResidualNet(without_config()):
        def __init__(self, width, depth, rate, **kwargs):
            super().__init__(width, depth, rate, **kwargs)

    return ResidualNet


def without_name():
    class ResidualNet(RIGHT()):
        def __init__(self, width, depth, rate, name=None):
            super().__init__(width, depth, rate)

    return ResidualNet


def keeping_instead_of_dropping():
    class ResidualNet(RIGHT()):
        def __init__(self, width, depth, rate, **kwargs):
            super().__init__(width, depth, rate, **kwargs)
            self.dropout.rate = 1 - rate

    return ResidualNet


def positions_refused():
    class ResidualNet(RIGHT()):
        def __init__(self, *, width, depth, rate, **kwargs):
            super().__init__(width, depth, rate, **kwargs)

    return ResidualNet


def scaling_nothing():
    class Drop(layers.Dropout):
        def call(self, inputs, training=False):
            return super().call(inputs, training=training) * ((1 - self.rate) if training else 1)

    class ResidualNet(RIGHT()):
        def __init__(self, width, depth, rate, **kwargs):
            super().__init__(width, depth, rate, **kwargs)
            self.dropout = Drop(rate)

    return ResidualNet


def dropping_in_the_last(self, inputs, training=None):
    x = self.first(inputs)
    for branch in self.branches[:-1]:
        x = x + branch(x)
    x = x + self.dropout(self.branches[-1](x), training=training)
    return self.head(x)


def dropping_the_sum(self, inputs, training=None):
    x = self.first(inputs)
    for branch in self.branches:
        x = self.dropout(x + branch(x), training=training)
    return self.head(x)


def dropping_what_a_branch_gets(self, inputs, training=None):
    x = self.first(inputs)
    for branch in self.branches:
        x = x + branch(self.dropout(x, training=training))
    return self.head(x)


def adding_in_numpy(self, inputs, training=None):
    x = self.first(inputs)
    for branch in self.branches:
        x = np.add(x, self.dropout(branch(x), training=training))
    return self.head(x)


def config_without_the_parent(self):
    return {"width": self.width, "depth": self.depth, "rate": self.dropout.rate}


def always_dropping(self, inputs, training=None):
    x = self.first(inputs)
    for branch in self.branches:
        x = x + self.dropout(branch(x), training=True)
    return self.head(x)


def joining(self, inputs, training=None):
    x = self.first(inputs)
    for branch in self.branches:
        x = ops.concatenate([x, self.dropout(branch(x), training=training)], axis=-1)
    return self.head(x)


def not_adding(self, inputs, training=None):
    x = self.first(inputs)
    for branch in self.branches:
        x = self.dropout(branch(x), training=training)
    return self.head(x)


def adding_the_first(self, inputs, training=None):
    x = first = self.first(inputs)
    for branch in self.branches:
        x = first + self.dropout(branch(x), training=training)
    return self.head(x)


def with_kwargs(self, inputs, **kwargs):
    x = self.first(inputs)
    for branch in self.branches:
        x = x + self.dropout(branch(x), **kwargs)
    return self.head(x)


def always_still(self, inputs, training=None):
    x = self.first(inputs)
    for branch in self.branches:
        x = x + self.dropout(branch(x), training=False)
    return self.head(x)


def sharing(self, inputs, training=None):
    x = self.first(inputs)
    for _ in self.branches:
        x = x + self.dropout(self.branches[0](x), training=training)
    return self.head(x)


def making_in_call(self, inputs, training=None):
    x = layers.Dense(self.width)(inputs)
    for _ in range(self.depth):
        x = x + self.dropout(layers.Dense(self.width, activation="relu")(x), training=training)
    return layers.Dense(10)(x)


def config_without_rate(self):
    return {**keras.Model.get_config(self), "width": self.width, "depth": self.depth}


WRONG = [
    (page.what_keras_sees, seen("a", "only saved"), "default"),
    (page.what_keras_sees, seen("b", "trained and saved"), "LinearMap"),
    (page.what_keras_sees, seen("c", "neither"), "refuse"),
    (page.what_keras_sees, seen("d", "neither"), "add_weight makes"),
    (page.what_keras_sees, seen("e", "only saved"), "array"),
    (page.what_keras_sees, seen("f", "neither"), "lists too"),
    (page.what_keras_sees, seen("f", "saved"), "none of"),
    (page.what_keras_sees, {**SEEN, "self.g = 1": "neither"}, "Nothing was asked about"),
    (page.scale_layer, scale_class, "brackets"),
    (page.scale_layer, scale_in_init, "before the first call"),
    (page.scale_layer, scale(weight=lambda s: tf.Variable(tf.ones(s[-1]))), "Keras see"),
    (page.scale_layer, scale(shape=lambda s: (s[-1], s[-1]), call=ops.matmul), "mixes"),
    (page.scale_layer, scale(shape=lambda s: s), "how many examples"),
    (page.scale_layer, scale(shape=lambda s: ()), "one number for all"),
    (page.scale_layer, scale(shape=lambda s: (s[1],)), "whatever the rank"),
    (page.scale_layer, scale(trainable=False), "not trainable"),
    (page.scale_layer, scale(initializer="glorot_uniform"), "start at"),
    (page.scale_layer, scale(call=lambda x, scale: x + scale), "Multiply"),
    (page.scale_layer, scale(call=lambda x, scale: None), "return"),
    (page.scale_layer, scale(call=lambda x, scale: np.asarray(x) * np.asarray(scale)), "No gradient"),
    (page.scale_layer, scale(call=lambda x, scale: x * scale**2), "not by 1, 2, -3"),
    (page.scale_layer, scale(call=lambda x, scale: ops.sum(x * scale, axis=-1)), "not of shape (4, 3)"),
    (page.largest_seen, largest_in_python, "not saved"),
    (page.largest_seen, largest(assign, trainable=True), "the optimizer would change it"),
    (page.largest_seen, largest(assign, shape=(2,)), "One number"),
    (page.largest_seen, largest(assign, initializer="zeros"), "not at 1"),
    (page.largest_seen, largest(assign, always=True), "only used"),
    (page.largest_seen, largest(no_update), "still says 1"),
    (page.largest_seen, largest(assign_signed), "remembers 2"),
    (page.largest_seen, largest(assign_newest), "forgets"),
    (page.largest_seen, largest(assign_first), "remembers 2"),
    (page.largest_seen, largest(largest_by_numpy), "keras.ops has the functions"),
    (page.largest_seen, largest(largest_where_numbers_are_known), "It saw -8 in fit"),
    (page.largest_seen, largest(largest_by_python_max), "keras.ops has the functions"),
    (page.residual_net, lambda: RIGHT()(12, 3, 0.5), "the class"),
    (page.residual_net, RIGHT(), "called with no arguments"),
    (page.residual_net, positions_refused, "positional argument"),
    (page.residual_net, scaling_nothing, "divided by 1 - rate"),
    (page.residual_net, residual(call=dropping_in_the_last), "Not every block"),
    (page.residual_net, residual(call=dropping_the_sum), "past the blocks"),
    (page.residual_net, residual(call=dropping_what_a_branch_gets), "from what the blocks add"),
    (page.residual_net, residual(call=adding_in_numpy), "No gradient"),
    (page.residual_net, without_config, "another dropout rate"),
    (page.residual_net, without_config_or_defaults, "get_config must return the arguments"),
    (page.residual_net, residual(get_config=config_without_rate), "every argument"),
    (page.residual_net, without_name, "**kwargs"),
    (page.residual_net, keeping_instead_of_dropping, "removes a share of 0.7"),
    (page.residual_net, residual(get_config=config_without_the_parent), "what the parent returns"),
    (page.residual_net, residual(call=always_dropping), "without training=True"),
    (page.residual_net, residual(call=lambda self, inputs, training=None: None), "return"),
    (page.residual_net, residual(call=joining), "Joining"),
    (page.residual_net, residual(call=not_adding), "added"),
    (page.residual_net, residual(call=adding_the_first), "each block"),
    (page.residual_net, residual(call=with_kwargs), "does not name"),
    (page.residual_net, residual(call=always_still), "nothing is dropped"),
    (page.residual_net, residual(call=sharing), "one Dense layer"),
    (page.residual_net, residual(call=making_in_call), "no weights"),
]  # fmt: skip
