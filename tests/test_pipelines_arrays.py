"""Batches: every example once an epoch, in order or dealt anew, augmented anew each time, then formatted."""

import functools
import random
from itertools import chain

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.python import run_python
from text_recognizer.augmentation import RandomAffine
from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset

X = np.arange(10, dtype=np.float32)[:, None]
Y = np.arange(10, dtype=np.int32) * 10


def inputs(batches):
    """Return the examples of each batch, and check that each has its own target."""
    examples = []
    for x, y in batches:
        x, y = keras.ops.convert_to_numpy(x), keras.ops.convert_to_numpy(y)
        np.testing.assert_array_equal(x[:, 0] * 10, y)
        examples.append(x[:, 0].astype(int).tolist())
    return examples


def epochs(batches, count):
    """Return the epochs of either form, each a list of batches of NumPy arrays."""
    return [[tuple(map(keras.ops.convert_to_numpy, batch)) for batch in batches] for _ in range(count)]


def add_one(x, y):
    return keras.ops.add(x, 1), keras.ops.add(y, 10)


def double(x, y):
    return keras.ops.multiply(x, 2), keras.ops.multiply(y, 2)


# Both forms


@pytest.fixture(params=[DatasetSequence, batched_dataset])
def make(request):
    return request.param


def test_batches_in_order_and_a_short_last_one(make):
    assert inputs(make(X, Y, 4)) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    assert inputs(make(X, Y, 5)) == [[0, 1, 2, 3, 4], [5, 6, 7, 8, 9]]
    assert inputs(make(X, Y)) == [list(range(10))]  # 32 at most


def test_shapes_and_types_are_kept(make):
    images = np.zeros((6, 28, 28), np.uint8)
    one_hot = np.eye(6, 62, dtype=np.float32)
    for x, y in make(images, one_hot, 4):
        x, y = np.asarray(x), np.asarray(y)
        assert x.shape[1:] == (28, 28) and x.dtype == np.uint8
        assert y.shape[1:] == (62,) and y.dtype == np.float32


def test_augmented_first_and_formatted_then(make):
    assert inputs(make(X, Y, 10, augment_fn=add_one, format_fn=double)) == [[2, 4, 6, 8, 10, 12, 14, 16, 18, 20]]
    assert inputs(make(X, Y, 10, augment_fn=double, format_fn=add_one)) == [[1, 3, 5, 7, 9, 11, 13, 15, 17, 19]]


def test_layers_augment_both_forms(make):
    flip = keras.layers.RandomFlip("horizontal")
    images = np.tile(np.arange(8, dtype=np.float32)[None, None, :, None], (64, 8, 1, 1))
    ((x, _),) = make(images, np.arange(64), 64, augment_fn=lambda x, y: (flip(x, training=True), y))
    flipped = np.asarray(x)[:, 0, 0, 0] == 7
    assert 0 < flipped.sum() < 64  # some, not all


def test_shuffling_deals_across_batches(make):
    dealt = inputs(make(X, Y, 4, shuffle=True, seed=0))
    assert sorted(chain(*dealt)) == list(range(10)) and [len(batch) for batch in dealt] == [4, 4, 2]
    ordered = [set(batch) for batch in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9])]
    assert all(set(batch) not in ordered for batch in dealt)
    assert dealt == inputs(make(X, Y, 4, shuffle=True, seed=0))
    assert dealt != inputs(make(X, Y, 4, shuffle=True, seed=1))


def test_the_order_of_an_epoch_depends_on_the_seed_and_its_number(make):
    expected = [np.random.default_rng([7, epoch]).permutation(10).tolist() for epoch in range(5)]
    for global_seed in (0, 1):
        keras.utils.set_random_seed(global_seed)
        batches = make(X, Y, 4, shuffle=True, seed=7)
        assert [list(chain(*inputs(epoch))) for epoch in epochs(batches, 5)] == expected
    later = make(X, Y, 4, shuffle=True, seed=7, first_epoch=3)
    assert [list(chain(*inputs(epoch))) for epoch in epochs(later, 2)] == expected[3:]


def test_without_a_seed_the_order_is_another_each_time(make):
    def order():
        keras.utils.set_random_seed(0)
        return [list(chain(*inputs(epoch))) for epoch in epochs(make(X, Y, 4, shuffle=True), 3)]

    first, second = order(), order()
    assert first != second and first[0] != first[1] != first[2]


@pytest.fixture(scope="module")
def watched():
    """A network, and the list of what it was trained on."""
    seen = []

    class Watch(keras.layers.Layer):
        def call(self, x, training=False):
            if training:
                tf.py_function(lambda x: seen.append(x[:, 0].numpy().astype(int).tolist()), [x], [])
            return x

    model = keras.Sequential([keras.Input((1,)), Watch(), keras.layers.Dense(1)])
    model.compile("sgd", "mse", run_eagerly=False, jit_compile=False)
    return model, seen


def test_an_epoch_of_fit_is_an_epoch(make, watched):
    """`fit` reads training and validation batches in turns, and looks at some before."""
    model, seen = watched
    seen.clear()
    training, validation = make(X, Y, 5, shuffle=True, seed=0, first_epoch=2), make(X, Y, 4)
    assert len(training) == 2 and len(validation) == 3
    history = model.fit(training, validation_data=validation, epochs=3, shuffle=False, verbose=0)
    order = [np.random.default_rng([0, epoch]).permutation(10).tolist() for epoch in (2, 3, 4)]
    assert seen == [part for epoch in order for part in (epoch[:5], epoch[5:])]
    assert len(history.history["val_loss"]) == 3


@functools.cache
def network():
    """Return the network of all tests that train or ask one, so that it is traced once for all of them."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    return model


def test_weights_stay_with_their_examples(make):
    weights = np.linspace(0, 1, 10)
    ((x, y, w), *_) = epochs(make(X, Y, 4, sample_weight=weights, shuffle=True, seed=0, augment_fn=add_one), 1)[0]
    np.testing.assert_array_equal(w, weights[x[:, 0].astype(int) - 1])
    assert [len(w) for _, _, w in make(X, Y, 4, sample_weight=weights)] == [4, 4, 2]


def test_fit_weighs_the_examples(make):
    def trained(weight):
        model = network()
        model.set_weights([np.array([[2.0]]), np.array([1.0])])
        model.fit(make(X, Y, 4, sample_weight=np.full(10, weight)), epochs=1, shuffle=False, verbose=0)
        return model.get_weights()[0].item()

    assert trained(0) == 2 != trained(1e-3)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((X, Y[:9]), "x has 10 examples and y has 9"),
        ((X[:0], Y[:0]), "x has 0 examples and y has 0: give at least one"),
        ((X, Y, 0), "batch_size is 0; give an integer, 1 or more"),
        ((1, Y), "x is a single value, 1"),
        ({"seed": -1}, "seed is -1; give an integer, 0 or more"),
        ({"first_epoch": -1}, "first_epoch is -1"),
        ({"sample_weight": np.ones(9)}, r"sample_weight is float64 \(9,\); give a number for each of 10 examples"),
        ({"sample_weight": np.ones((10, 1))}, r"sample_weight is float64 \(10, 1\)"),
        ({"sample_weight": ["a"] * 10}, "sample_weight is <U1"),
    ],
)
def test_what_cannot_be_made_into_batches(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(X, Y, **arguments) if isinstance(arguments, dict) else make(*arguments)


@pytest.mark.parametrize("function", ["augment_fn", "format_fn"])
def test_a_function_must_return_two_things(make, function):
    with pytest.raises(TypeError, match=f"{function} returned .*; it must return two things: return x, y"):
        list(make(X, Y, **{function: lambda x, y: x}))


# Random augmentation


def noise(layer=None, **kwargs):
    """Return a function that adds noise of a layer."""
    layer = layer or keras.layers.GaussianNoise(1.0, **kwargs)
    return lambda x, y: (layer(x, training=True), y)


def by_generator(**kwargs):
    generator = keras.random.SeedGenerator(**kwargs)
    return lambda x, y: (x + keras.random.normal(keras.ops.shape(x), seed=generator), y)


def by_image(**kwargs):
    """A function of tf.image, which takes its seed from a generator."""
    generator = keras.random.SeedGenerator(**kwargs)
    return lambda x, y: (tf.image.stateless_random_brightness(x, 0.5, seed=generator.next()), y)


def by_branch(**kwargs):
    """A seed from a generator, handed to a function and to a branch and a loop within."""
    generator = keras.random.SeedGenerator(**kwargs)

    @tf.function
    def add(x, seed):
        def rows():
            return tf.map_fn(lambda row: row + tf.random.stateless_normal(tf.shape(row), seed), x)

        return tf.cond(tf.shape(x)[0] > 0, rows, lambda: x)

    return lambda x, y: (add(x, generator.next()), y)


def unseeded(seed=None):
    return lambda x, y: (x + keras.random.normal(keras.ops.shape(x)), y)


def affine(**kwargs):
    layer = RandomAffine(**kwargs)
    return lambda x, y: (layer(keras.ops.tile(x[..., None] + 1, (1, 8, 8)), training=True), y)


GOOD = [noise, by_generator, by_image, by_branch, unseeded, affine]
ZEROS = np.zeros((20, 1), np.float32), np.arange(20)


def augmented(make, augment_fn, count=3, **kwargs):
    """Return what three epochs of the same zeros become."""
    dealt = epochs(make(*ZEROS, 8, augment_fn=augment_fn, **kwargs), count)
    return [np.concatenate([x for x, _ in epoch]) for epoch in dealt]


@functools.cache
def drawn_by(make, function):
    """Return what the zeros become by this function with a seed, drawn once for all tests that compare with it."""
    return augmented(make, function(seed=3))


def assert_all_differ(parts):
    assert all(not np.array_equal(a, b) for i, a in enumerate(parts) for b in parts[:i])


@pytest.mark.parametrize("global_seed", [None, 5])
@pytest.mark.parametrize("function", GOOD)
def test_augmentation_differs_between_epochs_and_repeats_between_runs(make, function, global_seed):
    def run():
        if global_seed is not None:
            keras.utils.set_random_seed(global_seed)
        return augmented(make, function(**{} if global_seed else {"seed": 3}))

    first = run() if global_seed else drawn_by(make, function)
    assert_all_differ(first)
    assert_all_differ([part for epoch in first for part in (epoch[:8], epoch[8:16])])  # and between batches
    if global_seed is not None or function is not unseeded:
        np.testing.assert_array_equal(first, run())


@pytest.mark.parametrize("function", [noise, by_generator, by_image, by_branch, affine])
def test_both_forms_draw_the_same(function):
    np.testing.assert_allclose(drawn_by(DatasetSequence, function), drawn_by(batched_dataset, function), rtol=1e-5)


def test_two_seeds_and_two_layers_draw_different_numbers(make):
    a, b = keras.layers.GaussianNoise(1.0, seed=1), keras.layers.GaussianNoise(1.0, seed=2)
    assert_all_differ([*augmented(make, noise(a)), *augmented(make, noise(b))])


SCRIPT = """
import keras, numpy as np
from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset
keras.utils.set_random_seed(4)
noise = keras.layers.GaussianNoise(1.0)
x = np.zeros((400, 1), np.float32)
for make in (DatasetSequence, batched_dataset):
    batches = make(x, x, 8, augment_fn=lambda x, y: (noise(x, training=True), y), shuffle=True)
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse", jit_compile=False)
    print(model.fit(batches, epochs=3, shuffle=False, verbose=0).history["loss"])
"""


def test_another_process_draws_the_same(capsys):
    there = run_python(SCRIPT).splitlines()
    exec(SCRIPT, {})
    here = capsys.readouterr().out.splitlines()
    assert len(here) == 2 and here == there
    assert all(len(set(line.split(", "))) == 3 for line in here)


def test_an_interrupted_training_goes_on_with_the_same_augmentation(make):
    whole = augmented(make, noise(seed=3), count=5)
    np.testing.assert_array_equal(augmented(make, noise(seed=3), count=2, first_epoch=3), whole[3:])


def test_a_look_at_some_batches_shifts_nothing():
    """tf.data prepares an unknown number of batches ahead of those that are looked at."""
    x = np.zeros((600, 4), np.float32)
    sequence = DatasetSequence(x, x, 4, augment_fn=noise(seed=3), first_epoch=1)
    sequence[0], sequence[5]
    dataset = batched_dataset(x, x, 4, augment_fn=noise(seed=3))
    for _ in dataset.take(3):  # an epoch, if not a whole one
        pass
    for ours, theirs in zip(sequence, dataset, strict=True):
        np.testing.assert_allclose(ours[0], theirs[0], rtol=1e-5)


def test_layers_are_left_as_they_were(make):
    layer = keras.layers.GaussianNoise(1.0, seed=3)
    first = layer(ZEROS[0], training=True)
    again = keras.layers.GaussianNoise(1.0, seed=3)
    augmented(make, noise(again))
    np.testing.assert_array_equal(again(ZEROS[0], training=True), first)


NOISE = noise(seed=3)
NOISE_COMPILED = tf.function(NOISE)
NOISE_LAYER = keras.layers.GaussianNoise(1.0, seed=3)


def noise_in_a_loop(x, y):
    return tf.map_fn(lambda row: NOISE_LAYER(row[None], training=True)[0], x), y


@tf.function
def compiled_noise(x):
    return x + tf.random.normal(tf.shape(x))


RNG = tf.random.Generator.from_seed(0)
COUNTER = tf.Variable(0.0)
CALLS = []


def count(x, y):
    CALLS.append(None)
    return x + len(CALLS), y


def flip_a_coin(x, y):
    return (-x if np.random.rand() < 0.5 else x), y


def by_numpy_function(x, y):
    noisy = tf.numpy_function(lambda x: x + np.random.normal(size=x.shape).astype(x.dtype), [x], x.dtype)
    return tf.ensure_shape(noisy, x.shape), y


@tf.function
def noise_by_seed(x, seed):
    return x + tf.random.stateless_normal(tf.shape(x), seed)


def by_seed(seed):
    """Return a function that adds noise of the seed that `seed` makes of the batch."""
    return lambda x, y: (x + tf.random.stateless_normal(tf.shape(x), seed(x, y)), y)


def noise_by_key(x, y):
    draw = tf.raw_ops.StatelessRandomUniformV2(
        shape=tf.shape(x), key=tf.constant([1], tf.uint64), counter=tf.constant([1, 2], tf.uint64), alg=1
    )
    return x + draw, y


SEED = tf.constant([1, 2])
SEEDS = tf.constant(np.arange(400).reshape(200, 2))
VARIABLE = tf.Variable([1, 2])
KERAS_VARIABLE = keras.Variable([1, 2], dtype="int32", trainable=False)

DENSE = keras.layers.Dense(1)
DENSE.build((None, 1))

BEGINS_ANEW = "draws random numbers with tf.random .*begins anew in each epoch"
ONCE = "draws random numbers with NumPy or Python, or counts its calls"
OUTSIDE = r"reads or changes what is outside of it \(\w+\), so that each run may give other batches"
CONSTANT = "draws random numbers from a constant seed"
BAD = {
    "tf.random": (lambda x, y: (x + tf.random.normal(tf.shape(x)), y), BEGINS_ANEW),
    "tf.random, seeded": (lambda x, y: (x + tf.random.uniform(tf.shape(x), seed=1), y), BEGINS_ANEW),
    "tf.random.shuffle": (lambda x, y: (tf.random.shuffle(x), y), BEGINS_ANEW),
    "tf.random within a tf.function": (lambda x, y: (compiled_noise(x), y), BEGINS_ANEW),
    "tf.random within a loop": (lambda x, y: (tf.map_fn(lambda row: row + tf.random.normal(()), x), y), BEGINS_ANEW),
    "tf.image.random": (lambda x, y: (tf.image.random_brightness(x, 0.5), y), BEGINS_ANEW),
    "tf.random.Generator": (lambda x, y: (x + RNG.normal(tf.shape(x)), y), OUTSIDE),
    "tf.Variable": (lambda x, y: (x + COUNTER.assign_add(1.0), y), OUTSIDE),
    "np.random": (lambda x, y: (x + np.random.normal(size=1), y), ONCE),
    "np.random, a coin": (flip_a_coin, ONCE),
    "random": (lambda x, y: (x * random.random(), y), ONCE),
    "an own generator": (lambda x, y: (x + np.random.default_rng().normal(size=1), y), ONCE),
    "a counter": (count, ONCE),
    "keras.random, constant": (lambda x, y: (x + keras.random.normal(keras.ops.shape(x), seed=1), y), CONSTANT),
    "tf.random, constant": (lambda x, y: (tf.image.stateless_random_brightness(x, 0.5, seed=(1, 2)), y), CONSTANT),
    "a constant, to a tf.function": (lambda x, y: (noise_by_seed(x, tf.constant([1, 2])), y), CONSTANT),
    "a constant, in a loop": (lambda x, y: (tf.map_fn(lambda row: noise_by_seed(row, SEED), x), y), CONSTANT),
    "a constant, in a branch": (
        lambda x, y: (tf.cond(tf.reduce_sum(x) > 0, lambda: noise_by_seed(x, SEED), lambda: x), y),
        CONSTANT,
    ),
    "a constant, large": (by_seed(lambda x, y: SEEDS[7]), CONSTANT),
    "a constant key": (noise_by_key, CONSTANT),
    "a seed from a tf.Variable": (by_seed(lambda x, y: VARIABLE), CONSTANT),
    "a seed from a keras.Variable": (by_seed(lambda x, y: KERAS_VARIABLE.value), CONSTANT),
    "a seed from the shape": (by_seed(lambda x, y: tf.shape(x)[:2]), CONSTANT),
    "a seed from the shape of noise": (by_seed(lambda x, y: tf.shape(NOISE(x, y)[0])[:2]), CONSTANT),
    "a seed from the labels": (by_seed(lambda x, y: tf.stack([tf.reduce_sum(y), 0])), CONSTANT),
    "a seed from the clock": (
        by_seed(lambda x, y: tf.cast(tf.stack([tf.timestamp(), 0]), tf.int64)),
        OUTSIDE,
    ),
    "a layer made within": (
        lambda x, y: (keras.layers.GaussianNoise(1.0, seed=1)(x, training=True), y),
        "cannot be compiled .*created once",
    ),
    "a layer within a tf.function": (NOISE_COMPILED, "cannot be compiled .*drawn within a tf.function"),
    "a layer within a loop": (noise_in_a_loop, "cannot be compiled .*in a loop or a branch of a graph"),
    "tf.numpy_function": (by_numpy_function, f"{OUTSIDE}.*stateful=False"),
    "NumPy": (lambda x, y: (np.roll(x, 1, axis=0), y), "cannot be compiled .*pass a Tensor to a NumPy call"),
    "a wrong shape": (lambda x, y: (DENSE(keras.ops.tile(x, (1, 2))), y), "cannot be compiled .*incompatible"),
    "NumPy, with a shape": (lambda x, y: (x + np.ones(x.shape), y), "cannot be compiled .*NoneType"),
}


@pytest.mark.parametrize("function, message", BAD.values(), ids=BAD)
@pytest.mark.parametrize("role", ["augment_fn", "format_fn"])
def test_what_would_repeat_or_cannot_be_compiled_is_refused(function, message, role):
    with pytest.raises(TypeError, match=f"augment_fn or format_fn {message}.*keras.ops.* train on a DatasetSequence"):
        batched_dataset(*ZEROS, 8, **{role: function})


def test_a_coin_is_noticed_even_if_it_falls_the_same_way_twice():
    for _ in range(5):
        with pytest.raises(TypeError, match=ONCE):
            batched_dataset(*ZEROS, 8, augment_fn=flip_a_coin)


def test_constants_and_functions_without_a_state_are_welcome():
    ramp = np.linspace(0, 1, 20, dtype=np.float32)[:, None]

    def add(x, y):
        doubled = tf.numpy_function(lambda x: 2 * x, [x], x.dtype, stateful=False)
        return tf.ensure_shape(doubled, x.shape) + ramp[:1] + np.float32(1), y

    for x, _ in batched_dataset(*ZEROS, 8, format_fn=add):
        np.testing.assert_array_equal(x, np.ones_like(x))


@pytest.mark.parametrize("name", ["tf.random", "np.random", "np.random, a coin", "random", "tf.numpy_function"])
def test_a_sequence_of_one_worker_keeps_the_promise_for_them_too(name):
    function, _ = BAD[name]
    fitted = []

    def note(x, y):
        x, y = function(x + 1, y)
        fitted.append(np.array(x))
        return x, y

    def run():
        keras.utils.set_random_seed(0)
        fitted.clear()
        network().fit(DatasetSequence(*ZEROS, 8, augment_fn=note, workers=1), shuffle=False, epochs=3, verbose=0)
        drawn = fitted[2:]  # batches 0 and 1 once before, for their shapes
        return [np.concatenate(drawn[3 * epoch : 3 * epoch + 3]) for epoch in range(3)]

    first, second = run(), run()
    np.testing.assert_array_equal(first, second)
    assert len(first) == 3 and any(not np.array_equal(first[0], other) for other in first[1:])


@pytest.mark.parametrize("workers", [1, 3])
def test_layers_keep_the_promise_whatever_the_number_of_workers(workers):
    expected = drawn_by(DatasetSequence, noise)[:2]
    fitted = {}
    layer = keras.layers.GaussianNoise(1.0, seed=3)

    def note(x, y):
        x = layer(x, training=True)
        fitted.setdefault(int(y[0]), []).append(np.array(x))
        return x, y

    sequence = DatasetSequence(*ZEROS, 8, augment_fn=note, workers=workers)
    network().fit(sequence, shuffle=False, epochs=2, verbose=0)
    for first_row, drawn in fitted.items():
        for x, epoch in zip(drawn[-2:], expected, strict=True):
            np.testing.assert_array_equal(x, epoch[first_row : first_row + 8])


def test_a_layer_within_a_tf_function_is_refused_by_a_sequence_too():
    """It would draw when the function is compiled, for the first batch, and never again."""
    with pytest.raises(TypeError, match="drawn within a tf.function"):
        list(DatasetSequence(*ZEROS, 8, augment_fn=tf.function(noise(seed=3))))


def test_other_processes_do_not_augment():
    with pytest.raises(ValueError, match="use_multiprocessing=True together with augment_fn.*workers=2 alone"):
        DatasetSequence(X, Y, augment_fn=add_one, use_multiprocessing=True, workers=2)
    DatasetSequence(X, Y, format_fn=add_one, use_multiprocessing=True, workers=2)


# The sequence


def test_both_forms_give_the_same_batches():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (50, 28, 28), dtype=np.uint8), np.eye(50, 62, dtype=np.float32)

    def scale(x, y):
        return keras.ops.cast(x, "float32") / 255, y

    sequence = list(DatasetSequence(x, y, 16, format_fn=scale))
    pipeline = list(batched_dataset(x, y, 16, format_fn=scale))
    assert len(sequence) == len(pipeline) == 4
    for ours, theirs in zip(sequence, pipeline):
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a, b.numpy())


def test_a_sequence_gives_arrays_whatever_the_functions_return():
    x, y = DatasetSequence(X, Y, 4, augment_fn=add_one)[0]
    assert type(x) is type(y) is np.ndarray


def test_an_epoch_ends_when_its_batches_have_been_read():
    sequence = DatasetSequence(X, Y, 4, shuffle=True, seed=0)
    for epoch in range(3):
        order = np.random.default_rng([0, epoch]).permutation(10)
        assert sequence.epoch == epoch and sequence[1][0][:, 0].tolist() == order[4:8].tolist()
        assert list(chain(*inputs(sequence))) == order.tolist()


def test_an_epoch_that_is_broken_off_ends_when_the_next_begins():
    sequence = DatasetSequence(X, Y, 4, shuffle=True, seed=0)
    next(iter(sequence))
    assert sequence.epoch == 0
    next(iter(sequence))
    assert sequence.epoch == 1
    for _ in range(2):  # Keras says twice that an epoch has ended, and once before the first
        sequence.on_epoch_end()
    assert sequence.epoch == 2


def test_there_is_no_batch_behind_the_last():
    sequence = DatasetSequence(X, Y, 4)
    assert len(sequence) == 3
    for index in (3, -1):
        with pytest.raises(IndexError, match=f"batch {index} of 3"):
            sequence[index]


class Padded(DatasetSequence):
    """Rows of different lengths, dealt by their length, and filled up with 0 to the longest of a batch."""

    def deal(self, epoch):
        _, seeds = super().deal(epoch)
        return np.argsort([len(row) for row in self.arrays[0]]), seeds

    def take(self, rows):
        x, y = super().take(rows)
        longest = max(map(len, x))
        return np.stack([np.pad(row, (0, longest - len(row))) for row in x]), y


def test_a_subclass_makes_batches_of_what_has_no_common_shape():
    x = np.empty(5, object)
    x[:] = [np.full(length, length) for length in (4, 1, 5, 2, 3)]
    batches = list(Padded(x, np.array([4, 1, 5, 2, 3]), 2, format_fn=lambda x, y: (x + 1, y)))
    assert [x.tolist() for x, _ in batches] == [[[2, 1], [3, 3]], [[4, 4, 4, 1], [5, 5, 5, 5]], [[6, 6, 6, 6, 6]]]
    assert [y.tolist() for _, y in batches] == [[1, 2], [3, 4], [5]]


def test_the_data_are_not_changed():
    x, y = X.copy(), Y.copy()

    def blank(x, y):
        x[:], y[:] = 0, 0
        return x, y

    for shuffle in (False, True):
        list(DatasetSequence(x, y, 4, augment_fn=blank, shuffle=shuffle))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


@pytest.mark.parametrize("workers", [1, 2])
def test_fit_sees_every_example_once_an_epoch(workers):
    seen = []

    def note(x, y):
        seen.append(x[:, 0].astype(int).tolist())
        return x, y

    sequence = DatasetSequence(X, Y, 5, augment_fn=note, shuffle=True, seed=0, workers=workers)
    network().fit(sequence, epochs=3, verbose=0)
    assert len(seen) == 8  # batches 0 and 1 once before, for their shapes
    epochs = [seen[2:4], seen[4:6], seen[6:8]]
    assert all(sorted(chain(*epoch)) == list(range(10)) for epoch in epochs)
    assert len({tuple(sorted(map(tuple, map(sorted, epoch)))) for epoch in epochs}) == 3


def test_predictions_come_in_the_order_of_the_batches(make):
    model = network()
    model.set_weights([np.array([[2.0]]), np.array([1.0])])
    np.testing.assert_allclose(model.predict(make(X, Y, 4), verbose=0), 2 * X + 1)
    order = np.random.default_rng([3, 1]).permutation(10)
    shuffled = make(X, Y, 4, shuffle=True, seed=3, first_epoch=1)
    np.testing.assert_allclose(model.predict(shuffled, verbose=0), 2 * X[order] + 1)


# The pipeline


def test_the_pipeline_knows_its_length():
    assert len(batched_dataset(X, Y, 4)) == 3


def test_a_function_written_with_numpy_serves_the_sequence_alone():
    rotate, _ = BAD["NumPy"]
    assert len(list(DatasetSequence(X, Y, 4, augment_fn=lambda x, y: rotate(x, Y[: len(x)])))) == 3


def test_the_arrays_are_not_copied(tmp_path):
    """They may be larger than the memory, in a file."""
    np.save(tmp_path / "x.npy", X)
    x = np.load(tmp_path / "x.npy", mmap_mode="r+")
    sequence, dataset = DatasetSequence(x, Y, 4), batched_dataset(x, Y, 4)
    x += 1
    assert [batch[0].tolist() for batch in sequence] == [batch[0].numpy().tolist() for batch in dataset]
    assert sequence[0][0][0] == 1


def test_two_who_read_at_once_have_an_epoch_each():
    dataset = batched_dataset(X, Y, 5, shuffle=True, seed=0)
    pairs = list(tf.data.Dataset.zip(dataset, dataset))
    first, second = (np.concatenate([pair[i][0] for pair in pairs])[:, 0].tolist() for i in range(2))
    assert sorted([first, second]) == sorted(np.random.default_rng([0, e]).permutation(10).tolist() for e in range(2))


def test_repeated_it_goes_on_with_the_next_epoch():
    stream = batched_dataset(X, Y, 5, shuffle=True, seed=0).repeat()
    order = np.concatenate([x for x, _ in stream.take(6)])[:, 0].tolist()
    assert order == np.concatenate([np.random.default_rng([0, epoch]).permutation(10) for epoch in range(3)]).tolist()


def test_a_refusal_leaves_tensorflow_as_it_was():
    """An error in the body of `tf.map_fn` would keep every later strategy from making variables."""

    def fail(row):
        raise ValueError("in the loop")

    with pytest.raises(TypeError, match="in the loop"):
        batched_dataset(X, Y, 4, augment_fn=lambda x, y: (tf.map_fn(fail, x), y))
    with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
        keras.layers.Dense(1).build((None, 2))


# A part of the examples


@pytest.mark.parametrize("shuffle", [False, True])
def test_rows_give_the_batches_of_a_copy_of_these_rows(shuffle):
    x, y = np.arange(20).reshape(10, 2), np.arange(10)
    rows = np.array([7, 1, 8, 3, 5])
    arguments = {"batch_size": 2, "shuffle": shuffle, "seed": 3}
    copies = DatasetSequence(x[rows], y[rows], **arguments)
    for batches in (DatasetSequence(x, y, rows=rows, **arguments), batched_dataset(x, y, rows=rows, **arguments)):
        assert len(batches) == len(copies) == 3
        for (a, b), (c, d) in zip(batches, DatasetSequence(x[rows], y[rows], **arguments), strict=True):
            np.testing.assert_array_equal(a, c)
            np.testing.assert_array_equal(b, d)


@pytest.mark.parametrize("rows", [[], [0.5], [[0, 1]], [True, False]])
def test_rows_that_are_none_are_refused(rows):
    with pytest.raises(ValueError, match="rows is .* give integers"):
        DatasetSequence(np.arange(4), np.arange(4), rows=rows)
