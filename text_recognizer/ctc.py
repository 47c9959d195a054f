"""Connectionist temporal classification: from what a network sees at each step to a sequence of labels.

The network gives at each step one distribution over the labels and a blank, label 0. A path takes
one of them at each step; it stands for the sequence that is left when repeated labels are merged
and then blanks dropped: a, a, blank, a is "aa". A sequence has the probability of all its paths
together (A. Graves, S. Fernández, F. Gomez, J. Schmidhuber, "Connectionist Temporal Classification",
ICML 2006). `keras.losses.CTC` is its negative logarithm; here is the way back.
"""

import keras

BLANK = 0  # as `keras.losses.CTC` has it


def decode(logits, strategy="greedy", beam_width=16):
    """Return a likely sequence of labels for each line.

    Greedy decoding takes the most probable label at each step, that is the most probable path.
    Another sequence can be more probable, with many paths that are less so. Beam search adds up
    the paths of each beginning of a sequence and keeps the best of these at each step.

    Args:
        logits: float (n, steps, classes), before any softmax; class 0 is the blank.
        strategy: "greedy" or "beam_search".
        beam_width: how many beginnings beam search keeps.

    Returns:
        int32 tensor (n, steps), labels filled up with 0.

    Raises:
        ValueError: the logits have another shape, or the strategy is another one.
    """
    if len(logits.shape) != 3:
        raise ValueError(f"the logits have the shape {tuple(logits.shape)}; give (lines, steps, classes)")
    paths, _ = keras.ops.ctc_decode(logits, _steps(logits), strategy=strategy, beam_width=beam_width, mask_index=BLANK)
    return keras.ops.maximum(paths[0], BLANK)  # Keras fills up with -1


def probability(labels, logits):
    """Return how probable the network finds each sequence of labels, over all its paths.

    Args:
        labels: int (n, length), filled up with 0.
        logits: float (n, steps, classes), before any softmax; class 0 is the blank.

    Returns:
        float32 tensor (n,), from 0 to 1.
    """
    lengths = keras.ops.count_nonzero(labels, axis=-1)
    return keras.ops.exp(-keras.ops.ctc_loss(labels, logits, lengths, _steps(logits), mask_index=BLANK))


def _steps(logits):
    lines, steps, _ = keras.ops.shape(logits)
    return keras.ops.full((lines,), steps, dtype="int32")
