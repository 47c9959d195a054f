"""The exercises of page 01, the Sequential API."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from exercises.answers import WrongAnswer, described, line_of_the_learner, number, plain, require, tried
from exercises.exercise import Exercise
from exercises.kinds.prediction import Prediction
from exercises.kinds.training import Training, digits
from exercises.recording import inputs_of_dense

# --- predictions --------------------------------------------------------------------------------

first_dense = Prediction(
    title="how many parameters the first Dense layer has",
    outcomes={"A": 100, "B": 78_400, "C": 78_500},
    because="There is a weight for each of 784 inputs and each of 100 outputs, and a bias for each output.",
)

# --- 1 ------------------------------------------------------------------------------------------


def _check_parameters(answer: int) -> str:
    said = {
        784 * 64 + 64 * 10: "You counted the matrices. Each unit also adds a bias.",
        784 * 64 + 64: "That is the first Dense layer. There is a second one.",
        28 * 64 + 64 + 64 * 10 + 10: "Flatten gives 28 * 28 numbers, not 28.",
        28 * 28 * 64 + 64 + 28 * 28 * 10 + 10: "The second Dense layer sees what the first one gives, not the pixels.",
        64 + 10: "Those are the outputs. Each of them has a weight for every input.",
    }
    if answer in said:
        raise WrongAnswer(said[answer])
    if answer != _solve_parameters():
        raise WrongAnswer(f"{answer} is not it. Count inputs * outputs + outputs for each Dense layer, and add.")
    return "784 * 64 + 64 for the first layer, 64 * 10 + 10 for the second."


def _solve_parameters():
    first = 784 * 64 + 64
    second = 64 * 10 + 10
    return first + second


parameter_count = Exercise(
    title="count the parameters",
    difficulty="easy",
    minutes=3,
    checker=_check_parameters,
    hints=(
        "Flatten has no parameters. What does it give to the next layer?",
        "A Dense layer has a matrix of inputs x outputs, and one bias for each output.",
    ),
    solution_source=_solve_parameters,
)

# --- 2 ------------------------------------------------------------------------------------------


def _half_way(inputs: np.ndarray) -> np.ndarray:
    """A batch of the shape of `inputs`: its last third lies half way between the first and the second."""
    a, b = np.random.default_rng(0).normal(size=(2, len(inputs) // 3, *inputs.shape[1:]))
    return np.concatenate([a, b, (a + b) / 2]).astype("float32")


def _is_straight(outputs: np.ndarray) -> bool:
    """Whether the last third of a batch still lies half way: then nothing has bent what was between."""
    a, b, middle = np.split(outputs, 3)
    return np.allclose(middle, (a + b) / 2, atol=1e-4)


def _check_classifier(build: Callable[[], keras.Model]) -> str:
    model = require(build(), keras.Model, "a model")
    images = np.random.default_rng(0).random((48, 28, 28), np.float32)
    # not by predict, which warns of retracing when it has met five new models
    outputs = tried(
        lambda: np.asarray(model(images, training=False)),
        "The model must take images of shape (28, 28). Keep the Input, and leave the batch out of it.",
    )
    if outputs.shape != (48, 10):
        hint = " Dense works on the last axis alone: is a Flatten missing?" if outputs.ndim > 2 else ""
        raise WrongAnswer(f"Of 48 images it makes the shape {outputs.shape}, not (48, 10).{hint}")
    with inputs_of_dense(instead=_half_way) as met:
        model(images, training=False)
    if len(met) != 3:
        raise WrongAnswer(f"Two hidden layers and the output make three Dense layers. Yours has {len(met)}.")
    (_, first), (_, second), (_, last) = met
    if np.array_equal(first, second):
        raise WrongAnswer("The hidden layers stand side by side. The second should get what the first one gives.")
    if _is_straight(second) or _is_straight(last):
        raise WrongAnswer('A hidden layer has no activation, so it adds nothing. Try activation="relu".')
    if (outputs < 0).any() or not np.allclose(outputs.sum(axis=-1), 1, atol=1e-4):
        raise WrongAnswer("What it gives does not sum to 1 over the ten classes. Which activation does that?")
    if model.count_params() > 60_000:
        raise WrongAnswer(
            f"It has {model.count_params():,} parameters. The first hidden layer costs 785 for each unit."
        )
    return f"{model.count_params():,} parameters."


def _solve_classifier():
    def small_classifier():
        return keras.Sequential(
            [
                keras.Input(shape=(28, 28)),
                layers.Flatten(),
                layers.Dense(64, activation="relu"),
                layers.Dense(32, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )

    return small_classifier


small_classifier = Exercise(
    title="a classifier of at most 60,000 parameters",
    difficulty="medium",
    minutes=5,
    checker=_check_classifier,
    hints=(
        "Begin with build_mlp, and count what its first hidden layer costs.",
        "60,000 / 785 is 76: that many units are the most you can have in the first hidden layer.",
        "Flatten, Dense with relu, Dense with relu, Dense with softmax.",
    ),
    solution_source=_solve_classifier,
)

# --- 3 ------------------------------------------------------------------------------------------


def _check_loss(compile_for_logits: Callable[[keras.Model], keras.Model]) -> str:
    model = keras.Sequential([keras.Input((784,)), layers.Dense(10)])
    images = np.random.default_rng(1).normal(size=(4, 784)).astype("float32")
    before = np.asarray(model(images))
    compiled = compile_for_logits(model)
    if compiled is not model or not model.compiled:
        raise WrongAnswer("Compile the model that comes in, and return it.")
    if not np.allclose(model(images), before, atol=1e-5):
        raise WrongAnswer("The model gives something else now. Leave it as it is: the loss can take logits.")
    if model.loss is None:
        raise WrongAnswer("There is no loss.")
    logits = np.random.default_rng(0).normal(size=(4, 10), scale=2).astype("float32")
    one_hot = np.eye(10, dtype="float32")[[3, 1, 4, 1]]
    right, misled = (
        float(np.mean(keras.losses.categorical_crossentropy(one_hot, logits, from_logits=from_logits)))
        for from_logits in (True, False)
    )
    value = failed = None
    try:
        # in a graph, as `fit` does: a loss in NumPy cannot be trained
        loss = tf.function(lambda y, y_pred: model.compute_loss(y=y, y_pred=y_pred))
        value = np.asarray(loss(ops.convert_to_tensor(one_hot), ops.convert_to_tensor(logits)))
    except Exception as error:
        if line_of_the_learner(error):
            raise
        failed = f"{type(error).__name__}: {plain(error)}"
    if failed is None and value.ndim == 0 and np.isclose(value, right, rtol=1e-4):
        return "Softmax is now inside the loss, where it can be computed without overflow."
    loss = keras.tree.flatten(model.loss)[0]
    name = getattr(loss, "name", getattr(loss, "__name__", str(loss)))
    if "sparse" in name.lower():
        raise WrongAnswer("The sparse loss takes indices. Her labels are one-hot.")
    if "binary" in name.lower():
        raise WrongAnswer("Binary crossentropy asks ten yes-or-no questions. Here one of ten classes is true.")
    if failed:
        raise WrongAnswer(f"Keras cannot compute it. ({failed})")
    if value.ndim == 0 and np.isclose(value, misled, rtol=1e-4):
        raise WrongAnswer(
            "The right loss, but it takes the logits for probabilities. An object of keras.losses can be told "
            "that they are logits. A string cannot, nor a class without its brackets."
        )
    if name == "categorical_crossentropy":
        raise WrongAnswer("The right loss, but another of its arguments changes it. Give from_logits alone.")
    raise WrongAnswer(f"{name} is not the crossentropy of one-hot labels.")


def _solve_loss():
    def compile_for_logits(model):
        model.compile(optimizer="sgd", loss=keras.losses.CategoricalCrossentropy(from_logits=True))
        return model

    return compile_for_logits


loss_for_logits = Exercise(
    title="the loss for logits and one-hot labels",
    difficulty="medium",
    minutes=6,
    checker=_check_loss,
    hints=(
        "Two questions: which loss takes one-hot labels, and how does it learn that there is no softmax?",
        (
            "A string such as 'categorical_crossentropy' stands for the loss with its defaults. "
            "from_logits is False by default."
        ),
        (
            "An object is made by its class: keras.losses.CategoricalCrossentropy(...). "
            "help(keras.losses.CategoricalCrossentropy) lists what it takes."
        ),
    ),
    solution_source=_solve_loss,
)

# --- 4 ------------------------------------------------------------------------------------------


def _check_updates(answer: float) -> str:
    said = {
        1412 // 32 * 5: "You rounded down. The images that are left over make a batch too.",
        1412 / 32 * 5: "There is no half step. A smaller last batch is a whole step.",
        -(-1412 // 32): "That is one epoch.",
        -(-1412 * 5 // 32): "You rounded once, at the end. Each epoch ends with a smaller batch of its own.",
        1412 * 5: "That many images are seen. One step takes a whole batch of them.",
    }
    if answer in said:
        raise WrongAnswer(said[answer])
    if answer != _solve_updates():
        raise WrongAnswer(f"{answer} is not it. How many batches make an epoch?")
    return "45 batches an epoch, the last one with 4 images, and 5 epochs."


def _solve_updates():
    steps_per_epoch = int(np.ceil(1412 / 32))
    return 5 * steps_per_epoch


weight_updates = Exercise(
    title="count the updates of the weights",
    difficulty="easy",
    minutes=2,
    checker=_check_updates,
    hints=(
        "One batch, one update.",
        "1412 / 32 is 44.125. What happens to the last images of an epoch?",
    ),
    solution_source=_solve_updates,
)

# --- 5 ------------------------------------------------------------------------------------------


def _refuse_more_parameters(model: keras.Model) -> None:
    if model.count_params() > 84_060:
        raise WrongAnswer(
            f"It has {model.count_params():,} parameters, more than the 84,060 of build_mlp. Can fewer learn faster?"
        )


def _solve_quick_learner():
    def quick_learner():
        model = keras.Sequential(
            [
                keras.Input(shape=(28, 28)),
                layers.Flatten(),
                layers.Dense(100, activation="relu"),
                layers.Dense(10, activation="softmax"),
            ]
        )
        optimizer = keras.optimizers.SGD(learning_rate=0.03, momentum=0.9)
        model.compile(loss="sparse_categorical_crossentropy", optimizer=optimizer)
        return model

    return quick_learner


quick_learner = Training(
    title="a model that learns the digits in three epochs",
    difficulty="medium",
    minutes=10,
    data=digits,
    at_least=0.9,
    epochs=3,
    refuse=_refuse_more_parameters,
    hints=(
        "Three epochs are 111 steps. The string 'sgd' stands for a learning rate of 0.01, too small for so few.",
        "A larger learning_rate for keras.optimizers.SGD comes close. 'rmsprop' and 'adam' name two other optimizers.",
        "SGD takes a momentum too: a step goes on in the direction of those before it. Try 0.9, with a small rate.",
    ),
    solution_source=_solve_quick_learner,
)

# --- 6 ------------------------------------------------------------------------------------------


def _check_accuracy(accuracy: Callable[[np.ndarray, np.ndarray], float]) -> str:
    generator = np.random.default_rng(0)
    # ten images of the first two classes alone: what tells the labels apart must not be their values
    for count, classes in ((203, 10), (10, 2)):
        probabilities = generator.dirichlet(np.ones(10), size=count)
        labels = generator.integers(0, classes, count)
        sure = generator.random(count) < 0.7
        probabilities[sure, labels[sure]] = 2
        probabilities /= probabilities.sum(axis=-1, keepdims=True)
        right = float(np.mean(probabilities.argmax(axis=-1) == labels))
        one_hot = np.eye(10)[labels]
        for kind, given in (("one-hot", one_hot), ("one-hot integers", one_hot.astype(int)), ("indices", labels)):
            _check_one_accuracy(accuracy, probabilities, given, kind, right)
    return "And it never asked Keras."


def _check_one_accuracy(accuracy, probabilities, labels, kind, right) -> None:
    try:
        given = accuracy(probabilities, labels)
    except Exception as error:
        raise WrongAnswer(f"With labels as {kind} it raises {type(error).__name__}: {plain(error)}") from error
    if given is None:
        raise WrongAnswer("It returns None: is a return missing?")
    value = number(given)
    if value is None:
        raise WrongAnswer(f"With labels as {kind} it gives {described(given)}, not one number.")
    if np.isclose(value, right):
        return
    if np.isclose(value, right * len(labels)):
        raise WrongAnswer(f"With labels as {kind} it gives {value}: that is how many are right. Divide by all.")
    if np.isclose(value, right * 100):
        raise WrongAnswer(f"With labels as {kind} it gives {value}: a share from 0 to 1 is asked for, not percent.")
    if kind == "indices" and np.isclose(value, np.mean(probabilities.argmax(axis=-1) == labels.argmax(axis=-1))):
        raise WrongAnswer(
            f"Right for one-hot, wrong for {len(labels)} indices: argmax of the vector of indices is one single "
            "number, and everything was compared with that. Look at labels.ndim."
        )
    raise WrongAnswer(f"With {len(labels)} labels as {kind} it gives {value:.3f}, and {right:.4f} is right.")


def _solve_accuracy():
    def accuracy(probabilities, labels):
        if labels.ndim == 2:
            labels = labels.argmax(axis=-1)
        return np.mean(probabilities.argmax(axis=-1) == labels)

    return accuracy


accuracy_of_both = Exercise(
    title="accuracy for indices and one-hot labels",
    difficulty="medium",
    minutes=6,
    checker=_check_accuracy,
    hints=(
        "First turn the probabilities into decisions: argmax along the last axis.",
        "How can you tell one-hot labels from indices? Print labels.ndim for both.",
        "Bring both kinds of labels to indices, compare, and take the mean.",
    ),
    solution_source=_solve_accuracy,
)

# --- 7 ------------------------------------------------------------------------------------------


def _check_cracks(answer: dict[str, float]) -> str:
    right = _solve_cracks()
    if max(answer.values()) > 1:
        raise WrongAnswer("Each of the three is a share, a number from 0 to 1. Is one of them a count, or percent?")
    if np.isclose(answer["precision"], right["recall"]) and np.isclose(answer["recall"], right["precision"]):
        raise WrongAnswer(
            "You took precision for recall. Precision divides by what the model reported, recall by what is cracked."
        )
    said = {
        "accuracy": {
            0.04: "Tiles without a crack that were not reported are right answers too.",
            0.8: "That is the share of the cracked tiles that were found, which has another name.",
            0.99: "You counted the 10 cracks that were missed. What else went wrong?",
            0.96: "You counted the 40 tiles that were reported without a crack. What else went wrong?",
        },
        "precision": {
            0.08: "That is the share of all tiles that was reported. How many of those 80 are cracked?",
            0.95: "That is the accuracy. Precision looks at the 80 reported tiles alone.",
        },
        "recall": {
            0.04: "Recall divides by the cracked tiles, not by all tiles.",
            0.625: "Recall counts how many of the 50 cracked tiles are among the reported ones. Those are 40, not 50.",
            0.95: "That is the accuracy. Recall looks at the 50 cracked tiles alone.",
        },
    }
    for name, value in answer.items():
        if not np.isclose(value, right[name], atol=1e-3):
            told = (words for wrong, words in said[name].items() if np.isclose(value, wrong, atol=1e-3))
            raise WrongAnswer(f"The {name} is not {value:g}. {next(told, _ABOUT_CRACKS[name])}")
    return "A model that never reports a crack has an accuracy of 0.95 too, and a recall of 0."


_ABOUT_CRACKS = {
    "accuracy": "How many of the 1,000 tiles are in the right place? Fill in the four cells of the confusion matrix.",
    "precision": "Of the tiles that were reported, which share is cracked?",
    "recall": "Of the tiles that are cracked, which share was reported?",
}


def _solve_cracks():
    found, reported, cracked, tiles = 40, 80, 50, 1000
    missed, false_alarms = cracked - found, reported - found
    return {
        "accuracy": (tiles - missed - false_alarms) / tiles,
        "precision": found / reported,
        "recall": found / cracked,
    }


cracked_tiles = Exercise(
    title="accuracy, precision and recall of a search for cracks",
    difficulty="medium",
    minutes=5,
    checker=_check_cracks,
    hints=(
        "Draw the confusion matrix, 2 x 2. Its rows are 50 tiles with a crack and 950 without.",
        "The 40 are the cell of tiles that are cracked and reported. 10 cracks were missed. 40 reports were false.",
        "Accuracy divides what is right by all tiles, precision by what was reported, recall by what is cracked.",
    ),
    solution_source=_solve_cracks,
)
