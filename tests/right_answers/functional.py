"""Right answers of other kinds on page 07."""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, losses, metrics, ops

from exercises import functional as page


def with_a_layer_for_relu(x):
    f = layers.ReLU()(layers.Dense(32)(x))
    return x + layers.Dense(x.shape[-1])(f)


def with_a_model_inside(x):
    return x + keras.Sequential([layers.Dense(32, "relu"), layers.Dense(x.shape[-1])])(x)


def with_operations(x):
    fit = layers.Dense(x.shape[1])
    return ops.add(fit(ops.maximum(layers.Dense(32)(x), 0)), x)


def with_a_layer_of_its_own(x):
    class Block(layers.Layer):
        def build(self, shape):  # the last layer is the first to have weights
            self.last, self.first = layers.Dense(shape[-1]), layers.Dense(32, activation=tf.nn.relu)
            self.last.build((None, 32))
            self.first.build(shape)

        def call(self, inputs):
            return inputs + self.last(self.first(inputs))

    return Block()(x)


def with_dropout(x):
    f = layers.Dropout(0.5)(layers.Dense(units=32, activation="relu")(x))
    return layers.Add()([layers.Dense(x.shape[-1], name=f"fit_{x.shape[-1]}")(f), x])


INDICES, BINARY = losses.SparseCategoricalCrossentropy(), losses.BinaryCrossentropy()
ACCURACIES = {"digit": ["accuracy"], "is_even": ["accuracy"]}


def compiling(loss=(INDICES, BINARY), loss_weights=(1, 0.5), metrics=ACCURACIES, **more):
    loss, loss_weights = (list(x) if isinstance(x, tuple) else x for x in (loss, loss_weights))

    def compile_two(model):
        model.compile(loss=loss, loss_weights=loss_weights, metrics=metrics, **more)
        return model

    return compile_two


def of_digit(y_true, y_pred):
    return -ops.log(ops.sum(y_pred * ops.one_hot(y_true, 10), axis=-1))


def share(y_true, y_pred):
    return ops.cast(ops.equal(ops.cast(y_true, "int64"), ops.argmax(y_pred, axis=-1)), "float32")


def by_its_output_name(model):
    return keras.Model(model.input, model.outputs[model.output_names.index("main_output")])


def between_two_layers(model):
    return keras.Model(inputs=model.get_layer("image").output, outputs=model.get_layer("main_output").output)


def walking_through_the_layers(model):
    image = x = keras.Input(model.inputs[0].shape[1:])
    for layer in model.layers[1:]:
        if layer.name != "aux_output":
            x = layer(x)
    return keras.Model(image, x)


def within_a_sequential(model):
    whole = keras.Model(model.inputs[0], model.get_layer("main_output").output)
    return keras.Sequential([whole])


def of_layers_without_the_head(model):
    layers_kept = [layer for layer in model.layers if layer.name != "aux_output"]
    return keras.Sequential(layers_kept)


def pair():
    return keras.Input((28, 28), name="left"), keras.Input((28, 28), name="right")


def with_a_deep_encoder():
    left, right = pair()
    encoder = keras.Sequential([layers.Flatten(), layers.Dense(64, "relu"), layers.Dense(16)])
    distance = ops.abs(encoder(left) - encoder(right))
    return keras.Model([left, right], layers.Dense(1, activation="sigmoid")(distance))


def with_convolutions_and_a_dictionary():
    left, right = pair()
    image = keras.Input((28, 28))
    x = layers.Conv2D(2, 5, strides=4)(layers.Reshape((28, 28, 1))(image))
    encoder = keras.Model(image, layers.Dense(16)(layers.GlobalAveragePooling2D()(x)))
    a, b = encoder(left), encoder(right)
    distance = ops.maximum(a, b) - ops.minimum(a, b)
    return keras.Model({"left": left, "right": right}, {"same": ops.sigmoid(layers.Dense(1)(distance))})


def with_layers_for_everything():
    class Distance(layers.Layer):
        def call(self, pair):
            return ops.sqrt(ops.square(pair[0] - pair[1]))

    left, right = pair()
    flatten, encoder = layers.Flatten(), layers.Dense(16, "tanh")
    distance = Distance()([encoder(flatten(x)) for x in (right, left)])
    return keras.Model([right, left], layers.Activation("sigmoid")(layers.Dense(1, use_bias=False)(distance)))


def with_a_head_inside():
    left, right = pair()
    encoder = keras.Sequential([layers.Reshape((784,)), layers.Dense(16)])
    head = keras.Sequential([layers.Dropout(0.1), layers.Dense(1, "sigmoid")])
    difference = layers.Subtract()([encoder(left), encoder(right)])
    return keras.Model(inputs=(left, right), outputs=head(layers.Lambda(abs)(difference)))


def mended(block, inputs=(28, 28)):
    def train(x_train, y_train, x_val, y_val):
        image = keras.Input(inputs)
        x = layers.Dense(32)(layers.Flatten()(image))
        for _ in range(8):
            x = block(x)
        model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
        model.compile(keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy")
        model.fit(x_train, y_train, epochs=3, batch_size=32, verbose=0)
        return model

    return train


def keeping_what_came_in(x):
    came_in = x
    x = layers.Dense(32, activation="sigmoid")(x)
    x = layers.Dense(32, kernel_initializer="zeros")(x)
    return layers.Add()([came_in, x])


def around_the_other_way(x):
    first = layers.Dense(32, activation="sigmoid")
    second = layers.Dense(32, kernel_initializer="zeros")
    return layers.Add()([second(first(x)), x])


def in_one_line(x):
    return layers.Add()([x, layers.Dense(32, kernel_initializer="zeros")(layers.Dense(32, activation="sigmoid")(x))])


def stacked(block, blocks=10, first="relu", rate=0.003):
    def twenty_layers():
        image = keras.Input((28, 28))
        x = layers.Dense(32, activation=first)(layers.Flatten()(image))
        for _ in range(blocks):
            x = block(x)
        model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
        model.compile(keras.optimizers.Adam(rate), loss="sparse_categorical_crossentropy")
        return model

    return twenty_layers


def normalized_first(x):
    f = layers.Dense(32, activation="relu")(layers.LayerNormalization()(x))
    return x + layers.Dense(32, kernel_initializer="zeros")(f)


def one_layer_each(x):
    return layers.Add()([x, layers.Dense(32, activation="tanh", kernel_initializer="zeros")(x)])


def a_model_of_its_own(x):
    inner = keras.Sequential([layers.Dense(32, activation="relu"), layers.Dense(32, kernel_initializer="zeros")])
    return layers.Add()([x, inner(x)])


RIGHT = [
    (page.residual_block, with_a_layer_for_relu),
    (page.residual_block, with_a_model_inside),
    (page.residual_block, with_operations),
    (page.residual_block, with_a_layer_of_its_own),
    (page.residual_block, with_dropout),
    (page.compile_two, compiling()),
    (page.compile_two, compiling(loss={"is_even": BINARY, "digit": of_digit}, loss_weights={"is_even": 1, "digit": 2})),
    (page.compile_two, compiling(loss=["crossentropy", "bce"], loss_weights=[np.float32(2), 1])),
    (page.compile_two, compiling(metrics={"digit": metrics.SparseCategoricalAccuracy(), "is_even": metrics.BinaryAccuracy()})),
    (page.compile_two, compiling(metrics={"digit": "acc", "is_even": ["acc", "mse"]})),
    (page.compile_two, compiling(metrics=["accuracy", "accuracy"], jit_compile=True)),
    (page.compile_two, compiling(metrics=[["sparse_top_k_categorical_accuracy", share], [metrics.BinaryAccuracy("hits")]], steps_per_execution=4)),
    (page.compile_two, compiling(metrics=None, weighted_metrics={"digit": ["accuracy"], "is_even": ["binary_accuracy"]})),
    (page.without_head, by_its_output_name),
    (page.without_head, between_two_layers),
    (page.without_head, walking_through_the_layers),
    (page.without_head, within_a_sequential),
    (page.without_head, of_layers_without_the_head),
    (page.same_class, with_a_deep_encoder),
    (page.same_class, with_convolutions_and_a_dictionary),
    (page.same_class, with_layers_for_everything),
    (page.same_class, with_a_head_inside),
    (page.wrong_skip, mended(keeping_what_came_in)),
    (page.wrong_skip, mended(around_the_other_way)),
    (page.wrong_skip, mended(in_one_line)),
    (page.twenty_layers, stacked(normalized_first)),
    (page.twenty_layers, stacked(one_layer_each, blocks=20)),
    (page.twenty_layers, stacked(a_model_of_its_own)),
]  # fmt: skip
