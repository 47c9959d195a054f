"""Controls of what the pages say about causes: the same training with the supposed cause and without it.

A control takes one thing away and leaves all else as it is: data, weights at the start, order of the batches, epochs.
It runs over several seeds, and what is compared are the two runs of the same seed. The pages say what came out of how
many.

A seeded `fit` on arrays deals the same batches in every epoch; a control takes `batches`, which are dealt anew.
"""

import os

import keras
import numpy as np
import pytest

# what takes more than some seconds
long = pytest.mark.skipif(os.environ.get("WORKBOOK_CLAIMS") != "all", reason="many trainings; `make claims` runs it")


def batches(x, y, seed, batch_size=32):
    """Batches of all examples, dealt anew in each epoch, the same for the same seed: a `tf.data.Dataset`."""
    import tensorflow as tf

    return tf.data.Dataset.from_tensor_slices((x, y)).shuffle(len(x), seed=seed).batch(batch_size)


def pairs(without, with_it, seeds):
    """Run two trainings from each seed and return their results, an array (seeds, 2), or (seeds, 2, results).

    Each is called with the seed, right after `keras.utils.set_random_seed(seed)`, and returns a number or several.
    """
    results = []
    for seed in seeds:
        for train in (without, with_it):
            keras.utils.clear_session()
            keras.utils.set_random_seed(seed)
            results.append(train(seed))
    return np.reshape(np.asarray(results, dtype="float64"), (len(seeds), 2, *np.shape(results[0])))
