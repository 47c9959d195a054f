"""A network of Keras' own layers in place of a network of ours: a file of it loads where this library is not."""

import keras


def keras_alone(network, input_shape=None):
    """Return a copy of a network, without its weights and not compiled, of Keras' own layers in place of ours.

    The weights are in the same order: after `copy.set_weights(network.get_weights())` it is the same
    function, but for rounding. What stands for a layer of ours, its method `in_keras` says. Layers of other classes
    are copied as they are, with what is in them; so is a subclassed network without that method.

    Args:
        network: a `keras.Model`, or a layer.
        input_shape: what it takes, with the batch. Default: what it was built for.

    Returns:
        A `keras.Model`, or a layer, not built where the network is subclassed and has no `in_keras`.

    Example:
        >>> from text_recognizer.networks.batch_normalization import BatchNormalization
        >>> network = keras.Sequential([keras.Input((3,)), BatchNormalization()])
        >>> type(keras_alone(network).layers[0]).__module__.startswith("keras.")
        True
    """
    if isinstance(network, keras.layers.Lambda):  # its code is the caller's own
        return keras.layers.Lambda.from_config(network.get_config(), safe_mode=False)
    if isinstance(network, keras.layers.Wrapper):
        wrapped = keras.saving.serialize_keras_object(keras_alone(network.layer))
        return type(network).from_config(network.get_config() | {"layer": wrapped})
    if not isinstance(network, keras.Sequential | keras.Function):
        shape = input_shape or (network.get_build_config() or {}).get("input_shape")
        ours = hasattr(network, "in_keras")
        network = network.in_keras(shape) if ours else type(network).from_config(network.get_config())
        if not isinstance(network, keras.Function):
            return network
    in_sequence = isinstance(network, keras.Sequential)
    ends = (network.inputs[0], network.outputs[0]) if in_sequence else (network.input, network.output)
    not_compiled = keras.Model(*ends, name=network.name)  # clone_model compiles what was compiled
    return keras.models.clone_model(not_compiled, clone_function=keras_alone)
