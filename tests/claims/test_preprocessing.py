"""What page 03 says about causes, tried."""

import functools
import inspect

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import layers
from keras.utils import FeatureSpace
from sklearn.datasets import load_diabetes
from sklearn.model_selection import train_test_split
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from tests.claims.control import batches, long, pairs
from text_recognizer.datasets import Digits

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


def left_by(optimizer, x, y, epochs=20):
    """Called with a seed: the part of the variance of the targets that a training leaves."""

    def train(seed):
        model = network(10, optimizer())
        return model.fit(batches(x, y, seed), epochs=epochs, shuffle=False, verbose=0).history["loss"][-1] / y.var()

    return train


@long
def test_scaling_pays_under_adam_too():
    x, y = patients()
    left = {}
    for rate in (0.001, 0.01, 0.03, 0.1):
        optimizer = functools.partial(keras.optimizers.Adam, rate)
        seeds = SEEDS if rate == 0.01 else range(3)
        left[rate] = pairs(left_by(optimizer, x, y), left_by(optimizer, scaled(x), scaled(y)), seeds)
        print(rate, left[rate].round(3), sep="\n")
    assert (left[0.01][:, 0] > left[0.01][:, 1] + 0.15).all()
    assert left[0.01][:, 0].max() < 0.8, "raw columns blow up after all"
    assert min(of_a_rate[:, 0].min() for of_a_rate in left.values()) > 0.5  # the page: no rate brought it below 0.5


@long
def test_raw_inputs_or_raw_targets_are_too_large_for_the_default_rate_and_a_small_one_copes():
    x, y = patients()
    sgd = functools.partial(keras.optimizers.SGD, 0.01)
    one_raw = pairs(left_by(sgd, x, scaled(y)), left_by(sgd, scaled(x), y), SEEDS)
    both_scaled, slowly = np.moveaxis(
        pairs(
            left_by(sgd, scaled(x), scaled(y)),
            left_by(functools.partial(keras.optimizers.SGD, 0.0001), scaled(x), y),
            SEEDS,
        ),
        1,
        0,
    )
    print(one_raw, both_scaled, slowly, sep="\n")
    assert not (one_raw < 100).any()  # nan is not less either
    assert (both_scaled < 0.6).all() and (slowly < 0.6).all()


def test_four_blood_values_are_nearly_tied_together():
    x = scaled(load_diabetes(scaled=False).data)
    s1, others = x[:, 4], x[:, [5, 6, 8]]
    assert np.var(s1 - others @ np.linalg.lstsq(others, s1)[0]) < 0.025  # of 1

    def condition(columns):
        curvatures = np.linalg.eigvalsh(columns.T @ columns)
        return curvatures[-1] / curvatures[0]

    assert condition(x[:, [4, 5]]) < 20  # the correlation of s1 with s2 alone would not do it
    assert condition(x) > 400 and condition(np.delete(x, 4, axis=1)) < 50


def test_on_these_patients_three_ways_to_scale_differ_by_less_than_a_percent():
    table, target = load_diabetes(return_X_y=True, scaled=False)

    def mean_error(seen, seed):
        train, test, y_train, y_test = train_test_split(table, target, test_size=0.5, random_state=seed)
        ways = {"training part": (train, train), "all rows": (table, table), "each its own": (train, test)}
        for_train, for_test = (StandardScaler().fit(rows) for rows in ways[seen])
        model = KNeighborsRegressor(10).fit(for_train.transform(train), y_train)
        return np.abs(model.predict(for_test.transform(test)) - y_test).mean()

    errors = [
        np.mean([mean_error(seen, seed) for seed in range(50)])
        for seen in ("training part", "all rows", "each its own")
    ]
    print(np.round(errors, 2))
    assert max(errors) < 1.01 * min(errors)


def test_a_trace_of_ink_in_an_empty_pixel_becomes_huge():
    rows = Digits("sample").x_train.reshape(-1, 784)
    scaled_rows = StandardScaler().fit(rows[:1200]).transform(rows[1200:])
    row, pixel = np.unravel_index(scaled_rows.argmax(), scaled_rows.shape)
    assert scaled_rows.max() > 200 and rows[1200 + row, pixel] == 8
    assert np.sum(rows[:1200, pixel] > 0) == 1 and min(divmod(pixel, 28)) < 5


def test_a_feature_space_stands_in_a_saved_model(tmp_path):
    rng = np.random.default_rng(0)
    columns = {"kind": rng.choice(["city", "cargo"], 40).astype(object), "age": rng.normal(5, 3, 40)}
    kinds = {"kind": FeatureSpace.string_categorical(), "age": FeatureSpace.float_normalized()}
    space = FeatureSpace(features=kinds, output_mode="concat")
    space.adapt(tf.data.Dataset.from_tensor_slices(columns).batch(10))
    encoded = space(columns).numpy()
    core = keras.Sequential([keras.Input((encoded.shape[1],)), layers.Dense(1)])
    whole = keras.Model(space.get_inputs(), core(space.get_encoded_features()))
    whole.save(tmp_path / "whole.keras")
    raw = {name: tf.constant(column[:, None]) for name, column in columns.items()}
    loaded = keras.saving.load_model(tmp_path / "whole.keras")
    assert np.allclose(loaded(raw, training=False), core(encoded), atol=1e-5)


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
    print(without_counter, errors.round(3), sep="\n")
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
