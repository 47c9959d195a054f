"""Batches of arrays, augmented and formatted on the way: as a Keras sequence, and as a tf.data pipeline.

Both forms give the same batches. An epoch has a number, and what it gives depends on that number and on seeds alone:

- Its order is `np.random.default_rng([seed, epoch]).permutation(n)`, whatever the global seeds are.
- What `augment_fn` draws with `keras.random` or in a Keras layer depends on the seed of the layer or of the
  `keras.random.SeedGenerator`, on the number of the epoch and on that of the batch. So it is another in each epoch,
  and the same when the program runs again. Nobody counts what was drawn before, so it matters neither how many threads
  prepare batches nor whether somebody has looked at a batch in between.

Training that was interrupted therefore goes on with `first_epoch` as if nothing had happened.
"""

import itertools
import math

import keras
import numpy as np

from text_recognizer.arguments import whole_number
from text_recognizer.pipelines.random_numbers import Draws, compiled


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
        x: inputs, an array of n examples, n at least 1. It is not copied, and may be memory-mapped. It may be of
            objects, n arrays of different shapes, where a subclass makes batches of them.
        y: targets, an array of n.
        batch_size: examples in a batch, at least 1. The last batch holds what is left.
        rows: which of the examples to take, integers (n,), as of a part that is held out: nothing of x is copied for
            it. Default: all.
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

    A subclass may override `deal`, `take` and `change`, the three steps to a batch.

    Raises:
        TypeError: a number is no integer.
        ValueError: there are no examples, the lengths differ, a number is out of its range, or the processes of
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
        rows=None,
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
        self.rows = np.arange(len(self.arrays[0])) if rows is None else np.asarray(rows)
        if self.rows.ndim != 1 or self.rows.dtype.kind not in "iu" or not len(self.rows):
            raise ValueError(f"rows is {self.rows.dtype} {self.rows.shape}; give integers (n,), one or more")
        self.batch_size = whole_number("batch_size", batch_size)
        self.augment_fn = augment_fn
        self.format_fn = format_fn
        self.shuffle = shuffle
        self.seed = np.random.SeedSequence().entropy if seed is None else whole_number("seed", seed, least=0)
        self.epoch = whole_number("first_epoch", first_epoch, least=0)
        self._dealt = self.deal(self.epoch)
        self._within_epoch = False

    def __len__(self):
        """Return the number of batches in an epoch."""
        return math.ceil(len(self.rows) / self.batch_size)

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
        """Return the order of an epoch's examples, int64 (n,), and the seeds of its batches, int64 (batches, 2).

        Batch i is made of the examples `order[i * batch_size : (i + 1) * batch_size]`.
        """
        order = np.random.default_rng([self.seed, epoch]).permutation(self.rows) if self.shuffle else self.rows
        return order, np.random.default_rng(epoch).integers(2**31, size=(len(self), 2))

    def take(self, rows):
        """Return the examples of these rows, before any change, as copies: `(x, y)` or `(x, y, w)`."""
        return tuple(array[rows] for array in self.arrays)

    def change(self, seed, x, y, *weight):
        """Return a batch after both functions, which draw their random numbers from `seed`, two integers."""
        with Draws(seed):
            for name in ("augment_fn", "format_fn"):
                function = getattr(self, name)
                if function is not None:
                    changed = function(x, y)
                    if not isinstance(changed, (tuple, list)) or len(changed) != 2:
                        what = type(changed).__name__
                        raise TypeError(f"{name} returned {what}; it must return two things: return x, y")
                    x, y = changed
        return x, y, *weight


def batched_dataset(
    x,
    y,
    batch_size=32,
    *,
    rows=None,
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

    Functions whose random numbers would be alike in each epoch, or others in each run, are refused; see
    `random_numbers.compiled`. Draw with a Keras layer or a `keras.random.SeedGenerator`, created once, outside of the
    function. A function of `tf.image` takes its seed from there too:
    `tf.image.stateless_random_hue(x, 0.1, seed=generator.next())`.

    Args:
        x, y, batch_size, rows, sample_weight, augment_fn, format_fn, shuffle, seed, first_epoch: as in
            `DatasetSequence`, except that the functions are given and return tensors.

    Returns:
        A `tf.data.Dataset` of `(x, y)` or `(x, y, w)`, one epoch of known length.

    Raises:
        ValueError: as in `DatasetSequence`.
        TypeError: a number is no integer; or a function cannot be compiled, returns something else than `(x, y)`, or
            draws random numbers that would be the same in each epoch, or others in each run.

    Example:
        >>> x = np.arange(6)
        >>> dataset = batched_dataset(x, 10 * x, batch_size=4, shuffle=True, seed=0)
        >>> for x, y in dataset:
        ...     print(x.numpy().tolist(), y.numpy().tolist())
        [3, 2, 5, 4] [30, 20, 50, 40]
        [0, 1] [0, 10]
    """
    import tensorflow as tf

    functions = {"augment_fn": augment_fn, "format_fn": format_fn}
    order = {"shuffle": shuffle, "seed": seed, "first_epoch": first_epoch}
    sequence = DatasetSequence(x, y, batch_size, rows=rows, sample_weight=sample_weight, **functions, **order)
    signature = [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in sequence.arrays]
    change = None
    if augment_fn is not None or format_fn is not None:
        change = compiled(sequence.change, [tf.TensorSpec((2,), tf.int64), *signature])
    epochs = itertools.count(first_epoch)

    def deal(_):
        order, seeds = tf.numpy_function(lambda: sequence.deal(next(epochs)), [], [tf.int64, tf.int64])
        return tf.ensure_shape(order, (len(sequence.rows),)), tf.ensure_shape(seeds, (len(sequence), 2))

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


def _checked(x, y, sample_weight):
    """Return the arrays `(x, y)`, or `(x, y, sample_weight)` if there is one."""
    x, y = np.asarray(x), np.asarray(y)
    for name, array in (("x", x), ("y", y)):
        if array.ndim == 0:
            raise ValueError(f"{name} is a single value, {array}; give an array of examples")
    if not len(x) == len(y) > 0:
        raise ValueError(f"x has {len(x)} examples and y has {len(y)}: give at least one, and each its target")
    if sample_weight is None:
        return x, y
    weight = np.asarray(sample_weight)
    if weight.shape != (len(x),) or weight.dtype.kind not in "biuf":
        raise ValueError(f"sample_weight is {weight.dtype} {weight.shape}; give a number for each of {len(x)} examples")
    return x, y, weight
