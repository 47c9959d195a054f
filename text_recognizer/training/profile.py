"""What a network costs: floating point operations, memory, seconds, and the share of the machine's peak.

A multiplication and an addition are two operations, here and in TensorFlow's profiler. Papers often
count the two as one ("multiply-adds"), and so halve the number. All of this needs TensorFlow.
"""

import math
import statistics
import time
from dataclasses import dataclass
from typing import NamedTuple

import keras
import pandas as pd
import tensorflow as tf

from text_recognizer.arguments import whole_number


def profile(model):
    """Count the parameters, the operations and the outputs of each layer, from shapes alone.

    Operations are those of one example at inference, counted as `tf.compat.v1.profiler` counts
    them: with `graph_flops`, the sum agrees to the last digit. A comparison in max pooling is an
    operation too. What only moves numbers is none (Flatten, Reshape, Dropout at inference), and
    ReLU is none either, though it compares, nor the error function in GELU: TensorFlow's profiler
    leaves them out.
    A layer that is called twice is counted once.

    Args:
        model: a built `keras.Model`, of layers that stand in `OPERATIONS`, nested as you like.

    Returns:
        A `pandas.DataFrame`, a row a layer, in the order of `model.layers`. The index is the path of
        the layer in the model. Columns: `block` (the first part of the path), `type`,
        `output_shape` (without the batch), `parameters`, `flops`, and `output_bytes` of one example.

    Raises:
        ValueError: the model is not built, or a layer is of another kind, or its shapes are unknown.

    Example:
        >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(5, name="dense")])
        >>> profile(model).flops.to_dict()
        {'dense': 105}
    """
    if not model.built:
        raise ValueError(f"{model.name} is not built, so its layers have no shapes yet: model.build((None, ...))")
    leaves = [leaf for child in model.layers for leaf in _leaves(child, child.name)]
    return pd.DataFrame([_count(path, layer) for path, layer in leaves]).set_index("layer")


def _leaves(layer, path):
    """Yield the paths and the layers that hold no others, and are not where data comes in."""
    children = [] if type(layer).__name__ in OPERATIONS else layer._flatten_layers(include_self=False, recursive=False)
    if not children and type(layer).__name__ != "InputLayer":
        yield path, layer
    for child in children:
        yield from _leaves(child, f"{path}/{child.name}")


def _count(path, layer):
    kind = type(layer).__name__
    activation = getattr(getattr(layer, "activation", None), "__name__", "linear")
    if kind not in OPERATIONS or activation not in ACTIVATIONS:
        known = f"{', '.join(OPERATIONS)}, with the activation {', '.join(ACTIVATIONS)}"
        raise ValueError(f"{path}, a {kind} ({activation}), cannot be counted; known are {known}")
    try:  # inside a functional model
        inputs = keras.tree.map_structure(lambda tensor: tensor.shape, layer.input)
    except (AttributeError, ValueError):  # inside a subclassed one, or called twice
        inputs = (layer.get_build_config() or {}).get("input_shape")
    output = inputs and layer.compute_output_shape(inputs)
    if not output or None in output[1:]:
        raise ValueError(f"{path} does not know its shapes: build it with a size for height and width")
    size = math.prod(output[1:])
    return {
        "layer": path,
        "block": path.split("/")[0],
        "type": kind,
        "output_shape": tuple(output[1:]),
        "parameters": layer.count_params(),
        "flops": OPERATIONS[kind](layer, inputs, size) + ACTIVATIONS[activation] * size,
        "output_bytes": size * _itemsize(layer.compute_dtype),
    }


def _weighted(layer, inputs, size):
    """Return the operations of a kernel: a product and a sum for each weight, at each place of the output."""
    places = size // layer.kernel.shape[-1]  # wherever the channels stand
    return 2 * math.prod(layer.kernel.shape) * places + layer.use_bias * size


def _depthwise(layer, inputs, size):
    """Return the operations of a kernel that sees one channel: a product and a sum for each of its places."""
    return (2 * math.prod(layer.kernel_size) + layer.use_bias) * size


def _layer_normalized(layer, inputs, size):
    """Return the operations on each number, and those on the mean and the variance of numbers normalized together."""
    together = math.prod(inputs[axis] for axis in layer.axis)
    return (6 + 2 * layer.scale + layer.center) * size + (5 - layer.scale) * (size // together)


ACTIVATIONS = {"linear": 0, "relu": 0, "gelu": 4}  # operations on each output of a layer

FREE = ("ReLU", "Dropout", "SpatialDropout1D", "SpatialDropout2D", "Flatten", "Reshape")

# The operations of a layer on one example, from the shape of its inputs, and how many numbers it gives.
OPERATIONS = {
    **dict.fromkeys(("Conv2D", "Conv1D", "Dense"), _weighted),
    **dict.fromkeys(("DepthwiseConv2D", "DepthwiseConv1D"), _depthwise),
    # a scale and a shift for each number, and what makes these two for each channel from the statistics
    "BatchNormalization": lambda layer, inputs, size: 2 * size + (5 + layer.scale) * layer.moving_mean.shape[0],
    "LayerNormalization": _layer_normalized,
    "Add": lambda layer, inputs, size: (len(inputs) - 1) * size,
    "MaxPooling2D": lambda layer, inputs, size: math.prod(layer.pool_size) * size,
    "AveragePooling2D": lambda layer, inputs, size: math.prod(layer.pool_size) * size,
    "GlobalAveragePooling2D": lambda layer, inputs, size: math.prod(inputs[1:]),
    **dict.fromkeys(FREE, lambda layer, inputs, size: 0),
}


def graph_flops(function, *inputs):
    """Count the operations of a TensorFlow function by TensorFlow's own profiler.

    It adds up what TensorFlow has registered for each kind of operation in the graph, and nothing
    for the others, as for ReLU or a fused batch normalization.

    Args:
        function: a model, or any other function of tensors, e.g. a training step.
        *inputs: a `tf.TensorSpec` for each argument, with every size known.

    Returns:
        An integer, for one call. A multiplication and the addition that goes with it count 2.

    Raises:
        ValueError: a size is unknown, where TensorFlow's profiler would count nothing.

    Example:
        >>> graph_flops(tf.matmul, tf.TensorSpec((1, 10)), tf.TensorSpec((10, 5)))
        100
    """
    for spec in inputs:
        if not spec.shape.is_fully_defined():
            raise ValueError(f"{spec} has a size that is unknown: give every size, also the batch's, as in (1, 28, 28)")
    graph = tf.function(function, autograph=False).get_concrete_function(*inputs).graph
    options = tf.compat.v1.profiler.ProfileOptionBuilder.float_operation() | {"output": "none"}
    logger = tf.get_logger()
    level = logger.level
    logger.setLevel("ERROR")  # the profiler warns of its own use of deprecated functions
    try:
        return tf.compat.v1.profiler.profile(graph, options=options).total_float_ops
    finally:
        logger.setLevel(level)


@dataclass(frozen=True)
class Memory:
    """Bytes that training a model takes.

    Attributes:
        parameters: the weights, trainable or not.
        gradients: one value for each trainable weight.
        optimizer: the optimizer's state, as one velocity for each trainable weight with momentum.
        inference: the most outputs of operations that are alive at once in a forward pass.
        kept: the outputs of the forward pass that the backward pass will read. They grow with the
            batch, and are what the memory of training mostly is.
    """

    parameters: int
    gradients: int
    optimizer: int
    inference: int
    kept: int


def memory(model, input_shape, batch_size):
    """Find what memory a training step needs, from the graph, without running it.

    The graph is the one that Keras makes. TensorFlow fuses some operations before it runs them and
    overwrites some inputs by the output, so that `inference` is an upper bound.

    Args:
        model: a compiled and built `keras.Model` with one input and one output.
        input_shape: the shape of an example, as (height, width, channels) of an image.
        batch_size: examples in a batch.

    Returns:
        A `Memory`.

    Raises:
        ValueError: the model is not built, or not compiled.

    Example:
        >>> model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(5)])
        >>> model.compile(keras.optimizers.SGD(), "mse")
        >>> memory(model, (10,), batch_size=7).parameters  # (10 * 5 + 5) * 4 bytes
        220
    """
    if not model.built:
        raise ValueError(f"{model.name} is not built, so it has no weights yet: model.build((None, ...))")
    if not model.compiled:
        raise ValueError(f"{model.name} has no optimizer, whose state takes memory too: compile it first")
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    images = tf.TensorSpec((batch_size, *input_shape))
    return Memory(
        parameters=_bytes(model.weights),
        gradients=_bytes(model.trainable_weights),
        optimizer=_bytes(model.optimizer.variables),
        inference=_alive_at_once(model, images),
        kept=_kept_for_backward(model, images),
    )


def _alive_at_once(model, images):
    graph = tf.function(lambda x: model(x, training=False), autograph=False).get_concrete_function(images).graph
    operations = graph.get_operations()
    last_reader = {tensor.name: operation for operation in operations for tensor in operation.inputs}
    alive = most = 0
    for operation in operations:
        alive += _bytes(_computed(operation.outputs))
        most = max(most, alive)
        unique = {tensor.name: tensor for tensor in operation.inputs}.values()
        alive -= _bytes(_computed(tensor for tensor in unique if last_reader[tensor.name] is operation))
    return most


def _kept_for_backward(model, images):
    forward = set()

    def backward(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(model(x, training=True))
        forward.update(operation.name for operation in x.graph.get_operations())
        return tape.gradient(total, model.trainable_variables)

    operations = tf.function(backward, autograph=False).get_concrete_function(images).graph.get_operations()
    readers = [operation for operation in operations if operation.name not in forward]
    read = {tensor.name: tensor for reader in readers for tensor in reader.inputs if tensor.op.name in forward}
    return _bytes(_computed(read.values()))


def _computed(tensors):
    """Leave out what is stored anyway, variables and constants, and what cuDNN alone fills, which has no shape here."""
    return [
        tensor
        for tensor in tensors
        if tensor.op.type not in ("ReadVariableOp", "Const") and tensor.shape.rank is not None
    ]


def _bytes(tensors):
    return sum(math.prod(tensor.shape) * _itemsize(tensor.dtype) for tensor in tensors)


def _itemsize(dtype):
    return tf.as_dtype(dtype).size


def measure(functions, repeats=5):
    """Time functions side by side: each is called once in every round, so that all meet the same machine.

    Each is called once before the first round, without a clock: that traces and compiles it.

    Args:
        functions: {name: a function without arguments that returns when its work is done}.
        repeats: rounds, 1 or more.

    Returns:
        {name: the median of its seconds}.

    Raises:
        ValueError: there is no round.

    Example:
        >>> seconds = measure({"sum": lambda: sum(range(1000)), "max": lambda: max(range(1000))}, repeats=3)
        >>> list(seconds)
        ['sum', 'max']
    """
    for function in functions.values():
        function()
    seconds = {name: [] for name in functions}
    for _ in range(whole_number("repeats", repeats)):
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return {name: statistics.median(values) for name, values in seconds.items()}


def matmul(size=2048):
    """Return a product of two square float32 matrices as a function to `measure`, and its operations.

    Hardly anything keeps a processor as busy: a processor's peak, as far as a program sees it.

    Example:
        >>> product, flops = matmul(size=64)
        >>> product().shape, flops
        ((64, 64), 524288)
    """
    left, right = tf.random.stateless_uniform((2, size, size), seed=(0, 0))
    return lambda: tf.matmul(left, right).numpy(), 2 * size**3


class Speed(NamedTuple):
    """How fast a step runs, and how fast it could.

    Attributes:
        seconds: the median time of the step.
        share: the part of the machine's peak that the step reaches, 0 to about 1.
    """

    seconds: float
    share: float


def speed(step, flops, repeats=5):
    """Measure a step and the machine's peak side by side.

    Args:
        step: a function without arguments that returns when its work is done, as
            `lambda: model.train_on_batch(x, y)`.
        flops: its operations; see `graph_flops`.
        repeats: how often each is run.

    Returns:
        A `Speed`.

    Example:
        >>> product, flops = matmul(size=64)
        >>> speed(product, flops, repeats=1).seconds > 0
        True
    """
    product, product_flops = matmul()
    seconds = measure({"step": step, "matmul": product}, repeats)
    peak = product_flops / seconds["matmul"]
    return Speed(seconds["step"], share=flops / seconds["step"] / peak)
