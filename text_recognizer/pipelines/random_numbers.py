"""Random numbers of an augmentation: others in each epoch, and the same when the program runs again.

`Draws` sees to that for all that is drawn with `keras.random` or in a Keras layer. TensorFlow compiles a function once
and runs it in every epoch, so there other ways to draw go wrong in silence: `compiled` refuses them.
"""

import contextlib
import inspect
import pickle
import random
import re
import sys
from collections import Counter

import keras
import numpy as np


class Draws(keras.StatelessScope):
    """A scope in which random numbers follow from the generator's seed and the batch's, and no generator advances.

    Args:
        seed: of the batch, two integers.

    Raises:
        TypeError: in the scope, random numbers are drawn in a graph within another one: there they would be the same
            for all calls of a `tf.function`, or all turns of a loop.

    Example:
        >>> generator = keras.random.SeedGenerator(7)
        >>> def draw(seed):
        ...     with Draws(seed):
        ...         return float(keras.random.uniform((), seed=generator))
        >>> draw([1, 2]) == draw([1, 2]), draw([1, 2]) == draw([1, 3])
        (True, False)
    """

    def __init__(self, seed):
        super().__init__()
        self._seed, self._graph = seed, _graph()

    def get_current_value(self, variable):
        """Return the value that a variable has here. Keras asks for it, and takes None for "as it is outside"."""
        value = super().get_current_value(variable)
        if variable.name != "seed_generator_state":
            return value
        if _graph() is not self._graph:
            raise TypeError(
                "random numbers are drawn within a tf.function, or in a loop or a branch of a graph, where they would "
                "be the same for all calls or all turns: draw them outside of it, for the whole batch at once"
            )
        if value is None:
            outside = sys.modules["tensorflow"].init_scope() if self._graph else contextlib.nullcontext()
            with outside, keras.StatelessScope():  # where the variable has a value
                own, _ = keras.ops.convert_to_numpy(variable.value * 1)  # its seed, and how often it has drawn
            value = keras.ops.convert_to_tensor(self._seed + np.array([own, 0], np.int64), variable.dtype)
            self.add_update((variable, value))
        return value


def _graph():
    """Return the graph that TensorFlow builds, or would build; None where nobody has imported TensorFlow."""
    tf = sys.modules.get("tensorflow")
    return tf and tf.compat.v1.get_default_graph()


def compiled(function, signature):
    """Return a function as TensorFlow runs it, unless epochs would be augmented alike, or runs differently.

    What Python or NumPy draws in a function is drawn when it is compiled, and stays. `tf.random` begins anew with each
    epoch if a seed is set. And a seed that an operation is given must be computed from that of the batch, as are
    those that a `keras.random.SeedGenerator` gives within `Draws`.

    The function is compiled twice for that, and compared. Two kinds can slip through: a generator of its own, of NumPy
    or Python, that happens to draw the same both times, and a seed in whose computation that of the batch takes part
    without effect, as in `0 * generator.next()`.

    Args:
        function: of the seed of a batch, and of tensors.
        signature: their `tf.TensorSpec`s.

    Returns:
        A `tf.types.experimental.ConcreteFunction`.

    Raises:
        TypeError: as described, or the function cannot be compiled; the message says why, and what to do.

    Example:
        >>> import tensorflow as tf
        >>> signature = [tf.TensorSpec((2,), tf.int64), tf.TensorSpec((None,))]
        >>> compiled(lambda seed, x: x + tf.random.stateless_normal((), seed), signature)([1, 2], [3.0]).shape
        TensorShape([1])
        >>> try:
        ...     compiled(lambda seed, x: x + tf.random.stateless_normal((), [1, 2]), signature)
        ... except TypeError as error:
        ...     print(str(error).partition(",")[0])
        augment_fn or format_fn draws random numbers from a constant seed
    """
    import tensorflow as tf

    traces, untouched = [], False
    for _ in range(2):
        states = _random_states()
        try:
            traces.append(tf.function(function).get_concrete_function(*signature))
        except Exception as error:
            bold = re.search("\x1b\\[1m(.+?)\x1b\\[0m", str(error), re.DOTALL)  # Keras' way to say what is wrong
            reason = (bold[1] if bold else str(error)).strip().rpartition("\n")[-1].strip() or type(error).__name__
            raise TypeError(_refusal(f"cannot be compiled ({reason})")) from error
        finally:  # an error within tf.map_fn leaves a setting that breaks what makes variables under a strategy
            with tf.compat.v1.get_default_graph().as_default():
                tf.compat.v1.get_variable_scope().set_caching_device(None)
        untouched |= states == _random_states()  # another thread may draw meanwhile, but hardly twice

    graph, graph_again = (trace.graph.as_graph_def() for trace in traces)
    functions = {function.signature.name: function for function in graph.library.function}
    for objection in _objections(graph.node, {traces[0].inputs[0].op.name}, functions):
        raise TypeError(_refusal(objection))
    if not untouched or _constants(graph) != _constants(graph_again):
        raise TypeError(_refusal("draws random numbers with NumPy or Python, or counts its calls, when it is compiled"))
    return traces[0]


def _refusal(reason):
    return (
        f"augment_fn or format_fn {reason}. For tf.data, write it with keras.ops, and draw random numbers with a Keras "
        "layer or a keras.random.SeedGenerator that is created once, outside of it; or train on a DatasetSequence."
    )


def _random_states():
    return pickle.dumps((random.getstate(), np.random.get_state(legacy=False)))


def _constants(graph):
    """Return how often each operation and each constant occurs. Names may differ each time that one compiles."""
    bodies = (graph.node, *(function.node_def for function in graph.library.function))
    return Counter((node.op, node.attr["value"].SerializeToString()) for body in bodies for node in body)


def _objections(nodes, seeds, functions):
    """Yield why operations in a body, or in a function it calls, would augment epochs alike, or each run differently.

    Args:
        nodes: of the body, in the order in which they were made.
        seeds: names of the arguments in which it is given the batch's seed, or what was computed from it.
        functions: those of the graph, by name.
    """
    import tensorflow as tf

    seeds = set(seeds)
    for node in nodes:
        names = inspect.signature(getattr(tf.raw_ops, node.op, lambda: None)).parameters
        given = [source.partition(":")[0] for source in node.input if source[0] != "^"]  # which hands over nothing
        own = [source for name, source in zip(names, given) if name in ("seed", "key", "counter")]
        if not seeds.isdisjoint(given) and node.op not in ("Shape", "ShapeN", "Size", "Rank"):
            seeds.add(node.name)
        if "seed2" in names:  # two seeds: of the graph and of the operation, from which each iterator begins anew
            yield f"draws random numbers with tf.random ({node.op}), which begins anew in each epoch if a seed is set"
        elif ("seed" in names or "counter" in names) and seeds.isdisjoint(own):
            yield f"draws random numbers from a constant seed, or from one of the data ({node.op}), alike in each epoch"
        elif node.op in ("PyFunc", "EagerPyFunc") or (
            node.op.startswith(("Timestamp", "Assign", "Rng", "Stateful")) and "Call" not in node.op
        ):
            yield (
                f"reads or changes what is outside of it ({node.op}), so that each run may give other batches. (A "
                "tf.numpy_function that does not must say so: stateful=False)"
            )
        for called in (called for attr in node.attr.values() for called in (attr.func, *attr.list.func) if called.name):
            arguments = [argument.name for argument in functions[called.name].signature.input_arg]
            pairs = zip(reversed(arguments), reversed(given))  # from the end: a branch is not given the condition
            inner = {argument for argument, source in pairs if source in seeds}
            yield from _objections(functions[called.name].node_def, inner, functions)
