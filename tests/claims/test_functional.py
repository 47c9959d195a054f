"""What page 07 says of a network against a line, and of auxiliary outputs."""

import contextlib

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.model_selection import train_test_split

from tests.claims.control import batches, long, pairs
from text_recognizer.datasets import CaliforniaHousing, Digits

CROSSENTROPY = "sparse_categorical_crossentropy"


class LossesOfEpochs(keras.callbacks.Callback):
    """Keeps the losses of a model on some parts of the data, after each epoch."""

    def __init__(self, *parts):
        super().__init__()
        self.parts, self.losses = parts, []

    def on_epoch_end(self, epoch, logs=None):
        self.losses.append([float(np.mean((np.asarray(self.model(x))[:, 0] - y) ** 2)) for x, y in self.parts])


@long
def test_the_network_wins_on_the_rows_that_chose_its_epoch_and_the_line_on_others():
    data = CaliforniaHousing(source="sample")
    deep = [list(data.feature_names).index(name) for name in ("age", "sex", "bmi", "bp")]
    wide = [column for column in range(10) if column not in deep]
    x, x_val, y, y_val = train_test_split(data.x_train, data.y_train, test_size=0.25, random_state=0)
    center, scale, mean, deviation = x.mean(axis=0), x.std(axis=0), y.mean(), y.std()
    (x, y), validation, test = (
        (((rows - center) / scale).astype("float32"), ((values - mean) / deviation).astype("float32"))
        for rows, values in ((x, y), (x_val, y_val), (data.x_test, data.y_test))
    )

    def with_ones(rows):
        return np.column_stack([rows, np.ones(len(rows))])

    line = np.linalg.lstsq(with_ones(x), y)[0]
    of_line = [np.mean((with_ones(rows) @ line - values) ** 2) for rows, values in (validation, test)]

    def two_inputs(rows):
        return {"deep_in": rows[:, deep], "wide_in": rows[:, wide]}

    def network(seed):
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        deep_in, wide_in = keras.Input((4,), name="deep_in"), keras.Input((6,), name="wide_in")
        hidden = layers.Dense(10, activation="relu")(layers.Dense(10, activation="relu")(deep_in))
        both = layers.Concatenate()([hidden, layers.Dense(20, activation="relu")(wide_in)])
        model = keras.Model([deep_in, wide_in], layers.Dense(1)(both))
        model.compile(keras.optimizers.Adam(0.02), loss="mse")
        found = LossesOfEpochs(*((two_inputs(rows), values) for rows, values in (validation, test)))
        model.fit(batches(two_inputs(x), y, seed), epochs=30, shuffle=False, verbose=0, callbacks=[found])
        return found.losses

    of_networks = np.array([network(seed) for seed in range(6)])  # (seeds, epochs, validation and test)
    best = np.array([losses[losses[:, 0].argmin()] for losses in of_networks])
    better, epochs = best < of_line, (of_networks < of_line).sum(axis=1)
    print(np.round(of_line, 3), best.round(3).tolist(), epochs.tolist())
    assert better[:, 0].sum() >= 5  # 6 of 6 were seen
    assert better[:, 1].sum() <= 1  # 0 of 6
    # and the choice of the epoch does not explain it
    assert np.all(epochs[:, 0] > 15) and np.all(epochs[:, 1] <= 1)


def digits():
    data = Digits(source="sample")
    order = np.random.default_rng(0).permutation(len(data.x_train))
    return data.x_train[order].astype("float32") / 255, data.y_train[order].astype("int64")


def ten_layers(head, activation, gain):
    image, hidden = keras.Input((28, 28)), []
    x = layers.Flatten()(image)
    for _ in range(10):
        glorot = keras.initializers.VarianceScaling(gain**2, "fan_avg", "uniform")
        x = layers.Dense(32, activation=activation, kernel_initializer=glorot)(x)
        hidden.append(x)
    outputs = [layers.Dense(10, activation="softmax")(x)]
    if head:
        outputs.append(layers.Dense(10, activation="softmax")(hidden[1]))
    return keras.Model(image, outputs)


def convolutions(head):
    image = keras.Input((28, 28, 1))
    x = layers.Conv2D(16, 3, strides=2, padding="same", activation="relu")(image)
    halfway = layers.Conv2D(32, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Conv2D(64, 3, strides=2, padding="same", activation="relu")(halfway)
    outputs = [layers.Dense(10, activation="softmax")(layers.Flatten()(x))]
    if head:  # made last, so that all others begin with the same weights
        outputs.append(layers.Dense(10, activation="softmax")(layers.Flatten()(halfway)))
    return keras.Model(image, outputs)


def without_and_with_a_head(build, rate=0.003, epochs=4):
    """The validation accuracy of the main output, an array (6 seeds, 2)."""
    x, y = digits()

    def train(head):
        def one(seed):
            model = build(head)
            outputs = len(model.outputs)
            settings = {"loss": [CROSSENTROPY] * outputs, "loss_weights": [0.7, 0.3][:outputs] if head else None}
            model.compile(keras.optimizers.Adam(rate), **settings)
            labels = (y[:1200],) * outputs if head else y[:1200]
            data = batches(x[:1200], labels, seed, batch_size=64)
            model.fit(data, epochs=epochs, shuffle=False, verbose=0)
            main = keras.tree.flatten(model(x[1200:]))[0]
            return np.mean(np.argmax(main, axis=-1) == y[1200:])

        return one

    found = pairs(train(False), train(True), range(6))
    print(found.round(2).tolist(), (found[:, 1] - found[:, 0]).mean().round(3))
    return found


@long
def test_ten_sigmoids_stay_at_chance_with_a_head_and_without():
    assert without_and_with_a_head(lambda head: ten_layers(head, "sigmoid", gain=1)).max() < 0.15


@long
def test_with_larger_weights_ten_sigmoids_learn_without_a_head_and_better_with_it():
    without, with_head = without_and_with_a_head(lambda head: ten_layers(head, "sigmoid", gain=4), epochs=8).T
    assert without.min() > 0.3  # 0.51 was seen
    assert (with_head > without).sum() >= 4  # 5 of 6


@long
def test_with_relu_a_head_helps_in_the_first_epochs():
    without, with_head = without_and_with_a_head(lambda head: ten_layers(head, "relu", gain=1)).T
    assert (with_head > without).sum() >= 5  # 6 of 6 were seen


@long
def test_with_three_convolutions_a_head_changes_little():
    found = without_and_with_a_head(convolutions)
    assert abs(found[:, 1] - found[:, 0]).max() < 0.05


def test_ten_times_the_loss_weights_are_ten_times_the_step_of_sgd_and_not_of_adam():
    x, y = digits()

    def first_step(optimizer, factor):
        keras.utils.set_random_seed(0)
        model = convolutions(head=True)
        weights = [0.7 * factor, 0.3 * factor]
        model.compile(optimizer, loss=[CROSSENTROPY] * 2, loss_weights=weights, run_eagerly=True)
        before = model.get_weights()
        model.train_on_batch(x[:64, ..., None], [y[:64]] * 2)
        return np.sqrt(sum(np.sum((a - b) ** 2) for a, b in zip(model.get_weights(), before)))

    def farther(make):
        return first_step(make(), 10) / first_step(make(), 1)

    optimizers = keras.optimizers
    assert np.isclose(farther(optimizers.SGD), 10, rtol=0.01)
    assert np.isclose(farther(optimizers.Adam), 1, rtol=0.15)
    assert np.isclose(farther(lambda: optimizers.Adam(epsilon=1e-15)), 1, rtol=0.01)  # so it is epsilon


def test_a_clone_begins_with_weights_of_its_own():
    model = convolutions(head=False)
    copy = keras.models.clone_model(model)
    x = digits()[0][:8, ..., None]
    assert not np.allclose(copy(x), model(x), atol=1e-4)
    copy.set_weights(model.get_weights())
    assert np.allclose(copy(x), model(x), atol=1e-6)
    assert not {id(weight) for weight in copy.weights} & {id(weight) for weight in model.weights}


@pytest.mark.parametrize(
    ("form", "runs"),
    [
        (lambda a, b, y: ({"a": a, "b": b}, y), True),
        (lambda a, b, y: [{"a": a, "b": b}, y], True),
        (lambda a, b, y: ((a, b), y), True),
        (lambda a, b, y: ([a, b], y), False),
        (lambda a, b, y: (a, b, y), False),
    ],
)
def test_what_a_py_dataset_of_two_inputs_may_give(form, runs):
    a, b, y = np.zeros((4, 2)), np.zeros((4, 3)), np.zeros(4)

    class Data(keras.utils.PyDataset):
        def __len__(self):
            return 2

        def __getitem__(self, number):
            return form(a, b, y)

    inputs = [keras.Input((2,), name="a"), keras.Input((3,), name="b")]
    model = keras.Model(inputs, layers.Dense(1)(layers.Concatenate()(inputs)))
    model.compile("sgd", loss="mse", run_eagerly=True)
    with contextlib.nullcontext() if runs else pytest.raises((TypeError, ValueError)):
        model.fit(Data(), shuffle=False, verbose=0)
