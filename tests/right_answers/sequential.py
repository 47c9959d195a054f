"""Right answers of other kinds on page 01."""

import functools
import math
from fractions import Fraction

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from sklearn.metrics import accuracy_score, precision_score, recall_score

from exercises import sequential as page


def functional_with_layers_for_activations():
    image = keras.Input((28, 28))
    x = layers.ReLU()(layers.Dense(40)(layers.Flatten()(image)))
    x = layers.Dense(20, activation=layers.LeakyReLU())(x)
    return keras.Model(image, layers.Softmax()(layers.Dense(10)(x)))


def functional_with_operations():
    image = keras.Input((28, 28))
    x = ops.relu(layers.Dense(32)(ops.reshape(image, (-1, 784))))
    x = ops.tanh(layers.Dense(32)(x))
    return keras.Model(image, ops.softmax(layers.Dense(10)(x)))


def subclass():
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.flatten, self.out = layers.Flatten(), layers.Dense(10, "softmax")
            self.hidden = [layers.Dense(units, "gelu") for units in (48, 24)]

        def call(self, images):
            x = self.flatten(images)
            for layer in self.hidden:
                x = layer(x)
            return self.out(x)

    return Classifier()


def blocks_within():
    def block(units):
        return keras.Sequential([layers.Dense(units), layers.BatchNormalization(), layers.Activation("swish")])

    head = [layers.Dropout(0.2), layers.Dense(10), layers.Activation("softmax")]
    return keras.Sequential([keras.Input((28, 28)), layers.Flatten(), block(32), block(16), *head])


def added_one_by_one():
    model = keras.models.Sequential()  # without an Input: it is built by the first images
    model.add(layers.Rescaling(1 / 255))
    model.add(layers.Flatten())
    for units in (64, 64):
        model.add(layers.Dense(units, activation=lambda x: x * tf.cast(x > 0, x.dtype)))
    model.add(layers.Dense(10, activation=tf.nn.softmax))
    return model


def one_unit():
    stack = [layers.Dense(1, "sigmoid"), layers.Dense(1, "relu"), layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), layers.Flatten(), *stack])


def rows_first():
    stack = [layers.Dense(16, "relu"), layers.Flatten(), layers.Dense(32, "elu"), layers.Dense(10, "softmax")]
    return keras.Sequential([keras.Input((28, 28)), *stack])


def in_a_graph():
    class Classifier(keras.Model):
        def __init__(self):
            super().__init__()
            self.stack = [
                layers.Flatten(),
                layers.Dense(50, "relu"),
                layers.Dense(30, "relu"),
                layers.Dense(10, "softmax"),
            ]

        @tf.function
        def call(self, images):
            for layer in self.stack:
                images = layer(images)
            return images

    return Classifier()


def compiling(loss, **more):
    def compile_for_logits(model):
        model.compile(optimizer="sgd", loss=loss(model) if callable(loss) else loss, **more)
        return model

    return compile_for_logits


class OfLogits(keras.losses.Loss):
    def call(self, y_true, y_pred):
        return -ops.sum(y_true * ops.log_softmax(y_pred), axis=-1)


def by_hand(y_true, y_pred):
    return tf.reduce_logsumexp(y_pred, axis=-1) - tf.reduce_sum(y_true * y_pred, axis=-1)


CROSSENTROPY = keras.losses.CategoricalCrossentropy(True)


def in_a_loop(probabilities, labels):
    right = 0
    for row, label in zip(probabilities, labels):
        right += list(row).index(max(row)) == (label if np.isscalar(label) else list(label).index(1))
    return right / len(labels)


def looked_up(probabilities, labels):
    indices = labels if len(labels.shape) < 2 else np.nonzero(labels)[1]
    return (probabilities[np.arange(len(indices)), indices] == probabilities.max(1)).mean()


def all_one_hot(probabilities, labels):
    if labels.ndim == 1:
        labels = np.eye(probabilities.shape[1])[labels]
    return float(np.sum(labels * (probabilities == probabilities.max(-1, keepdims=True))) / labels.sum())


def by_keras(probabilities, labels):
    if labels.ndim == 1:
        return ops.mean(keras.metrics.sparse_categorical_accuracy(labels, probabilities))
    return ops.mean(keras.metrics.categorical_accuracy(labels, probabilities))


def by_sklearn(probabilities, labels):
    return accuracy_score(labels if labels.ndim == 1 else labels.argmax(1), probabilities.argmax(1))


def learner(optimizer, *hidden, last="softmax", **compiling):
    def quick_learner():
        image = keras.Input((28, 28))
        x = layers.Flatten()(image)
        for units in hidden:
            x = layers.Dense(units, activation="relu")(x)
        model = keras.Model(image, layers.Dense(10, activation=last)(x))
        given = {"loss": "sparse_categorical_crossentropy"} | compiling
        model.compile(optimizer=keras.optimizers.get(optimizer), **given)
        return model

    return quick_learner


LOGITS = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
ADAM = {"class_name": "Adam", "config": {"learning_rate": 0.005}}
SGD = {"class_name": "SGD", "config": {"learning_rate": 0.03, "momentum": 0.9}}

CRACKED = np.repeat([1, 0, 1, 0], [40, 40, 10, 910])
REPORTED = np.repeat([1, 0], [80, 920])

RIGHT = [
    (page.parameter_count, np.int64(50_890)),
    (page.parameter_count, 50_890.0),
    (page.parameter_count, np.array(50_890)),
    (page.parameter_count, sum([784 * 64, 64, 64 * 10, 10])),
    (page.weight_updates, 5 * math.ceil(1412 / 32)),
    (page.weight_updates, np.ceil(1412 / 32) * 5),
    (page.weight_updates, Fraction(225)),
    (page.weight_updates, 5 * tf.data.Dataset.range(1412).batch(32).cardinality()),
    (page.small_classifier, functional_with_layers_for_activations),
    (page.small_classifier, functional_with_operations),
    (page.small_classifier, subclass),
    (page.small_classifier, blocks_within),
    (page.small_classifier, added_one_by_one),
    (page.small_classifier, one_unit),
    (page.small_classifier, rows_first),
    (page.small_classifier, in_a_graph),
    (page.loss_for_logits, compiling([CROSSENTROPY])),
    (page.loss_for_logits, compiling(lambda model: tf.nn.softmax_cross_entropy_with_logits)),
    (page.loss_for_logits, compiling(lambda model: functools.partial(keras.losses.categorical_crossentropy, from_logits=True))),
    (page.loss_for_logits, compiling(lambda model: OfLogits(name="not_sparse"))),
    (page.loss_for_logits, compiling(lambda model: by_hand)),
    (page.loss_for_logits, compiling(lambda model: keras.losses.CategoricalFocalCrossentropy(1.0, 0.0, from_logits=True))),
    (page.loss_for_logits, compiling(lambda model: CROSSENTROPY, metrics=["accuracy"], jit_compile=True)),
    (page.accuracy_of_both, in_a_loop),
    (page.accuracy_of_both, looked_up),
    (page.accuracy_of_both, all_one_hot),
    (page.accuracy_of_both, by_keras),
    (page.accuracy_of_both, by_sklearn),
    (page.quick_learner, learner("adam", 100)),
    (page.quick_learner, learner(SGD, 100, metrics=["accuracy"])),
    (page.cracked_tiles, {"accuracy": 0.95, "precision": 0.5, "recall": 0.8}),
    (page.cracked_tiles, {"accuracy": 1 - Fraction(50, 1000), "precision": Fraction(1, 2), "recall": Fraction(4, 5)}),
    (page.cracked_tiles, {"recall": np.float32(0.8), "precision": tf.constant(0.5), "accuracy": np.array(0.95)}),
    (
        page.cracked_tiles,
        {
            "accuracy": accuracy_score(CRACKED, REPORTED),
            "precision": precision_score(CRACKED, REPORTED),
            "recall": recall_score(CRACKED, REPORTED),
        },
    ),
    (page.quick_learner, learner(ADAM, 64, 32, last=None, loss=LOGITS)),
]  # fmt: skip
