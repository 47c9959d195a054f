"""Batches of arrays, augmented and formatted on the way: as a Keras sequence, and as a tf.data pipeline."""

import math

import keras
import numpy as np


class DatasetSequence(keras.utils.PyDataset):
    """Batches of `x` and `y`, one at a time, each through `augment_fn` and then `format_fn`.

    `fit(sequence, shuffle=True)`, its default, hands over whole batches in another order; what lies
    in one batch stays together. `DatasetSequence(shuffle=True)` deals all examples anew each epoch.
    With `shuffle=False` in both the batches come in order; `evaluate` and `predict` always keep it.

    Before training starts, Keras asks for batches 0 and 1 once, to learn their shapes: a function
    that counts its calls counts two more than there are batches.

    Args:
        x: inputs, an array of n examples or more dimensions, n at least 1.
        y: targets, an array of n.
        batch_size: examples in a batch, at least 1. The last batch holds what is left.
        augment_fn: called with the NumPy arrays `(x, y)` of a batch; returns the two changed.
            For training only.
        format_fn: the same, called after `augment_fn`. For training and for judging alike.
        shuffle: whether to deal the examples anew each epoch.
        seed: of the shuffling, an integer. Default: another order each time.
        **kwargs: to `keras.utils.PyDataset`: `workers`, `use_multiprocessing`, `max_queue_size`.

    Raises:
        ValueError: there are no examples, the lengths differ, or `batch_size` is less than 1.
    """

    def __init__(self, x, y, batch_size=32, augment_fn=None, format_fn=None, shuffle=False, seed=None, **kwargs):
        super().__init__(**kwargs)
        self.x, self.y = _checked(x, y, batch_size)
        self.batch_size = batch_size
        self.augment_fn = augment_fn
        self.format_fn = format_fn
        self.shuffle = shuffle
        self._rng = np.random.default_rng(seed)
        self._order = np.arange(len(self.x))
        self.on_epoch_end()

    def __len__(self):
        """Return the number of batches in an epoch."""
        return math.ceil(len(self.x) / self.batch_size)

    def __getitem__(self, index):
        """Return batch `index` of this epoch, `(x, y)`, NumPy arrays.

        Raises:
            IndexError: there is no such batch.
        """
        if not 0 <= index < len(self):
            raise IndexError(f"batch {index} of {len(self)}")
        rows = self._order[index * self.batch_size : (index + 1) * self.batch_size]
        batch = self.x[rows], self.y[rows]  # copies
        for change in (self.augment_fn, self.format_fn):
            if change is not None:
                batch = change(*batch)
        return tuple(keras.ops.convert_to_numpy(array) for array in batch)

    def on_epoch_end(self):
        """Deal the examples anew. Keras calls this after each epoch."""
        if self.shuffle:
            self._order = self._rng.permutation(len(self.x))


def as_tf_data(x, y, batch_size=32, augment_fn=None, format_fn=None, shuffle=False, seed=None):
    """Return the batches of a `DatasetSequence` as a `tf.data.Dataset`, which prepares them ahead.

    While the model trains on one batch, another thread prepares the next ones, in compiled code.
    For that both functions must be written with `keras.ops`, Keras layers or TensorFlow; such
    functions serve a `DatasetSequence` as well. A function written with NumPy serves that only.
    `benchmarks/dataset_sequence.py` measures one beside the other.

    Without shuffling the batches are those of the sequence, in its order. With it, every epoch
    deals anew, from the same seed in another order than the sequence. Train with
    `fit(dataset, shuffle=False)`: `fit` cannot reorder a stream, and warns when it is asked to.

    Args:
        x, y, batch_size, augment_fn, format_fn, shuffle, seed: as in `DatasetSequence`, except
            that the functions are given and return tensors.

    Returns:
        A `tf.data.Dataset` of `(x, y)`, one epoch of known length.

    Raises:
        ValueError: as in `DatasetSequence`.
        TypeError: a function cannot be compiled.
    """
    import tensorflow as tf

    x, y = _checked(x, y, batch_size)
    with tf.device("CPU"):  # where tf.data works; a GPU is for the network
        x, y = tf.constant(x), tf.constant(y)
    # Indices are dealt, not examples: eight bytes each, whatever an image weighs.
    dataset = tf.data.Dataset.range(len(x))
    if shuffle:
        dataset = dataset.shuffle(len(x), seed=seed)
    dataset = dataset.batch(batch_size)

    def prepare(rows):
        batch = tf.gather(x, rows), tf.gather(y, rows)
        for change in (augment_fn, format_fn):
            if change is not None:
                batch = change(*batch)
        return batch

    # Random layers draw from one state. Two batches at once would draw from it in any order, and a
    # seed would not repeat a run.
    at_once = tf.data.AUTOTUNE if augment_fn is None else None
    try:
        dataset = dataset.map(prepare, num_parallel_calls=at_once)
    except NotImplementedError as error:  # NumPy was given a tensor of a graph, which has no values yet
        raise TypeError(
            "augment_fn or format_fn computes with NumPy, which cannot be compiled. Write it with keras.ops, "
            "or train on a DatasetSequence."
        ) from error
    return dataset.prefetch(tf.data.AUTOTUNE)


def _checked(x, y, batch_size):
    x, y = np.asarray(x), np.asarray(y)
    if len(x) != len(y):
        raise ValueError(f"x has {len(x)} examples and y has {len(y)}: each needs its target")
    if len(x) == 0:
        raise ValueError("x and y are empty: there is nothing to make batches of")
    if batch_size < 1:
        raise ValueError(f"batch_size is {batch_size}; a batch needs at least 1 example")
    return x, y
