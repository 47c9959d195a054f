"""The exercises of page 09, subclassing."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops

from exercises.answers import WrongAnswer, described, plain, require, tried
from exercises.exercise import Exercise

# --- 1 ------------------------------------------------------------------------------------------

_WORDS = ("trained and saved", "only saved", "neither")


def _check_seen(answer: dict[str, str]) -> str:
    why = {
        "self.a": "It is a variable that Keras knows. What is the default of trainable?",
        "self.b": "Whose variable is it? Think of LinearMap, and of its list of weights.",
        "self.c": "Keras knows it. But which of the two things does trainable=False refuse, and which not?",
        "self.d": "It is what add_weight makes, made by hand. An attribute that holds one is found.",
        "self.e": "An array is no variable. It is a value in an attribute, like units.",
        "self.f": "The parent collects from the layers that it holds, and looks into lists too.",
    }
    answer = {line: given.strip().lower() for line, given in answer.items()}
    for line, given in answer.items():
        if given not in _WORDS:
            words = ", ".join(f'"{word}"' for word in _WORDS)
            raise WrongAnswer(f'{line}: "{given}" is none of {words}.')
    for line, right in _solve_seen().items():
        if answer[line] != right:
            raise WrongAnswer(f'{line}: it is not "{answer[line]}". {why[line.split(" =")[0]]}')
    return "What Keras sees, it saves. Of that it trains what you did not exclude."


def _solve_seen():
    return {
        "self.a = self.add_weight(shape=(3,))": "trained and saved",
        "self.b = tf.Variable([1.0, 1.0, 1.0])": "neither",
        "self.c = self.add_weight(shape=(3,), trainable=False)": "only saved",
        "self.d = keras.Variable([1.0, 1.0, 1.0])": "trained and saved",
        "self.e = np.ones(3)": "neither",
        "self.f = [layers.Dense(3)]": "trained and saved",
    }


what_keras_sees = Exercise(
    title="what Keras trains and saves",
    difficulty="easy",
    minutes=4,
    checker=_check_seen,
    hints=(
        "Put each line into a layer, call the layer, and print weights and trainable_weights.",
        "save_weights writes the list weights, fit changes those in trainable_weights.",
    ),
    solution_source=_solve_seen,
)

# --- 2 ------------------------------------------------------------------------------------------


def _layer(make: Callable[[], layers.Layer]) -> layers.Layer:
    return require(make(), layers.Layer, "a layer")


def _outputs(layer: layers.Layer, inputs: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    outputs = tried(lambda: layer(inputs), f"It cannot be called with an input of shape {inputs.shape}.")
    if outputs is None:
        raise WrongAnswer("call gives nothing back. Is a return missing?")
    if getattr(outputs, "shape", None) != shape:
        raise WrongAnswer(f"For an input of shape {inputs.shape} it gives {described(outputs)}, not of shape {shape}.")
    return np.asarray(outputs)


def _require_gradients(layer: layers.Layer, inputs: np.ndarray) -> None:
    with tf.GradientTape() as tape:
        total = ops.sum(layer(inputs))
    if any(gradient is None for gradient in tape.gradient(total, layer.trainable_variables)):
        raise WrongAnswer(
            "No gradient reaches some of the weights, so fit could not train them. NumPy leads out of TensorFlow: "
            "keras.ops has its functions."
        )


def _numbers(layer: layers.Layer) -> int:
    return sum(weight.size for weight in layer.get_weights())


def _change(layer: layers.Layer, change: list[float]) -> None:
    """Add a number to each number in the weights."""
    weights = layer.get_weights()
    changes = np.split(np.array(change, "float32"), np.cumsum([weight.size for weight in weights])[:-1])
    layer.set_weights([weight + c.reshape(weight.shape) for weight, c in zip(weights, changes)])


def _factors(layer: layers.Layer, x: np.ndarray) -> np.ndarray:
    """By which number the layer multiplies each feature of `x`."""
    factors = _outputs(layer, np.ones_like(x), x.shape)
    outputs = _outputs(layer, x, x.shape)
    if not np.allclose(outputs, x * factors.reshape(-1, x.shape[-1])[0], atol=1e-5):
        raise WrongAnswer(
            f"An input of shape {x.shape} gives other values than it should. Multiply each feature by its number."
        )
    return factors.reshape(-1, x.shape[-1])[0]


def _check_scale(make: Callable[[], layers.Layer]) -> str:
    layer, rng = _layer(make), np.random.default_rng(0)
    if layer.weights:
        raise WrongAnswer("There are weights before the first call. Make them in build.")
    x = rng.normal(size=(4, 3)).astype("float32")
    _outputs(layer, x, x.shape)
    if not layer.weights:
        raise WrongAnswer(
            "After the first call the layer has no weights, so nothing can be trained. Which variables does Keras see?"
        )
    shape = tuple(layer.weights[0].shape)
    if _numbers(layer) != 3:
        if shape == (3, 3):
            raise WrongAnswer("A matrix mixes the features. Here each has one number of its own.")
        if shape in ((4, 3), (4,)):
            raise WrongAnswer(f"The weight has shape {shape}: it depends on how many examples came first.")
        if _numbers(layer) == 1:
            raise WrongAnswer("That is one number for all the features. Each has its own.")
        raise WrongAnswer(f"For 3 features there are {_numbers(layer)} numbers in the weights, not 3.")
    if len(layer.trainable_weights) != len(layer.weights):
        raise WrongAnswer("The numbers are not trainable.")
    start = _factors(layer, x)
    if not np.allclose(start, 1):
        raise WrongAnswer(f"The numbers start at {start.round(3)}, not at 1. add_weight takes an initializer.")
    _require_gradients(layer, x)
    _change(layer, [0, 1, -4])
    factors = _factors(layer, x)
    if not np.allclose(sorted(factors), [-3, 1, 2], atol=1e-5):
        raise WrongAnswer(
            f"When 0, 1 and -4 are added to its numbers, it multiplies by {factors.round(3)}, not by 1, 2, -3."
        )
    for shape in ((2, 5, 4), (2, 3, 5, 4)):
        layer, x = _layer(make), rng.normal(size=shape).astype("float32")
        with contextlib.suppress(Exception):  # the shape of the weight tells more than its product with x
            layer(x)
        if _numbers(layer) not in (0, 4):
            raise WrongAnswer(
                f"For an input of shape {shape} the weight has shape {tuple(layer.weights[0].shape)}. "
                "Which entry of input_shape is the number of features, whatever the rank?"
            )
        _outputs(layer, x, shape)
        _change(layer, [1, 2, 3, 4])
        _factors(layer, x)
    return "This is half of what batch normalization learns. The other half is an offset."


def _solve_scale():
    def make_scale():
        class Scale(layers.Layer):
            def build(self, input_shape):
                self.scale = self.add_weight(shape=(input_shape[-1],), initializer="ones", name="scale")

            def call(self, inputs):
                return inputs * self.scale

        return Scale()

    return make_scale


scale_layer = Exercise(
    title="a layer that scales each feature",
    difficulty="medium",
    minutes=8,
    checker=_check_scale,
    hints=(
        "One weight, as long as an example has features. Begin with Linear, and leave out what is too much.",
        "add_weight(shape=..., initializer=..., name=...). Which initializer gives ones?",
        "The shape is (input_shape[-1],). In call, * multiplies entry by entry.",
    ),
    solution_source=_solve_scale,
)

# --- 3 ------------------------------------------------------------------------------------------


def _check_largest(make: Callable[[], layers.Layer]) -> str:
    layer, one = _layer(make), np.ones((1, 2), "float32")
    _outputs(layer, one, one.shape)
    if not layer.weights:
        raise WrongAnswer(
            "The layer has no weights, so what it remembers is not saved. Which variables does Keras see?"
        )
    if layer.trainable_weights:
        raise WrongAnswer(
            "What it remembers is trainable: the optimizer would change it as well. add_weight can say no."
        )
    if _numbers(layer) != 1:
        raise WrongAnswer(f"One number over all features is asked for. Its shape is {tuple(layer.weights[0].shape)}.")
    if not _remembers(layer, 1):
        raise WrongAnswer(f"It starts at {_remembered(layer)}, not at 1.")
    large = np.array([[2.0, -0.25], [0.5, -8.0]], "float32")
    layer(large)
    if not _remembers(layer, 1):
        raise WrongAnswer("It also learns where it is only used. Update it in training alone.")
    layer(large, training=True)
    if _remembers(layer, 1):
        raise WrongAnswer(
            "After a step of training it still says 1. The variable was not changed: an attribute that you set again "
            "holds something else."
        )
    if _remembers(layer, 2):
        raise WrongAnswer("It saw 2 and -8 and remembers 2. The largest absolute value is asked for.")
    if not _remembers(layer, 8):
        raise WrongAnswer(f"It saw 2, -0.25, 0.5 and -8 and remembers {_remembered(layer)}.")
    layer(large / 16, training=True)
    if not _remembers(layer, 8):
        raise WrongAnswer(f"After 8 came 0.5, and now it says {_remembered(layer)}: it forgets what it saw before.")
    if not np.allclose(_outputs(layer, large, large.shape), large / 8):
        raise WrongAnswer("The output is not the input divided by the largest value.")
    recorded = _layer(make)
    recorded(one)
    in_training = tf.function(lambda x: recorded(x, training=True), autograph=False)  # as fit calls it
    try:
        in_training.get_concrete_function(tf.TensorSpec(large.shape))(tf.constant(large))
    except Exception as error:
        raise WrongAnswer(
            "fit records call before any number is known. So Python's if and max, and NumPy, cannot look into a "
            "tensor there. keras.ops has the functions, as in Center.\n"
            f"There it ended in {type(error).__name__}: {plain(error)}"
        ) from error
    if not _remembers(recorded, 8):
        raise WrongAnswer(
            f"It saw -8 in fit, and says {_remembered(recorded)}: there call goes another way. Write it in keras.ops."
        )
    return "Batch normalization keeps its statistics in the same way."


def _remembered(layer: layers.Layer) -> float:
    return layer.get_weights()[0].item()


def _remembers(layer: layers.Layer, value: float) -> bool:
    return bool(np.isclose(_remembered(layer), value))


def _solve_largest():
    def make_largest():
        class Largest(layers.Layer):
            def build(self, input_shape):
                self.largest = self.add_weight(shape=(), initializer="ones", trainable=False, name="largest")

            def call(self, inputs, training=None):
                if training:
                    self.largest.assign(ops.maximum(self.largest, ops.max(ops.abs(inputs))))
                return inputs / self.largest

        return Largest()

    return make_largest


largest_seen = Exercise(
    title="a layer that remembers the largest value",
    difficulty="medium",
    minutes=10,
    checker=_check_largest,
    hints=(
        "Center on this page does nearly the same with a mean.",
        "add_weight(shape=(), initializer='ones', trainable=False). In call: if training, assign.",
        "The new value is ops.maximum of the old one and of ops.max(ops.abs(inputs)).",
    ),
    solution_source=_solve_largest,
)

# --- 4 ------------------------------------------------------------------------------------------


def _check_residual(make: Callable[[], type[keras.Model]]) -> str:
    cls = make()
    if not (isinstance(cls, type) and issubclass(cls, keras.Model)):
        raise WrongAnswer(f"The function must return the class, a subclass of keras.Model, not {described(cls)}.")
    model = tried(lambda: cls(12, 3, 0.25, name="net"), 'ResidualNet(12, 3, 0.25, name="net") makes no model.')
    x = np.random.default_rng(0).normal(size=(64, 7)).astype("float32")
    _outputs(model, x, (64, 10))
    if model.name != "net":
        raise WrongAnswer("A name that ResidualNet is given gets lost. What is **kwargs for?")
    if not model.weights:
        raise WrongAnswer("The model has no weights after the first call. Make the layers in __init__.")
    right = (7 * 12 + 12) + 3 * (12 * 12 + 12) + (12 * 10 + 10)
    if sorted(tuple(weight.shape) for weight in model.weights) != _SHAPES:
        if model.count_params() == right - 2 * (12 * 12 + 12):
            raise WrongAnswer(
                f"{model.count_params()} parameters: the three blocks share one Dense layer. Make one for each."
            )
        raise WrongAnswer(
            f"With width 12, depth 3 and 7 features it has {model.count_params()} parameters, and should have {right}. "
            "Joining instead of adding makes layers wider, for instance."
        )
    outputs, expected = _with_biases(model, x)
    if not np.allclose(model(x), outputs):
        raise WrongAnswer("Two plain calls on the same input differ: something is dropped without training=True.")
    if not any(np.allclose(outputs, of_an_order, atol=1e-4) for of_an_order in expected):
        raise WrongAnswer(
            "The outputs are not those of x + relu(Dense(x)). Is the input of each block added, and only after the "
            "relu? And does no activation stand before the blocks or behind them?"
        )
    if "training" not in inspect.signature(model.call).parameters:
        raise WrongAnswer("fit cannot tell this model that it trains: its call does not name the argument.")
    _check_dropout(model)
    _require_gradients(model, x)
    try:
        loaded = _loaded(model, cls)
    except NotImplementedError as error:
        raise WrongAnswer("It cannot be saved: get_config must return the arguments.") from error
    except (TypeError, ValueError, KeyError) as error:
        raise WrongAnswer(
            "It was saved, and cannot be loaded. get_config must return every argument of __init__ under its name, "
            f"and what the parent returns, and __init__ must take all of that. Keras says: {_last_line(error)}"
        ) from error
    if not np.allclose(loaded(x), outputs, atol=1e-5):
        raise WrongAnswer("The loaded model gives other outputs than the saved one.")
    if loaded.name != model.name:
        raise WrongAnswer("The loaded model has lost its name. get_config must also return what the parent returns.")
    if not np.allclose(_dropped(loaded)[0], [0, 0.25, 0.25, 0.25], atol=0.1):
        raise WrongAnswer("The loaded model has another dropout rate.")
    return "Without get_config the same file would have come back with other arguments, or not at all."


_SHAPES = sorted([(7, 12), (12,), *[(12, 12), (12,)] * 3, (12, 10), (10,)])


def _with_biases(model: keras.Model, x: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
    """What the model gives for `x` when its biases are not 0, and what the formula does for each order of the blocks.

    In which order the layers were made is left to the learner. So the biases of one shape are made equal.
    """
    found = {}
    for weight in model.weights:
        if len(weight.shape) == 1:
            weight.assign(np.linspace(-0.5, 0.5, weight.shape[0]))
        found.setdefault(tuple(weight.shape), []).append(weight.numpy())
    (W,), (W_head,), b, b_head = found[7, 12], found[12, 10], found[12,][0], found[10,][0]
    expected = []
    for blocks in itertools.permutations(found[12, 12]):
        h = x @ W + b
        for W_block in blocks:
            h = h + np.maximum(h @ W_block + b, 0)
        expected.append(h @ W_head + b_head)
    return np.asarray(model(x)), expected


def _check_dropout(model: keras.Model) -> None:
    shares, left = _dropped(model)
    if shares[-1] == 0:
        raise WrongAnswer("With training=True nothing is dropped from what the blocks add.")
    if shares[0] > 0:
        raise WrongAnswer("Dropout also removes what goes past the blocks. Apply it to the branch, before you add.")
    if shares[1] == 0:
        raise WrongAnswer("Not every block drops: dropout belongs to the branch of each, behind its relu.")
    if not np.allclose(shares[1:], 0.25, atol=0.1):
        raise WrongAnswer(f"With rate 0.25 the dropout removes a share of {shares[-1]:.2f}.")
    if not np.allclose(left, 1 / 0.75, atol=1e-3):
        raise WrongAnswer("What dropout keeps must be divided by 1 - rate, so that the mean remains. Dropout does so.")


def _dropped(model: keras.Model) -> tuple[list[float], np.ndarray]:
    """For each of the four biases: which share is dropped of what it alone gives; and all that the blocks keep.

    All else is 0, but for the head, which shows what comes. Each bias gives every fourth unit. The first layer's is the
    one of which nothing is dropped.
    """
    before, biases = model.get_weights(), [weight for weight in model.weights if weight.shape == (12,)]
    for weight in model.weights:
        weight.assign(np.eye(12, 10) if weight.shape == (12, 10) else np.zeros(weight.shape))
    for place, bias in enumerate(biases):
        bias.assign(np.arange(12) % 4 == place)
    outputs = np.asarray(model(np.ones((512, 7), "float32"), training=True))
    model.set_weights(before)
    kept = sorted((outputs[:, place::4] for place in range(4)), key=lambda values: np.mean(values == 0))
    return [float(np.mean(values == 0)) for values in kept], np.concatenate([v[v != 0] for v in kept[1:]])


def _loaded(model, cls):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return keras.saving.load_model(path, custom_objects={cls.__name__: cls})


def _last_line(error):
    lines = [line for line in str(error).splitlines() if line.strip()]
    return lines[-1][-160:] if lines else type(error).__name__


def _solve_residual():
    def residual_net():
        class ResidualNet(keras.Model):
            def __init__(self, width, depth, rate, **kwargs):
                super().__init__(**kwargs)
                self.width, self.depth, self.rate = width, depth, rate
                self.first = layers.Dense(width)
                self.branches = [layers.Dense(width, activation="relu") for _ in range(depth)]
                self.dropout = layers.Dropout(rate)
                self.head = layers.Dense(10)

            def call(self, inputs, training=None):
                x = self.first(inputs)
                for branch in self.branches:
                    x = x + self.dropout(branch(x), training=training)
                return self.head(x)

            def get_config(self):
                arguments = {"width": self.width, "depth": self.depth, "rate": self.rate}
                return {**super().get_config(), **arguments}

        return ResidualNet

    return residual_net


residual_net = Exercise(
    title="a residual model that can be saved",
    difficulty="hard",
    minutes=15,
    checker=_check_residual,
    hints=(
        "Make the layers in __init__: one Dense for each block, in a list. Keep the three arguments as attributes.",
        "In call, a block is x = x + dropout(dense(x)). Name the argument by which fit speaks to the model.",
        "get_config: the parent's dictionary, and your three arguments under their own names.",
    ),
    solution_source=_solve_residual,
)
