"""Wrong answers that people give on page 01, and a word of what they are told."""

import keras
import numpy as np
from keras import layers

from exercises import sequential as page


def classifier(*hidden, flatten=True, activation="softmax"):
    head = [layers.Flatten()] if flatten else []
    stack = [keras.Input((28, 28)), *head, *hidden, layers.Dense(10, activation=activation)]
    return lambda: keras.Sequential(stack)


def relu(units):
    return layers.Dense(units, activation="relu")


def side_by_side():
    image = keras.Input((28, 28))
    x = layers.Flatten()(image)
    return keras.Model(image, layers.Dense(10, "softmax")(layers.Concatenate()([relu(32)(x), relu(32)(x)])))


def without_return():
    keras.Sequential([keras.Input((28, 28)), layers.Flatten()])


def compiling(loss):
    def compile_for_logits(model):
        model.compile(optimizer="sgd", loss=loss)
        return model

    return compile_for_logits


def in_numpy(y_true, logits):
    """Right, but `fit` has no numbers in its graph."""
    shifted = logits.numpy() - logits.numpy().max(axis=-1, keepdims=True)
    return np.log(np.exp(shifted).sum(axis=-1)) - (y_true.numpy() * shifted).sum(axis=-1)


def with_a_softmax(model):
    model.add(layers.Softmax())
    return compiling(keras.losses.CategoricalCrossentropy(from_logits=True))(model)


def learner(hidden=100, output=10, compiled=True, loss="sparse_categorical_crossentropy"):
    def quick_learner():
        model = keras.Sequential(
            [keras.Input((28, 28)), layers.Flatten(), relu(hidden), layers.Dense(output, "softmax")]
        )
        if compiled:
            model.compile(loss=loss, optimizer="sgd")
        return model

    return quick_learner


def cracks(accuracy=0.95, precision=0.5, recall=0.8):
    return {"accuracy": accuracy, "precision": precision, "recall": recall}


WRONG = [
    (page.parameter_count, 784 * 64 + 64 * 10, "bias"),
    (page.parameter_count, 784 * 64 + 64, "second one"),
    (page.parameter_count, 28 * 64 + 64 + 64 * 10 + 10, "Flatten"),
    (page.parameter_count, 784 * 64 + 64 + 784 * 10 + 10, "what the first one gives"),
    (page.parameter_count, 12345, "inputs * outputs"),
    (page.parameter_count, "50,890", "without quotes"),
    (page.parameter_count, (50, 890), "commas"),
    (page.weight_updates, 220, "rounded down"),
    (page.weight_updates, 1412 / 32 * 5, "half step"),
    (page.weight_updates, 45, "one epoch"),
    (page.weight_updates, 221, "rounded once"),
    (page.weight_updates, 7060, "whole batch"),
    (page.small_classifier, without_return, "return"),
    (page.small_classifier, classifier(relu(100), relu(50)), "84,060"),
    (page.small_classifier, classifier(layers.Dense(32), relu(32)), "no activation"),
    (page.small_classifier, classifier(relu(32), relu(32), flatten=False), "Flatten"),
    (page.small_classifier, classifier(relu(32), relu(32), activation=None), "sum to 1"),
    (page.small_classifier, classifier(relu(32)), "three Dense layers"),
    (page.small_classifier, classifier(layers.Dense(32), layers.Activation("linear"), relu(32)), "no activation"),
    (page.small_classifier, classifier(relu(32), layers.Dense(32), layers.BatchNormalization()), "no activation"),
    (page.small_classifier, classifier(relu(32), relu(32), activation="sigmoid"), "sum to 1"),
    (page.small_classifier, side_by_side, "side by side"),
    (page.small_classifier, lambda: keras.Sequential([keras.Input((None, 28, 28)), layers.Flatten()]), "Keep the Input"),
    (page.small_classifier, lambda: keras.Sequential, "brackets"),
    (page.loss_for_logits, compiling("categorical_crossentropy"), "takes the logits for probabilities"),
    (page.loss_for_logits, compiling(keras.losses.SparseCategoricalCrossentropy(from_logits=True)), "one-hot"),
    (page.loss_for_logits, compiling(keras.losses.BinaryCrossentropy(from_logits=True)), "yes-or-no"),
    (page.loss_for_logits, compiling(keras.losses.CategoricalCrossentropy), "without its brackets"),
    (page.loss_for_logits, lambda model: model.compile(loss="mse"), "return it"),
    (page.loss_for_logits, compiling(in_numpy), "Your answer raised"),
    (page.loss_for_logits, compiling(None), "no loss"),
    (page.loss_for_logits, compiling({"dense": "categorical_crossentropy"}), "Keras cannot compute it"),
    (page.loss_for_logits, compiling("mse"), "mse is not the crossentropy"),
    (page.loss_for_logits, compiling(keras.losses.KLDivergence()), "kl_divergence is not"),
    (page.loss_for_logits, compiling(keras.losses.CategoricalCrossentropy(True, reduction=None)), "alone"),
    (page.loss_for_logits, compiling(keras.losses.CategoricalCrossentropy(True, label_smoothing=0.1)), "alone"),
    (page.accuracy_of_both, lambda p, y: np.mean(p.argmax(-1) == y.argmax(-1)), "labels.ndim"),
    (page.accuracy_of_both, lambda p, y: np.mean(p.argmax(-1) == y), "one-hot"),
    (page.accuracy_of_both, lambda p, y: np.sum(p.argmax(-1) == (y if y.ndim == 1 else y.argmax(-1))), "Divide"),
    (page.accuracy_of_both, lambda p, y: p.argmax(-1) == (y if y.ndim == 1 else y.argmax(-1)), "not one number"),
    (page.small_classifier, classifier(relu(32), relu(32))(), "without calling it"),
    (page.loss_for_logits, compiling(keras.losses.CategoricalCrossentropy(from_logits=True, reduction="sum")), "alone"),
    (page.accuracy_of_both, lambda p, y: np.mean(p.argmax(-1) == (y if y.max() > 1 else y.argmax(-1))), "labels.ndim"),
    (page.accuracy_of_both, lambda p, y: round(np.mean(p.argmax(-1) == (y if y.ndim == 1 else y.argmax(-1))), 1), "203"),
    (page.accuracy_of_both, lambda p, y: None, "return"),
    (page.quick_learner, learner(), "short. Its training loss went from"),
    (page.quick_learner, learner(hidden=128), "more than the 84,060"),
    (page.quick_learner, learner(output=1), "It should give (2, 10)"),
    (page.quick_learner, learner(compiled=False), "not compiled"),
    (page.quick_learner, learner()(), "without calling it"),
    (page.quick_learner, without_return, "return"),
    (page.accuracy_of_both, lambda p, y: np.mean(p.argmax(-1) == (y if y.dtype == int else y.argmax(-1))), "one-hot integers"),
    (page.accuracy_of_both, lambda p, y: np.mean(p.argmax(-1) == (y.argmax(-1) if y.shape[-1] == 10 else y)), "labels.ndim"),
    (page.accuracy_of_both, lambda p, y: f"{np.mean(p.argmax(-1) == (y if y.ndim == 1 else y.argmax(-1))):.0%}", "not one number"),
    (page.accuracy_of_both, 0.7, "Give a function of two arguments, such as accuracy(probabilities, labels), not 0.7"),
    (page.loss_for_logits, with_a_softmax, "gives something else now"),
    (page.quick_learner, learner(loss="mse"), "Keras cannot train it"),
    (page.cracked_tiles, cracks(precision=0.8, recall=0.5), "You took precision for recall"),
    (page.cracked_tiles, cracks(accuracy=0.8), "another name"),
    (page.cracked_tiles, cracks(accuracy=0.04), "right answers too"),
    (page.cracked_tiles, cracks(accuracy=0.99), "What else went wrong"),
    (page.cracked_tiles, cracks(accuracy=0.96), "What else went wrong"),
    (page.cracked_tiles, cracks(accuracy=0.9), "in the right place"),
    (page.cracked_tiles, cracks(precision=40), "from 0 to 1"),
    (page.cracked_tiles, cracks(recall=80), "percent"),
    (page.cracked_tiles, cracks(precision=0.08), "share of all tiles"),
    (page.cracked_tiles, cracks(precision=0.6), "which share is cracked"),
    (page.cracked_tiles, cracks(recall=50 / 80), "40, not 50"),
    (page.cracked_tiles, cracks(recall=0.04), "not by all tiles"),
    (page.cracked_tiles, cracks(recall="0.8"), "0.8"),
    (page.cracked_tiles, 0.95, "0.95"),
]  # fmt: skip
