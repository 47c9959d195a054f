"""The exercises of page 07, the functional API."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
from keras import layers

from exercises.answers import WrongAnswer, line_of_the_learner, plain, require, tried
from exercises.exercise import Exercise
from exercises.kinds.diagnosis import Diagnosis
from exercises.kinds.training import Training, digits
from exercises.recording import inputs_of_dense

# --- 1 ------------------------------------------------------------------------------------------


def _check_residual(residual_block: Callable) -> str:
    generator = np.random.default_rng(0)
    for width in (12, 5):
        x = keras.Input((width,))
        y = residual_block(x)
        if isinstance(y, keras.Layer):
            raise WrongAnswer(f"It returns the layer {type(y).__name__}, not a tensor. Layers must be called on x.")
        require(y, keras.KerasTensor, "a tensor")
        if y.shape[-1] == width + 32 or y.shape[-1] == 2 * width and y.shape[-1] != width:
            raise WrongAnswer(f"From a width of {width} it makes {y.shape[-1]}: the two are side by side, not added.")
        if y.shape != x.shape:
            raise WrongAnswer(f"The shape changes from {x.shape} to {y.shape}.")
        model = tried(lambda: keras.Model(x, y), "No way leads from x to what it returns.")
        shapes = [w.shape for w in model.get_weights()]
        kernels = [shape for shape in shapes if len(shape) == 2]
        if len(kernels) != 2:
            raise WrongAnswer(f"Two Dense layers are asked for. There are {len(kernels)}.")
        if sorted(map(len, shapes)) != [1, 1, 2, 2]:
            raise WrongAnswer("Two Dense layers, each with its bias, are asked for, and nothing else with weights.")
        W1, b1, W2, b2 = (width, 32), (32,), (32, width), (width,)
        if {*kernels} == {W1, (32, 1)}:
            raise WrongAnswer("The last layer has one unit, and that one number is added to all of x.")
        if {*shapes} != {W1, b1, W2, b2}:
            raise WrongAnswer(
                f"For a width of {width} the layers should have 32 and {width} units, with matrices of shape {W1} and "
                f"{W2}. Yours are {' and '.join(map(str, kernels))}."
            )
        given = generator.normal(size=(4, width)).astype("float32")

        def got(*values: float | np.ndarray) -> np.ndarray:
            """What the block makes of `given` when W1, b1, W2 and b2 are filled with these values."""
            filled = {shape: np.broadcast_to(value, shape) for shape, value in zip((W1, b1, W2, b2), values)}
            model.set_weights([filled[shape] for shape in shapes])
            return np.asarray(model(given))

        if np.allclose(got(0, 0, 0, 0), 0):
            raise WrongAnswer("With all weights zero it gives zero: x itself is not in the sum.")
        if not np.allclose(got(0, 0, 0, 0), given):
            raise WrongAnswer("With all weights zero it should give x back. Is something applied after the sum?")
        if np.allclose(got(0, 0, 0, 1), given - 1, atol=1e-5):
            raise WrongAnswer("f(x) is taken away from x, not added.")
        # 32 units that give relu(-1) and relu(7)
        if not np.allclose(got(0, -1, 1, 0), given) or not np.allclose(got(0, 7, 1, 0), given + 32 * 7, atol=1e-4):
            raise WrongAnswer("The layer of 32 units has no relu.")
        if not np.allclose(got(0, 0, 0, -1), given - 1, atol=1e-5):
            raise WrongAnswer("f must be able to subtract as well as to add. Leave the activation off its last layer.")
        weights = [generator.normal(size=shape) for shape in (W1, b1, W2, b2)]
        right = given + np.maximum(given @ weights[0] + weights[1], 0) @ weights[2] + weights[3]
        if not np.allclose(got(*weights), right, atol=1e-3):
            raise WrongAnswer("The layers are right. But it does not give x + f(x): is something done to x before?")
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
    minutes=5,
    checker=_check_residual,
    hints=(
        "y = x + f(x), where f is two Dense layers.",
        "The second layer must have as many units as x is wide. What does x.shape[-1] say?",
    ),
    solution_source=_solve_residual,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_same(same_class: Callable[[], keras.Model]) -> str:
    keras.utils.set_random_seed(0)
    model = require(same_class(), keras.Model, "a keras.Model of the two inputs")
    inputs = tried(lambda: model.inputs, "It must be built from its two inputs.")
    names = [tensor.name for tensor in inputs or ()]
    if sorted(names) != ["left", "right"]:
        raise WrongAnswer(f"The inputs are {names}, not left and right.")
    generator = np.random.default_rng(0)
    a, b, c = generator.random((3, 6, 28, 28), np.float32)
    # biases that are not zero, to tell a difference from another sum
    model.set_weights([w + generator.normal(size=w.shape, scale=0.05) for w in model.get_weights()])

    def compared(left: np.ndarray, right: np.ndarray) -> np.ndarray:
        told = "It does not take a dictionary of a left and a right image."
        outputs = tried(lambda: keras.tree.flatten(model({"left": left, "right": right})), told)
        shapes = [tuple(output.shape) for output in outputs]
        if shapes != [(6, 1)]:
            hint = " Dense works on the last axis alone: is a Flatten missing?" if len(shapes[0]) > 2 else ""
            made = " and ".join(map(str, shapes))
            raise WrongAnswer(f"Of 6 pairs it makes the shape {made}, not (6, 1): one number for each pair.{hint}")
        return np.asarray(outputs[0])

    forth, back, itself = compared(a, b), compared(b, a), compared(a, a)
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
    if not np.allclose(itself, itself[0], atol=1e-5):
        raise WrongAnswer(
            "An image with itself should differ by zero, whatever it shows. Take the difference of the two codes."
        )
    if (16, 1) not in kernels:
        raise WrongAnswer(
            "A last unit should weigh 16 differences, with a matrix of shape (16, 1). "
            f"Your matrices are {', '.join(map(str, kernels))}."
        )
    with inputs_of_dense() as met:
        output = [compared(*pair) for pair in ((a, b), (b, c), (a, c))][-1]
    units = [(layer, given) for layer, given in met if layer.kernel.shape == (16, 1)]
    if units:
        distances, last = np.stack([given for _, given in units]), units[-1][0]
        # of three points on a line, the largest distance is the sum of the two others
        if (distances < 0).any() or not np.allclose(2 * distances.max(axis=0), distances.sum(axis=0), atol=1e-4):
            raise WrongAnswer(
                "The last unit should weigh the absolute differences themselves: a - b, without its sign."
            )
        logit = distances[-1] @ np.asarray(last.kernel) + (0 if last.bias is None else np.asarray(last.bias))
        if not np.allclose(output, 1 / (1 + np.exp(-logit)), atol=1e-4):
            raise WrongAnswer("The last unit needs a sigmoid, which makes a probability of its sum.")
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
    minutes=10,
    checker=_check_same,
    hints=(
        "First make the encoder, a Dense layer of 16 units, and give it a name in Python. Then call it twice.",
        "The difference of two symbolic tensors is a - b, and its size keras.ops.abs(a - b).",
        "Dense(1, activation='sigmoid') turns the 16 differences into one probability.",
    ),
    solution_source=_solve_same,
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
    if model.loss is None:
        raise WrongAnswer("Both outputs need a loss.")
    x = np.random.default_rng(0).normal(size=(32, 6)).astype("float32")
    outputs = model(x)
    p_digit, p_even = map(np.asarray, outputs)
    # of the digits 11 are right, and of the others 20: shares that nothing else has by chance
    digit = (p_digit.argmax(axis=-1) + (np.arange(32) >= 11)) % 10
    even = np.where(np.arange(32)[:, None] < 20, p_even > 0.5, p_even <= 0.5).astype("float32")
    accuracies = {"digit": 11 / 32, "is_even": 20 / 32}

    def labels(digit: np.ndarray, even: np.ndarray) -> dict[str, tf.Tensor]:
        return {"digit": tf.convert_to_tensor(digit), "is_even": tf.convert_to_tensor(even)}

    def losses(digit: np.ndarray, even: np.ndarray) -> tuple[float, float]:
        """What the two losses should be."""
        of_digit = -np.log(p_digit[np.arange(32), digit]).mean()
        return of_digit, -np.log(np.where(even == 1, p_even, 1 - p_even)).mean()

    others = (digit + 1) % 10, 1 - even  # a second total tells the two weights
    try:
        total = float(model.compute_loss(x, labels(digit, even), outputs))
        reported = model.compute_metrics(x, labels(digit, even), outputs, None)
        second = float(model.compute_loss(x, labels(*others), outputs))
    except Exception as error:
        if line_of_the_learner(error):
            raise
        raise WrongAnswer(_refused(model, error)) from error
    found = {name: float(value) for name, value in reported.items()}
    if "digit_loss" not in found or "is_even_loss" not in found:
        raise WrongAnswer("Both outputs need a loss.")
    right = losses(digit, even)
    if not np.isclose(found["is_even_loss"], right[1], rtol=1e-3):
        raise WrongAnswer("is_even is one number between 0 and 1, from one sigmoid. Which loss is made for that?")
    if not np.isclose(found["digit_loss"], right[0], rtol=1e-3):
        raise WrongAnswer("digit has ten classes, and its labels are indices. Which loss is that?")
    of_digit, of_even = np.linalg.solve([right, losses(*others)], [total, second])
    if np.isclose(of_digit, of_even, rtol=1e-3):
        raise WrongAnswer("Both count alike. is_even should count half as much.")
    if np.isclose(of_even, 2 * of_digit, rtol=1e-3):
        raise WrongAnswer("The weights are the wrong way round: digit counts half here.")
    if of_digit <= 0 or of_even <= 0:
        raise WrongAnswer(
            f"The weights are {of_digit:.3g} and {of_even:.3g}. What has no positive weight is not learned."
        )
    if not np.isclose(of_digit, 2 * of_even, rtol=1e-3):
        raise WrongAnswer(f"The weights are {of_digit:.3g} and {of_even:.3g}. The second should be half the first.")
    missing = [
        output
        for output, accuracy in accuracies.items()
        if not any(name.startswith(f"{output}_") and np.isclose(found[name], accuracy) for name in found)
    ]
    if missing:
        raise WrongAnswer(f"No accuracy is reported for {' and '.join(missing)}.")
    return "The ratio of the weights is right, and they need not sum to 1."


def _refused(model: keras.Model, error: Exception) -> str:
    """Why Keras could not compute the losses and metrics."""
    weights = model._compile_loss._user_loss_weights if model._compile_loss else None
    both = set(weights) == {"digit", "is_even"} if isinstance(weights, dict) else isinstance(weights, (list, tuple))
    if weights is not None and not both:
        return "loss_weights takes a number for each output: a dictionary with both, or a list of two."
    if "`metrics`" in str(error):
        return (
            "Keras refuses the metrics. There are two outputs, so name them: a dictionary whose keys are the outputs "
            "and whose values are lists."
        )
    if "`loss_weights`" in str(error) or "in loss dict" in str(error):
        return f"Keras says: {plain(error)}"
    return (
        "A loss or a metric does not fit its labels. is_even is one number between 0 and 1; digit is one of ten "
        f"classes, and its label is an index. ({type(error).__name__})"
    )


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
    minutes=5,
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
        cut = require(without_head(model), keras.Model, "a model")
        if cut is model:
            raise WrongAnswer("That is the model as it was, with its head.")
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            answer = tried(lambda: cut(images), "It does not take an array of images.")
        if isinstance(answer, (list, tuple, dict)):
            raise WrongAnswer(f"It gives a {type(answer).__name__} of length {len(answer)}, not one tensor.")
        whole = dict(zip(model.output_names, model(images)))
        if answer.shape == (4, 3) and np.allclose(answer, whole["aux_output"], atol=1e-6):
            raise WrongAnswer("It gives the auxiliary output where that is named first. Find the main one by its name.")
        if answer.shape != (4, 3):
            raise WrongAnswer("It does not end in main_output.")
        mine, theirs = ({id(weight) for weight in of.weights} for of in (cut, model))
        if not mine <= theirs:
            raise WrongAnswer("These are copies with weights of their own. Use the same layers.")
        if mine & {id(weight) for weight in model.get_layer("aux_output").weights}:
            raise WrongAnswer("The auxiliary head is still in it.")
        if not np.allclose(answer, whole["main_output"], atol=1e-6):
            raise WrongAnswer("It does not give what main_output of the whole model gives.")
        if any("structure" in str(warning.message) for warning in caught):
            raise WrongAnswer("It warns when it gets an array: model.inputs is a list, and then a list is expected.")
    return "It works whatever the order of the outputs, and shares every weight."


def _solve_cut():
    def without_head(model):
        return keras.Model(model.inputs[0], model.get_layer("main_output").output)

    return without_head


without_head = Exercise(
    title="a model without its auxiliary head",
    difficulty="medium",
    minutes=4,
    checker=_check_cut,
    hints=(
        "keras.Model needs the two ends of the way that you want to keep.",
        "model.get_layer(name) finds a layer, and layer.output is its tensor.",
    ),
    solution_source=_solve_cut,
)

# --- 5 ------------------------------------------------------------------------------------------


def _broken_skips(x_train, y_train, x_val, y_val):
    image = keras.Input((28, 28))
    x = layers.Dense(32)(layers.Flatten()(image))
    for _ in range(8):
        x = layers.Dense(32, activation="sigmoid")(x)
        f = layers.Dense(32, kernel_initializer="zeros")(x)
        x = layers.Add()([x, f])
    model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
    model.compile(keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy")
    model.fit(x_train, y_train, epochs=3, batch_size=32, verbose=0)
    return model


def _solve_skips():
    def train(x_train, y_train, x_val, y_val):
        image = keras.Input((28, 28))
        x = layers.Dense(32)(layers.Flatten()(image))
        for _ in range(8):
            f = layers.Dense(32, activation="sigmoid")(x)
            f = layers.Dense(32, kernel_initializer="zeros")(f)
            x = layers.Add()([x, f])
        model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
        model.compile(keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy")
        model.fit(x_train, y_train, epochs=3, batch_size=32, verbose=0)
        return model

    return train


wrong_skip = Diagnosis(
    title="find what keeps eight residual blocks at chance",
    difficulty="medium",
    minutes=8,
    broken=_broken_skips,
    data=digits,
    at_least=0.85,
    seconds=180,
    fault="The name x was overwritten, so each sum led around the second layer of its block, and not around both.",
    hints=(
        "Every layer is there, with the right settings. Look at which tensor goes where.",
        "Draw one block on paper. Which tensor is x where the sum is made?",
        "The sum needs what came into the block. Give the result of the first layer another name.",
    ),
    solution_source=_solve_skips,
)

# --- 6 ------------------------------------------------------------------------------------------


def _dense_layers(model: keras.Model) -> list[layers.Dense]:
    """The Dense layers of a model and of the models inside it."""
    inside = [_dense_layers(layer) if isinstance(layer, keras.Model) else [layer] for layer in model.layers]
    return [layer for found in inside for layer in found if isinstance(layer, layers.Dense)]


def _refuse_shallow(model: keras.Model) -> None:
    found = sum(layer.units == 32 for layer in _dense_layers(model))
    if found < 20:
        raise WrongAnswer(
            f"It has {found} Dense layers of 32 units, and 20 are asked for. In a loop, each round has to take what "
            "the round before has made."
        )


def _solve_twenty():
    def twenty_layers():
        image = keras.Input((28, 28))
        x = layers.Dense(32, activation="relu")(layers.Flatten()(image))
        for _ in range(10):
            f = layers.Dense(32, activation="relu")(x)
            f = layers.Dense(32, kernel_initializer="zeros")(f)
            x = layers.Add()([x, f])
        model = keras.Model(image, layers.Dense(10, activation="softmax")(x))
        model.compile(keras.optimizers.Adam(0.003), loss="sparse_categorical_crossentropy")
        return model

    return twenty_layers


twenty_layers = Training(
    title="improve a stack of twenty layers",
    difficulty="medium",
    minutes=8,
    data=digits,
    at_least=0.85,
    epochs=3,
    seconds=180,
    refuse=_refuse_shallow,
    hints=(
        "What goes through twenty fresh layers should still differ from image to image. Which blocks let it through?",
        "Ten residual blocks have twenty layers. What did the measurement of fresh blocks say of their last layer?",
        "f is a Dense layer with relu and one without, whose kernel begins with zeros. Then x = layers.Add()([x, f]).",
    ),
    solution_source=_solve_twenty,
)
