"""What page 08 says of a reused base: what it brings, through what, to how many labels, and how it is lost.

The base is trained on the digits 0 to 4 and reused for 5 to 9. Each digit stands anywhere in its image. For each seed,
other images are labelled, the head begins with other weights, and the batches come in another order. What is compared
are the arms of the same seed, by their accuracy on 347 digits that none of them has seen.
"""

import functools
import warnings

import keras
import numpy as np
import pytest
from keras import layers
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tests.claims.control import batches, long
from text_recognizer.datasets import Digits

LOSS = "sparse_categorical_crossentropy"
SEEDS, STEPS = range(8), 300
HIGH, LOW, HEAD = 3e-3, 3e-4, 0.03


def placed(images, seed):
    """Each image of (n, 28, 28) moved by up to four pixels in each direction, float32 (n, 28, 28, 1)."""
    moves = np.random.default_rng(seed).integers(-4, 5, (len(images), 2))
    return np.stack([np.roll(image, move, (0, 1)) for image, move in zip(images, moves)])[..., None]


@functools.cache
def data(moved=True):
    """By name, images and labels: `low` to train on 0 to 4, `pool` to draw labelled 5 to 9 from, `new` to measure."""
    digits = Digits(source="sample")
    x = np.concatenate([digits.x_train, digits.x_test]).astype("float32")
    y = np.concatenate([digits.y_train, digits.y_test]).astype("int64")
    is_low, first = y < 5, np.arange(len(y)) < 1100
    place = placed if moved else lambda images, seed: images[..., None]
    low = x[is_low & first]
    return {
        "low": (np.concatenate([place(low, seed) for seed in range(4)]), np.tile(y[is_low & first], 4)),
        "other low": (place(x[is_low & ~first], 4), y[is_low & ~first]),
        "pool": (place(x[~is_low & first], 5), y[~is_low & first] - 5),
        "new": (place(x[~is_low & ~first], 6), y[~is_low & ~first] - 5),
    }


def few(n, seed, moved=True):
    """n labelled images of each class."""
    x, y = data(moved)["pool"]
    order = np.random.default_rng(seed).permutation(len(y))
    rows = np.concatenate([order[y[order] == c][:n] for c in range(5)])
    return x[rows], y[rows]


def make_base():
    convolutions = [layers.Conv2D(width, 3, strides=2, padding="same", activation="relu") for width in (16, 32, 64)]
    scale = layers.Rescaling(1 / 255)
    return keras.Sequential([keras.Input((28, 28, 1)), scale, *convolutions, layers.GlobalAveragePooling2D()])


def with_head(base):
    image = keras.Input((28, 28, 1))
    return keras.Model(image, layers.Dense(5, activation="softmax")(base(image)))


@functools.cache
def pretrained(moved=True, make=make_base, seed=0):
    """The base's weights after a training on 0 to 4."""
    keras.utils.set_random_seed(seed)
    base = make()
    model = with_head(base)
    model.compile(keras.optimizers.Adam(HIGH), LOSS)
    model.fit(batches(*data(moved)["low"], seed), epochs=10, verbose=0)
    return base.get_weights()


@functools.cache
def compiled(make=make_base, still=False):
    """A whole model, compiled once: `trained` fills it with weights and trains it from there.

    Its batch normalization is frozen if `still`.
    """
    model = with_head(make())
    for layer in model.layers[1].layers:
        layer.trainable = not (still and isinstance(layer, layers.BatchNormalization))
    model.compile(keras.optimizers.Adam(), LOSS, steps_per_execution=50)
    return model


@functools.cache
def compiled_head():
    head = keras.Sequential([keras.Input((64,)), layers.Dense(5, activation="softmax")])
    head.compile(keras.optimizers.Adam(), LOSS, steps_per_execution=50)
    return head


def trained(model, weights, x, y, seed, rate, steps, size=16):
    """The model, trained from these weights as if it had just been compiled with this rate."""
    model.set_weights(weights)
    for variable in model.optimizer.variables:
        variable.assign(keras.ops.zeros_like(variable))
    model.optimizer.learning_rate = rate
    model.fit(batches(x, y, seed, size).repeat(), steps_per_epoch=steps, verbose=0)
    return model


def features(weights, x, make=make_base):
    base = compiled(make).layers[1]
    base.set_weights(weights)
    return np.asarray(base(x, training=False))


def accuracy(model, x, y):
    return float(np.mean(np.argmax(model(x, training=False), axis=-1) == y))


def fresh(seed, make=make_base):
    """The weights that a base and a head begin with."""
    keras.utils.set_random_seed(seed)
    model = with_head(make())
    return model.layers[1].get_weights(), model.layers[2].get_weights()


def on_frozen(base, head, x, y, seed, make=make_base):
    """A head trained on the features of a frozen base."""
    return trained(compiled_head(), head, features(base, x, make), y, seed, HEAD, STEPS)


@functools.cache
def arms(n, seed, moved=True):
    """By name, the accuracy on new digits of four ways to learn from n labelled images a class.

    `warm` differs from `scratch` in the base's weights at the start alone.
    """
    (x, y), (new, labels) = few(n, seed, moved), data(moved)["new"]
    base, (random, first) = pretrained(moved), fresh(seed)
    scratch = accuracy(trained(compiled(), [*random, *first], x, y, seed, HIGH, 2 * STEPS), new, labels)
    warm = accuracy(trained(compiled(), [*base, *first], x, y, seed, HIGH, 2 * STEPS), new, labels)
    head = on_frozen(base, first, x, y, seed)
    frozen = accuracy(head, features(base, new), labels)
    tuned = trained(compiled(), [*base, *head.get_weights()], x, y, seed, LOW, STEPS)
    return {"scratch": scratch, "warm": warm, "frozen": frozen, "tuned": accuracy(tuned, new, labels)}


def of(name, n, moved=True):
    return np.array([arms(n, seed, moved)[name] for seed in SEEDS])


def told(**results):
    """What pytest shows of a test that fails, or of any under -s."""
    for name, values in results.items():
        print(f"{name:12} {np.mean(values):.3f}  {np.round(values, 3)}")


@long
def test_with_ten_labels_a_class_a_frozen_base_beats_scratch_and_tuning_adds_some():
    scratch, frozen, tuned = (of(name, 10) for name in ("scratch", "frozen", "tuned"))
    told(scratch=scratch, frozen=frozen, tuned=tuned)
    assert sum(frozen > scratch) >= 7 and np.mean(frozen - scratch) > 0.05
    assert sum(tuned > frozen) >= 7 and np.mean(tuned - frozen) > 0.01


@long
def test_all_at_once_at_the_rate_of_the_head_loses_what_the_base_brings():
    hasty = []
    for seed in SEEDS:
        x, y = few(10, seed)
        start = [*pretrained(), *fresh(seed)[1]]
        hasty.append(accuracy(trained(compiled(), start, x, y, seed, HEAD, 2 * STEPS), *data()["new"]))
    scratch, frozen, warm = (of(name, 10) for name in ("scratch", "frozen", "warm"))
    told(hasty=hasty, scratch=scratch, frozen=frozen, warm=warm)
    assert sum(hasty < frozen) >= 7
    assert sum(hasty < scratch) >= 5
    assert sum(hasty < warm) >= 7  # the rate alone is another


@long
def test_what_the_learned_weights_bring_is_gone_with_fifty_labels_a_class():
    names = ("scratch", "warm", "frozen", "tuned")
    by_labels = {n: {name: of(name, n) for name in names} for n in (5, 10, 50, 100)}
    for n, found in by_labels.items():
        told(**{f"{name} {n}": values for name, values in found.items()})
        gain = found["warm"] - found["scratch"]
        if n <= 10:
            assert sum(gain > 0) >= 7 and np.mean(gain) > 0.07
        else:
            assert sum(gain > 0) <= 7 and abs(np.mean(gain)) < 0.03
            assert sum(found["frozen"] < found["scratch"]) >= 7
            assert sum(found["tuned"] < found["scratch"]) >= 7


@long
def test_where_the_digits_stand_in_the_middle_scratch_is_ahead():
    scratch, tuned = (of(name, 10, moved=False) for name in ("scratch", "tuned"))
    told(scratch=scratch, tuned=tuned)
    assert sum(tuned < scratch) >= 7


def logistic(weights, x, y):
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=1000)).fit(features(weights, x), y)
    new, labels = data()["new"]
    return model.score(features(weights, new), labels)


@long
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_base_of_another_training_brings_something_too(seed):
    base = pretrained(seed=seed)
    pairs = [[logistic(weights, *few(10, seed)) for weights in (fresh(seed)[0], base)] for seed in range(10)]
    told(random=[a for a, b in pairs], learned=[b for a, b in pairs])
    assert sum(a < b for a, b in pairs) >= 9


@long
def test_a_random_frozen_base_brings_less_than_a_trained_one():
    pairs = [[logistic(weights, *few(10, seed)) for weights in (fresh(seed)[0], pretrained())] for seed in range(10)]
    told(random=[a for a, b in pairs], learned=[b for a, b in pairs])
    assert sum(a < b for a, b in pairs) >= 9


@long
def test_another_scale_than_the_base_was_trained_with_costs_accuracy():
    found = {"right": [], "scaled twice": [], "from -1 to 1": []}
    for seed in SEEDS:
        x, y = few(10, seed)
        new, labels = data()["new"]
        for name, scale in zip(found, (lambda x: x, lambda x: x / 255, lambda x: x / 127.5 - 1)):
            head = on_frozen(pretrained(), fresh(seed)[1], scale(x), y, seed)
            found[name].append(accuracy(head, features(pretrained(), scale(new)), labels))
    told(**found)
    for name in ("scaled twice", "from -1 to 1"):
        assert max(found[name]) < 0.3 < min(found["right"])


def make_normalized_base():
    stack = [keras.Input((28, 28, 1)), layers.Rescaling(1 / 255)]
    for width in (16, 32, 64):
        stack += [layers.Conv2D(width, 3, strides=2, padding="same", use_bias=False)]
        stack += [layers.BatchNormalization(), layers.ReLU()]
    return keras.Sequential([*stack, layers.GlobalAveragePooling2D()])


@long
@pytest.mark.parametrize(("size", "at_least"), [(16, 6), (4, 5)])
def test_a_base_is_tuned_better_with_its_batch_normalization_frozen(size, at_least):
    base = pretrained(make=make_normalized_base)
    found = {"frozen": [], "still": [], "training": []}
    for seed in SEEDS:
        x, y = few(10, seed)
        new, labels = data()["new"]
        head = on_frozen(base, fresh(seed)[1], x, y, seed, make_normalized_base)
        found["frozen"].append(accuracy(head, features(base, new, make_normalized_base), labels))
        start = [*base, *head.get_weights()]
        for name, still in (("still", True), ("training", False)):
            model = compiled(make_normalized_base, still)
            found[name].append(accuracy(trained(model, start, x, y, seed, LOW, STEPS, size), new, labels))
    told(**found)
    assert sum(a > b for a, b in zip(found["still"], found["training"])) >= at_least
    assert np.mean(found["still"]) > np.mean(found["training"])


def test_fit_overrides_training_false_of_a_call():
    """If this fails, Keras has changed it, and page 08 may say so."""
    image, still = keras.Input((3,)), layers.BatchNormalization()
    model = keras.Model(image, layers.Dense(1)(still(image, training=False)))
    model.compile("sgd", "mse")
    model.fit(np.full((8, 3), 5.0, "float32"), np.zeros((8, 1)), verbose=0)
    assert np.all(np.asarray(still.moving_mean) > 0)


def test_training_false_holds_in_a_call_of_ones_own():
    class Outer(keras.Model):
        def __init__(self, base):
            super().__init__()
            self.base, self.head = base, layers.Dense(1)

        def call(self, x):
            return self.head(self.base(x, training=False))

    still = layers.BatchNormalization()
    model = Outer(keras.Sequential([keras.Input((3,)), still]))
    model.compile("sgd", "mse")
    model.fit(np.full((8, 3), 5.0, "float32"), np.zeros((8, 1)), verbose=0)
    assert np.all(np.asarray(still.moving_mean) == 0)


def test_fit_after_a_late_freeze_does_not_warn():
    """If this fails, Keras has changed it, and page 08 may say so."""
    model = keras.Sequential([keras.Input((3,)), layers.Dense(2), layers.Dense(1)])
    model.compile("sgd", "mse")
    x, y = np.ones((8, 3), "float32"), np.ones((8, 1))
    model.fit(x, y, verbose=0)
    model.layers[0].trainable = False
    before = model.get_weights()[0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.fit(x, y, verbose=0)
    assert not np.array_equal(before, model.get_weights()[0])
