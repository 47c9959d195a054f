"""The exercises of page 08, reuse."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from exercises.answers import WrongAnswer, require, tried
from exercises.exercise import Exercise
from exercises.kinds.diagnosis import Diagnosis
from exercises.kinds.training import Arrays, Training, seeded
from text_recognizer.datasets import Digits

LOSS = "sparse_categorical_crossentropy"

# --- what the page has as well: the data, the base, the head --------------------------------------


def _placed(images: np.ndarray, seed: int) -> np.ndarray:
    """Each image moved by up to four pixels in each direction, with one channel."""
    moves = np.random.default_rng(seed).integers(-4, 5, (len(images), 2))
    return np.stack([np.roll(image, move, (0, 1)) for image, move in zip(images, moves)])[..., None]


@functools.cache
def _images() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All images, float32 0 to 255, their digits, and which are there to learn from."""
    data = Digits(source="sample")
    x = np.concatenate([data.x_train, data.x_test]).astype("float32")
    y = np.concatenate([data.y_train, data.y_test]).astype("int64")
    return x, y, np.arange(len(y)) < 1100


@functools.cache
def _ten_of_each() -> Arrays:
    """Ten images of each digit from 5 to 9 to train on, and 347 others; the labels are 0 to 4."""
    x, y, early = _images()
    order = np.random.default_rng(0).permutation(np.flatnonzero(early & (y >= 5)))
    rows = np.concatenate([order[y[order] == digit][:10] for digit in range(5, 10)])
    others = np.flatnonzero(~early & (y >= 5))
    return _placed(x[rows], 5), y[rows] - 5, _placed(x[others], 6), y[others] - 5


def make_base() -> keras.Model:
    conv = {"strides": 2, "padding": "same", "activation": "relu"}
    stack = [
        keras.Input((28, 28, 1)),
        layers.Rescaling(1 / 255),
        layers.Conv2D(16, 3, **conv),
        layers.Conv2D(32, 3, **conv),
        layers.Conv2D(64, 3, **conv),
        layers.GlobalAveragePooling2D(),
    ]
    return keras.Sequential(stack, name="base")


def with_head(base: keras.Model, classes: int = 5) -> keras.Model:
    image = keras.Input((28, 28, 1))
    features = base(image)
    return keras.Model(image, layers.Dense(classes, activation="softmax")(features))


def _train(model: keras.Model, batches: tf.data.Dataset) -> None:
    """Train a compiled model. Not by `fit`, which the checkers watch, and faster than by `train_on_batch`."""
    model.optimizer.build(model.trainable_variables)

    @tf.function
    def all_steps():
        for x, y in batches:
            with tf.GradientTape() as tape:
                loss = keras.losses.sparse_categorical_crossentropy(y, model(x, training=True))
                loss = keras.ops.mean(loss)
            model.optimizer.apply(tape.gradient(loss, model.trainable_variables))

    all_steps()


@functools.cache
def _learned() -> list[np.ndarray]:
    """The weights of a base that was trained on the digits 0 to 4."""
    x, y, early = _images()
    low = early & (y < 5)
    images, labels = np.concatenate([_placed(x[low], seed) for seed in range(4)]), np.tile(y[low], 4)
    with seeded(0):
        base = make_base()
        model = with_head(base)
        model.compile(keras.optimizers.Adam(0.003), LOSS)
        batches = tf.data.Dataset.from_tensor_slices((images, labels)).shuffle(len(labels), seed=0).batch(32)
        _train(model, batches.repeat(10))
    return base.get_weights()


def trained_base() -> keras.Model:
    """A base of its own with the weights that it learned from the digits 0 to 4."""
    learned = _learned()
    base = make_base()
    base.set_weights(learned)
    return base


# --- 1 ------------------------------------------------------------------------------------------


def _check_extractor(extractor_of: Callable[[keras.Model, str], keras.Model]) -> str:
    images = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    image = keras.Input((8, 8, 1))
    first = layers.Conv2D(3, 3, activation="relu", name="first")(image)
    second = layers.Dense(5, activation="relu", name="second")(layers.Flatten()(first))
    model = keras.Model(image, layers.Dense(2, activation="softmax", name="head")(second))
    before = model.get_weights()
    for name, tensor in (("second", second), ("first", first)):
        cut = require(extractor_of(model, name), keras.Model, "a model")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            given = tried(lambda: cut(images), "It does not take an array of images.")
        if isinstance(given, (list, tuple, dict)):
            raise WrongAnswer(f"It gives a {type(given).__name__} of length {len(given)}, not one tensor.")
        if cut is model or given.shape == (4, 2):
            raise WrongAnswer("It still ends with the head. It should end with the layer whose name is given.")
        if given.shape[1:] != tensor.shape[1:]:
            raise WrongAnswer(
                f"For the layer {name!r} it gives the shape {tuple(given.shape[1:])}, and that layer gives "
                f"{tuple(tensor.shape[1:])}. Does it use the name?"
            )
        if not {id(weight) for weight in cut.weights} <= {id(weight) for weight in model.weights}:
            raise WrongAnswer("It has weights of its own. Take the model's tensors, and build nothing anew.")
        if not np.allclose(given, keras.Model(image, tensor)(images), atol=1e-5):
            raise WrongAnswer(f"It does not give what the layer {name!r} gives inside of the model.")
        if any("structure" in str(warning.message) for warning in caught):
            raise WrongAnswer("It warns when it gets an array: model.inputs is a list, and then a list is expected.")
    if not all(map(np.array_equal, before, model.get_weights())):
        raise WrongAnswer("The weights of the model are no longer what they were.")
    return "It shares the layers with the model, so it costs no memory for weights."


def _solve_extractor():
    def extractor_of(model, layer):
        return keras.Model(model.inputs[0], model.get_layer(layer).output)

    return extractor_of


extractor = Exercise(
    title="a feature extractor that ends with a layer",
    difficulty="easy",
    minutes=4,
    checker=_check_extractor,
    hints=(
        "keras.Model needs the two ends of the way that you want to keep.",
        "model.get_layer(name) finds a layer, and layer.output is its tensor.",
    ),
    solution_source=_solve_extractor,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_trainable_count(answer: int) -> str:
    said = {
        64 * 7: "You counted the matrix. Each output also adds a bias.",
        64 * 5 + 5: "That is the head of five classes.",
        23_296 + 64 * 7 + 7: "Those are all numbers of the model. The base is frozen.",
        23_296: "Those are the numbers of the base, the ones that stay as they are.",
        2: "That is how many weights there are, a matrix and a bias. How many numbers are in them?",
        7: "That is the bias. Each class also has a weight for each feature.",
    }
    if answer in said:
        raise WrongAnswer(said[answer])
    if answer != _solve_trainable_count():
        raise WrongAnswer(f"{answer} is not it. Only the Dense layer of the head is trained: what are its two weights?")
    return "A matrix of 64 x 7, and a bias of 7. The 23,296 numbers of the base stay as they are."


def _solve_trainable_count():
    return 64 * 7 + 7


trainable_count = Exercise(
    title="the trained numbers on a frozen base",
    difficulty="easy",
    minutes=3,
    checker=_check_trainable_count,
    hints=(
        "What is frozen does not count. Which layer is left?",
        "A Dense layer has inputs * outputs weights, and a bias for each output.",
    ),
    solution_source=_solve_trainable_count,
)

# --- 3 ------------------------------------------------------------------------------------------


def _small_base() -> keras.Model:
    stack = [keras.Input((28, 28, 1)), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.GlobalMaxPooling2D()]
    return keras.Sequential(stack)


def _check_frozen_head(head_on_frozen: Callable[[keras.Model, int], keras.Model]) -> str:
    generator = np.random.default_rng(0)
    images = generator.random((6, 28, 28, 1), np.float32)
    for classes in (3, 6):
        base = _small_base()
        base.set_weights([generator.random(weight.shape, np.float32) + 0.5 for weight in base.get_weights()])
        model = require(head_on_frozen(base, classes), keras.Model, "a model")
        shape = tuple(tried(lambda: model(images), "It does not take images of the shape that the base takes.").shape)
        if shape != (6, classes):
            raise WrongAnswer(f"For 6 images and {classes} classes it gives {shape}. It should give (6, {classes}).")
        if not {id(weight) for weight in base.weights} <= {id(weight) for weight in model.weights}:
            raise WrongAnswer("The base that it is given is not in it.")
        if not np.allclose(np.sum(model(images), axis=-1), 1, atol=1e-4):
            raise WrongAnswer("The outputs are no probabilities: their sum is not 1. Where is the softmax?")
        if not model.compiled:
            raise WrongAnswer("It is not compiled.")
        if not isinstance(model.optimizer, keras.optimizers.Adam):
            raise WrongAnswer(f"It is compiled with {type(model.optimizer).__name__}, not with Adam.")
        before, whole = base.get_weights(), model.get_weights()
        model.run_eagerly = True  # two steps, which take less time than their tracing
        with seeded(0):
            told = "Keras cannot train it. Does the loss fit labels that are indices?"
            tried(lambda: model.fit(images, np.arange(6) % classes, epochs=2, verbose=0), told)
        if not all(map(np.array_equal, before, base.get_weights())):
            raise WrongAnswer("After `fit` the weights of the base are others. Was it frozen before `compile`?")
        if all(map(np.array_equal, whole, model.get_weights())):
            raise WrongAnswer("`fit` changes nothing at all. Freeze the base, and leave the head trainable.")
        if len(model.trainable_weights) != 2:
            raise WrongAnswer(
                f"The model has {len(model.trainable_weights)} trainable weights. A head of one Dense layer has two."
            )
    return "After two epochs the base is what it was, to the last bit, and the head is not."


def _solve_frozen_head():
    def head_on_frozen(base, classes):
        base.trainable = False
        model = with_head(base, classes)
        model.compile("adam", "sparse_categorical_crossentropy")
        return model

    return head_on_frozen


frozen_head = Exercise(
    title="a new head on a frozen base",
    difficulty="medium",
    minutes=4,
    checker=_check_frozen_head,
    hints=(
        "Three steps: freeze, build, compile. Freezing comes before compiling.",
        "with_head of this page builds the model. You may use it.",
    ),
    solution_source=_solve_frozen_head,
)

# --- 4 ------------------------------------------------------------------------------------------


def _frozen_too_late(x_train, y_train, x_val, y_val):
    base = trained_base()
    model = keras.Model(base.inputs[0], layers.Dense(5, activation="softmax")(base.outputs[0]))
    model.compile(keras.optimizers.Adam(0.03), LOSS)
    model.fit(x_train, y_train, epochs=1, batch_size=16, verbose=0)  # does it run?
    base.trainable = False
    model.fit(x_train, y_train, epochs=25, batch_size=16, verbose=0)
    return model


def _solve_lost_base():
    def train(x_train, y_train, x_val, y_val):
        base = trained_base()
        base.trainable = False
        model = keras.Model(base.inputs[0], layers.Dense(5, activation="softmax")(base.outputs[0]))
        model.compile(keras.optimizers.Adam(0.03), LOSS)
        model.fit(x_train, y_train, epochs=1, batch_size=16, verbose=0)  # does it run?
        model.fit(x_train, y_train, epochs=25, batch_size=16, verbose=0)
        return model

    return train


lost_base = Diagnosis(
    title="find why a reused base brings so little",
    difficulty="medium",
    minutes=6,
    broken=_frozen_too_late,
    data=_ten_of_each,
    at_least=0.5,
    seconds=60,
    fault="The first fit had built a step that trains all weights, and freezing came too late for it.",
    hints=(
        "What should the base's weights be after the training? What are they?",
        "When does a change of `trainable` take effect?",
        "Freeze the base before the model is compiled.",
    ),
    solution_source=_solve_lost_base,
)

# --- 5 ------------------------------------------------------------------------------------------


def _solve_beat_scratch():
    def build():
        base = trained_base()
        base.trainable = False
        model = with_head(base)
        model.compile(keras.optimizers.Adam(0.03), LOSS)
        return model

    return build


beat_scratch = Training(
    title="reach with ten images a class what scratch does not",
    difficulty="medium",
    minutes=8,
    data=_ten_of_each,
    at_least=0.5,
    seconds=60,
    epochs=25,
    batch_size=16,
    hints=(
        "What did the second way do, and at which rate?",
        "trained_base() gives a base with its weights. Freeze it before you compile.",
        "Is the head learning fast enough? A head alone can stand a large rate.",
    ),
    solution_source=_solve_beat_scratch,
)
