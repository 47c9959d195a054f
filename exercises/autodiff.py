"""The exercises of page 10, automatic differentiation and the training loop."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from exercises.answers import WrongAnswer, described, number
from exercises.exercise import Exercise

# --- 1 ------------------------------------------------------------------------------------------


def _check_tape(answer: Mapping[str, Any]) -> str:
    right = _solve_tape()
    why = (
        "A variable is watched by itself. What is the slope of v²?",
        "Who watches the constant?",
        "Here v is the source, and c is only a factor.",
        "The way leads through .numpy(), out of TensorFlow. What does the tape know of it?",
        "How many questions does an ordinary tape answer?",
        "The target is a vector. What does the tape differentiate then?",
    )
    for (case, expected), reason in zip(right.items(), why):
        given = _word(answer[case])
        if isinstance(given, str) and given not in ("None", "an error"):
            raise WrongAnswer(f'{case}: give a number without quotes, "None" or "an error", not {given!r}.')
        if isinstance(expected, str):
            same = isinstance(given, str) and given == expected
        else:
            same = _close(number(given), expected)
        if not same:
            raise WrongAnswer(f"{case}: it is not {described(given)}. {reason}")
    return "The last one is 1 + 2v: a vector as target means its sum."


def _word(given: Any) -> Any:
    """The word for what the tape gives where it gives no number: None itself and an exception will do for it."""
    if given is None:
        return "None"
    if isinstance(given, BaseException) or (isinstance(given, type) and issubclass(given, BaseException)):
        return "an error"
    words = {"none": "None", "error": "an error", "an error": "an error"}
    return words.get(given.strip().lower(), given) if isinstance(given, str) else given


def _close(value: float | None, right: float) -> bool:
    return value is not None and bool(np.isclose(value, right, rtol=1e-4))


def _solve_tape():
    return {
        "y = v**2; gradient(y, v)": 6.0,
        "y = c**2; gradient(y, c)": "None",
        "y = v * c; gradient(y, v)": 3.0,
        "y = tf.constant(v.numpy() ** 2); gradient(y, v)": "None",
        "y = v**2; gradient(y, v), and once more gradient(y, v)": "an error",
        "y = tf.stack([v, v**2]); gradient(y, v)": 7.0,
    }


what_the_tape_says = Exercise(
    title="what the tape answers",
    difficulty="easy",
    minutes=4,
    checker=_check_tape,
    hints=(
        "Ask of each: is the source watched, and does a recorded way lead from it to the target?",
        "A tape is spent after one question. A vector as target stands for its sum.",
    ),
    solution_source=_solve_tape,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_epoch_loss(answer: float) -> str:
    said = {
        (0.5 + 0.7 + 1.4) / 3: "That is the mean over batches. The small one counts as much as the others there.",
        0.5 * 32 + 0.7 * 32 + 1.4 * 8: "That is the sum over the examples. Divide.",
        (0.5 * 32 + 0.7 * 32 + 1.4 * 8) / 96: "Divide by the examples that there are. The last batch is not full.",
        (0.5 * 32 + 0.7 * 32 + 1.4 * 8) / 3: "You divided by the number of batches.",
        (0.5 + 0.7) / 2: "The last batch is small, but its examples count too.",
    }  # fmt: skip
    for wrong, reason in said.items():
        if abs(answer - wrong) < 0.01:
            raise WrongAnswer(reason)
    if not abs(answer - _solve_epoch_loss()) < 0.01:  # two decimals will do, rounded or cut
        raise WrongAnswer(f"{answer} is not it. How much does each example weigh?")
    return "Each example counts the same, whichever batch it was in."


def _solve_epoch_loss():
    return (32 * 0.5 + 32 * 0.7 + 8 * 1.4) / (32 + 32 + 8)


loss_of_an_epoch = Exercise(
    title="the loss of an epoch",
    difficulty="easy",
    minutes=3,
    checker=_check_epoch_loss,
    hints=(
        "What are the losses of the 72 examples, added up?",
        "A batch of 8 with the mean 1.4 adds 8 * 1.4.",
    ),
    solution_source=_solve_epoch_loss,
)

# --- 3 ------------------------------------------------------------------------------------------


def _check_second_derivative(second_derivative: Callable) -> str:
    cases = {
        "x**3": (lambda x: x**3, 3.0, 18.0, 27.0),
        "x**4": (lambda x: x**4, 1.0, 12.0, 4.0),
        "sin(x)": (tf.sin, 1.0, -np.sin(1.0), np.cos(1.0)),
    }
    for name, (function, at, right, first) in cases.items():
        try:
            value = second_derivative(function, tf.constant(at))
        except TypeError as error:
            if "received None" not in str(error):
                raise
            raise WrongAnswer(
                f"For {name} the first derivative is None, and None cannot be differentiated again. x is a constant: "
                "who watches it?"
            ) from error
        if value is None:
            raise WrongAnswer(
                f"For {name} it gives None. Is the result returned? x is a constant: who watches it? And is the "
                "first derivative computed where the outer tape can see it?"
            )
        if isinstance(value, (list, tuple)):
            raise WrongAnswer("It gives a list. Ask the tape about x, not about [x], or take the entry.")
        found = number(value)
        if found is None:
            raise WrongAnswer(f"For {name} it gives {described(value)}. Return one number, as a tensor or as a float.")
        if _close(found, right):
            continue
        if _close(found, first):
            raise WrongAnswer(f"For {name} at {at} it gives the first derivative, {found:.4f}.")
        if _close(found, first**2):
            raise WrongAnswer(f"For {name} it gives the square of the first derivative. Differentiate twice instead.")
        raise WrongAnswer(f"For {name} at {at} it gives {found:.4f}, and {right:.4f} is right.")
    return "A tape around a tape, and both watch x."


def _solve_second_derivative():
    def second_derivative(f, x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                y = f(x)
            first = inner.gradient(y, x)
        return outer.gradient(first, x)

    return second_derivative


second_derivative = Exercise(
    title="the second derivative",
    difficulty="medium",
    minutes=8,
    checker=_check_second_derivative,
    hints=(
        "Two tapes, one inside the other. Where must inner.gradient stand?",
        "x is a constant: each of the tapes has to watch it.",
        "Inside the outer with, outside the inner one: that is where the first derivative is computed.",
    ),
    solution_source=_solve_second_derivative,
)

# --- 4 ------------------------------------------------------------------------------------------


class _Crossentropy:
    """Categorical crossentropy of one-hot labels, which knows when the labels come second."""

    def __init__(self, y):
        self.y, self.swapped, self.called = y, False, False
        self.loss = keras.losses.CategoricalCrossentropy()

    def __call__(self, y_true, y_pred, *more, **named):
        self.called = True
        self.swapped = y_pred is self.y
        return self.loss(y_true, y_pred, *more, **named)


def _network(penalty: float = 0.1) -> keras.Model:
    """A model with a penalty, unless that is 0, and with running statistics, and with the same weights each time."""
    glorot, regularizer = keras.initializers.GlorotUniform, keras.regularizers.L2(penalty) if penalty else None
    inputs = keras.Input((4,))
    x = layers.Dense(8, kernel_initializer=glorot(0), kernel_regularizer=regularizer)(inputs)
    x = layers.ReLU()(layers.BatchNormalization()(x))
    return keras.Model(inputs, layers.Dense(3, activation="softmax", kernel_initializer=glorot(1))(x))


def _examples(count: int = 12) -> tuple[tf.Tensor, tf.Tensor]:
    generator = np.random.default_rng(0)
    x = tf.constant(generator.normal(size=(count, 4)), tf.float32)
    return x, tf.one_hot(generator.integers(0, 3, count), 3)


def _optimizer(model: keras.Model) -> keras.optimizers.Optimizer:
    """One that has its variables, since a `tf.function` makes some only once."""
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9, nesterov=True)  # 0.1 * gradient by hand leads elsewhere
    optimizer.build(model.trainable_variables)
    return optimizer


def _state(model: keras.Model) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """The weights that are trained, and the running statistics."""
    return [w.numpy() for w in model.trainable_variables], [w.numpy() for w in model.non_trainable_variables]


@functools.cache
def _after_a_step(penalty: float = 0.1) -> tuple[float, list[np.ndarray], list[np.ndarray]]:
    """The loss, the weights and the running statistics of one right step."""
    (x, y), model = _examples(), _network(penalty)
    loss = _solve_step()(model, _Crossentropy(y), _optimizer(model), x, y)
    return float(loss), *_state(model)


def _check_step(train_step: Callable) -> str:
    (x, y), model = _examples(), _network()
    crossentropy = _Crossentropy(y)
    before, statistics_before = _state(model)
    loss = train_step(model, crossentropy, _optimizer(model), x, y)
    after, statistics = _state(model)

    right, expected, expected_statistics = _after_a_step()
    _, unpenalized, _ = _after_a_step(penalty=0.0)
    moved = [not np.array_equal(a, b) for a, b in zip(before, after)]
    if not crossentropy.called:
        raise WrongAnswer("loss_function was never called.")
    if crossentropy.swapped:
        raise WrongAnswer("loss_function got the predictions first. Which of the two does Keras expect first?")
    if all(map(np.array_equal, statistics_before, statistics)):
        raise WrongAnswer(
            "The running statistics of the batch normalization stand still. Did the layers hear training=True? "
            "Without it, dropout is off as well."
        )
    if not any(moved):
        raise WrongAnswer("No weight has moved. Was the optimizer given the gradients?")
    if not any(moved[1:]):
        raise WrongAnswer(
            "Only the weight with a penalty has moved: no way leads from the loss to the others. Are the "
            "predictions computed inside the with, and does TensorFlow compute all of it?"
        )
    if not all(moved[-2:]):
        raise WrongAnswer(
            "The last layer has not moved. Compare the list that you asked gradients for with the one that you zip."
        )
    if not _all_close(after, expected):
        if _all_close(after, unpenalized):
            raise WrongAnswer(
                "The weights have moved, but without the regularizer. Where does the model keep its penalties, and "
                "does the tape see them?"
            )
        raise WrongAnswer("The weights have moved, but not to where one step of the optimizer leads.")
    if not _all_close(statistics, expected_statistics):
        raise WrongAnswer(
            "The weights are right. But the running statistics have not moved as in one call with training=True: was "
            "the model called more than once?"
        )
    if loss is None:
        raise WrongAnswer("The step is right. It must also return the loss.")
    if getattr(loss, "shape", ()) != ():
        raise WrongAnswer(f"The step is right. But your loss has shape {tuple(loss.shape)}: model.losses is a list.")
    found = number(loss)
    if found is None:
        raise WrongAnswer(f"The step is right. But it must return the loss, one number, not {described(loss)}.")
    if not np.isclose(found, right, atol=1e-4):
        raise WrongAnswer(
            f"The step is right. The loss that it begins with is {right:.4f}, and you return {found:.4f}."
        )
    plain = _network(penalty=0)
    train_step(plain, _Crossentropy(y), _optimizer(plain), x, y)
    if not _all_close(_state(plain)[0], unpenalized):
        raise WrongAnswer(
            "The step is right for a model with a regularizer, and wrong for one without: model.losses may hold any "
            "number of penalties, or none."
        )
    return "The truth first, training=True, the penalties, and the trainable variables."


def _all_close(given: list[np.ndarray], expected: list[np.ndarray]) -> bool:
    return all(np.allclose(a, b, atol=1e-5) for a, b in zip(given, expected))


def _solve_step():
    def train_step(model, loss_function, optimizer, x, y):
        with tf.GradientTape() as tape:
            y_pred = model(x, training=True)
            loss = loss_function(y, y_pred) + sum(model.losses)
        gradients = tape.gradient(loss, model.trainable_variables)
        optimizer.apply_gradients(zip(gradients, model.trainable_variables))
        return loss

    return train_step


one_step = Exercise(
    title="one training step",
    difficulty="medium",
    minutes=12,
    checker=_check_step,
    hints=(
        "Inside the tape: the predictions and the loss. Outside: the gradients and the optimizer.",
        "Often forgotten: what the layers are told, which argument of the loss is first, and the penalties.",
        "model(x, training=True), loss_function(y, y_pred) and sum(model.losses).",
    ),
    solution_source=_solve_step,
)

# --- 5 ------------------------------------------------------------------------------------------


class _Sizes(layers.Layer):
    """Passes its input on, and remembers how many examples came at once."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def call(self, x):
        self.seen.append(x.shape[0] or 0)  # a graph may leave it open
        return x


def _model_with_a_frozen_layer() -> tuple[keras.Model, _Sizes]:
    """A model with the same weights each time, and its first layer."""
    sizes, glorot = _Sizes(), keras.initializers.GlorotUniform
    frozen = layers.Dense(4, trainable=False, kernel_initializer=glorot(0))
    hidden, last = layers.Dense(8, "tanh", kernel_initializer=glorot(1)), layers.Dense(3, kernel_initializer=glorot(2))
    return keras.Sequential([keras.Input((4,)), sizes, frozen, hidden, last]), sizes


def _pieces() -> list[tuple[tf.Tensor, tf.Tensor]]:
    x, y = _examples()
    return [(x[a:b], y[a:b]) for a, b in ((0, 6), (6, 10), (10, 12))]


@functools.cache
def _gradients_of_whole_and_pieces() -> list[list[tf.Tensor]]:
    (model, _), crossentropy = _model_with_a_frozen_layer(), keras.losses.CategoricalCrossentropy(from_logits=True)

    def of(x, y):
        with tf.GradientTape() as tape:
            loss = crossentropy(y, model(x))
        return tape.gradient(loss, model.trainable_variables)

    return [of(*part) for part in (_examples(), *_pieces())]


def _check_pieces(gradients_in_pieces: Callable) -> str:
    (model, sizes), pieces = _model_with_a_frozen_layer(), _pieces()
    crossentropy, calls = keras.losses.CategoricalCrossentropy(from_logits=True), []

    def loss_function(y_true, y_pred, *more, **named):
        examples = tf.convert_to_tensor(y_true).shape[0] or 0  # a graph may leave it open
        calls.append((examples, any(y_pred is labels for _, labels in pieces)))
        return crossentropy(y_true, y_pred, *more, **named)

    before, _ = _state(model)
    answer = gradients_in_pieces(model, loss_function, pieces)
    answer = list(answer) if isinstance(answer, (list, tuple, Iterator)) else None
    if not all(map(np.array_equal, before, _state(model)[0])):
        raise WrongAnswer("The weights have moved. Only the gradients are asked for.")
    if not calls:
        raise WrongAnswer("loss_function was never called. The gradients are those of the loss that it gives.")
    if any(swapped for _, swapped in calls):
        raise WrongAnswer("loss_function got the predictions first. Which of the two does Keras expect first?")
    if max(examples for examples, _ in calls) > 6:
        raise WrongAnswer(f"loss_function got {max(calls)[0]} examples at once, more than the largest piece has.")
    if max(sizes.seen, default=0) > 6:
        raise WrongAnswer(f"The model got {max(sizes.seen)} examples at once, more than the largest piece has.")
    if answer is None or len(answer) != len(before):
        raise WrongAnswer(f"Return a list of {len(before)} gradients, one for each trainable variable.")
    if any(g is None for g in answer):
        raise WrongAnswer("A gradient is None. Is the loss computed inside the tape?")
    if any(isinstance(g, (list, tuple)) for g in answer):
        raise WrongAnswer("Return the gradients alone, without their variables.")
    if any(np.shape(gradient) != weight.shape for gradient, weight in zip(answer, before)):
        raise WrongAnswer("A gradient has not the shape of its variable. Is the order that of trainable_variables?")

    def same(expected):
        return _all_close(answer, expected)

    right, *parts = _gradients_of_whole_and_pieces()
    together = list(zip(*parts))
    if same([sum(g) for g in together]):
        raise WrongAnswer(
            "You added the gradients of the pieces. Each is one of a mean: what do three means add up to?"
        )
    if same([sum(g) / 3 for g in together]):
        raise WrongAnswer("You took the mean of the pieces. The smallest one counts as much as the largest there.")
    if same([sum(n * g for n, g in zip((6, 4, 2), of_one)) for of_one in together]):
        raise WrongAnswer("Each piece is weighted by its size. Now divide.")
    if same(parts[0]):
        raise WrongAnswer("Those are the gradients of the first piece. Is the return inside the loop?")
    if same(parts[-1]):
        raise WrongAnswer("Those are the gradients of the last piece. The others were overwritten.")
    if not same(right):
        raise WrongAnswer("These are not the gradients of the mean loss over all examples.")
    return "Weighted by size, the pieces are as good as the whole. With a tape for each, memory holds one."


def _solve_pieces():
    def gradients_in_pieces(model, loss_function, pieces):
        total = sum(len(x) for x, _ in pieces)
        sums = [tf.zeros_like(variable) for variable in model.trainable_variables]
        for x, y in pieces:
            with tf.GradientTape() as tape:
                loss = loss_function(y, model(x, training=True))
            gradients = tape.gradient(loss, model.trainable_variables)
            sums = [s + g * (len(x) / total) for s, g in zip(sums, gradients)]
        return sums

    return gradients_in_pieces


gradients_in_pieces = Exercise(
    title="gradients in pieces",
    difficulty="hard",
    minutes=15,
    checker=_check_pieces,
    hints=(
        "A gradient of a sum is the sum of the gradients. But the loss of a piece is a mean.",
        "A piece of 6 among 12 examples: with which share does its mean enter the mean of all?",
        "One tape for each piece. Add up gradient * len(x) / total, variable by variable.",
    ),
    solution_source=_solve_pieces,
)
