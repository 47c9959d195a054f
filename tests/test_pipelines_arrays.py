"""Batches: every example once an epoch, in order or dealt anew, augmented, then formatted."""

from itertools import chain

import keras
import numpy as np
import pytest

from text_recognizer.pipelines.arrays import DatasetSequence, as_tf_data

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


def each(sequence):
    return list(sequence)


def add_one(x, y):
    return keras.ops.add(x, 1), keras.ops.add(y, 10)


def double(x, y):
    return keras.ops.multiply(x, 2), keras.ops.multiply(y, 2)


# Both forms


@pytest.fixture(params=["sequence", "tf.data"])
def make(request):
    """Make batches in either form; the result is a list of `(x, y)`."""
    if request.param == "sequence":
        return lambda *args, **kwargs: each(DatasetSequence(*args, **kwargs))
    return lambda *args, **kwargs: list(as_tf_data(*args, **kwargs))


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


def test_seeded_augmentation_repeats(make):
    def augmented():
        shift = keras.layers.RandomTranslation(0.3, 0.3, seed=1)
        images = np.random.default_rng(0).random((400, 28, 28, 1), dtype=np.float32)
        batches = make(images, np.arange(400), 10, augment_fn=lambda x, y: (shift(x, training=True), y))
        return np.stack([x for x, _ in batches])

    first = augmented()
    for _ in range(2):
        np.testing.assert_array_equal(augmented(), first)


def test_shuffling_deals_across_batches(make):
    dealt = inputs(make(X, Y, 4, shuffle=True, seed=0))
    assert sorted(chain(*dealt)) == list(range(10)) and [len(batch) for batch in dealt] == [4, 4, 2]
    ordered = [set(batch) for batch in ([0, 1, 2, 3], [4, 5, 6, 7], [8, 9])]
    assert all(set(batch) not in ordered for batch in dealt)
    assert dealt == inputs(make(X, Y, 4, shuffle=True, seed=0))
    assert dealt != inputs(make(X, Y, 4, shuffle=True, seed=1))


@pytest.mark.parametrize(
    "arguments, message",
    [
        ((X, Y[:9]), "x has 10 examples and y has 9"),
        ((X[:0], Y[:0]), "x and y are empty"),
        ((X, Y, 0), "batch_size is 0"),
        ((X, Y, -4), "batch_size is -4"),
    ],
)
def test_what_cannot_be_made_into_batches(make, arguments, message):
    with pytest.raises(ValueError, match=message):
        make(*arguments)


# The sequence


def test_both_forms_give_the_same_batches():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 256, (50, 28, 28), dtype=np.uint8), np.eye(50, 62, dtype=np.float32)

    def scale(x, y):
        return keras.ops.cast(x, "float32") / 255, y

    sequence = each(DatasetSequence(x, y, 16, format_fn=scale))
    pipeline = list(as_tf_data(x, y, 16, format_fn=scale))
    assert len(sequence) == len(pipeline) == 4
    for ours, theirs in zip(sequence, pipeline):
        for a, b in zip(ours, theirs):
            np.testing.assert_array_equal(a, b.numpy())


def test_a_sequence_gives_arrays_whatever_the_functions_return():
    x, y = DatasetSequence(X, Y, 4, augment_fn=add_one)[0]
    assert type(x) is type(y) is np.ndarray


def test_every_epoch_is_dealt_anew():
    sequence = DatasetSequence(X, Y, 4, shuffle=True, seed=0)
    epochs = []
    for _ in range(3):
        assert each(sequence)[1][0].tolist() == sequence[1][0].tolist()  # the same until the epoch ends
        epochs.append(inputs(each(sequence)))
        sequence.on_epoch_end()
    assert all(sorted(chain(*epoch)) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2] != epochs[0]
    dataset = as_tf_data(X, Y, 4, shuffle=True, seed=0)
    assert inputs(dataset) != inputs(dataset)


def test_there_is_no_batch_behind_the_last():
    sequence = DatasetSequence(X, Y, 4)
    assert len(sequence) == 3
    for index in (3, -1):
        with pytest.raises(IndexError, match=f"batch {index} of 3"):
            sequence[index]


def test_the_data_are_not_changed():
    x, y = X.copy(), Y.copy()

    def blank(x, y):
        x[:], y[:] = 0, 0
        return x, y

    for shuffle in (False, True):
        each(DatasetSequence(x, y, 4, augment_fn=blank, shuffle=shuffle))
    np.testing.assert_array_equal(x, X)
    np.testing.assert_array_equal(y, Y)


def network():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


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


def test_predictions_come_in_order():
    model = network()
    model.set_weights([np.array([[2.0]]), np.array([1.0])])
    for batches in (DatasetSequence(X, Y, 4), as_tf_data(X, Y, 4)):
        np.testing.assert_allclose(model.predict(batches, verbose=0), 2 * X + 1)


# The pipeline


def test_the_pipeline_knows_its_length():
    assert len(as_tf_data(X, Y, 4)) == 3


def test_a_function_written_with_numpy_is_refused():
    def rotate(x, y):
        return np.roll(x, 1, axis=1), y

    assert len(each(DatasetSequence(X, Y, 4, augment_fn=rotate))) == 3
    with pytest.raises(TypeError, match="computes with NumPy.*keras.ops.*DatasetSequence"):
        as_tf_data(X, Y, 4, augment_fn=rotate)
