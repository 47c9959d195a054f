"""Connectionist temporal classification: from what a network sees at each step to a sequence of labels.

The network gives at each step one distribution over the labels and a blank, label 0. A path takes
one of them at each step; it stands for the sequence that is left when repeated labels are merged
and then blanks dropped: a, a, blank, a is "aa". A sequence has the probability of all its paths
together (A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, "Connectionist Temporal Classification",
ICML 2006). Its negative logarithm is the loss. Here are the loss, and the way back.
"""

import keras
import numpy as np

from text_recognizer.arguments import whole_number

BLANK = 0  # as `keras.losses.CTC` has it


def loss(labels, logits, jit_compile=False):
    """Return the negative logarithm of the probability of each sequence of labels.

    These are the numbers of `keras.losses.ctc`. On TensorFlow that goes through the steps in a loop of small
    operations, and XLA needs it so. Otherwise this is the one operation that `tf.nn.ctc_loss` has for sparse
    labels (https://www.tensorflow.org/api_docs/python/tf/nn/ctc_loss). `benchmarks/ctc_loss.py` measures one
    beside the other. Its gradients are coarser: for 16 lines of random logits they lie off those in float64 by
    4e-4 of the largest, Keras' by 6e-6. The losses of both agree with float64 to 6e-7.

    Args:
        labels: int (n, length), filled up with 0; the length may be 0.
        logits: float32 (n, steps, classes), before any softmax; class 0 is the blank.
        jit_compile: whether XLA compiles the function in which this is called.

    Returns:
        A tensor, float32 (n,). For a sequence that needs more steps than there are (see `required_steps`) it is
        infinite or a large number, or, where even its labels are more than the steps, TensorFlow refuses it.

    Example:
        >>> import numpy as np
        >>> from text_recognizer import ctc
        >>> logits = np.log(np.array([[[0.6, 0.4], [0.6, 0.4]]], "float32"))  # a line, two steps, (blank, a)
        >>> np.exp(-keras.ops.convert_to_numpy(ctc.loss(np.array([[1]]), logits))).round(2)
        array([0.64], dtype=float32)
    """
    labels = keras.ops.pad(labels, [[0, 0], [0, 1]])  # of no column at all, TensorFlow and Keras make errors
    if jit_compile or keras.backend.backend() != "tensorflow":
        return keras.losses.ctc(labels, logits)
    import tensorflow as tf

    labels, logits = tf.cast(labels, "int32"), tf.convert_to_tensor(logits)
    empty = tf.reduce_all(labels == BLANK, axis=1)
    # The operation refuses an empty sequence, whose only path is blank at each step.
    of_empty = -tf.reduce_sum(tf.nn.log_softmax(logits)[..., BLANK], axis=1)
    labels = tf.where(empty[:, None], tf.one_hot(0, tf.shape(labels)[1], dtype="int32"), labels)
    steps = tf.repeat(tf.shape(logits)[1], tf.shape(logits)[0])
    of_others = tf.nn.ctc_loss(
        tf.sparse.from_dense(labels), logits, None, steps, logits_time_major=False, blank_index=BLANK
    )
    return tf.where(empty, of_empty, of_others)


def decode(logits, strategy="greedy", beam_width=16):
    """Return a likely sequence of labels for each line.

    Greedy decoding takes the most probable label at each step, that is the most probable path.
    Another sequence can be more probable, with many paths that are less so. Beam search adds up
    the paths of each beginning of a sequence and keeps the best of these at each step.

    This is for results, not for compiled code; there, see `greedy_decode`. Greedy decoding computes
    in NumPy. Beam search is `keras.ops.ctc_decode`, which Keras has for TensorFlow, JAX and NumPy, but
    not for PyTorch.

    Args:
        logits: float (n, steps, classes), before any softmax; class 0 is the blank. An array, or a
            tensor that has values.
        strategy: "greedy" or "beam_search".
        beam_width: how many beginnings beam search keeps, at least 1.

    Returns:
        int32 array (n, steps), labels filled up with 0.

    Raises:
        TypeError: `beam_width` is no integer.
        ValueError: the logits have another shape, or hold NaN or infinity (minus infinity, the logarithm
            of 0, may be, but not at all of a step); the strategy is another one; or `beam_width` is less
            than 1.

    Example:
        >>> import numpy as np
        >>> from text_recognizer import ctc
        >>> logits = np.log([[[0.6, 0.4], [0.6, 0.4]]])  # a line, two steps, (blank, a)
        >>> ctc.decode(logits)  # the path of two blanks has 0.36, more than any other
        array([[0, 0]], dtype=int32)
        >>> ctc.decode(logits, "beam_search")  # the three paths of "a" have 0.64 together
        array([[1, 0]], dtype=int32)
    """
    logits = _checked_logits(logits)
    if strategy == "greedy":
        return greedy_decode(logits, ops=np).astype(np.int32)
    if strategy != "beam_search":
        raise ValueError(f"the strategy is {strategy!r}: take 'greedy' or 'beam_search'")
    beam_width = whole_number("beam_width", beam_width)
    if not len(logits):  # TensorFlow refuses an empty batch
        return np.zeros(logits.shape[:2], np.int32)
    steps = np.full(len(logits), logits.shape[1], np.int32)
    paths, _ = keras.ops.ctc_decode(_clipped(logits), steps, strategy, beam_width, mask_index=BLANK)
    return np.maximum(keras.ops.convert_to_numpy(paths[0]), BLANK)  # Keras fills up with -1


def greedy_decode(logits, ops=keras.ops):
    """Return the labels of the most probable path of each line, in operations that every backend compiles.

    Args:
        logits: float (n, steps, classes); class 0 is the blank.
        ops: where the operations are from: `keras.ops` for tensors, in compiled code as well (with
            XLA or without), or `numpy` for arrays.

    Returns:
        Integers (n, steps), labels filled up with 0.

    Raises:
        ValueError: the logits have another number of dimensions.

    Example:
        >>> import numpy as np
        >>> from text_recognizer import ctc
        >>> path = [0, 2, 2, 0, 2, 1]  # the most probable label at each step
        >>> ctc.greedy_decode(np.eye(3)[None, path], ops=np)
        array([[2, 2, 1, 0, 0, 0]])
    """
    _check_rank(logits)
    path = ops.argmax(logits, axis=-1)
    first, later = path[:, :1], path[:, 1:]
    labels = ops.concatenate([first, ops.where(ops.equal(later, path[:, :-1]), BLANK, later)], axis=1)
    steps = ops.shape(labels)[1]
    place = ops.where(ops.equal(labels, BLANK), steps, ops.arange(steps))  # blanks go behind all others
    return ops.take_along_axis(labels, ops.argsort(place, axis=1), axis=1)


def probability(labels, logits):
    """Return how probable the network finds each sequence of labels, over all its paths.

    Args:
        labels: int (n, length), filled up with 0.
        logits: float (n, steps, classes), before any softmax; class 0 is the blank. Minus infinity may be
            among them, as for `decode`.

    Returns:
        float32 array (n,), from 0 to 1. It is 0 for a sequence that needs more steps; see
        `required_steps`.

    Raises:
        ValueError: there is not one sequence for each line, a label is none of the classes, or one
            of the two arguments is not as described.

    Example:
        >>> import numpy as np
        >>> from text_recognizer import ctc
        >>> logits = np.log([[[0.6, 0.4], [0.6, 0.4]]] * 3)  # three lines, two steps, (blank, a)
        >>> ctc.probability([[0, 0], [1, 0], [1, 1]], logits).round(2)  # "aa" would need three steps
        array([0.36, 0.64, 0.  ], dtype=float32)
    """
    logits, required = _checked_logits(logits), required_steps(labels)
    labels = np.asarray(labels, np.int32)
    lines, steps, classes = logits.shape
    if len(labels) != lines:
        raise ValueError(f"{len(labels)} sequences of labels and {lines} lines: give one for each")
    if labels.size and labels.max() >= classes:
        raise ValueError(f"a label is {labels.max()}, and of {classes} classes the last one is {classes - 1}")
    probabilities = np.zeros(lines, np.float32)
    possible = required <= steps  # of the others, the loss may be a large number where it should be infinite
    if possible.any():
        surprise = keras.ops.convert_to_numpy(loss(labels[possible], _clipped(logits[possible])))
        probabilities[possible] = np.minimum(np.exp(-surprise), 1)
    return probabilities


def required_steps(labels):
    """Return how many steps a network must have to be able to say each sequence of labels.

    A step for each label, and one more between two that are the same: without a blank between them
    they would be merged. This follows from what a path stands for (A. Graves et al. 2006, section
    3.1). A sequence that needs more steps than there are has no path, so its probability is 0.
    Its loss should be infinite; `keras.losses.CTC` gives some large number instead.

    Args:
        labels: int (n, length), filled up with 0.

    Returns:
        int array (n,).

    Raises:
        ValueError: the labels are no integers, have another shape, are negative, or hold a 0 that
            is not at the end.

    Example:
        >>> from text_recognizer import ctc
        >>> ctc.required_steps([[1, 2, 3, 0], [1, 2, 2, 2], [0, 0, 0, 0]])
        array([3, 6, 0])
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.dtype.kind not in "iu":
        raise ValueError(
            f"the labels are {labels.dtype} of shape {labels.shape}; give integers (n, length), a sequence each line"
        )
    before, after = labels[:, :-1], labels[:, 1:]
    if (labels < 0).any() or ((before == BLANK) & (after != BLANK)).any():
        raise ValueError("labels are integers from 1 on; a 0 fills a sequence up at its end, and stands nowhere else")
    return np.count_nonzero(labels, axis=1) + np.count_nonzero((before == after) & (after != BLANK), axis=1)


def check_spelling(labels, steps, decode=None):
    """Refuse label sequences that CTC cannot align with this many steps: their probability is 0.

    To train on one that it cannot say is to chase a loss that never falls.

    Args:
        labels: int (n, length), filled up with 0.
        steps: how many steps the network has.
        decode: a function from labels (n, length) to n texts, to name them by.

    Raises:
        ValueError: some cannot be said, or the labels are not as `required_steps` takes them.

    Example:
        >>> from text_recognizer import ctc
        >>> ctc.check_spelling([[1, 2, 3]], steps=3)
        >>> ctc.check_spelling([[1, 2, 2]], steps=3)
        Traceback (most recent call last):
            ...
        ValueError: 1 of 1 texts need more than the 3 steps of the network: [1, 2, 2] needs 4. A text needs a step a \
character, and one more between two that are the same. Take wider images, or a network that moves on by fewer \
pixels, or leave these texts out
    """
    labels, required = np.asarray(labels), required_steps(labels)
    (impossible,) = np.nonzero(required > steps)
    if not len(impossible):
        return
    first = impossible[:3]
    names = decode(labels[first]) if decode else [row[row != BLANK].tolist() for row in labels[first]]
    named = ", ".join(f"{name!r} needs {required[row]}" for name, row in zip(names, first))
    raise ValueError(
        f"{len(impossible):,} of {len(labels):,} texts need more than the {steps} steps of the network: {named}"
        f"{', ...' if len(impossible) > len(first) else ''}. A text needs a step a character, and one more between two "
        "that are the same. Take wider images, or a network that moves on by fewer pixels, or leave these texts out"
    )


def _checked_logits(logits):
    """Return logits as a NumPy array, or refuse them by name."""
    logits = keras.ops.convert_to_numpy(logits)
    _check_rank(logits)
    if logits.size and not np.isfinite(logits.max(axis=-1)).all():
        raise ValueError("the logits hold NaN or infinity: the network says nothing. Did its training diverge?")
    return logits


def _clipped(logits):
    """Return logits that mean the same as float32, the largest of each step 0 and none minus infinity.

    Keras' JAX makes NaN of a logit that is minus infinity, and a probability of exp(-1000) is 0 as well.
    """
    logits = logits.astype(np.result_type(logits.dtype, np.float32))
    return np.maximum(logits - logits.max(axis=-1, keepdims=True), -1000).astype(np.float32)


def _check_rank(logits):
    if len(logits.shape) != 3:
        raise ValueError(f"the logits have the shape {tuple(logits.shape)}; give (lines, steps, classes)")
