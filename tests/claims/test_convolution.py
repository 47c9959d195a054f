"""What page 05 says about causes: convolution, pooling, batch normalization, augmentation, each taken away alone."""

from functools import cache

import keras
import numpy as np
from keras import layers

from tests.claims.control import batches, long, pairs
from text_recognizer.datasets import Emnist

SEEDS = range(6)
EPOCHS, RATE = 6, 0.003


@cache
def letters():
    """The 1,000 + 1,000 capital letters of the page."""
    data = Emnist(source="sample")
    parts = []
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        rows = np.flatnonzero((y >= 10) & (y < 36))[:1000]
        parts += [x[rows, :, :, None] / np.float32(255), y[rows].astype(int) - 10]
    return tuple(parts)


def moved(images, pixels):
    return np.pad(images, ((0, 0), (0, 0), (pixels, 0), (0, 0)))[:, :, : images.shape[2]]


def scrambled(images):
    order = np.random.default_rng(0).permutation(28 * 28)
    return images.reshape(-1, 28 * 28)[:, order].reshape(images.shape)


def every_second():
    """Halve the size as a pooling does, without taking a maximum."""
    return layers.MaxPooling2D(1, strides=2)


def convnet(pool=layers.MaxPooling2D, end=layers.Flatten, momentum=None, first=(), filters=(8, 16)):
    stack = [keras.Input((28, 28, 1)), *first]
    for count in filters:
        stack.append(layers.Conv2D(count, 3, padding="same", use_bias=momentum is None))
        if momentum is not None:
            stack.append(layers.BatchNormalization(momentum=momentum))
        stack += [layers.ReLU(), pool()]
    return keras.Sequential([*stack, end(), layers.Dense(26, activation="softmax")])


def dense_net():
    stack = [layers.Flatten(), layers.Dense(26, activation="relu"), layers.Dense(26, activation="softmax")]
    return keras.Sequential([keras.Input((28, 28, 1)), *stack])


def fit(model, x, y, seed, epochs=EPOCHS, **settings):
    model.compile(keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")
    history = model.fit(batches(x, y, seed), epochs=epochs, shuffle=False, verbose=0, **settings)
    return history.history["loss"][-1]


def judge(model, x, y):
    """Loss and accuracy, as the model is used."""
    probabilities = np.asarray(model(x, training=False))
    loss = -np.log(probabilities[np.arange(len(y)), y] + 1e-7).mean()
    return float(loss), float(np.mean(probabilities.argmax(-1) == y))


def training(build, change=lambda images: images, epochs=EPOCHS):
    """A function of the seed: the accuracy on the validation letters, on those moved by 2 and by 4, losses."""

    @cache  # the same run is a part of several pairs
    def train(seed):
        x, y, x_val, y_val = letters()
        model = build()
        loss = fit(model, change(x), y, seed, epochs)
        val_loss, accuracy = judge(model, change(x_val), y_val)
        by_two, by_four = (judge(model, change(moved(x_val, pixels)), y_val)[1] for pixels in (2, 4))
        return accuracy, by_two, by_four, loss, val_loss

    return train


DENSE, PLAIN, LONGER = training(dense_net), training(convnet), training(convnet, epochs=20)


@long
def test_with_as_many_parameters_a_convnet_makes_fewer_mistakes():
    found = pairs(DENSE, PLAIN, SEEDS)[:, :, 0]
    print(found)
    assert convnet().count_params() == 21_658 and dense_net().count_params() == 21_112
    assert np.sum(found[:, 1] > found[:, 0] + 0.02) >= 5


@long
def test_where_neighbours_are_gone_the_convnet_has_no_advantage():
    whole = pairs(DENSE, PLAIN, SEEDS)[:, :, 0]
    mixed = pairs(training(dense_net, scrambled), training(convnet, scrambled), SEEDS)[:, :, 0]
    print(whole, mixed)
    assert np.sum(mixed[:, 1] < whole[:, 1] - 0.03) >= 5
    assert np.sum(mixed[:, 1] < mixed[:, 0]) >= 5
    assert np.abs(np.mean(mixed[:, 0] - whole[:, 0])) < 0.02


@long
def test_the_largest_of_a_window_is_better_than_every_second_pixel():
    found = pairs(training(lambda: convnet(every_second)), PLAIN, SEEDS)
    print(found)
    assert np.sum(found[:, 1, 0] > found[:, 0, 0]) >= 5
    assert np.sum(found[:, 1, 1] > found[:, 0, 1]) >= 5


@long
def test_global_pooling_minds_less_where_the_letter_is_and_reads_fewer():
    found = pairs(
        LONGER,
        training(lambda: convnet(end=layers.GlobalMaxPooling2D), epochs=20),
        range(4),
    )
    print(found)
    lost = found[:, :, 0] - found[:, :, 2]
    assert np.all(lost[:, 0] > 0.5) and np.all(np.abs(lost[:, 1]) < 0.1)
    assert np.all(found[:, 1, 0] < found[:, 0, 0])


@long
def test_global_pooling_lacks_channels_and_not_places():
    """With 256 channels it loses nothing; and 16 numbers that know the places are enough."""
    wide = training(lambda: convnet(end=layers.GlobalMaxPooling2D, filters=(8, 256)), epochs=20)
    narrow = training(lambda: convnet(end=lambda: keras.Sequential([layers.Flatten(), layers.Dense(16)])), epochs=20)
    found = pairs(narrow, wide, range(4))
    print(found[:, :, :3])
    assert np.all(found[:, :, 0] > 0.88)
    assert np.all(found[:, 1, 2] > 0.85) and np.all(found[:, 0, 2] < 0.3)


def shifts(share=0.15):
    return convnet(first=[layers.RandomTranslation(share, share, fill_mode="constant")])


@long
def test_augmentation_by_shifts_helps_on_moved_letters_and_not_on_centred_ones():
    found = pairs(PLAIN, training(shifts), SEEDS)
    print(found)
    assert np.sum(found[:, 1, 2] > found[:, 0, 2] + 0.3) >= 5
    assert np.sum(found[:, 1, 0] < found[:, 0, 0]) >= 5


@long
def test_after_twenty_epochs_the_shifts_make_little_difference_on_centred_letters():
    found = pairs(LONGER, training(shifts, epochs=20), range(4))
    print(found)
    assert np.all(found[:, 1, 2] > found[:, 0, 2] + 0.5)
    assert np.all(np.abs(found[:, 1, 0] - found[:, 0, 0]) < 0.05)


def exactly(model, x):
    """Give batch normalization the statistics of all of x, in place of its moving averages."""
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = 0.0
    model(x, training=True)


@long
def test_batch_normalization_and_its_statistics():
    def train(momentum):
        def of_seed(seed):
            x, y, x_val, y_val = letters()
            model = convnet(momentum=momentum)
            loss = fit(model, x, y, seed)
            moving = judge(model, x_val, y_val)
            if momentum is not None:
                exactly(model, x)
            return loss, *moving, *judge(model, x_val, y_val)

        return of_seed

    found = pairs(train(None), train(0.99), SEEDS)
    print(found)
    plain, normed = found[:, 0], found[:, 1]
    assert np.sum(normed[:, 0] < plain[:, 0]) >= 5  # training loss
    assert np.sum(normed[:, 1] > plain[:, 1] + 0.5) >= 5  # validation loss with the moving averages
    assert np.sum(normed[:, 3] < plain[:, 3]) >= 5  # and with exact statistics
    assert np.sum(normed[:, 4] > plain[:, 4]) >= 5


@long
def test_what_the_moving_averages_cost_is_the_share_of_their_start():
    """The same weights: with the averages, without what is left in them of 0 and 1, and with a momentum of 0.9."""
    x, y, x_val, y_val = letters()
    steps, found = EPOCHS * 32, []
    for seed in (11, 12, 13):
        models = []
        for momentum in (0.99, 0.9):
            keras.utils.set_random_seed(seed)
            models.append(convnet(momentum=momentum))
            fit(models[-1], x, y, seed)
        slow, fast = models
        for a, b in zip(slow.trainable_weights, fast.trainable_weights):
            assert np.allclose(a, b, atol=1e-6)  # training does not use the averages
        kept, quick, share = judge(slow, x_val, y_val)[1], judge(fast, x_val, y_val)[1], 0.99**steps
        for layer in slow.layers:
            if isinstance(layer, layers.BatchNormalization):
                layer.moving_mean.assign(layer.moving_mean / (1 - share))
                layer.moving_variance.assign((layer.moving_variance - share) / (1 - share))
        without_start = judge(slow, x_val, y_val)[1]
        exactly(slow, x)
        found.append([kept, without_start, quick, judge(slow, x_val, y_val)[1]])
    print(np.round(found, 3).tolist())
    kept, without_start, quick, exact = np.transpose(found)
    assert np.all(kept < exact - 0.03)
    assert np.all(np.abs(without_start - exact) < 0.02) and np.all(np.abs(quick - exact) < 0.02)


@long
def test_a_move_by_two_changes_less_behind_a_maximum():
    """What reaches the dense layer, before and after a move by two pixels: the change, as a share of its size."""

    def change(pool):
        def of_seed(seed):
            x, y, x_val, _ = letters()
            model = convnet(pool)
            fit(model, x, y, seed)
            before = keras.Sequential(model.layers[:-1])
            still, gone = np.asarray(before(x_val)), np.asarray(before(moved(x_val, 2)))
            return np.abs(gone - still).sum() / np.abs(still).sum()

        return of_seed

    found = pairs(change(every_second), change(layers.MaxPooling2D), (11, 12))
    print(found)
    assert np.all(found[:, 1] < found[:, 0] - 0.1)


@long
def test_with_its_moving_averages_the_validation_loss_lies_higher_after_every_epoch():
    """In one training, after each epoch: the loss with the moving averages, and with exact statistics."""
    x, y, x_val, y_val = letters()
    for seed in range(4):
        keras.utils.set_random_seed(seed)
        model, losses = convnet(momentum=0.99), []
        data = batches(x, y, seed)
        model.compile(keras.optimizers.Adam(0.01), "sparse_categorical_crossentropy")
        for _ in range(8):
            model.fit(data, shuffle=False, verbose=0)
            before = model.get_weights()
            moving = judge(model, x_val, y_val)[0]
            exactly(model, x)
            losses.append((moving, judge(model, x_val, y_val)[0]))
            model.set_weights(before)
            for layer in model.layers:
                if isinstance(layer, layers.BatchNormalization):
                    layer.momentum = 0.99
        print(np.round(losses, 2).tolist())
        moving, exact = np.transpose(losses)
        assert np.all(moving > exact + 0.05)


@cache
def with_wrong_labels():
    """400 letters, 120 of them with a wrong label, and which."""
    x, y, _, _ = letters()
    draw = np.random.default_rng(0)
    wrong = draw.choice(400, 120, replace=False)
    labels = y[:400].copy()
    labels[wrong] = (labels[wrong] + draw.integers(1, 26, 120)) % 26
    return x[:400], labels, wrong


def by_heart(build, *epochs):
    """A function of the seed: after so many epochs each, validation loss, accuracy, wrong labels known by heart."""

    def train(seed):
        x, y, wrong = with_wrong_labels()
        _, _, x_val, y_val = letters()
        model, results = build(), []
        model.compile(keras.optimizers.Adam(RATE), "sparse_categorical_crossentropy")
        for count in epochs:
            model.fit(batches(x, y, seed), epochs=count, shuffle=False, verbose=0)
            known = judge(model, x[wrong], y[wrong])[1] * len(wrong)
            if any(isinstance(layer, layers.BatchNormalization) for layer in model.layers):
                exactly(model, x)
                for layer in model.layers:
                    if isinstance(layer, layers.BatchNormalization):
                        layer.momentum = 0.9
            results.append([*judge(model, x_val, y_val), known])
        return results

    return train


@long
def test_batch_normalization_learns_more_wrong_labels_by_heart():
    found = pairs(by_heart(convnet, 12), by_heart(lambda: convnet(momentum=0.9), 12), SEEDS)[:, :, 0]
    print(found)
    assert np.sum(found[:, 1, 2] > found[:, 0, 2] + 20) >= 5
    assert abs(np.mean(found[:, 1, 0] - found[:, 0, 0])) < 0.15  # the validation loss goes either way


@long
def test_augmentation_delays_learning_by_heart():
    found = pairs(by_heart(convnet, 15, 45), by_heart(lambda: shifts(0.1), 15, 45), range(4))
    print(found)
    plain, shifted = found[:, 0], found[:, 1]  # each: after 15 and after 60 epochs; loss, accuracy, by heart
    assert np.all(plain[:, 0, 2] > 80) and np.all(shifted[:, 0, 2] < 40)
    assert np.all(shifted[:, 1, 2] > 60)
    assert np.all(shifted[:, 0, 1] > plain[:, 0, 1] + 0.05)
