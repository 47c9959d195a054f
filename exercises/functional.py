"""The exercises of page 04, the functional API."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import keras
import numpy as np
from keras import layers

from exercises.answers import WrongAnswer
from exercises.exercise import Exercise

# --- 1 ------------------------------------------------------------------------------------------


def _check_parameters(answer: int) -> str:
    deep_1, deep_2, wide_1 = 5 * 10 + 10, 10 * 10 + 10, 2 * 20 + 20
    said = {
        271: "That is the model with inputs of 4 and 3 columns.",
        5 * 10 + 10 * 10 + 2 * 20 + 30: "You counted the matrices. Each unit also adds a bias.",
        deep_1 + deep_2 + wide_1: "You counted the two branches. One layer comes after them.",
        deep_1 + deep_2 + wide_1 + 20 + 1: "The last layer sees both branches, side by side.",
        deep_1 + deep_2 + wide_1 + 10 + 1: "The last layer sees both branches, side by side.",
        deep_1 + wide_1 + 31: "The deep branch has two hidden layers.",
        deep_1 + deep_2 + wide_1 + 30: "The last unit has a bias too.",
    }
    if answer in said:
        raise WrongAnswer(said[answer])
    if answer != _solve_parameters():
        raise WrongAnswer(f"{answer} is not it. Count inputs * outputs + outputs for each of the four Dense layers.")
    return "60 + 110 for the deep branch, 60 for the wide one, 31 at the end."


def _solve_parameters():
    deep = (5 * 10 + 10) + (10 * 10 + 10)
    wide = 2 * 20 + 20
    last = (10 + 20) * 1 + 1
    return deep + wide + last


parameter_count = Exercise(
    title="count the parameters of two branches",
    difficulty="easy",
    minutes=4,
    checker=_check_parameters,
    hints=(
        "Only Dense layers have parameters. There are four of them.",
        "A Concatenate of 10 and 20 numbers gives 30 to the last layer.",
    ),
    solution_source=_solve_parameters,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_residual(residual_block: Callable) -> str:
    numbers = np.random.default_rng(0).normal(size=(4, 12)).astype("float32")
    for width in (12, 5):
        x = keras.Input((width,))
        y = residual_block(x)
        if y is None:
            raise WrongAnswer("The function returns nothing: is a return missing?")
        if not isinstance(y, keras.KerasTensor):
            raise WrongAnswer(f"It returns {type(y).__name__}, not a tensor. Layers must be called on x.")
        if y.shape[-1] == width + 32 or y.shape[-1] == 2 * width and y.shape[-1] != width:
            raise WrongAnswer(f"From a width of {width} it makes {y.shape[-1]}: the two are side by side, not added.")
        if y.shape != x.shape:
            raise WrongAnswer(f"The shape changes from {x.shape} to {y.shape}.")
        model = keras.Model(x, y)
        shapes = [w.shape for w in model.get_weights()]
        matrices = [shape for shape in shapes if len(shape) == 2]
        if len(matrices) != 2:
            raise WrongAnswer(f"Two Dense layers are asked for. There are {len(matrices)}.")
        if [len(shape) for shape in shapes] != [2, 1, 2, 1]:
            raise WrongAnswer("Two Dense layers, each with its bias, are asked for, and nothing else with weights.")
        first, last = shapes[1][0], shapes[3][0]
        if first == 32 and last == 1:
            raise WrongAnswer("The last layer has one unit, and that one number is added to all of x.")
        if first != 32 or last != width:
            raise WrongAnswer(
                f"For a width of {width} the layers should have 32 and {width} units, not {first} and {last}."
            )
        given = numbers[:, :width]

        def got(*values: float) -> np.ndarray:
            """What the block makes of `given` when each array of weights is filled with one number."""
            model.set_weights([np.full(shape, value) for shape, value in zip(shapes, values)])
            return np.asarray(model(given))

        if np.allclose(got(0, 0, 0, 0), 0):
            raise WrongAnswer("With all weights zero it gives zero: x itself is not in the sum.")
        if not np.allclose(got(0, 0, 0, 0), given):
            raise WrongAnswer("With all weights zero it should give x back. Is something applied after the sum?")
        if not np.allclose(got(0, -1, 1, 0), given):
            raise WrongAnswer("The layer of 32 units has no relu.")
        if not np.allclose(got(0, 0, 0, -1), given - 1, atol=1e-5):
            raise WrongAnswer("f must be able to subtract as well as to add. Leave the activation off its last layer.")
    return "With f = 0 it lets x through, at any width."


def _solve_residual():
    def residual_block(x):
        f = layers.Dense(32, activation="relu")(x)
        f = layers.Dense(x.shape[-1])(f)
        return layers.Add()([x, f])

    return residual_block


residual_block = Exercise(
    title="a residual block for any width",
    difficulty="medium",
    minutes=8,
    checker=_check_residual,
    hints=(
        "y = x + f(x), where f is two Dense layers.",
        "The second layer must have as many units as x is wide. What does x.shape[-1] say?",
    ),
    solution_source=_solve_residual,
)

# --- 3 ------------------------------------------------------------------------------------------


def _two_questions() -> keras.Model:
    image = keras.Input((6,))
    return keras.Model(
        image,
        [
            layers.Dense(10, activation="softmax", name="digit")(image),
            layers.Dense(1, activation="sigmoid", name="is_even")(image),
        ],
    )


def _check_compile(compile_two: Callable[[keras.Model], keras.Model]) -> str:
    keras.utils.set_random_seed(0)
    model = _two_questions()
    if compile_two(model) is not model or not model.compiled:
        raise WrongAnswer("Compile the model that comes in, and return it.")
    model.run_eagerly = True  # a graph for each answer makes TensorFlow warn of retracing
    x = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
    digit = np.arange(32) % 10
    labels = {"digit": digit, "is_even": (digit % 2 == 0).astype("float32")[:, None]}
    weights = model._compile_loss._user_loss_weights
    both = set(weights) == set(labels) if isinstance(weights, dict) else np.shape(weights) == (2,)
    if weights is not None and not both:
        raise WrongAnswer("loss_weights takes a number for each output: a dictionary with both, or a list of two.")
    try:
        found = model.evaluate(x, labels, batch_size=32, verbose=0, return_dict=True)
    except Exception as error:
        if "`metrics`" in str(error):
            raise WrongAnswer(
                "Keras refuses the metrics. There are two outputs, so name them: a dictionary whose keys are the "
                "outputs and whose values are lists."
            ) from error
        if "`loss_weights`" in str(error) or "in loss dict" in str(error):
            raise  # Keras says it well
        raise WrongAnswer(
            "A loss or a metric does not fit its labels. is_even is one number between 0 and 1; digit is one of ten "
            f"classes, and its label is an index. ({type(error).__name__})"
        ) from error
    if "digit_loss" not in found or "is_even_loss" not in found:
        raise WrongAnswer("Both outputs need a loss.")
    p_digit, p_even = (np.asarray(p) for p in model(x))
    right = {
        "digit_loss": -np.log(p_digit[np.arange(32), digit]).mean(),
        "is_even_loss": -np.log(np.where(labels["is_even"] == 1, p_even, 1 - p_even)).mean(),
    }
    if not np.isclose(found["is_even_loss"], right["is_even_loss"], rtol=1e-3):
        raise WrongAnswer("is_even is one number between 0 and 1, from one sigmoid. Which loss is made for that?")
    if not np.isclose(found["digit_loss"], right["digit_loss"], rtol=1e-3):
        raise WrongAnswer("digit has ten classes, and its labels are indices. Which loss is that?")
    total, a, b = found["loss"], right["digit_loss"], right["is_even_loss"]
    if np.isclose(total, a + b, rtol=1e-3):
        raise WrongAnswer("Both count alike. is_even should count half as much.")
    if np.isclose(total, a / 2 + b, rtol=1e-3):
        raise WrongAnswer("The weights are the wrong way round: digit counts half here.")
    pair = [weights[name] for name in ("digit", "is_even")] if isinstance(weights, dict) else weights
    if not np.isclose(pair[0], 2 * pair[1]):
        raise WrongAnswer(f"The weights are {pair[0]} and {pair[1]}. The second should be half the first.")
    missing = [name for name in ("digit", "is_even") if f"{name}_accuracy" not in found]
    if missing:
        raise WrongAnswer(f"No accuracy is reported for {' and '.join(missing)}.")
    return "Only the ratio of the weights matters: they need not sum to 1."


def _solve_compile():
    def compile_two(model):
        model.compile(
            optimizer="adam",
            loss={"digit": "sparse_categorical_crossentropy", "is_even": "binary_crossentropy"},
            loss_weights={"digit": 1.0, "is_even": 0.5},
            metrics={"digit": ["accuracy"], "is_even": ["accuracy"]},
        )
        return model

    return compile_two


compile_two = Exercise(
    title="two outputs with a loss and a metric each",
    difficulty="medium",
    minutes=8,
    checker=_check_compile,
    hints=(
        "Three dictionaries, whose keys are the names of the outputs.",
        "The table of losses on page 01 has one row for two classes and one for indices.",
        "In metrics each value is a list.",
    ),
    solution_source=_solve_compile,
)

# --- 4 ------------------------------------------------------------------------------------------


def _with_head(main_first: bool) -> keras.Model:
    image = keras.Input((8, 8, 1), name="image")
    x = layers.Dense(4, activation="relu", name="early")(layers.Flatten()(image))
    aux = layers.Dense(3, activation="softmax", name="aux_output")(x)
    main = layers.Dense(3, activation="softmax", name="main_output")(layers.Dense(5, name="late")(x))
    return keras.Model(image, [main, aux] if main_first else [aux, main])


def _check_cut(without_head: Callable[[keras.Model], keras.Model]) -> str:
    images = np.random.default_rng(0).random((4, 8, 8, 1), np.float32)
    for main_first in (True, False):
        model = _with_head(main_first)
        cut = without_head(model)
        if not isinstance(cut, keras.Model):
            missing = " Is a return missing?" if cut is None else ""
            raise WrongAnswer(f"It returns {type(cut).__name__}, not a model.{missing}")
        if cut is model:
            raise WrongAnswer("That is the model as it was, with its head.")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answer = cut(images)
        if isinstance(answer, (list, tuple)):
            raise WrongAnswer(f"It gives a list of length {len(answer)}, not one tensor.")
        names = [layer.name for layer in cut.layers]
        if "main_output" not in names and "aux_output" in names:
            raise WrongAnswer("It gives the auxiliary output where that is named first. Find the main one by its name.")
        if "main_output" not in names:
            raise WrongAnswer("It does not end in main_output.")
        if cut.get_layer("main_output") is not model.get_layer("main_output"):
            raise WrongAnswer("These are copies with weights of their own. Use the same layers.")
        if "aux_output" in names:
            raise WrongAnswer("The auxiliary head is still in it.")
        if caught:
            raise WrongAnswer("It warns when it gets an array: model.inputs is a list, and then a list is expected.")
        expected = model(images)[0 if main_first else 1]
        if not np.allclose(answer, expected, atol=1e-6):
            raise WrongAnswer("It does not give what main_output of the whole model gives.")
    return "It works whatever the order of the outputs, and shares every weight."


def _solve_cut():
    def without_head(model):
        return keras.Model(model.inputs[0], model.get_layer("main_output").output)

    return without_head


without_head = Exercise(
    title="a model without its auxiliary head",
    difficulty="medium",
    minutes=6,
    checker=_check_cut,
    hints=(
        "keras.Model needs the two ends of the way that you want to keep.",
        "model.get_layer(name) finds a layer, and layer.output is its tensor.",
    ),
    solution_source=_solve_cut,
)

# --- 5 ------------------------------------------------------------------------------------------


def _check_same(same_class: Callable[[], keras.Model]) -> str:
    keras.utils.set_random_seed(0)
    model = same_class()
    if not isinstance(model, keras.Model):
        missing = " Is a return missing?" if model is None else ""
        raise WrongAnswer(f"It returns {type(model).__name__}: build a keras.Model from the two inputs.{missing}")
    names = [tensor.name for tensor in model.inputs]
    if sorted(names) != ["left", "right"]:
        raise WrongAnswer(f"The inputs are {names}, not left and right.")
    if model.output_shape != (None, 1):
        hint = " Dense works on the last axis alone: is a Flatten missing?" if len(model.output_shape) > 2 else ""
        raise WrongAnswer(f"The output has shape {model.output_shape}, not (None, 1): one number for each pair.{hint}")
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 6, 28, 28), np.float32)
    # biases that are not zero, to tell a difference from another sum
    model.set_weights([w + generator.normal(size=w.shape, scale=0.05) for w in model.get_weights()])
    forth = np.asarray(model({"left": a, "right": b}))
    back = np.asarray(model({"left": b, "right": a}))
    if forth.min() < 0 or forth.max() > 1:
        raise WrongAnswer("It gives numbers outside 0 to 1. Which activation makes a probability?")
    kernels = [tuple(w.shape) for w in model.trainable_weights if len(w.shape) > 1]
    if kernels.count((784, 16)) == 2:
        raise WrongAnswer("Two encoders share nothing: make the layer once, and call it twice.")
    if not np.allclose(forth, back, atol=1e-5):
        raise WrongAnswer(
            "left with right gives another answer than right with left. A difference has a sign, and a "
            "concatenation an order."
        )
    itself = np.asarray(model({"left": a, "right": a}))
    if not np.allclose(itself, itself[0], atol=1e-5):
        raise WrongAnswer(
            "An image with itself should differ by zero, whatever it shows. Take the difference of the two codes."
        )
    if (16, 1) not in kernels:
        raise WrongAnswer(
            "A last unit should weigh 16 differences, with a matrix of shape (16, 1). "
            f"Your matrices are {', '.join(map(str, kernels))}."
        )
    return "One set of eyes for both, and the order does not matter."


def _solve_same():
    def same_class():
        left, right = keras.Input((28, 28), name="left"), keras.Input((28, 28), name="right")
        flatten, encoder = layers.Flatten(), layers.Dense(16, activation="relu")
        difference = keras.ops.abs(encoder(flatten(left)) - encoder(flatten(right)))
        together = layers.Dense(1, activation="sigmoid")(difference)
        return keras.Model([left, right], together)

    return same_class


same_class = Exercise(
    title="a model that compares two images",
    difficulty="hard",
    minutes=14,
    checker=_check_same,
    hints=(
        "First make the encoder, a Dense layer of 16 units, and give it a name in Python. Then call it twice.",
        "The difference of two symbolic tensors is a - b, and its size keras.ops.abs(a - b).",
        "Dense(1, activation='sigmoid') turns the 16 differences into one probability.",
    ),
    solution_source=_solve_same,
)
