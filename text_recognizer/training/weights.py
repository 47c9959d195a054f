"""Weights in a file that says which network they belong to: for a trained network, and for a checkpoint.

Keras' own `.weights.h5` holds arrays and their shapes. `load_weights` takes any file whose shapes
fit, so tanh's weights go into a relu network, and those of another alphabet into this one, without
a word; where shapes differ it stops halfway, with some layers overwritten; a flipped bit becomes a
weight. The files written here are Keras', with two things more. A data set "text_recognizer" in the
HDF5 file is a JSON text that says what the weights belong to. And before the HDF5 file, in a user
block (https://docs.h5py.org/en/stable/high/file.html#user-block), stands a checksum of all that
follows. Both are checked before the network is touched. `network.load_weights(path)` of Keras reads
these files too, and checks nothing.

What a network is made of is what its `get_config` says. Two subclassed networks of one name and the
same arguments whose `call` differs are therefore not told apart. And a `Lambda` layer around a lambda
expression is described by its bytecode, wherever that stands. Another version of Python writes it in
another way: its weights are then refused, though they fit.

HDF5 is kept away from the disk, since the library ends the whole process (a segmentation fault) on
a full disk and on some damaged files. Keras writes to memory, and what is in memory goes to the disk
as any bytes do; what is read is given to HDF5 once the checksum is right.
"""

import base64
import contextlib
import hashlib
import io
import json
import marshal
from pathlib import Path
from types import CodeType

import h5py
import keras

from text_recognizer.files import atomic_write

DESCRIPTION = "text_recognizer"  # the data set in the HDF5 file, beside the groups that Keras makes
USER_BLOCK = 512  # bytes
MAGIC = b"text_recognizer sha256 "
MUST_AGREE = ("class", "class_names", "config", "shapes")
REFERENCES = ("keras_history", "input_layers", "output_layers")  # where a configuration names layers of a network
KEYS = ("name", *MUST_AGREE, "optimizer", "run")


class WeightsError(ValueError):
    """Weights cannot be identified when they are saved, or belong to another network."""


def check_saveable(network):
    """Raise what `save` would raise because of the network. Call it before a training, which would be lost after it.

    Args:
        network: a `keras.Model`; it need not be built.

    Raises:
        WeightsError: the network, or a layer in it, cannot say what it is made of.

    Example:
        >>> class Network(keras.Model):
        ...     def __init__(self, units):
        ...         super().__init__()
        ...         self.dense = keras.layers.Dense(units)
        >>> check_saveable(Network(2))  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        text_recognizer.training.weights.WeightsError: Network does not say what it is made of, ...
    """
    _config(network)


def save(path, network, *, name, class_names=None, run=None):
    """Write a network's weights with what they belong to, whole or not at all.

    The state of the optimizer goes with them if the network is compiled.

    Args:
        path: the file; it ends in ".weights.h5". Its folder is made if need be.
        network: a `keras.Model`, built: it has its weights.
        name: what the model is called in messages.
        class_names: what the outputs mean: a sequence of strings, or None.
        run: for a checkpoint, the state of the training: a dict that JSON can hold.

    Raises:
        ValueError: the path ends otherwise, or the network has no weights yet.
        WeightsError: as for `check_saveable`.
        OSError: the file cannot be written. What was there before is still there.

    Example:
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:  # doctest: +ELLIPSIS
        ...     path = Path(folder, "filter.weights.h5")
        ...     save(path, network, name="filter", class_names=["spam", "ham"])
        ...     load(path, network, name="filter", class_names=["ham", "spam"])
        Traceback (most recent call last):
        text_recognizer.training.weights.WeightsError: ... class_names.0 is 'spam' in the file, 'ham' here. ...
    """
    if not str(path).endswith(".weights.h5"):
        raise ValueError(f"{path} does not end in .weights.h5, as Keras wants it: give such a name")
    text = json.dumps(_describe(network, name, class_names) | {"run": run})
    memory = _Memory()
    network.save_weights(memory)
    with h5py.File(memory, "a") as file:
        file[DESCRIPTION] = text
    content = memory.getbuffer()
    with atomic_write(path) as beside, open(beside, "wb") as file:
        file.write(_user_block(content))
        file.write(content)


def load(path, network, *, name, class_names=None, check_run=None):
    """Load what `save` wrote, if it belongs to this network; leave the network as it is if not.

    A compiled network gets the optimizer's state too, if the file has that of such an optimizer.
    Otherwise its optimizer stays as it is.

    Args:
        path: the file.
        network: a `keras.Model`, built, compiled or not.
        name, class_names: as for `save`. `name` may be another one.
        check_run: None, or a function, for a training that is to go on. It is called with the `run` of
            the file before anything else is compared, and raises unless the training is this one.
            The optimizer must then be the same too.

    Returns:
        What was given to `save` as `run`, a dict or None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the network has no weights yet.
        WeightsError: the file is damaged, says nothing of its network, or is another network's.

    Example:
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder, "line.weights.h5")
        ...     save(path, network, name="line", run={"epochs": 3})
        ...     load(path, keras.models.clone_model(network), name="line")
        {'epochs': 3}
    """
    memory, theirs = _read(path)
    if check_run:
        check_run(theirs["run"])
    ours = _describe(network, name, class_names)
    for key in (*MUST_AGREE, "optimizer") if check_run else MUST_AGREE:
        if difference := _first_difference(theirs[key], ours[key], key):
            raise WeightsError(
                f"the weights in {path} do not fit {name}. They were saved from {theirs['name']}: {difference}. "
                "Build the model as it was trained, or train this one and save its weights."
            )
    keeps_its_optimizer = network.compiled and theirs["optimizer"] != ours["optimizer"]
    network.load_weights(memory, objects_to_skip=[network.optimizer] if keeps_its_optimizer else None)
    return theirs["run"]


def description(path):
    """Return what a file of weights says of itself, for a network that is to be built as it was, or much like it.

    Args:
        path: of a file that `save` wrote.

    Returns:
        A dict: "name", the network's "class", "config" and "shapes", "class_names", "optimizer", and "run".

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: it is damaged, `save` did not write it, or it was saved without `class_names`.
    """
    described = _read(path)[1]
    if described["class_names"] is None:
        raise WeightsError(
            f"{path} does not say which classes its network tells apart: load it into that network, and save it again "
            "with class_names"
        )
    return described


class _Memory(io.BytesIO):
    """A file in memory for `save_weights` and `load_weights`, which take one if its name ends as they demand."""

    def __str__(self):
        return "memory.weights.h5"


def _user_block(content):
    return (MAGIC + hashlib.sha256(content).hexdigest().encode()).ljust(USER_BLOCK, b"\0")


def _read(path):
    """Return the file, and what it says, once its checksum is right."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights in {path}: train the model and save its weights first")
    data = Path(path).read_bytes()
    if not data.startswith(MAGIC):
        raise WeightsError(
            f"{path} does not say which network its weights belong to: it is damaged, or of an older form, or of "
            "Keras alone, whose network.load_weights(path) takes such a file unchecked. Train again and save anew."
        )
    if data[:USER_BLOCK] != _user_block(memoryview(data)[USER_BLOCK:]):
        raise WeightsError(
            f"{path} is damaged: its checksum is wrong. Delete it, and go on from a copy or from the checkpoint before "
            "it, or train again."
        )
    memory = _Memory(data)
    try:
        with h5py.File(memory) as file:
            saved = json.loads(file[DESCRIPTION].asstr()[()])
        return memory, {key: saved[key] for key in KEYS}
    except (OSError, KeyError, AttributeError, TypeError, ValueError) as error:
        raise WeightsError(f"{path} was not written by this version of text_recognizer ({error!r})") from error


def _describe(network, name, class_names):
    """Return what must agree for the weights of one network to mean the same in another."""
    if not network.built or not network.weights:
        raise ValueError(f"{name} has no weights yet: call its network with a batch first, network(x)")
    return {
        "name": name,
        "class": type(network).__name__,
        "class_names": None if class_names is None else [str(item) for item in class_names],
        "config": _config(network),
        "shapes": [[str(weight.dtype), *weight.shape] for weight in network.weights],
        "optimizer": _describe_optimizer(network.optimizer, network) if network.compiled else None,
    }


def _describe_optimizer(optimizer, network):
    if not optimizer.built:  # Keras does not load the state of one that is not
        strategy = getattr(network, "distribute_strategy", None)  # TensorFlow's
        with strategy.scope() if strategy else contextlib.nullcontext():
            optimizer.build(network.trainable_variables)
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    return {"class": type(inner).__name__, "shapes": [list(variable.shape) for variable in optimizer.variables]}


def _config(network):
    """Return what a network says it is made of, as JSON gives it back, without the names of its layers."""
    try:
        text = json.dumps(network.get_config(), default=keras.saving.serialize_keras_object)
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = " ".join(str(error).split()).partition(". ")[0]
        raise WeightsError(
            f"{type(network).__name__} does not say what it is made of, so nothing could tell its weights from another "
            f"network's ({reason}). Write its get_config, or that of the layer in it: "
            "def get_config(self): return super().get_config() | {'units': self.units}, for all that its __init__ takes"
        ) from error
    return _without_names(json.loads(text, object_hook=_with_digests), "config", {})


def _with_digests(value):
    """Return a dict of a configuration with a digest in place of the code, if it is of a lambda expression."""
    if value.get("class_name") != "__lambda__":
        return value
    config = value["config"]  # of a Lambda layer; elsewhere, Keras gives the three as a list
    code, defaults, closure = config.get("value") or (config[key] for key in ("code", "defaults", "closure"))
    code = _placeless(marshal.loads(base64.b64decode(code)))
    # The older form 2 depends on the code alone, the newer ones on who else refers to its constants.
    digest = hashlib.sha256(marshal.dumps(code, 2)).hexdigest()[:16]
    return {"class_name": "__lambda__", "config": {"code": digest, "defaults": defaults, "closure": closure}}


def _placeless(code):
    """Return a code object without the file and the lines that it is from, and without what is around it."""
    constants = tuple(_placeless(item) if isinstance(item, CodeType) else item for item in code.co_consts)
    place = {"co_filename": "", "co_qualname": "", "co_firstlineno": 1, "co_linetable": b""}
    return code.replace(co_consts=constants, **place)


def _without_names(value, key, places):
    """Return a configuration without the names of layers, which Keras counts up through a session (dense, dense_1).

    A layer that is named as the input of another one, or as an input or output of a network, becomes
    its place among the network's layers. All other strings stay, be they equal to a name or not.

    Args:
        value: a configuration, or a part of it.
        key: where it stands: the key of the innermost dict, or the one of `REFERENCES` that it is within.
        places: dict of a layer's name to its place, for the layers of the network that this is a part of.
    """
    if isinstance(value, list):
        return [_without_names(item, key, places) for item in value]
    if not isinstance(value, dict):
        return places.get(value, value) if key in REFERENCES else value
    if key == "config" and isinstance(value.get("layers"), list):  # a network: what is in it is named among its own
        layers = [layer.get("config", {}) for layer in value["layers"] if isinstance(layer, dict)]
        places = {layer.get("name"): place for place, layer in enumerate(layers)}
    named = key == "config" or {"class_name", "config"} <= value.keys()  # a layer's, or what Keras wraps it into
    return {
        inner: item if inner == "dtype" else _without_names(item, key if key in REFERENCES else inner, places)
        for inner, item in value.items()
        if not (named and inner == "name")
    }


def _first_difference(theirs, ours, path):
    """Say where two descriptions differ first, or return None.

    A key that only one of them has is passed over: another version of Keras writes it.
    """
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(theirs) != len(ours):
            return f"{path} has {len(theirs)} entries in the file, {len(ours)} here"
        theirs, ours = dict(enumerate(theirs)), dict(enumerate(ours))
    if not (isinstance(theirs, dict) and isinstance(ours, dict)):
        return None if theirs == ours else f"{path} is {theirs!r} in the file, {ours!r} here"
    found = (_first_difference(theirs[key], ours[key], f"{path}.{key}") for key in theirs if key in ours)
    return next(filter(None, found), None)
