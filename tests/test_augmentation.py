"""Augmentation: each image changes by itself, within limits, in training alone; a model is saved with the layer."""

import keras
import numpy as np
import pytest

from text_recognizer.augmentation import RandomAffine

IMAGES = np.zeros((3, 28, 28), np.uint8)
IMAGES[:, 8:20, 13:15] = 255
NOTHING = {"rotation": 0, "shear": 0, "shift": 0, "zoom": 0}


def changed(layer, images, **kwargs):
    return keras.ops.convert_to_numpy(layer(images, **kwargs))


def test_each_image_is_changed_anew():
    result = changed(RandomAffine(seed=1), IMAGES)
    assert result.shape == (3, 28, 28) and result.dtype == np.float32
    assert np.abs(result - IMAGES).mean() > 1 and np.abs(result[0] - result[1]).mean() > 1
    assert result.min() >= 0 and result.max() < 255.01
    assert result[:, 0].max() == 0  # what moves in is paper


def test_a_seed_repeats_it_from_call_to_call():
    layer, again, other = RandomAffine(seed=1), RandomAffine(seed=1), RandomAffine(seed=2)
    first, second = changed(layer, IMAGES), changed(layer, IMAGES)
    assert not np.array_equal(first, second)
    np.testing.assert_array_equal([changed(again, IMAGES), changed(again, IMAGES)], [first, second])
    assert not np.array_equal(changed(other, IMAGES), first)
    keras.utils.set_random_seed(3)
    unseeded = changed(RandomAffine(), IMAGES)
    keras.utils.set_random_seed(3)
    np.testing.assert_array_equal(changed(RandomAffine(), IMAGES), unseeded)


def test_channels_are_changed_alike():
    flat = changed(RandomAffine(seed=1), IMAGES)
    channels = changed(RandomAffine(seed=1), np.stack([IMAGES, IMAGES // 2, IMAGES * 0], axis=-1))
    np.testing.assert_allclose(channels[..., 0], flat, atol=1e-3)
    np.testing.assert_allclose(channels[..., 1], flat * (127 / 255), atol=1e-3)
    assert channels.shape == (3, 28, 28, 3) and not channels[..., 2].any()


def test_only_in_training():
    layer = RandomAffine(seed=1)
    np.testing.assert_array_equal(changed(layer, IMAGES, training=False), IMAGES)
    assert changed(layer, IMAGES, training=False).dtype == np.float32
    np.testing.assert_array_equal(changed(layer, IMAGES, training=True), changed(RandomAffine(seed=1), IMAGES))


def test_without_limits_nothing_changes():
    noise = np.random.default_rng(0).integers(0, 256, (5, 20, 30))
    np.testing.assert_allclose(changed(RandomAffine(**NOTHING), noise), noise, atol=1e-3)


@pytest.mark.parametrize(
    "limit, moved, higher, slanted",
    [
        ({"shift": 0.25}, 7, 0, 0),  # pixels, of 28
        ({"zoom": 0.3}, 0, 0.3, 0),
        ({"shear": 0.3}, 0, 0, 0.3),
        ({"rotation": 20}, 0, 0.05, 0.36),
    ],
)
def test_the_limits(limit, moved, higher, slanted):
    """Measured on forty bars: how far they move at most, how much higher they become, and how slanted."""
    bar = IMAGES[0]
    result = changed(RandomAffine(**NOTHING | limit, seed=0), np.stack([bar] * 40))
    x, y, height, slant = np.transpose([moments(image) for image in result])
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


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"rotation": -1}, ValueError, "rotation is -1; give a number, at least 0"),
        ({"shear": float("nan")}, ValueError, "shear is nan"),
        ({"shift": "0.1"}, TypeError, "shift is '0.1'"),
        ({"zoom": 1}, ValueError, "zoom is 1; give a number, at least 0 and below 1"),
        ({"seed": 0.5}, TypeError, "seed is 0.5; give an integer"),
    ],
)
def test_arguments_that_make_no_sense_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        RandomAffine(**arguments)


@pytest.mark.parametrize("shape", [(28, 28), (1, 1, 28, 28, 1)])
def test_what_is_no_batch_of_images_is_refused(shape):
    with pytest.raises(ValueError, match="random_affine.* expected m.._ndim"):
        RandomAffine()(np.zeros(shape))


def network():
    layers = keras.Input((28, 28)), RandomAffine(np.float32(0.5), seed=np.int64(4)), keras.layers.Flatten()
    model = keras.Sequential([*layers, keras.layers.Dense(2)])
    model.compile("sgd", "mse")
    return model


def test_a_model_has_it_for_training_alone():
    model = network()
    model.fit(IMAGES, np.zeros((3, 2)), verbose=0)
    flatten, dense = model.layers[1:]
    np.testing.assert_allclose(model.predict(IMAGES, verbose=0), dense(flatten(IMAGES.astype("float32"))), atol=1e-3)


def test_a_model_is_saved_and_loaded_with_it(tmp_path):
    model = network()
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert loaded.layers[0].get_config() == model.layers[0].get_config()
    assert loaded.layers[0].seed == 4 and loaded.layers[0].rotation == 0.5
    np.testing.assert_array_equal(model(IMAGES, training=True), loaded(IMAGES, training=True))


@pytest.mark.parametrize("policy", ["mixed_float16", "mixed_bfloat16"])
def test_it_computes_in_float32_whatever_the_policy(policy):
    expected = changed(RandomAffine(seed=1), IMAGES)
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        np.testing.assert_array_equal(changed(RandomAffine(seed=1), IMAGES), expected)
    finally:
        keras.config.set_dtype_policy(before)


@pytest.mark.filterwarnings("ignore:Model doesn't support")
def test_a_model_that_is_to_be_compiled_by_xla_trains_with_it():
    """Under TensorFlow, XLA has no kernel for it. Keras goes without, or TensorFlow would fail."""
    model = network()
    model.compile("sgd", "mse", jit_compile=True)
    assert np.isfinite(model.fit(IMAGES / 255, np.zeros((3, 2)), verbose=0).history["loss"][0])
