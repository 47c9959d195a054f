"""Diagnose: a broken training is given; is the fault gone, and is all else as it was?"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from itertools import zip_longest
from typing import Any
from unittest import mock

import keras
import numpy as np
import tensorflow as tf

from exercises.exercise import Exercise, WrongAnswer
from exercises.kinds.training import Arrays, Deadline, Run, Watch, accuracy, judged, refuse_trained, seeded, trace_once


@dataclass(kw_only=True)
class Diagnosis(Exercise):
    """An exercise that gives a broken training, a function, which the learner mends.

    The function takes x_train, y_train, x_val and y_val, trains a model, and returns it. The page shows it as it stands
    here, and until it is changed the exercise waits. Then it is run with each seed. The fault is gone if every
    validation accuracy is what it should be, however it was mended: to compare the source would allow one way only.

    That nothing else was changed is seen from what comes out as well. The broken function is run once too, with `fit`
    leaving its steps out, and the two models, what `fit` was given, and how they were trained, are compared by
    `trained_how`. So more epochs, or a larger network, are not taken for a diagnosis.

    Attributes:
        broken: the function as the page gives it, under any name.
        data: gives x_train, y_train, x_val and y_val. The labels are indices.
        at_least: the validation accuracy of a training without the fault.
        fault: what was wrong; a sentence for those who found it.
        may_change: what the mending may change of what is compared, by the names that `trained_how` gives.
        seeds: for weights, batches and dropout, a training each.
        seconds: how long all trainings together may take.
    """

    checker: Callable[[Any], str] = field(init=False, repr=False)
    broken: Callable[..., keras.Model]
    data: Callable[[], Arrays]
    at_least: float
    fault: str
    may_change: Collection[str] = ()
    seeds: Sequence[int] = (0, 1, 2)
    seconds: float = 60

    def __post_init__(self) -> None:
        super().__post_init__()
        self.checker = self._diagnose

    def verdict(self, answer: Any) -> str:
        """What `check` prints: as of any exercise, and "Waiting" for the function that the page gives."""
        if _says_the_same(answer, self.broken):
            return f"Waiting for your answer: {self.title}.\nFind the fault, mend the function, and run the cell again."
        return super().verdict(answer)

    def _diagnose(self, train: Callable[..., keras.Model]) -> str:
        if not callable(train):
            raise WrongAnswer("Give the function itself, without calling it.")
        deadline, runs, known = Deadline(self.seconds), [], []
        for seed in self.seeds:
            run, how = self._run(train, seed, deadline, known)
            runs.append(run)
            if run.accuracy < self.at_least:
                break
            if len(runs) == 1:
                self._compare(how)
        try:
            reached = judged(runs, self.at_least)
        except WrongAnswer as short:
            raise WrongAnswer(f"The fault is still there. {short}") from None
        return f"{self.fault} {reached}"

    @cached_property
    def _how_it_was(self) -> Mapping[str, Any]:
        return self._run(self.broken, self.seeds[0], Deadline(self.seconds), [], steps=False)[1]

    def _compare(self, how: Mapping[str, Any]) -> None:
        changes = _changes(self._how_it_was, how)
        changed = [words for name, words in changes.items() if name not in self.may_change]
        if changed:
            raise WrongAnswer(
                "It learns now. But something else was changed too, and that may only hide the fault. Put it back:\n"
                + "\n".join(changed)
            )

    def _run(
        self, train: Callable[..., keras.Model], seed: int, deadline: Deadline, known: list, steps: bool = True
    ) -> tuple[Run, Mapping[str, Any]]:
        x_train, y_train, x_val, y_val = self.data()
        watch = Watch(deadline)
        with seeded(seed), _watched_by(watch, steps):
            model = train(x_train.copy(), y_train.copy(), x_val.copy(), y_val.copy())
        if not isinstance(model, keras.Model):
            raise WrongAnswer(f"The function must return the model, not {type(model).__name__}.")
        refuse_trained(model, known)
        if not watch.losses:
            raise WrongAnswer("The function trains nothing any more: `fit` is not called, or for no epoch.")
        return Run(accuracy(model, x_val, y_val), watch), trained_how(model, watch)


def trained_how(model: keras.Model, watch: Watch) -> dict[str, Any]:
    """How a model is built and was trained: what a mending has no reason to touch, by name.

    The layers are described in words. Their names and seeds do not count.
    """
    loss = keras.losses.get(model.loss)
    name = getattr(loss, "name", None) or getattr(loss, "__name__", type(loss).__name__)
    from_logits = isinstance(loss, keras.losses.Loss) and loss.get_config().get("from_logits", False)
    settings = model.optimizer.get_config()
    rate = settings.pop("learning_rate")
    schedule = rate["class_name"] if isinstance(rate, Mapping) else None
    rates = tuple(dict.fromkeys(watch.rates))
    return {
        # a Sequential does not list its input, and a functional model does
        "layers": tuple(_described(layer) for layer in model.layers if not isinstance(layer, keras.layers.InputLayer)),
        "loss": f"{name}, from_logits={from_logits}",
        "optimizer": type(model.optimizer).__name__,
        "learning rate": schedule or (rates[0] if len(rates) == 1 else rates),
        "settings of the optimizer": {key: value for key, value in settings.items() if key != "name"},
        "what it is trained on": watch.data,
        "settings of fit": watch.settings,
        "epochs": len(watch.losses),
        "steps of an epoch": round(watch.steps / len(watch.losses)),
    }


_NOT_DESCRIBED = {"name", "dtype", "trainable", "seed"}


def _described(layer: keras.layers.Layer) -> str:
    """`Dense(units=10, activation=softmax, use_bias=True, ...)`."""
    config = layer.get_config()
    shown = {key: value for key, value in config.items() if key not in _NOT_DESCRIBED and value is not None}
    parts = [f"{key}={_class_name(value)}" for key, value in shown.items()]
    return f"{type(layer).__name__}({', '.join(parts)})"


def _class_name(value: Any) -> Any:
    """What a configuration says of an initializer or a regularizer: its class; anything else is itself."""
    return value.get("class_name", value) if isinstance(value, Mapping) else value


def _changes(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, str]:
    """What differs, in words, by name; of the layers the first one that does."""
    changes = {}
    for name, before in was.items():
        after = now[name]
        if isinstance(before, Mapping):
            keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
            pairs = [(f"{key}={before.get(key)}", f"{key}={after.get(key)}") for key in keys]
        else:
            pairs = zip_longest(before, after) if name == "layers" else [(before, after)]
        differing = next(((a, b) for a, b in pairs if a != b), None)
        if differing:
            a, b = ("nothing" if value is None else value for value in differing)
            changes[name] = f"{name}: {a} became {b}"
    return changes


@contextmanager
def _watched_by(watch: Watch, steps: bool) -> Iterator[None]:
    """While it lasts, every `fit` has the callback too: the learner's function calls `fit` itself.

    Without `steps`, `fit` goes through its epochs and batches and does nothing there.
    """
    fit = keras.Model.fit

    def watched(self, *arguments, **settings):
        given = inspect.signature(fit).bind(self, *arguments, **settings)
        if not watch.losses:
            watch.data, watch.settings = _fed(given.arguments), _settings(given.arguments)
        callbacks = given.arguments.get("callbacks")
        callbacks = getattr(callbacks, "callbacks", callbacks)  # of a CallbackList
        given.arguments["callbacks"] = [*keras.tree.flatten(callbacks or []), watch]
        trace_once(self, given.arguments.get("x"), given.arguments.get("y"))
        if not steps:
            self.train_function = self.test_function = lambda batches: {"loss": 0.0}
        return fit(*given.args, **given.kwargs)

    with mock.patch.object(keras.Model, "fit", watched):
        yield


def _fed(arguments: Mapping[str, Any]) -> str:
    """What `fit` is given, in words that do not depend on its order; of what cannot be looked at its kind alone."""
    x, y = arguments.get("x"), arguments.get("y")
    try:
        if isinstance(x, tf.data.Dataset) and int(x.cardinality()) > 0:
            x, y = (np.concatenate(parts) for parts in zip(*(batch[:2] for batch in x.as_numpy_iterator())))
        x, y = np.asarray(x, float), np.asarray(y, int)
    except Exception:  # a generator, or of another structure: an error here would look like one of the learner
        return f"a {type(arguments.get('x')).__name__}"
    values = f"mean {x.mean():.3f}, deviation {x.std():.3f}"
    labels = ", ".join(map(str, np.unique(y, return_counts=True)[1]))
    return f"{len(x)} examples, {values}, of each class {labels}"


def _settings(arguments: Mapping[str, Any]) -> dict[str, bool]:
    weights = {name: arguments.get(name) is not None for name in ("class_weight", "sample_weight")}
    return {"shuffle": bool(arguments.get("shuffle", True)), **weights}


def _says_the_same(answer: Any, given: Callable) -> bool:
    """Whether a function says the same as the one that was given: names of functions, comments and form do not count.

    Not by its bytecode, which depends on what else is compiled with it.
    """
    try:
        return inspect.isfunction(answer) and _essence(answer) == _essence(given)
    except (OSError, SyntaxError, AttributeError):  # its source is not to be had, or is but a piece of a line
        return False


def _essence(function: Callable) -> tuple[str, ...]:
    definition = ast.parse(textwrap.dedent(inspect.getsource(function))).body[0]
    return tuple(map(ast.dump, [definition.args, *definition.body]))
