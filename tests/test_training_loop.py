"""The loop by hand, beside Keras' own."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from text_recognizer.metrics import top_metrics
from text_recognizer.training import loop

STEPS, EPOCHS = 3, 3


def build(loss=None, **compiling):
    """A small classifier with a penalty, a batch normalization and a momentum, always from the same weights."""
    keras.utils.set_random_seed(0)
    layers = [keras.layers.Dense(8, "relu", kernel_regularizer="l2"), keras.layers.BatchNormalization()]
    network = keras.Sequential([keras.Input((5,)), *layers, keras.layers.Dense(7)])
    loss = loss or keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.SGD(0.1, momentum=0.9)
    network.compile(optimizer, loss, metrics=top_metrics(), **{"jit_compile": False} | compiling)
    return network


def batches(count, weighted=False, size=4):
    """A data set of so many batches and a smaller last one."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(count * size + 3, 5)).astype("float32")
    y, w = rng.integers(0, 7, len(x)), rng.uniform(0, 3, len(x)).astype("float32")
    return tf.data.Dataset.from_tensor_slices((x, y, w) if weighted else (x, y)).batch(size)


class Calls(keras.callbacks.Callback):
    """Writes down what it is called with, and asks to stop."""

    def __init__(self, stop_at=()):
        super().__init__()
        self.calls, self.stop_at = [], stop_at

    def __getattribute__(self, name):
        if not name.startswith("on_"):
            return super().__getattribute__(name)

        def note(*arguments, logs=None):
            *numbers, logs = arguments if arguments and not isinstance(arguments[-1], int) else (*arguments, logs)
            self.calls.append((name, *numbers, None if "_batch_" in name else logs))
            if (name, *numbers) == self.stop_at:
                self.model.stop_training = True

        return note


def by_fit(network, training, **arguments):
    return network.fit(training, shuffle=False, verbose=0, **arguments)


def trained(fit, weighted=False, stop_at=(), epochs=EPOCHS):
    network, calls = build(), Calls(stop_at)
    history = fit(
        network,
        batches(STEPS - 1, weighted).repeat(),
        validation_data=batches(2, weighted, size=5),
        steps_per_epoch=STEPS,
        epochs=epochs,
        initial_epoch=1,
        callbacks=[calls],
    )
    return network, calls, history


def check_equal(one, other):
    """Compare two nested structures, numbers to rounding."""
    if isinstance(one, dict):
        assert list(one) == list(other)
        one, other = one.values(), other.values()
    if isinstance(one, float):
        assert one == pytest.approx(other, abs=1e-5)
    elif isinstance(one, list | tuple | type({}.values())):
        assert len(one) == len(other), (one, other)
        for a, b in zip(one, other):
            check_equal(a, b)
    else:
        assert one == other


def check_that_the_loop_does_what_fit_does(weighted=False, stop_at=()):
    """Weights, calls of callbacks with their arguments, the history: with a penalty, and a smaller last batch."""
    expected, their_calls, their_history = trained(by_fit, weighted, stop_at)
    network, calls, history = trained(loop.fit, weighted, stop_at)
    for one, other in zip(expected.get_weights(), network.get_weights()):
        np.testing.assert_allclose(other, one, atol=1e-5)
    check_equal(their_calls.calls, calls.calls)
    check_equal(their_history.history, history.history)
    assert isinstance(history, keras.callbacks.History) and history is network.history
    assert history.epoch == their_history.epoch and history.params == their_history.params
    assert len(history.epoch) == (2 if stop_at in ((), ("on_epoch_begin", 2)) else 1)


def test_the_loop_does_what_fit_does_with_weights():
    check_that_the_loop_does_what_fit_does(weighted=True)


@pytest.mark.parametrize("stop_at", [(), ("on_train_batch_end", 1), ("on_epoch_begin", 2), ("on_epoch_end", 1)])
def test_the_loop_does_what_fit_does_and_stops_where_it_stops(stop_at, eagerly):
    check_that_the_loop_does_what_fit_does(stop_at=stop_at)


def test_early_stopping_stops_and_brings_the_best_weights_back(eagerly):
    network = build()
    stopping = keras.callbacks.EarlyStopping("loss", min_delta=100, restore_best_weights=True)
    history = loop.fit(network, batches(2).repeat(), steps_per_epoch=STEPS, epochs=9, callbacks=[stopping])
    assert history.epoch == [0, 1]
    after_one_epoch = build()
    loop.fit(after_one_epoch, batches(2).repeat(), steps_per_epoch=STEPS, epochs=1)
    np.testing.assert_array_equal(network.get_weights()[0], after_one_epoch.get_weights()[0])


def test_a_run_that_was_stopped_can_go_on(eagerly):
    network, calls, history = trained(loop.fit, stop_at=("on_epoch_end", 1))
    history = loop.fit(network, batches(2).repeat(), steps_per_epoch=STEPS, epochs=2)
    assert history.epoch == [0, 1] and "val_loss" not in history.history


def test_moving_averages_of_the_weights_are_the_weights_in_the_end(eagerly):
    weights = []
    for fit in (by_fit, loop.fit):
        network = build()
        network.compile(keras.optimizers.SGD(0.1, use_ema=True), network.loss, jit_compile=False)
        fit(network, batches(2).repeat(), steps_per_epoch=STEPS, epochs=2)
        weights.append(network.get_weights()[0])
    np.testing.assert_allclose(*weights, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
def test_evaluate_as_keras_evaluates(weighted, eagerly):
    network = build()
    expected = network.evaluate(batches(2, weighted), verbose=0, return_dict=True)
    check_equal(expected, loop.evaluate(network, batches(2, weighted)))


def test_data_that_end_too_early_are_named(eagerly):
    with pytest.raises(ValueError, match="training ends after 0 of the 3 batches of epoch 2: give it repeated"):
        loop.fit(build(), batches(2), steps_per_epoch=STEPS, epochs=2)
    with pytest.raises(ValueError, match="the data set is empty"):
        loop.evaluate(build(), batches(2).take(0))


@pytest.mark.parametrize(
    "change",
    [
        lambda x, y: (x, tf.one_hot(y, 7)),
        lambda x, y: (x, y[:, None]),
        lambda x, y: (x, tf.cast(y, tf.float32)),
        lambda x, y: (x, y, tf.ones((tf.shape(y)[0], 1))),
        lambda x, y: (x, y, y, y),
        lambda x, y: x,
    ],
)
def test_batches_of_another_form_are_named(change):
    network, training = build(), batches(2).map(change).repeat()
    with pytest.raises(ValueError, match=r"training has batches of .*; give \(images, labels\) or"):
        loop.fit(network, training, steps_per_epoch=STEPS, epochs=1)
    with pytest.raises(ValueError, match="validation_data has batches of"):
        loop.fit(network, batches(2).repeat(), validation_data=training, steps_per_epoch=STEPS, epochs=1)


@pytest.mark.parametrize("loss", ["sparse_categorical_crossentropy", keras.losses.SparseCategoricalCrossentropy()])
def test_another_loss_is_named(loss):
    with pytest.raises(ValueError, match="is compiled for the loss .* compile it with .*from_logits=True"):
        loop.fit(build(loss), batches(2).repeat(), steps_per_epoch=STEPS, epochs=1)


def test_a_network_that_is_not_compiled_is_named():
    network = keras.Sequential([keras.Input((5,)), keras.layers.Dense(7)], name="bare")
    with pytest.raises(ValueError, match="bare is compiled for the loss None"):
        loop.evaluate(network, batches(2))
