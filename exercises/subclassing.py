"""The exercises of page 05, subclassing."""

from __future__ import annotations

import itertools
import logging
import tempfile
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
from keras import layers, ops

from exercises.exercise import Exercise, WrongAnswer

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
    for line, given in answer.items():
        if given not in _WORDS:
            words = ", ".join(f'"{word}"' for word in _WORDS)
            raise WrongAnswer(f'{line}: "{given}" is none of {words}.')
    right = _solve_seen()
    if set(answer) != set(right):
        raise WrongAnswer("Answer for each of the six lines, and leave the lines as they are.")
    for line, given in answer.items():
        if given != right[line]:
            raise WrongAnswer(f'{line}: it is not "{given}". {why[line.split(" =")[0]]}')
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
    layer = make()
    if isinstance(layer, type):
        raise WrongAnswer("The function returns the class. Return a layer: are the brackets missing?")
    if not isinstance(layer, layers.Layer):
        raise WrongAnswer(f"The function must return a layer. It returns {type(layer).__name__}.")
    return layer


def _check_scale(make: Callable[[], layers.Layer]) -> str:
    layer = _layer(make)
    if layer.weights:
        raise WrongAnswer("There are weights before the first call. Make them in build.")
    x = np.random.default_rng(0).normal(size=(4, 3)).astype("float32")
    if layer(x) is None:
        raise WrongAnswer("call gives nothing back. Is a return missing?")
    if not layer.weights:
        raise WrongAnswer(
            "After the first call the layer has no weights, so nothing can be trained. Which variables does Keras see?"
        )
    shape = tuple(layer.weights[0].shape)
    if len(layer.weights) != 1 or shape != (3,):
        if shape == (3, 3):
            raise WrongAnswer("A matrix mixes the features. Here each has one number of its own.")
        if shape in ((4, 3), (4,)):
            raise WrongAnswer(f"The weight has shape {shape}: it depends on how many examples came first.")
        if shape in ((), (1,)):
            raise WrongAnswer("That is one number for all the features. Each has its own.")
        raise WrongAnswer(
            f"For 3 features there is {len(layer.weights)} weight of shape {shape}, not one of shape (3,)."
        )
    if not layer.trainable_weights:
        raise WrongAnswer("The numbers are not trainable.")
    if not np.allclose(layer.get_weights()[0], 1):
        raise WrongAnswer(
            f"The numbers start at {layer.get_weights()[0].round(3)}, not at 1. add_weight takes an initializer."
        )
    layer.set_weights([np.array([1.0, 2.0, -3.0], "float32")])
    outputs = np.asarray(layer(x))
    if outputs.shape != x.shape or not np.allclose(outputs, x * np.array([1, 2, -3]), atol=1e-5):
        raise WrongAnswer(
            f"With the numbers 1, 2, -3 an input of shape (4, 3) gives shape {outputs.shape} and other values than "
            "it should. Multiply each feature by its number."
        )
    cube = _layer(make)
    cube.build((None, 5, 4))
    if tuple(cube.weights[0].shape) != (4,):
        raise WrongAnswer(
            f"For an input of shape (2, 5, 4) the weight has shape {tuple(cube.weights[0].shape)}. "
            "Which entry of input_shape is the number of features, whatever the rank?"
        )
    if cube(np.ones((2, 5, 4), "float32")).shape != (2, 5, 4):
        raise WrongAnswer("An input of shape (2, 5, 4) should keep its shape.")
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


def _no_retracing(record: logging.LogRecord) -> bool:
    return "retracing" not in record.getMessage()


def _check_largest(make: Callable[[], layers.Layer]) -> str:
    layer = _layer(make)
    # the Dense layer gives fit something to train: it would warn of a model that has nothing
    model = keras.Sequential([keras.Input((2,)), layer, layers.Dense(2)])
    if not layer.weights:
        raise WrongAnswer(
            "The layer has no weights, so what it remembers is not saved. Which variables does Keras see?"
        )
    if layer.trainable_weights:
        raise WrongAnswer(
            "What it remembers is trainable: the optimizer would change it as well. add_weight can say no."
        )
    if len(layer.weights) != 1 or layer.weights[0].shape != ():
        raise WrongAnswer(
            f"One number over all features is asked for, of shape (). Its shape is {tuple(layer.weights[0].shape)}."
        )
    if layer.get_weights()[0] != 1:
        raise WrongAnswer(f"It starts at {layer.get_weights()[0]}, not at 1.")
    small, large = np.array([[0.5, -0.25]], "float32"), np.array([[2.0, -8.0]], "float32")
    layer(large)
    if layer.get_weights()[0] != 1:
        raise WrongAnswer("It also learns where it is only used. Update it in training alone.")
    model.compile(loss="mse", optimizer="sgd")
    logger = logging.getLogger("tensorflow")
    logger.addFilter(_no_retracing)  # after a few answers it would warn that fit was traced often
    try:
        model.fit(large, large, verbose=0)
    except (TypeError, NotImplementedError) as error:
        raise WrongAnswer(
            "fit records call before any number is known. So Python's if and max, and NumPy, cannot look into a "
            "tensor there, and a variable must be changed, not replaced. keras.ops has the functions, as in Center."
        ) from error
    finally:
        logger.removeFilter(_no_retracing)
    after = layer.get_weights()[0]
    if after == 1:
        raise WrongAnswer(
            "After fit it still says 1. The variable was not changed: an attribute that you set again holds something "
            "else."
        )
    if after == 2:
        raise WrongAnswer("It saw 2 and -8 and remembers 2. The largest absolute value is asked for.")
    if after != 8:
        raise WrongAnswer(f"It saw 2 and -8 and remembers {after}.")
    model.fit(small, small, verbose=0)
    if layer.get_weights()[0] != 8:
        raise WrongAnswer(f"After 8 came 0.5, and now it says {layer.get_weights()[0]}: it forgets what it saw before.")
    if not np.allclose(layer(large), large / 8):
        raise WrongAnswer("The output is not the input divided by the largest value.")
    return "Batch normalization keeps its statistics in the same way."


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
        raise WrongAnswer("The function must return the class, a subclass of keras.Model.")
    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).normal(size=(64, 7)).astype("float32")
    model = cls(12, 3, 0.25, name="net")
    outputs = model(x)
    if outputs is None:
        raise WrongAnswer("call gives nothing back. Is a return missing?")
    if model.name != "net":
        raise WrongAnswer("A name that ResidualNet is given gets lost. What is **kwargs for?")
    if outputs.shape != (64, 10):
        raise WrongAnswer(f"64 examples give outputs of shape {outputs.shape}, not (64, 10).")
    right = (7 * 12 + 12) + 3 * (12 * 12 + 12) + (12 * 10 + 10)
    if model.count_params() != right:
        if not model.weights:
            raise WrongAnswer("The model has no weights after the first call. Make the layers in __init__.")
        if model.count_params() == right - 2 * (12 * 12 + 12):
            raise WrongAnswer(
                f"{model.count_params()} parameters: the three blocks share one Dense layer. Make one for each."
            )
        raise WrongAnswer(
            f"With width 12, depth 3 and 7 features it has {model.count_params()} parameters, and should have {right}. "
            "Joining instead of adding makes layers wider, for instance."
        )
    if not np.allclose(model(x), outputs):
        raise WrongAnswer("Two plain calls on the same input differ: something is dropped without training=True.")
    if not _follows(model, x, outputs):
        raise WrongAnswer(
            "The outputs are not those of x + relu(Dense(x)). Is the input of each block added, and only after the "
            "relu? And does no activation stand before the blocks or behind them?"
        )
    if not model._call_has_training_arg:
        raise WrongAnswer("fit cannot tell this model that it trains: its call does not name the argument.")
    if np.allclose(model(x, training=True), outputs):
        raise WrongAnswer("With training=True nothing is dropped.")
    try:
        loaded = _loaded(model, cls)
    except NotImplementedError as error:
        raise WrongAnswer("It cannot be saved: get_config must return the arguments.") from error
    except (TypeError, ValueError, KeyError) as error:
        raise WrongAnswer(
            "It was saved, and cannot be loaded. get_config must return every argument of __init__ under its name, "
            f"and what the parent returns, and __init__ must take all of that. Keras says: {_last_line(error)}"
        ) from error
    if not np.array_equal(loaded(x), outputs):
        raise WrongAnswer("The loaded model gives other outputs than the saved one.")
    if loaded.name != model.name:
        raise WrongAnswer("The loaded model has lost its name. get_config must also return what the parent returns.")
    share = [np.mean(np.asarray(_drop(m)(np.ones((64, 64)), training=True)) == 0) for m in (model, loaded)]
    if abs(share[0] - 0.25) > 0.1:
        raise WrongAnswer(f"With rate 0.25 the dropout removes a share of {share[0]:.2f}.")
    if abs(share[1] - 0.25) > 0.1:
        raise WrongAnswer("The loaded model has another dropout rate.")
    return "Without get_config the same file would have come back with other arguments, or not at all."


def _follows(model, x, outputs):
    """Whether the outputs are those of the formula, in whichever order the layers were made."""
    dense = [layer for layer in model._flatten_layers() if isinstance(layer, layers.Dense)]
    pairs = [layer.get_weights() for layer in dense]
    W, b = next(pair for pair in pairs if pair[0].shape == (7, 12))
    W_head, b_head = next(pair for pair in pairs if pair[0].shape == (12, 10))
    for blocks in itertools.permutations(pair for pair in pairs if pair[0].shape == (12, 12)):
        h = x @ W + b
        for W_block, b_block in blocks:
            h = h + np.maximum(h @ W_block + b_block, 0)
        if np.allclose(h @ W_head + b_head, outputs, atol=1e-4):
            return True
    return False


def _loaded(model, cls):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "model.keras")
        model.save(path)
        return keras.saving.load_model(path, custom_objects={cls.__name__: cls})


def _drop(model):
    found = [layer for layer in model._flatten_layers() if isinstance(layer, layers.Dropout)]
    if not found:
        raise WrongAnswer("There is no Dropout layer.")
    return found[0]


def _last_line(error):
    return [line for line in str(error).splitlines() if line.strip()][-1][-160:]


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
