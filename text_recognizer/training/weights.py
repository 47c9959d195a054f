"""Weights in a file that says which network they belong to.

Keras' own `.weights.h5` holds arrays and their shapes. `load_weights` takes any file whose shapes
fit, so tanh's weights go into a relu network, and those of another alphabet into this one, without
a word; where shapes differ it stops halfway, with some layers overwritten. The files written here
hold a description besides, and loading compares it before it touches the network. They are still
Keras' files: `network.load_weights(path)` reads them.
"""

import json
import os
from pathlib import Path

import h5py
import keras

DESCRIPTION = "text_recognizer"  # the data set in the HDF5 file, beside the groups that Keras makes


class WeightsError(ValueError):
    """A file's weights do not belong to the network; the message names both."""


def save(path, network, name, mapping):
    """Write a network's weights with what they belong to, whole or not at all.

    Args:
        path: the file; it ends in ".weights.h5".
        network: a `keras.Model`.
        name: what the model is called in messages.
        mapping: what the outputs mean, dict of class index to character.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{os.getpid()}.{path.name}")  # the ending is the one that Keras demands
    try:
        network.save_weights(beside)
        with h5py.File(beside, "a") as file:
            file[DESCRIPTION] = json.dumps(_describe(network, name, mapping))
        os.replace(beside, path)
    finally:
        beside.unlink(missing_ok=True)


def load(path, network, name, mapping):
    """Load what `save` wrote, if it belongs to this network; leave the network as it is if not.

    Raises:
        FileNotFoundError: there is no such file.
        WeightsError: the file is damaged, says nothing of its network, or is another network's.
    """
    theirs = _read_description(path)
    saved_from = theirs.pop("name")
    ours = json.loads(json.dumps(_describe(network, name, mapping)))  # as JSON gives it back
    if difference := _first_difference(theirs, ours, "model"):
        raise WeightsError(
            f"the weights in {path} do not fit {name}. They were saved from {saved_from}: {difference}. "
            "Build the model as it was trained, or train this one and save its weights."
        )
    network.load_weights(path)


def _read_description(path):
    if not Path(path).is_file():
        raise FileNotFoundError(f"no weights in {path}: train the model and call save_weights first")
    try:
        with h5py.File(path) as file:
            description = file.get(DESCRIPTION)
            text = description.asstr()[()] if description else None
    except OSError as error:
        raise WeightsError(f"{path} is damaged, or no HDF5 file ({error}). Delete it and train again.") from error
    if text is None:
        raise WeightsError(
            f"{path} does not say which network its weights belong to; network.load_weights(path) of Keras "
            "takes such a file, unchecked"
        )
    return json.loads(text)


def _describe(network, name, mapping):
    """Return what must agree for the weights of one network to mean the same in another."""
    config = network.get_config()
    # Keras counts names up through a session (dense, dense_1, ...); only who is who matters.
    places = {layer: f"#{i}" for i, layer in enumerate(_names(config))}
    config = keras.tree.map_structure(lambda leaf: places.get(leaf, leaf) if isinstance(leaf, str) else leaf, config)
    return {"name": name, "mapping": list(mapping.values()), "class": type(network).__name__, "config": config}


def _names(config):
    """Yield the name of a network and of each layer in it."""
    if isinstance(config, dict):
        if isinstance(config.get("name"), str):
            yield config["name"]
        config = [value for key, value in config.items() if key != "dtype"]  # a policy has a name of its own
    if isinstance(config, list | tuple):
        for value in config:
            yield from _names(value)


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
