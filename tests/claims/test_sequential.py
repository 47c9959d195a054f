"""What page 01 says about causes."""

import functools

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.model_selection import train_test_split

from tests.claims.control import batches, long, pairs
from text_recognizer.datasets import Digits


@functools.cache
def digits():
    """All images, in the order of the forms that people filled in, and their labels."""
    data = Digits()
    x = np.concatenate([data.x_train, data.x_test]).astype("float32") / 255
    return x, np.concatenate([data.y_train, data.y_test])


@functools.cache
def page_split():
    x, y = digits()
    return train_test_split(x[:1540], y[:1540], test_size=128, stratify=y[:1540], random_state=0)


def trained(x, y, seed, *, rate=0.01, epochs=10, dropout=0.0, **fit):
    """A network as the page's, trained from the seed on batches that are dealt anew, and its history."""
    model = keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(100, activation="relu"),
            *([layers.Dropout(dropout)] if dropout else []),
            layers.Dense(50, activation="relu"),
            layers.Dense(10, activation="softmax"),
        ]
    )
    model.compile(keras.optimizers.SGD(rate), "sparse_categorical_crossentropy", metrics=["accuracy"], jit_compile=True)
    history = model.fit(batches(x, y, seed, 16), epochs=epochs, verbose=0, shuffle=False, **fit)
    return model, history.history


def on_raw_pixels(rate, seed):
    x_train, _, y_train, _ = page_split()
    model, history = trained(x_train * 255, y_train, seed, rate=rate, epochs=3)
    W, b = model.layers[1].get_weights()
    active = (x_train.reshape(-1, 784) * 255 @ W + b > 0).any(axis=0)
    return history["accuracy"][-1], active.sum()


@long
def test_raw_pixels_are_learned_at_a_smaller_rate():
    """On raw pixels the default rate silences the whole first layer; a hundredth of it trains as scaled pixels do."""
    results = pairs(functools.partial(on_raw_pixels, 0.01), functools.partial(on_raw_pixels, 0.0001), range(5))
    (default, smaller), (alive_default, alive_smaller) = results[:, :, 0].T, results[:, :, 1].T
    assert np.all(default < 0.2) and np.all(alive_default == 0)
    assert np.all(smaller > 0.8) and np.all(alive_smaller > 80)


def losses_with(dropout, seed):
    """Of the last epoch: as `fit` reported it; of the weights after it, with dropout and without; of validation."""
    x_train, x_val, y_train, y_val = page_split()
    model, history = trained(x_train, y_train, seed, dropout=dropout, validation_data=(x_val, y_val))
    crossentropy = keras.losses.SparseCategoricalCrossentropy()
    on, off = (float(crossentropy(y_train, model(x_train, training=training))) for training in (True, False))
    return history["loss"][-1], on, off, history["val_loss"][-1]


@long
def test_dropout_lifts_the_reported_loss_above_validation():
    results = pairs(functools.partial(losses_with, 0.0), functools.partial(losses_with, 0.5), range(5))
    reported, on, off, validation = results.transpose(2, 1, 0)
    assert np.all(reported[0] < validation[0])  # without dropout: the training loss is the lower one
    assert np.all(reported[1] > validation[1])  # with dropout: the validation loss is
    assert np.allclose(on[0], off[0], atol=1e-5)
    assert np.all(on[1] > off[1] + 0.1) and np.all(off[1] < validation[1])


def test_after_the_first_epoch_the_losses_of_one_moment_lie_close():
    """A card of the fixes says it too, of this network."""
    x, y = digits()
    for seed in range(6):
        order = np.random.default_rng(seed).permutation(1540)
        seen, unseen = order[:1320], order[1320:]
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), layers.Dense(10, "softmax")])
        model.compile("adam", "sparse_categorical_crossentropy", run_eagerly=True)
        settings = {"batch_size": 220, "validation_data": (x[unseen], y[unseen]), "verbose": 0}
        (reported,), (validation,) = model.fit(x[seen], y[seen], **settings).history.values()
        after = model.test_on_batch(x[seen], y[seen])
        assert validation < reported and abs(after - validation) < reported - after


def test_a_penalty_stands_in_both_losses():
    """Of a model with a penalty, `evaluate` reports the crossentropy and the penalty, of training as of validation."""
    keras.utils.set_random_seed(0)
    penalised = layers.Dense(10, activation="softmax", kernel_regularizer=keras.regularizers.L2(0.1))
    model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), penalised])
    model.compile(loss="sparse_categorical_crossentropy")
    penalty = 0.1 * float(np.sum(np.square(penalised.get_weights()[0])))
    x_train, x_val, y_train, y_val = page_split()
    for x, y in ((x_train, y_train), (x_val, y_val)):
        crossentropy = float(keras.losses.SparseCategoricalCrossentropy()(y, model(x)))
        assert np.isclose(model.evaluate(x, y, verbose=0), crossentropy + penalty, atol=1e-4)
    assert penalty > 0.1

    # and so it is in what `fit` reports as the loss of validation
    history = model.fit(x_train, y_train, epochs=1, validation_data=(x_val, y_val), verbose=0).history
    penalty = 0.1 * float(np.sum(np.square(penalised.get_weights()[0])))
    crossentropy = float(keras.losses.SparseCategoricalCrossentropy()(y_val, model(x_val)))
    assert np.isclose(history["val_loss"][0], crossentropy + penalty, atol=1e-4)


def test_compile_with_the_same_optimizer_object_goes_on():
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((28, 28)), layers.Flatten(), layers.Dense(10, activation="softmax")])
    x, _, y, _ = page_split()
    model.compile("sgd", "sparse_categorical_crossentropy")
    model.fit(x[:160], y[:160], batch_size=16, verbose=0)
    model.compile(model.optimizer, "sparse_categorical_crossentropy")
    assert model.optimizer.iterations == 10
    model.compile("sgd", "sparse_categorical_crossentropy")
    assert model.optimizer.iterations == 0


BLOCKS = 6  # of 257 neighbours; what is left at the beginning is less than a block


def held_out(neighbours, block):
    """The accuracy on 257 images: neighbours in the order of the forms, or as many of each class from everywhere.

    It is the mean of three trainings.
    """
    x, y = digits()
    stop = len(x) - 257 * block
    test = np.arange(stop - 257, stop)
    if not neighbours:
        test = train_test_split(np.arange(len(x)), test_size=257, stratify=y, random_state=block)[1]
    rest = np.setdiff1d(np.arange(len(x)), test)
    reached = []
    for seed in range(3):
        keras.utils.set_random_seed(seed)
        model, _ = trained(x[rest], y[rest], seed)
        reached.append(model.evaluate(x[test], y[test], verbose=0)[1])
    return np.mean(reached)


@long
def test_images_of_unseen_hands_are_harder():
    """Neighbours are in the hands of a few people, so the model has not seen these hands."""
    results = pairs(functools.partial(held_out, False), functools.partial(held_out, True), range(BLOCKS))
    everywhere, neighbours = results.T
    assert np.sum(neighbours < everywhere) >= 5, results
    assert np.mean(everywhere - neighbours) > 0.015, results


def test_the_same_series_of_labels_comes_back():
    """The images lie in the order of forms: about 130 further on, nearly all labels are the same."""
    _, y = digits()
    same = np.array([np.mean(y[:-shift] == y[shift:]) for shift in range(100, 160)])
    assert 125 <= 100 + same.argmax() <= 135 and same.max() > 0.5 and np.median(same) < 0.2, (
        100 + same.argmax(),
        same.max(),
    )


def test_weights_are_not_loaded_into_another_network(tmp_path):
    def network(units):
        return keras.Sequential([keras.Input((28, 28)), layers.Flatten(), layers.Dense(units), layers.Dense(10)])

    network(100).save_weights(tmp_path / "a.weights.h5")
    with pytest.raises(ValueError, match="could not be loaded"):
        network(64).load_weights(tmp_path / "a.weights.h5")
    for save, name in ((network(9).save, "mlp"), (network(9).save_weights, "mlp.h5")):
        with pytest.raises(ValueError, match="Invalid filepath extension|must end in `.weights.h5`"):
            save(tmp_path / name)


def silent_and_others(seed):
    x_train, _, y_train, _ = page_split()
    start = {}

    class Start(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            start["W"] = self.model.layers[1].get_weights()[0]

    model, _ = trained(x_train, y_train, seed, callbacks=[Start()])
    W, b = model.layers[1].get_weights()
    silent = (x_train.reshape(-1, 784) @ W + b > 0).mean(axis=0) < 0.01
    change = np.abs(W - start["W"]).max(axis=0)
    return change[silent].mean() / change[~silent].mean()


@long
def test_units_that_are_silent_have_hardly_changed():
    for seed in range(5):
        keras.utils.set_random_seed(seed)
        assert silent_and_others(seed) < 0.2
