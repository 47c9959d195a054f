"""What page 03 says about causes, tried."""

import inspect

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.datasets import load_diabetes

from tests.claims.control import batches, long, pairs

SEEDS = range(5)


def scaled(x):
    return (x - x.mean(axis=0)) / x.std(axis=0)


def patients():
    """Ten raw columns and the target, of the patients that the page trains on or others: float32."""
    x, y = load_diabetes(return_X_y=True, scaled=False)
    return x[:342].astype("float32"), y[:342, None].astype("float32")


def network(columns, optimizer):
    model = keras.Sequential([keras.Input((columns,)), layers.Dense(32, activation="relu"), layers.Dense(1)])
    model.compile(loss="mse", optimizer=optimizer, steps_per_execution=11)
    return model


@long
def test_scaling_pays_under_adam_too():
    x, y = patients()

    def trained(x, y):
        def train(seed):
            model = network(10, keras.optimizers.Adam(0.01))
            return model.fit(batches(x, y, seed), epochs=20, shuffle=False, verbose=0).history["loss"][-1] / y.var()

        return train

    left = pairs(trained(x, y), trained(scaled(x), scaled(y)), SEEDS)
    assert (left[:, 0] > left[:, 1] + 0.15).all()
    assert left[:, 0].max() < 0.8, "raw columns blow up after all"


def test_raw_targets_outgrow_what_float32_can_hold():
    x, y = patients()
    x, losses = scaled(x), []
    keras.utils.set_random_seed(0)
    model = keras.Sequential([keras.Input((10,)), layers.Dense(32, activation="relu"), layers.Dense(1)])
    model.compile(loss="mse", optimizer="sgd")
    for start in range(0, 320, 32):
        losses.append(float(model.train_on_batch(x[start : start + 32], y[start : start + 32])))
        model.reset_metrics()
    assert losses[0] < 1e6 and not np.isfinite(losses[-1])
    assert max(loss for loss in losses if np.isfinite(loss)) > 1e20, "it became nan on another way"


def bicycles(count, seed, without_counter):
    """Bicycles as the page draws them; `without_counter` is the factor on the price where the kilometres are missing.

    Returns:
        The columns of the page, encoded, without and with the indicator, and the logarithm of the price.
    """
    rng = np.random.default_rng(seed)
    kind = rng.choice(4, count, p=[0.5, 0.2, 0.1, 0.2])
    age = rng.integers(0, 15, count)
    km = (rng.gamma(3, 300, count) * (1 + age)).round(-1)
    price = np.log(np.array([400, 1200, 2500, 800]))[kind] + age * np.log(0.92) + rng.normal(-km / 30_000, 0.1)
    missing = rng.random(count) < 0.3
    km = np.where(missing, np.median(km[~missing]), km)
    columns = np.column_stack([np.eye(4)[kind], scaled(age), scaled(km), missing]).astype("float32")
    return columns[:, :-1], columns, (price + missing * np.log(without_counter))[:, None].astype("float32")


@long
@pytest.mark.parametrize(("without_counter", "buys_much"), [(0.67, True), (1.0, False)])
def test_an_indicator_buys_most_where_the_gap_says_something(without_counter, buys_much):
    def trained(indicator):
        def train(seed):
            plain, with_it, price = bicycles(900, seed, without_counter)
            x = with_it if indicator else plain
            model = network(x.shape[1], keras.optimizers.Adam(0.01))
            model.fit(batches(x[:600], scaled(price)[:600], seed), epochs=40, shuffle=False, verbose=0)
            error = np.abs(model(x[600:], training=False) - scaled(price)[600:]).mean() * price.std()
            return np.expm1(error)

        return train

    errors = pairs(trained(False), trained(True), SEEDS)
    if buys_much:
        assert (errors[:, 1] < 0.85 * errors[:, 0]).all()
    else:
        assert (errors[:, 1] > 0.8 * errors[:, 0]).all() and (errors[:, 1] < 1.05 * errors[:, 0]).all()


def test_random_layers_take_a_bare_call_for_training_and_dropout_does_not():
    x = np.ones((1, 8, 8, 3), "float32")
    for layer in (
        layers.RandomFlip(),
        layers.RandomRotation(0.5),
        layers.RandomZoom(0.5),
        layers.RandomBrightness(0.5),
    ):
        assert inspect.signature(layer.call).parameters["training"].default is True
    assert np.array_equal(layers.Dropout(0.5)(x), x)

    arrows = np.stack([np.zeros((100, 4, 1)), np.ones((100, 4, 1))], axis=2).astype("float32")
    model = keras.Sequential([keras.Input((4, 2, 1)), layers.RandomFlip("horizontal", seed=0)])
    for told, flips in (({}, True), ({"training": None}, True), ({"training": False}, False)):
        assert (not np.array_equal(model(arrows, **told), arrows)) is flips, told


def test_the_strings_of_numpy_are_refused():
    lookup = layers.StringLookup(vocabulary=["city"], output_mode="one_hot")
    model = keras.Sequential([keras.Input((), dtype="string"), lookup])
    with pytest.raises(ValueError, match="Invalid dtype: str"):
        model.predict(np.array(["city"]), verbose=0)
    assert model.predict(np.array(["city"], dtype=object), verbose=0).tolist() == [[0, 1]]
