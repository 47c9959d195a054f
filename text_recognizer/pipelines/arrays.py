"""Batches of arrays, augmented and formatted on the way: as a Keras sequence, and as a tf.data pipeline.

Both forms give the same batches. An epoch has a number, and what it gives depends on that number and on seeds alone:

- Its order is `np.random.default_rng([seed, epoch]).permutation(n)`, whatever the global seeds are.
- What `augment_fn` draws with `keras.random` or in a Keras layer depends on the seed of the layer or of the
  `keras.random.SeedGenerator`, on the number of the epoch and on that of the batch. So it is another in each epoch,
  and the same when the program runs again. Nobody counts what was drawn before, so it matters neither how many threads
  prepare batches nor whether somebody has looked at a batch in between.

Training that was interrupted therefore goes on with `first_epoch` as if nothing had happened.
"""

import contextlib
import inspect
import itertools
import math
import pickle
import random
import re
import sys
from collections import Counter

import keras
import numpy as np

from text_recognizer.pipelines.arguments import whole_number


class DatasetSequence(keras.utils.PyDataset):
    """Batches of `x` and `y`, one at a time, each through `augment_fn` and then `format_fn`.

    `fit(sequence, shuffle=True)`, its default, hands over whole batches in another order; what lies in one batch stays
    together. `DatasetSequence(shuffle=True)` deals all examples anew each epoch, for everyone who reads it: `predict`
    and `evaluate` too get them in the order of the epoch that the sequence has come to. For predictions in the order
    of `x`, give `predict` a sequence with `shuffle=False`.

    Before training starts, Keras asks for batches 0 and 1 once, to learn their shapes: a function that counts its
    calls counts two more than there are batches.

    An `augment_fn` may draw its random numbers in three ways:

    - `keras.random` with a `keras.random.SeedGenerator`, or a Keras layer: see the top of this module. Create both
      once, outside of the function. Those without a seed take one that follows from `keras.utils.set_random_seed`.
    - `np.random`, `random` and `tf.random` go on from batch to batch, and so give others in each epoch. A run repeats
      them after `keras.utils.set_random_seed`, but not with several `workers`, which draw in any order.
    - A constant seed, as in `keras.random.normal(shape, seed=1)`, gives the same in every batch. That is no
      augmentation, and only `batched_dataset` can notice it.

    Args:
        x: inputs, an array of n examples or more dimensions, n at least 1. It is not copied, and may be memory-mapped.
        y: targets, an array of n.
        batch_size: examples in a batch, at least 1. The last batch holds what is left.
        sample_weight: what each example counts in the loss, an array (n,). The batches are `(x, y, w)` then.
        augment_fn: called with `(x, y)` of a batch, NumPy arrays; returns the two changed. For training only.
        format_fn: the same, called after `augment_fn`. For training and for judging alike.
        shuffle: whether to deal the examples anew each epoch.
        seed: of the order, an integer, 0 or more. Default: drawn once from the operating system's entropy.
        first_epoch: the number of the epoch to begin with.
        **kwargs: to `keras.utils.PyDataset`: `workers`, `max_queue_size`, and `use_multiprocessing`, but that not
            together with `augment_fn`.

    Attributes:
        epoch: the number of the epoch that the batches are of. It counts on after each pass, of Keras or of a loop
            `for x, y in sequence`. Who takes single batches, `sequence[i]`, calls `on_epoch_begin` and `on_epoch_end`.

    Raises:
        ValueError: there are no examples, the lengths differ, a number is not what it must be, or the processes of
            `use_multiprocessing` are to augment.

    Example:
        >>> x = np.arange(6)
        >>> sequence = DatasetSequence(x, 10 * x, batch_size=4, shuffle=True, seed=0)
        >>> for x, y in sequence:
        ...     print(x.tolist(), y.tolist())
        [3, 2, 5, 4] [30, 20, 50, 40]
        [0, 1] [0, 10]
    """

    def __init__(
        self,
        x,
        y,
        batch_size=32,
        *,
        sample_weight=None,
        augment_fn=None,
        format_fn=None,
        shuffle=False,
        seed=None,
        first_epoch=0,
        **kwargs,
    ):
        super().__init__(**kwargs)
        if self.use_multiprocessing and augment_fn is not None:
            # A new process starts in each epoch with the state that NumPy's random numbers have in this one.
            raise ValueError(
                "use_multiprocessing=True together with augment_fn: other processes would draw the same numbers from "
                "np.random in every epoch. Leave it out: workers=2 alone starts threads, which do not"
            )
        self.arrays = _checked(x, y, sample_weight)
        self.batch_size = whole_number("batch_size", batch_size, least=1)
        self.augment_fn = augment_fn
        self.format_fn = format_fn
        self.shuffle = shuffle
        self.seed = np.random.SeedSequence().entropy if seed is None else whole_number("seed", seed, least=0)
        self.epoch = whole_number("first_epoch", first_epoch, least=0)
        self._dealt = self.deal(self.epoch)
        self._within_epoch = False

    def __len__(self):
        """Return the number of batches in an epoch."""
        return math.ceil(len(self.arrays[0]) / self.batch_size)

    def __getitem__(self, index):
        """Return batch `index` of this epoch, `(x, y)` or `(x, y, w)`, NumPy arrays.

        Raises:
            IndexError: there is no such batch.
            TypeError: a function returns something else than `(x, y)`.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        order, seeds = self._dealt
        batch = self.take(order[index * self.batch_size : (index + 1) * self.batch_size])
        return tuple(keras.ops.convert_to_numpy(array) for array in self.change(seeds[index], *batch))

    def __iter__(self):
        """Yield the batches of an epoch, and count on."""
        self.on_epoch_begin()
        yield from super().__iter__()
        self.on_epoch_end()

    def on_epoch_begin(self):
        """Begin an epoch, the next one if the last was broken off. Keras calls this."""
        self.on_epoch_end()
        self._within_epoch = True

    def on_epoch_end(self):
        """Deal the examples anew if an epoch has begun: Keras calls this after each, and once before the first."""
        if self._within_epoch:
            self._within_epoch = False
            self.epoch += 1
            self._dealt = self.deal(self.epoch)

    def deal(self, epoch):
        """Return the order of an epoch's examples, int64 (n,), and the seeds of its batches, int64 (batches, 2)."""
        count = len(self.arrays[0])
        order = np.random.default_rng([self.seed, epoch]).permutation(count) if self.shuffle else np.arange(count)
        return order, np.random.default_rng(epoch).integers(2**31, size=(len(self), 2))

    def take(self, rows):
        """Return these examples, before any change, as copies."""
        return tuple(array[rows] for array in self.arrays)

    def change(self, seed, x, y, *weight):
        """Return a batch after both functions, which draw their random numbers from `seed`."""
        with _Draws(seed):
            for name in ("augment_fn", "format_fn"):
                function = getattr(self, name)
                if function is not None:
                    x, y = _pair(function(x, y), name)
        return x, y, *weight


def batched_dataset(
    x,
    y,
    batch_size=32,
    *,
    sample_weight=None,
    augment_fn=None,
    format_fn=None,
    shuffle=False,
    seed=None,
    first_epoch=0,
):
    """Return the batches of a `DatasetSequence` as a `tf.data.Dataset`, which prepares them ahead.

    While the model trains on one batch, other threads prepare the next ones, in compiled code. For that both functions
    must be written with `keras.ops`, Keras layers or TensorFlow; such functions serve a `DatasetSequence` as well.
    `benchmarks/batches.py` measures one beside the other.

    Each time the dataset is iterated over is an epoch: the first is `first_epoch`, and the next one counts on, even
    where the last was not read to its end. So `fit` gets another order in every epoch. (On several devices it looks at
    a batch before it trains, and that counts too.) Train with `fit(dataset, shuffle=False)`: `fit` cannot reorder a
    stream, and warns when it is asked to.

    TensorFlow compiles a function once, and runs it in every epoch. What Python or NumPy draws in it is drawn when it
    is compiled, and stays; `tf.random` begins anew with each epoch if a seed is set. Such functions are refused,
    since they would augment each epoch alike. So are those that give an operation a seed of their own: it must be
    computed from what a `SeedGenerator` gives. (For that they are compiled twice, and compared. Two kinds can slip
    through: a generator of its own, of NumPy or Python, that happens to draw the same both times, and a seed in whose
    computation that of the generator takes part without effect, as in `0 * generator.next()`.) Draw with a Keras
    layer or a `keras.random.SeedGenerator` instead, created once, outside of the function. A function of `tf.image`
    takes its seed from there too: `tf.image.stateless_random_hue(x, 0.1, seed=generator.next())`.

    Args:
        x, y, batch_size, sample_weight, augment_fn, format_fn, shuffle, seed, first_epoch: as in `DatasetSequence`,
            except that the functions are given and return tensors.

    Returns:
        A `tf.data.Dataset` of `(x, y)` or `(x, y, w)`, one epoch of known length.

    Raises:
        ValueError: as in `DatasetSequence`.
        TypeError: a function cannot be compiled, returns something else than `(x, y)`, or draws random numbers that
            would be the same in each epoch, or others in each run.

    Example:
        >>> x = np.arange(6)
        >>> dataset = batched_dataset(x, 10 * x, batch_size=4, shuffle=True, seed=0)
        >>> for x, y in dataset:
        ...     print(x.numpy().tolist(), y.numpy().tolist())
        [3, 2, 5, 4] [30, 20, 50, 40]
        [0, 1] [0, 10]
    """
    import tensorflow as tf

    sequence = DatasetSequence(
        x,
        y,
        batch_size,
        sample_weight=sample_weight,
        augment_fn=augment_fn,
        format_fn=format_fn,
        shuffle=shuffle,
        seed=seed,
        first_epoch=first_epoch,
    )
    signature = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in sequence.arrays]
    change = None if augment_fn is format_fn is None else _compiled(sequence, signature)
    epochs = itertools.count(first_epoch)

    def deal(_):
        order, seeds = tf.numpy_function(lambda: sequence.deal(next(epochs)), [], [tf.int64, tf.int64])
        return tf.ensure_shape(order, (len(sequence.arrays[0]),)), tf.ensure_shape(seeds, (len(sequence), 2))

    def batch_rows(order, seeds):
        # Indices are dealt, not examples: eight bytes each, whatever an image weighs.
        rows = tf.data.Dataset.from_tensor_slices(order).batch(sequence.batch_size)
        return tf.data.Dataset.zip(rows, tf.data.Dataset.from_tensor_slices(seeds))

    def prepare(rows, seed):
        # By NumPy, and not by tf.gather, for which TensorFlow would hold a second copy of the arrays.
        batch = tf.numpy_function(sequence.take, [rows], [spec.dtype for spec in signature], stateful=False)
        batch = [tf.ensure_shape(array, spec.shape) for array, spec in zip(batch, signature)]
        return tuple(batch) if change is None else change(seed, *batch)

    dataset = tf.data.Dataset.range(1).map(deal).flat_map(batch_rows)  # whoever iterates over it calls deal once
    dataset = dataset.apply(tf.data.experimental.assert_cardinality(len(sequence)))
    return dataset.map(prepare, tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


class _Draws(keras.StatelessScope):
    """A scope in which random numbers follow from the generator's seed and the batch's, and no generator advances.

    Args:
        seed: of the batch, two integers.
    """

    def __init__(self, seed):
        super().__init__()
        self._seed, self._graph = seed, _graph()

    def get_current_value(self, variable):
        """Return the value that a variable has here. Keras asks for it, and takes None for "as it is outside"."""
        if variable.name != "seed_generator_state":
            return super().get_current_value(variable)
        if _graph() is not self._graph:
            raise TypeError(
                "random numbers are drawn within a tf.function, or in a loop or a branch of a graph, where they would "
                "be the same for all calls or all turns: draw them outside of it, for the whole batch at once"
            )
        if (value := super().get_current_value(variable)) is None:
            tf = _tensorflow()
            with tf.init_scope() if tf else contextlib.nullcontext(), keras.StatelessScope():  # it has a value there
                own, _ = keras.ops.convert_to_numpy(variable.value * 1)  # its seed, and how often it has drawn
            value = self._seed + np.array([own, 0], np.int64)
            if isinstance(value, np.ndarray):
                value = keras.ops.convert_to_tensor(value, variable.dtype)
            self.add_update((variable, value))
        return value


def _tensorflow():
    """Return TensorFlow if it has been imported. Where it has not, nobody builds a graph."""
    return sys.modules.get("tensorflow")


def _graph():
    tf = _tensorflow()
    return tf and tf.compat.v1.get_default_graph()


def _compiled(sequence, signature):
    """Return `sequence.change` as TensorFlow runs it, after a look at what it draws."""
    import tensorflow as tf

    signature = [tf.TensorSpec((2,), tf.int64), *signature]
    traces, untouched = [], False
    for _ in range(2):
        states = _random_states()
        try:
            traces.append(tf.function(sequence.change).get_concrete_function(*signature))
        except NotImplementedError as error:  # NumPy was given a tensor of a graph, which has no values yet
            raise TypeError(_refusal("computes with NumPy, which cannot be compiled")) from error
        except Exception as error:
            raise TypeError(_refusal(f"cannot be compiled ({_reason(error)})")) from error
        finally:  # an error within tf.map_fn leaves a setting that later breaks whatever makes variables under a strategy
            with tf.compat.v1.get_default_graph().as_default():
                tf.compat.v1.get_variable_scope().set_caching_device(None)
        untouched |= states == _random_states()  # another thread may draw meanwhile, but hardly twice

    graph, graph_again = (trace.graph.as_graph_def() for trace in traces)
    functions = {function.signature.name: function for function in graph.library.function}
    for objection in _objections(graph.node, {traces[0].inputs[0].op.name}, functions):
        raise TypeError(_refusal(objection))
    if not untouched or _constants(graph) != _constants(graph_again):
        raise TypeError(
            _refusal(
                "draws random numbers with NumPy or Python, or counts its calls: it is compiled once, and would repeat "
                "in each batch what it drew then"
            )
        )
    return traces[0]


def _reason(error):
    """Return the line of a message that says what is wrong: Keras prints it bold, and TensorFlow at the end."""
    bold = re.search("\x1b\\[1m(.+?)\x1b\\[0m", str(error), re.DOTALL)
    return (bold[1] if bold else str(error)).strip().rpartition("\n")[-1].strip() or type(error).__name__


def _refusal(reason):
    return (
        f"augment_fn or format_fn {reason}. For tf.data, write it with keras.ops, and draw random numbers with a Keras "
        "layer or a keras.random.SeedGenerator that is created once, outside of it; or train on a DatasetSequence."
    )


def _random_states():
    return pickle.dumps((random.getstate(), np.random.get_state(legacy=False)))


def _objections(body, seeds, functions):
    """Yield why operations in a body, or in a function it calls, would augment epochs alike, or each run differently.

    Args:
        body: the nodes of a graph or function.
        seeds: names of the arguments in which it is given the batch's seed, or what was computed from it.
        functions: those of the graph, by name.
    """
    import tensorflow as tf

    nodes = {node.name: node for node in body}
    for node in body:
        names = list(inspect.signature(getattr(tf.raw_ops, node.op, lambda: None)).parameters)
        given = [source for source in node.input if not source.startswith("^")]  # ^ says when, and hands over nothing
        own = [source for name, source in zip(names, given) if name in ("seed", "key", "counter")]
        if "seed2" in names:  # two seeds: of the graph and of the operation, from which each iterator begins anew
            yield f"draws random numbers with tf.random ({node.op}), which begins anew in each epoch if a seed is set"
        elif ("seed" in names or "counter" in names) and not _follows(own, nodes, seeds):
            yield f"draws random numbers from a constant seed, or from one of the data ({node.op}), alike in each epoch"
        elif node.op == "Timestamp":
            yield "reads the clock (Timestamp), which differs in each run"
        elif node.op in ("PyFunc", "EagerPyFunc"):
            yield (
                "calls Python while it runs (tf.numpy_function or tf.py_function). If that draws nothing and keeps "
                "nothing, say so with tf.numpy_function(..., stateful=False)"
            )
        elif node.op.startswith(("Assign", "Rng")) or (node.op.startswith("Stateful") and "Call" not in node.op):
            yield f"changes a TensorFlow variable ({node.op}), and several batches are prepared at once, in any order"
        for called in (called for attr in node.attr.values() for called in (attr.func, *attr.list.func) if called.name):
            function = functions[called.name]
            arguments = [argument.name for argument in function.signature.input_arg]
            pairs = zip(reversed(arguments), reversed(given))  # from the end: a branch is not given the condition
            inner = {argument for argument, source in pairs if _follows([source], nodes, seeds)}
            yield from _objections(function.node_def, inner, functions)


def _follows(names, nodes, seeds):
    """Return whether a value among `names`, such as "cast:y:0", is computed from one of `seeds`."""
    names, seen = list(names), set()
    while names:
        name = names.pop().partition(":")[0]
        if name in seeds:
            return True
        if name in nodes and name not in seen and nodes[name].op not in ("Shape", "ShapeN", "Size", "Rank"):
            names += nodes[name].input
        seen.add(name)
    return False


def _constants(graph):
    """Return how often each operation and each constant occurs. Names may differ each time that one compiles."""
    bodies = (graph.node, *(function.node_def for function in graph.library.function))
    return Counter((node.op, node.attr["value"].SerializeToString()) for body in bodies for node in body)


def _pair(batch, name):
    if not isinstance(batch, (tuple, list)) or len(batch) != 2:
        raise TypeError(f"{name} returned {type(batch).__name__}; it must return two things: return x, y")
    return batch


def _checked(x, y, sample_weight):
    """Return the arrays `(x, y)`, or `(x, y, sample_weight)` if there is one."""
    x, y = np.asarray(x), np.asarray(y)
    for name, array in (("x", x), ("y", y)):
        if array.ndim == 0:
            raise ValueError(f"{name} is a single value, {array}; give an array of examples")
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} examples and y has {len(y)}: each needs its target")
    if len(x) == 0:
        raise ValueError("x and y are empty: there is nothing to make batches of")
    if sample_weight is None:
        return x, y
    sample_weight = np.asarray(sample_weight)
    if sample_weight.shape != (len(x),) or sample_weight.dtype.kind not in "biuf":
        raise ValueError(
            f"sample_weight is {sample_weight.dtype} {sample_weight.shape}; give a number for each of the {len(x)} "
            "examples"
        )
    return x, y, sample_weight
