"""What the layers within a model get."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from unittest.mock import patch

import keras
import numpy as np
import tensorflow as tf
from keras import layers


@contextmanager
def inputs_of_dense(
    instead: Callable[[np.ndarray], np.ndarray] = lambda inputs: inputs,
) -> Iterator[list[tuple[layers.Dense, np.ndarray]]]:
    """A list of each Dense layer that is called within the `with` and of what it gets, in order.

    However the model is written, and within whichever layer: a checker need not know its structure. What `instead`
    makes of an input, the layer gets in its place. The model must be built. What is a `tf.function` in it runs eagerly,
    for within a graph no layer would be called, or none with numbers.

        with inputs_of_dense() as met:
            model(images)
        [(first, images_in_rows), (second, hidden)] = met
    """
    met, call = [], layers.Dense.call

    def recording(self, inputs, training=None):
        met.append((self, np.asarray(inputs)))
        return call(self, keras.ops.convert_to_tensor(instead(met[-1][1])), training)

    eagerly = tf.config.functions_run_eagerly()
    tf.config.run_functions_eagerly(True)
    try:
        with patch.object(layers.Dense, "call", recording):
            yield met
    finally:
        tf.config.run_functions_eagerly(eagerly)
