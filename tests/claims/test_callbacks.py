"""What page 06 says about schedules, warm-up, falling rates and searches, over more seeds than the page trains."""

import keras
import numpy as np
import pytest
from keras import layers
from keras.optimizers import SGD, Adam
from keras.optimizers.schedules import CosineDecay, PiecewiseConstantDecay
from sklearn.model_selection import train_test_split

from tests.claims.control import batches, long, pairs
from text_recognizer.datasets import Mnist

EPOCHS, STEPS = 5, 5 * 63


@pytest.fixture(scope="module")
def digits():
    """The digits of the page: x_train, y_train, x_val, y_val."""
    data = Mnist(source="sample")
    images = data.x_train / np.float32(255)
    split = {"train_size": 1000, "test_size": 500, "stratify": data.y_train, "random_state": 0}
    x_train, x_val, y_train, y_val = train_test_split(images, data.y_train, **split)
    return x_train, y_train, x_val, y_val


@pytest.fixture(scope="module")
def noisy(digits):
    """The same; of the training labels, three in ten are drawn at random."""
    x_train, y_train, x_val, y_val = digits
    draw = np.random.default_rng(0)
    wrong = draw.random(1000) < 0.3
    return x_train, np.where(wrong, draw.integers(0, 10, 1000), y_train), x_val, y_val


def build(optimizer, units=64, normalized=False):
    stack = [keras.Input((28, 28)), layers.Flatten()]
    for _ in range(2):
        stack += [layers.Dense(units), *([layers.BatchNormalization()] if normalized else []), layers.ReLU()]
    model = keras.Sequential([*stack, layers.Dense(10, activation="softmax")])
    model.compile(optimizer, "sparse_categorical_crossentropy", steps_per_execution=10)
    return model


def cosine(peak, steps=STEPS):
    return CosineDecay(peak, decay_steps=steps)


def warm_cosine(peak, steps=STEPS):
    climb = steps // 5
    return CosineDecay(0.0, steps - climb, warmup_target=peak, warmup_steps=climb)


def steps_down(peak, steps=STEPS):
    return PiecewiseConstantDecay([steps // 2, 3 * steps // 4], [peak, peak / 10, peak / 100])


def constant(peak, steps=STEPS):
    return peak


def training(data, make_optimizer, epochs=EPOCHS, batch_size=16):
    """A training that gives its validation accuracy and its validation loss."""
    x_train, y_train, x_val, y_val = data

    def train(seed):
        model = build(make_optimizer())
        model.fit(batches(x_train, y_train, seed, batch_size), epochs=epochs, shuffle=False, verbose=0)
        return judged(model, x_val, y_val)

    return train


def judged(model, x, y, training=False):
    outputs = model(x, training=training).numpy()
    return np.mean(outputs.argmax(axis=1) == y), -np.mean(np.log(outputs[range(len(y)), y] + 1e-7))


def compared(data, without, with_it, seeds=range(10), **settings):
    """What the second gains over the first: accuracy and loss, each an array of the seeds."""
    results = pairs(training(data, without, **settings), training(data, with_it, **settings), seeds)
    gains = results[:, 1] - results[:, 0]
    print(np.round(results, 3).tolist(), np.round(gains.mean(axis=0), 3))
    return gains[:, 0], gains[:, 1]


@long
@pytest.mark.parametrize("schedule", [steps_down, cosine, warm_cosine])
def test_with_noisy_labels_a_falling_rate_beats_the_constant_one(noisy, schedule):
    accuracy, _ = compared(noisy, lambda: SGD(constant(0.2)), lambda: SGD(schedule(0.2)))
    assert (accuracy > 0).sum() >= 9 and accuracy.mean() > 0.02


@long
def test_from_a_small_peak_a_falling_rate_gains_less_and_its_loss_ends_higher(noisy):
    accuracy, loss = compared(noisy, lambda: SGD(constant(0.03)), lambda: SGD(cosine(0.03)))
    assert (accuracy > 0).sum() >= 9 and accuracy.mean() < 0.1
    assert (loss > 0).sum() >= 9 and loss.mean() > 0.05


@long
def test_warm_up_makes_no_difference_to_sgd_here(noisy):
    accuracy, _ = compared(noisy, lambda: SGD(cosine(0.2)), lambda: SGD(warm_cosine(0.2)))
    assert abs(accuracy.mean()) < 0.01


@long
@pytest.mark.parametrize("peak, gains", [(0.06, True), (0.003, False)])
def test_warm_up_rescues_adam_from_a_high_rate_alone(digits, peak, gains):
    steps, settings = 8 * 16, {"epochs": 8, "batch_size": 64}
    without, with_it = (lambda: Adam(cosine(peak, steps))), (lambda: Adam(warm_cosine(peak, steps)))
    accuracy, _ = compared(digits, without, with_it, **settings)
    if gains:
        assert (accuracy > 0).sum() >= 9 and accuracy.mean() > 0.1
    else:
        assert abs(accuracy.mean()) < 0.02


@long
def test_a_warm_up_of_eight_steps_is_enough_and_one_of_one_step_is_not(digits):
    def from_peak(warm):
        return lambda: Adam(CosineDecay(0.0, 128 - warm, warmup_target=0.06, warmup_steps=warm))

    found = {}
    for warm in (1, 8):
        train = training(digits, from_peak(warm), epochs=8, batch_size=64)
        found[warm] = pairs(lambda seed: (0, 0), train, range(21, 25))[:, 1, 0]
    print(found)
    assert found[8].min() > 0.92 and found[1].mean() < found[8].mean() - 0.02


@long
def test_the_loss_drops_when_the_rate_falls(noisy):
    """Three epochs at 0.2, then one more: at 0.2, or at 0.02. The loss is that on all training examples."""
    x_train, y_train, *_ = noisy

    def train(last):
        def run(seed):
            model = build(SGD(0.2))
            stream = batches(x_train, y_train, seed, 16)
            model.fit(stream, epochs=3, shuffle=False, verbose=0)
            model.optimizer.learning_rate = last
            model.fit(stream, epochs=1, shuffle=False, verbose=0)
            return judged(model, x_train, y_train)[1]

        return run

    losses = pairs(train(0.2), train(0.02), range(10))
    print(losses.round(3).tolist())
    assert (losses[:, 1] < losses[:, 0]).sum() >= 9


@long
def test_the_winner_of_a_search_scores_lower_with_other_seeds(digits):
    x_train, y_train, x_val, y_val = digits

    def score(rate, units, seed):
        keras.utils.clear_session()
        keras.utils.set_random_seed(seed)
        model = build(SGD(rate), units)
        model.fit(batches(x_train, y_train, seed, 16), epochs=2, shuffle=False, verbose=0)
        return judged(model, x_val, y_val)[0]

    losses = []
    for search in range(10):
        draw, trials = np.random.default_rng(search), []
        for seed in range(8):
            rate, units = 10 ** draw.uniform(-3, 0), int(2 ** draw.uniform(3, 8))
            trials.append((score(rate, units, 100 * search + seed), rate, units))
        best, rate, units = max(trials)
        again = [score(rate, units, 100 * search + 50 + seed) for seed in range(4)]
        losses.append(best - np.mean(again))
    print(np.round(losses, 3))
    assert np.sum(np.array(losses) > 0) >= 7 and np.mean(losses) > 0


@long
def test_a_jumping_validation_loss_can_be_that_of_the_moving_averages(digits):
    """Batch normalization at a constant rate, epoch by epoch: with its moving averages, and with the statistics of all
    training images, put in their place. The jumps are the differences between epochs from the third on."""
    x_train, y_train, x_val, y_val = digits
    jumps = []
    for seed in range(5):
        keras.utils.set_random_seed(seed)
        model, kept, exact = build(SGD(0.2), normalized=True), [], []
        twin = build(SGD(0.2), normalized=True)
        for layer in twin.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.momentum = 0.0
        stream = batches(x_train, y_train, seed, 16)
        for _ in range(10):
            model.fit(stream, epochs=1, shuffle=False, verbose=0)
            twin.set_weights(model.get_weights())
            for _ in range(3):
                twin(x_train, training=True)  # with a momentum of 0, the averages become those of this batch
            kept.append(judged(model, x_val, y_val)[1])
            exact.append(judged(twin, x_val, y_val)[1])
        jumps.append([np.abs(np.diff(losses[2:])).mean() for losses in (kept, exact)])
    print(np.round(jumps, 3).tolist())
    jumps = np.array(jumps)
    assert (jumps[:, 0] > jumps[:, 1]).sum() >= 4


class PowerCut(keras.callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        if epoch == 3:
            raise KeyboardInterrupt


@long
@pytest.mark.parametrize("rate", [0.0, 0.5])
def test_a_resumed_run_ends_where_the_whole_one_does_unless_it_drops(rate, tmp_path):
    def build(seed):
        keras.utils.set_random_seed(seed)
        model = keras.Sequential([keras.Input((8,)), keras.layers.Dropout(rate), keras.layers.Dense(1)])
        model.compile("adam", "mse")
        return model

    x = np.random.default_rng(0).normal(size=(64, 8)).astype("float32")
    options = {"epochs": 6, "shuffle": False, "verbose": 0}
    for seed in range(5):
        backup = keras.callbacks.BackupAndRestore(tmp_path / str(seed))
        with pytest.raises(KeyboardInterrupt):
            build(seed).fit(x, x[:, :1], callbacks=[backup, PowerCut()], **options)
        resumed, whole = build(seed), build(seed)
        resumed.fit(x, x[:, :1], callbacks=[keras.callbacks.BackupAndRestore(tmp_path / str(seed))], **options)
        whole.fit(x, x[:, :1], **options)
        assert np.allclose(resumed(x), whole(x), atol=1e-6) == (rate == 0)
