"""The Model class: what it trains on, what it keeps, what it reads, and whose weights it takes."""

import os

import keras
import numpy as np
import pytest
from PIL import Image

from text_recognizer.augmentation import random_affine
from text_recognizer.datasets import digits
from text_recognizer.images import ImageError
from text_recognizer.models import CharacterModel, Model
from text_recognizer.models.recognizer import class_indices
from text_recognizer.training.weights import WeightsError
from text_recognizer.networks.lenet import lenet
from text_recognizer.networks.mlp import mlp

(X_TRAIN, Y_TRAIN), (X_TEST, Y_TEST) = digits.load_data()
ONE_HOT = np.eye(10, dtype=np.float32)


class Digits:
    """A data set of the form that models take."""

    input_shape = (28, 28)
    output_shape = (10,)

    def __init__(self, count=None, names="0123456789"):
        self.x_train, self.y_train = X_TRAIN[:count], ONE_HOT[Y_TRAIN[:count]]
        self.mapping = dict(enumerate(names))

    # Who trains does not look at these.
    x_test = y_test = property(lambda self: pytest.fail("the test set was looked at"))


SMALL = {"layer_size": 32, "num_layers": 1, "dropout_amount": 0}


@pytest.fixture
def build(tmp_path):
    """Build a `CharacterModel` on digits, with its weights in a folder of the test's own."""

    def build(network_fn=mlp, dataset_args=None, **network_args):
        network_args = network_args if network_fn is not mlp else SMALL | network_args
        return CharacterModel(Digits, network_fn, dataset_args, network_args, weights_dir=tmp_path / "weights")

    return build


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that knows the digits of the training set."""
    keras.utils.set_random_seed(0)
    model = CharacterModel(Digits, mlp, network_args=SMALL, weights_dir=tmp_path_factory.mktemp("weights"))
    model.fit(epochs=15, verbose=0)
    return model


# What a model is


def test_the_name_and_the_shape(build):
    model = build()
    assert model.name == "CharacterModel_Digits_mlp"
    assert model.image_shape == (28, 28)
    assert model.weights_filename.name == "CharacterModel_Digits_mlp.weights.h5"


def test_arguments_reach_the_data_set_and_the_network(build):
    model = build(dataset_args={"count": 7}, layer_size=5)
    assert len(model.data.x_train) == 7
    assert model.network.layers[1].units == 5


def test_building_a_model_prints_nothing(build, capsys):
    build()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("data", ["sample", "full"])
def test_weights_of_sample_and_full_lie_apart(monkeypatch, data):
    monkeypatch.setenv("WORKBOOK_DATA", data)
    folder = Model(Digits, mlp, network_args=SMALL).weights_filename.parent
    assert folder.parts[-2:] == ("weights", data)


# Training


def test_fit_learns_and_returns_its_history(trained, build):
    history = build().fit(epochs=2, verbose=0)
    assert set(history.history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert len(history.history["loss"]) == 2
    assert trained.evaluate(X_TEST, Y_TEST) > 0.8


def fitted_on(model, **arguments):
    """Return the labels that `fit` trains on and validates on, as integers, and the images of both."""
    seen = {}
    model.network.fit = lambda training, validation_data, **_: seen.update(
        training=training, validation=validation_data
    )
    model.fit(**arguments)
    return [
        tuple(np.concatenate(arrays) for arrays in zip(*((x.numpy(), y.numpy().argmax(-1)) for x, y in part)))
        for part in (seen["training"], seen["validation"])
    ]


def test_the_validation_part_is_held_out_of_the_training_set(build):
    model = build()
    model.batch_format_fn = None
    (x, _), (x_val, y_val) = fitted_on(model, validation_fraction=0.2)
    assert len(x_val) == 308 and len(x) + len(x_val) == 1540
    images = {image.tobytes() for image in X_TRAIN}
    assert len(images) == 1540
    assert {image.tobytes() for image in x} | {image.tobytes() for image in x_val} == images
    for label in range(10):  # stratified
        assert (y_val == label).sum() == pytest.approx(0.2 * (Y_TRAIN == label).sum(), abs=1)


def test_a_second_fit_holds_out_the_same_part(build):
    first, again, other = (fitted_on(build(), seed=seed)[1][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_no_validation(build):
    history = build().fit(epochs=1, validation_fraction=0, verbose=0)
    assert set(history.history) == {"accuracy", "loss"}


def test_too_few_images_to_hold_some_out(build):
    with pytest.raises(ValueError, match="^20 training images, 0.1 of them to validate on.*validation_fraction"):
        build(dataset_args={"count": 20}).fit()


def test_fit_takes_another_data_set(build):
    (x, _), (x_val, _) = fitted_on(build(), dataset=Digits(count=200))
    assert len(x) + len(x_val) == 200


def test_a_second_fit_goes_on_where_the_first_stopped(build):
    model = build()
    model.fit(epochs=1, batch_size=100, verbose=0)
    optimizer = model.network.optimizer
    assert int(optimizer.iterations) == 14
    model.fit(epochs=1, batch_size=100, verbose=0)
    assert model.network.optimizer is optimizer and int(optimizer.iterations) == 28


def test_callbacks_and_hooks(build):
    class Hooked(CharacterModel):
        def loss(self):
            return keras.losses.MeanSquaredError()

        def optimizer(self):
            return keras.optimizers.SGD(0.25)

        def metrics(self):
            return [keras.metrics.TopKCategoricalAccuracy(3, name="top3")]

    model = Hooked(Digits, mlp, network_args=SMALL)
    epochs = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    history = model.fit(epochs=2, callbacks=[callback], verbose=0)
    assert epochs == [0, 1]
    assert set(history.history) == {"top3", "loss", "val_top3", "val_loss"}
    assert history.history["loss"][0] < 0.2 and isinstance(model.network.optimizer, keras.optimizers.SGD)


def all_zeros(x, y):
    """Not an augmentation that one would want: every image shall be a 0."""
    return x, keras.ops.one_hot(keras.ops.zeros_like(keras.ops.argmax(y, -1)), 10)


@pytest.mark.parametrize(
    "settings, zeros_in_training, zeros_in_validation",
    [
        ({}, True, False),
        ({"augment_val": True}, True, True),
        ({"augment": False}, False, False),
        ({"augment": False, "augment_val": True}, False, True),
    ],
)
def test_training_and_validation_are_augmented_apart(build, settings, zeros_in_training, zeros_in_validation):
    model = build()
    model.batch_augment_fn = all_zeros
    (_, y), (_, y_val) = fitted_on(model, **settings)
    assert (y == 0).all() == zeros_in_training
    assert (y_val == 0).all() == zeros_in_validation


def test_random_affine_changes_each_image_anew_and_not_its_label():
    augment = random_affine(seed=1)
    x, y = X_TRAIN[[5, 5, 5]], ONE_HOT[Y_TRAIN[[5, 5, 5]]]
    changed, labels = augment(x, y)
    np.testing.assert_array_equal(labels, y)
    changed = keras.ops.convert_to_numpy(changed)
    assert changed.shape == (3, 28, 28) and changed.dtype == np.float32
    assert np.abs(changed - x).mean() > 1 and np.abs(changed[0] - changed[1]).mean() > 1
    assert changed.min() >= 0 and changed.max() <= 255
    assert changed[:, 0].max() == 0  # what moves in is paper
    again = random_affine(seed=1)(x[..., None], y)[0]
    np.testing.assert_array_equal(again[..., 0], changed)


NOTHING = {"rotation": 0, "shear": 0, "shift": 0, "zoom": 0}


def test_random_affine_without_limits_changes_nothing():
    np.testing.assert_allclose(random_affine(**NOTHING)(X_TRAIN[:5], None)[0], X_TRAIN[:5], atol=1e-3)


@pytest.mark.parametrize(
    "limit, moved, higher, slanted",
    [
        ({"shift": 0.25}, 7, 0, 0),  # pixels, of 28
        ({"zoom": 0.3}, 0, 0.3, 0),
        ({"shear": 0.3}, 0, 0, 0.3),
        ({"rotation": 20}, 0, 0.05, 0.36),
    ],
)
def test_the_limits_of_random_affine(limit, moved, higher, slanted):
    """Measured on forty bars: how far they move at most, how much higher they become, and how slanted."""
    bar = np.zeros((28, 28))
    bar[8:20, 13:15] = 255
    changed = keras.ops.convert_to_numpy(random_affine(**NOTHING | limit, seed=0)(np.stack([bar] * 40), None)[0])
    x, y, height, slant = np.transpose([moments(image) for image in changed])
    x_bar, y_bar, height_bar, _ = moments(bar)
    for values, most in ((x - x_bar, moved), (y - y_bar, moved), (height / height_bar - 1, higher), (slant, slanted)):
        assert 0.8 * most <= np.abs(values).max() <= 1.03 * most + 0.02


def moments(image):
    """Return the middle of the ink, its height, as a standard deviation, and how far it leans a pixel of height."""
    y, x = np.mgrid[: image.shape[0], : image.shape[1]]
    weight = image / image.sum()
    x_middle, y_middle = (weight * x).sum(), (weight * y).sum()
    variance = (weight * (y - y_middle) ** 2).sum()
    return x_middle, y_middle, np.sqrt(variance), (weight * (x - x_middle) * (y - y_middle)).sum() / variance


# Judging


def test_evaluate_takes_one_hot_and_integer_labels(trained):
    accuracy = trained.evaluate(X_TEST, Y_TEST)
    assert accuracy == trained.evaluate(X_TEST, ONE_HOT[Y_TEST])
    assert accuracy == np.mean(trained.predict(X_TEST).argmax(-1) == Y_TEST)
    assert trained.evaluate(X_TEST, (Y_TEST + 1) % 10) < 0.1


def test_evaluate_formats_as_fit_does(trained, monkeypatch):
    def inverted(x, y):
        return 1 - keras.ops.cast(x, "float32") / 255, y

    accuracy = trained.evaluate(X_TEST, Y_TEST)
    monkeypatch.setattr(trained, "batch_format_fn", inverted)
    assert trained.evaluate(255 - X_TEST, Y_TEST) == pytest.approx(accuracy, abs=0.01)


def test_the_size_of_a_batch_changes_nothing(trained):
    np.testing.assert_allclose(trained.predict(X_TEST, batch_size=100), trained.predict(X_TEST), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    "labels, message",
    [
        (Y_TEST[:, None], r"uint8 \(257, 1\)"),
        (Y_TEST.astype(float), r"float64 \(257,\)"),
        (np.eye(11)[Y_TEST], r"\(257, 11\).*\(n, 10\)"),
        (Y_TEST[:5], "257 images and 5 labels"),
    ],
)
def test_labels_are_refused_by_name(trained, labels, message):
    with pytest.raises(ValueError, match=message):
        trained.evaluate(X_TEST, labels)


def test_class_indices():
    assert class_indices([2, 0], 3).tolist() == class_indices([[0, 0, 1.0], [1, 0, 0]], 3).tolist() == [2, 0]


# Weights


def test_saved_weights_loaded_again_predict_the_same(trained):
    path = trained.save_weights()
    assert path == trained.weights_filename
    assert os.listdir(path.parent) == [path.name]  # nothing half-written beside it
    again = CharacterModel(Digits, mlp, network_args=SMALL, weights_dir=path.parent)
    assert (again.predict(X_TEST[:9]) != trained.predict(X_TEST[:9])).any()
    again.load_weights()
    np.testing.assert_array_equal(again.predict(X_TEST), trained.predict(X_TEST))


def test_keras_reads_the_file_too(trained):
    network = mlp((28, 28), (10,), **SMALL)
    network.load_weights(trained.save_weights())
    np.testing.assert_array_equal(network.get_weights()[0], trained.network.get_weights()[0])


def tanh(input_shape, output_shape):
    """The shapes of `mlp`, and another activation."""
    layers = keras.layers
    dense = [layers.Dense(32, activation="tanh"), layers.Dense(*output_shape, activation="softmax")]
    return keras.Sequential([keras.Input(input_shape), layers.Flatten(), *dense])


def relu(input_shape, output_shape):
    """`tanh`'s twin."""
    network = tanh(input_shape, output_shape)
    network.layers[1].activation = keras.activations.relu
    return network


def residual(input_shape, output_shape, skip=0):
    """Two layers of equal shapes, and a shortcut from one place or another."""
    inputs = keras.Input(input_shape)
    flat = keras.layers.Dense(8)(keras.layers.Flatten()(inputs))
    first = keras.layers.Dense(8)(flat)
    second = keras.layers.Dense(8)(first)
    return keras.Model(inputs, keras.layers.Dense(*output_shape)(keras.layers.Add()([(flat, first)[skip], second])))


@pytest.mark.parametrize(
    "theirs, ours, difference",
    [
        ((mlp, {}), (mlp, {"layer_size": 33}), "units is 32 in the file, 33 here"),
        ((mlp, {}), (mlp, {"num_layers": 2}), "layers has 5 entries in the file, 7 here"),
        ((mlp, {}), (lenet, {}), "layers has 5 entries in the file, 10 here"),
        ((tanh, {}), (relu, {}), "activation is 'tanh' in the file, 'relu' here"),
        ((residual, {"skip": 0}), (residual, {"skip": 1}), "is '#6' in the file, '#8' here"),
        (
            (mlp, {}),
            (mlp, {"dataset_args": {"names": "ABCDEFGHIJ"}}),
            "mapping.0 is '0' in the file, 'A' here",
        ),
        ((mlp, {}), (mlp, {"dataset_args": {"names": "0123456789a"}}), "mapping has 10 entries in the file, 11 here"),
    ],
)
def test_weights_of_another_network_are_refused(build, theirs, ours, difference):
    other = build(theirs[0], **theirs[1])
    other.save_weights()
    model = build(ours[0], **ours[1])
    if other.weights_filename != model.weights_filename:
        other.weights_filename.rename(model.weights_filename)
    before = model.network.get_weights()
    with pytest.raises(WeightsError) as caught:
        model.load_weights()
    for part in (f"do not fit {model.name}", f"saved from {other.name}", difference):
        assert part in str(caught.value)
    for old, new in zip(before, model.network.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_names_that_keras_counts_up_do_not_matter(build):
    for network_fn, settings in ((residual, {"skip": 1}), (mlp, {})):
        build(network_fn, **settings).save_weights()
        keras.layers.Dense(1)  # another count in the next one
        build(network_fn, **settings).load_weights()


def test_missing_and_damaged_weights(build):
    model = build()
    with pytest.raises(FileNotFoundError, match="no weights in .*CharacterModel_Digits_mlp.weights.h5: train"):
        model.load_weights()
    path = model.save_weights()
    path.write_bytes(path.read_bytes()[:2000])
    with pytest.raises(WeightsError, match="damaged"):
        model.load_weights()
    model.network.save_weights(path)
    with pytest.raises(WeightsError, match="does not say which network"):
        model.load_weights()


def test_a_failing_save_leaves_the_old_weights(build, monkeypatch):
    model = build()
    path = model.save_weights()
    before = path.read_bytes()

    def fail(self, path):
        path.write_bytes(b"half")
        raise OSError("no space left on device")

    monkeypatch.setattr(keras.Model, "save_weights", fail)
    with pytest.raises(OSError, match="no space"):
        model.save_weights()
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


# Reading an image


def digit_on_page():
    """A digit that the model has learned, larger, and off the middle of a white page."""
    large = Image.fromarray(X_TRAIN[0]).resize((112, 112), Image.Resampling.BICUBIC)
    page = np.full((200, 240), 255, np.uint8)
    page[60:172, 20:132] = 255 - np.asarray(large)
    return page


def test_a_character_is_read_wherever_it_stands_and_in_whatever_colours(trained, tmp_path):
    page = digit_on_page()
    Image.fromarray(page).save(tmp_path / "page.png")
    Image.fromarray(page).convert("RGB").save(tmp_path / "page.jpg", quality=90)
    prediction = trained.predict_on_image(page)
    assert prediction.character == "0" and 0.5 < prediction.confidence <= 1
    assert type(prediction.character) is str and type(prediction.confidence) is float
    character, confidence = prediction
    images = [255 - page, page / 255, page.astype(np.int64), np.stack([page] * 3, -1), page[20:, 5:]]
    for image in (*images, tmp_path / "page.png", tmp_path / "page.jpg"):
        read = trained.predict_on_image(image)
        assert read.character == character and read.confidence == pytest.approx(confidence, abs=0.02)


def test_what_is_in_the_training_set_is_read(trained):
    # the digits fill a box of 20 pixels, and what is read one of 24
    read = [trained.predict_on_image(image).character for image in X_TRAIN[:30]]
    assert np.mean([int(character) == label for character, label in zip(read, Y_TRAIN)]) > 0.7


def test_bad_images_are_refused_by_name(trained, tmp_path):
    with pytest.raises(ImageError, match="empty"):
        trained.predict_on_image(np.zeros((28, 28)))
    with pytest.raises(FileNotFoundError, match="nowhere.png"):
        trained.predict_on_image(tmp_path / "nowhere.png")
