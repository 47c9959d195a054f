"""Weights in a file that says which network they belong to: for a trained network, and for a checkpoint.

Keras' own `.weights.h5` holds arrays and their shapes. `load_weights` takes any file whose shapes
fit, so tanh's weights go into a relu network, and those of another alphabet into this one, without
a word; where shapes differ it stops halfway, with some layers overwritten; a flipped bit becomes a
weight. The files written here are Keras', with one data set more, "text_recognizer". It is a JSON
text which says what the weights belong to. Its attribute "sha256" is a checksum of all that the file
holds. Both are checked before the network is touched. `network.load_weights(path)` of Keras reads
these files too, and checks nothing.
"""

import hashlib
import json
from pathlib import Path

import h5py
import keras

from text_recognizer.files import atomic_write

DESCRIPTION = "text_recognizer"  # the data set in the HDF5 file, beside the groups that Keras makes
CHECKSUM = "sha256"  # its attribute
MUST_AGREE = ("class", "class_names", "config", "shapes")
REFERENCES = ("keras_history", "input_layers", "output_layers")  # where a configuration names layers of a network
KEYS = {"name", *MUST_AGREE, "optimizer", "run"}


class WeightsError(ValueError):
    """Weights cannot be saved so that they are found right again, or those in a file do not belong to the network."""


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
        network: a `keras.Model`, built.
        name: what the model is called in messages.
        class_names: what the outputs mean: a sequence of strings, or None.
        run: for a checkpoint, the state of the training: a dict that JSON can hold.

    Raises:
        ValueError: the path ends otherwise, or the network is not built.
        WeightsError: as for `check_saveable`.
        OSError: the file cannot be written. What was there before is still there.

    Example:
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "spam.weights.h5")
        >>> save(path, network, name="spam filter", class_names=["spam", "ham"])
        >>> load(path, network, name="spam filter", class_names=["ham", "spam"])  # doctest: +ELLIPSIS
        Traceback (most recent call last):
        text_recognizer.training.weights.WeightsError: ... class_names.0 is 'spam' in the file, 'ham' here. ...
    """
    if not str(path).endswith(".weights.h5"):
        raise ValueError(f"{path} does not end in .weights.h5, as Keras wants it: give such a name")
    text = json.dumps(_describe(network, name, class_names) | {"run": run})
    with atomic_write(path) as beside:
        network.save_weights(beside)
        with h5py.File(beside, "a") as file:
            file[DESCRIPTION] = text
            file[DESCRIPTION].attrs[CHECKSUM] = _checksum(file)


def load(path, network, *, name, class_names=None, check=None):
    """Load what `save` wrote, if it belongs to this network; leave the network as it is if not.

    A compiled network gets the optimizer's state too, if the file has that of such an optimizer.
    Otherwise its optimizer stays as it is.

    Args:
        path: the file.
        network: a `keras.Model`, built, compiled or not.
        name, class_names: as for `save`. `name` may be another one.
        check: None, or a function to call before the network is touched, which may raise. It gets
            what the file says: a dict of "name", "class", "class_names", "config", "shapes" (of the
            weights, with their dtypes), "optimizer" (see `describe_optimizer`) and "run".

    Returns:
        What was given to `save` as `run`, a dict or None.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the network is not built.
        WeightsError: the file is damaged, says nothing of its network, or is another network's.

    Example:
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> import tempfile
        >>> path = Path(tempfile.mkdtemp(), "line.weights.h5")
        >>> save(path, network, name="line", run={"epochs": 3})
        >>> load(path, keras.models.clone_model(network), name="line")
        {'epochs': 3}
    """
    theirs = _read(path)
    ours = _describe(network, name, class_names)
    for key in MUST_AGREE:
        if difference := _first_difference(theirs[key], ours[key], key):
            raise WeightsError(
                f"the weights in {path} do not fit {name}. They were saved from {theirs['name']}: {difference}. "
                "Build the model as it was trained, or train this one and save its weights."
            )
    if check:
        check(theirs)
    keeps_its_optimizer = network.compiled and theirs["optimizer"] != ours["optimizer"]
    network.load_weights(path, objects_to_skip=[network.optimizer] if keeps_its_optimizer else None)
    return theirs["run"]


def describe_optimizer(network):
    """Return what must agree for the state of one optimizer to be that of another.

    Args:
        network: a `keras.Model`, built. If it is compiled, its optimizer is built if need be.

    Returns:
        {"class": its name, "shapes": of its variables}, or None if the network is not compiled.

    Example:
        >>> network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        >>> network.compile(keras.optimizers.SGD(momentum=0.9), "mse")
        >>> describe_optimizer(network)  # the number of steps, the rate, and a momentum for each weight
        {'class': 'SGD', 'shapes': [[], [], [2, 1], [1]]}
    """
    if not network.compiled:
        return None
    optimizer = network.optimizer
    if not optimizer.built:
        optimizer.build(network.trainable_variables)
    inner = getattr(optimizer, "inner_optimizer", optimizer)  # of a LossScaleOptimizer
    return {"class": type(inner).__name__, "shapes": [list(variable.shape) for variable in optimizer.variables]}


def _read(path):
    """Return what the file says, once its checksum is right."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"no weights in {path}: train the model and save its weights first")
    try:
        with h5py.File(path) as file:
            description = file.get(DESCRIPTION)
            expected = description is not None and description.attrs.get(CHECKSUM)
            if expected:
                sound = _checksum(file) == expected
                text = description.asstr()[()]
    except Exception as error:  # the HDF5 library has an error of its own for every bit that can be wrong
        raise _damaged(path, str(error) or type(error).__name__) from error
    if not expected:
        raise WeightsError(
            f"{path} does not say which network its weights belong to, or says it in an older form. Train again and "
            "save anew; network.load_weights(path) of Keras takes such a file, unchecked."
        )
    if not sound:
        raise _damaged(path, "its checksum is wrong")
    try:
        saved = json.loads(text)
    except ValueError as error:
        raise _damaged(path, f"what it says is no JSON: {error}") from error
    if not isinstance(saved, dict) or not KEYS <= saved.keys():
        raise _damaged(path, f"it does not say all of {', '.join(sorted(KEYS))}")
    return saved


def _damaged(path, why):
    return WeightsError(f"{path} is damaged, or no HDF5 file ({why}). Delete it, and train again or take a copy.")


def _checksum(file):
    """Return the SHA-256, in hexadecimal digits, of the paths, attributes, types, shapes and bytes in an HDF5 file."""
    items = [("", file)]
    file.visititems(lambda path, item: items.append((path, item)))
    checksum = hashlib.sha256()
    for path, item in sorted(items, key=lambda pair: pair[0]):
        attributes = sorted((key, str(value)) for key, value in item.attrs.items() if key != CHECKSUM)
        checksum.update(json.dumps([path, attributes]).encode())
        if isinstance(item, h5py.Dataset):
            value = item[()]
            value = value if isinstance(value, bytes) else value.tobytes()
            checksum.update(json.dumps([item.dtype.str, item.shape, len(value)]).encode() + value)
    return checksum.hexdigest()


def _describe(network, name, class_names):
    """Return what must agree for the weights of one network to mean the same in another."""
    if not network.built:
        raise ValueError(f"{name} is not built, it has no weights yet: call network.build with the shape of a batch")
    return {
        "name": name,
        "class": type(network).__name__,
        "class_names": None if class_names is None else [str(item) for item in class_names],
        "config": _config(network),
        "shapes": [[str(weight.dtype), *weight.shape] for weight in network.weights],
        "optimizer": describe_optimizer(network),
    }


def _config(network):
    """Return what a network says it is made of, as JSON gives it back, without the names of its layers."""
    try:
        config = json.loads(json.dumps(network.get_config(), default=keras.saving.serialize_keras_object))
    except (NotImplementedError, TypeError, ValueError) as error:
        reason = str(error).strip().partition("\n")[0]
        raise WeightsError(
            f"{type(network).__name__} does not say what it is made of, so that nothing could tell its weights from "
            f"another network's of the same shapes ({reason}). Write its get_config, or that of the layer in it: "
            "def get_config(self): return super().get_config() | {'units': self.units}, for all that its __init__ takes"
        ) from error
    return _without_names({"class_name": type(network).__name__, "config": config}, {})["config"]


def _without_names(value, places):
    """Return a configuration without the names of layers, which Keras counts up through a session (dense, dense_1).

    A layer that is named as the input of another one, or as an input or output of a network, becomes
    its place among the network's layers. All other strings stay, be they equal to a name or not.

    Args:
        value: a configuration, or a part of it.
        places: dict of a layer's name to its place, for the layers of the network that this is a part of.
    """
    if isinstance(value, list):
        return [_without_names(item, places) for item in value]
    if not isinstance(value, dict):
        return value
    if "class_name" in value and isinstance(value.get("config"), dict):
        return _object_without_names(value, places)
    return {key: _without_names(item, places) for key, item in value.items()}


def _object_without_names(described, places):
    """Do the same with an object, which Keras describes by its class and its own configuration."""
    cleaned = {key: _without_names(item, places) for key, item in described.items() if key not in ("name", "config")}
    config = described["config"]
    if isinstance(config.get("layers"), list):  # a network: what is in it is named among its own layers
        layers = [layer["config"] for layer in config["layers"] if isinstance(layer, dict) and "config" in layer]
        places = {layer.get("name"): place for place, layer in enumerate(layers)}
    cleaned["config"] = {
        key: _named(item, places) if key in REFERENCES else item if key == "dtype" else _without_names(item, places)
        for key, item in config.items()
        if key != "name"
    }
    return cleaned


def _named(value, places):
    """Replace the names of layers in a reference: [name, number of the call, number of the output], or several."""
    if isinstance(value, dict):
        return {key: _named(item, places) for key, item in value.items()}
    if isinstance(value, list):
        return [_named(item, places) for item in value]
    return places.get(value, value) if isinstance(value, str) else value


def _first_difference(theirs, ours, path):
    """Say where two descriptions differ first, or return None.

    A key that only one of them has is passed over: another version of Keras writes it.
    """
    if isinstance(theirs, dict) and isinstance(ours, dict):
        pairs = [(f"{path}.{key}", theirs[key], ours[key]) for key in theirs if key in ours]
    elif isinstance(theirs, list) and isinstance(ours, list) and len(theirs) == len(ours):
        pairs = [(f"{path}.{i}", a, b) for i, (a, b) in enumerate(zip(theirs, ours))]
    elif isinstance(theirs, list) and isinstance(ours, list):
        return f"{path} has {len(theirs)} entries in the file, {len(ours)} here"
    else:
        return None if theirs == ours else f"{path} is {theirs!r} in the file, {ours!r} here"
    return next(filter(None, (_first_difference(a, b, where) for where, a, b in pairs)), None)
