"""The networks of characters: what they are made of, what they refuse, and that a saved one loads again."""

import warnings

import keras
import numpy as np
import pytest

from text_recognizer.networks.lenet import lenet
from text_recognizer.networks.mlp import mlp
from text_recognizer.networks.vgg import vgg

NETWORKS = [mlp, lenet, vgg]
each_network = pytest.mark.parametrize("network_fn", NETWORKS)


def images(*shape):
    return np.random.default_rng(0).random(shape, "float32")


@pytest.mark.parametrize("input_shape", [(28, 28), (28, 28, 1)])
@pytest.mark.parametrize(
    "network_fn, classes, parameters", [(mlp, 10, 134_794), (lenet, 10, 1_199_882), (vgg, 62, 553_182)]
)
def test_parameters(network_fn, classes, parameters, input_shape):
    network = network_fn(input_shape, (classes,))
    assert network.count_params() == parameters
    assert network.input_shape == (None, *input_shape) and network.output_shape == (None, classes)


@each_network
def test_the_output_is_a_probability_for_each_class(network_fn):
    probabilities = network_fn((28, 28), (10,)).predict(images(3, 28, 28), verbose=0)
    assert probabilities.dtype == np.float32 and probabilities.min() >= 0
    np.testing.assert_allclose(probabilities.sum(axis=1), 1, rtol=1e-5)


@each_network
def test_an_axis_of_channels_changes_nothing(network_fn):
    flat, deep = network_fn((28, 28), (10,)), network_fn((28, 28, 1), (10,))
    deep.set_weights(flat.get_weights())
    x = images(3, 28, 28)
    np.testing.assert_array_equal(flat(x), deep(x[..., None]))


@each_network
def test_colour_images_and_shapes_as_lists(network_fn):
    assert network_fn([28, 28, 3], [10]).output_shape == (None, 10)


@each_network
def test_building_warns_of_nothing(network_fn):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        network_fn((28, 28), (10,))


@each_network
def test_a_saved_network_loads_in_safe_mode_and_predicts_the_same(network_fn, tmp_path):
    network = network_fn((28, 28), (10,))
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")  # safe_mode is the default
    x = images(3, 28, 28)
    np.testing.assert_array_equal(loaded(x), network(x))


def kinds(network):
    return [type(layer).__name__ for layer in network.layers]


def test_the_layers_of_an_mlp():
    network = mlp((28, 28), (10,), layer_size=7, dropout_amount=0.4, num_layers=2)
    assert kinds(network) == ["Flatten", "Dense", "Dropout", "Dense", "Dropout", "Dense"]
    assert [layer.units for layer in network.layers if isinstance(layer, keras.layers.Dense)] == [7, 7, 10]
    assert {layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)} == {0.4}


def test_the_blocks_of_a_vgg():
    network = vgg((28, 28), (10,), blocks=((4,), (8, 6)), layer_size=16, dropout_amount=0.5)
    normalized = ["BatchNormalization", "ReLU"]
    assert kinds(network) == [
        "Reshape",
        *("Conv2D", "MaxPooling2D", *normalized, "Dropout"),
        *("Conv2D", *normalized, "Conv2D", "MaxPooling2D", *normalized, "Dropout"),
        *("Flatten", "Dense", *normalized, "Dropout", "Dense"),
    ]
    assert [layer.filters for layer in network.layers if isinstance(layer, keras.layers.Conv2D)] == [4, 8, 6]
    assert [layer.rate for layer in network.layers if isinstance(layer, keras.layers.Dropout)] == [0.25, 0.25, 0.5]


@each_network
@pytest.mark.parametrize(
    "input_shape, output_shape, error, message",
    [
        ((28, 28), 10, TypeError, r"output_shape is 10; .*\(10,\)"),
        ((28, 28), (), ValueError, r"output_shape is \(\); .*at least one size"),
        ((28, 28), (10, 2), ValueError, r"output_shape is \(10, 2\); it has one entry"),
        ((28, 28), (0,), ValueError, r"output_shape is \(0,\)"),
        (28, (10,), TypeError, r"input_shape is 28; .*\(28, 28\)"),
        ((28, 28.0), (10,), TypeError, r"input_shape is \(28, 28.0\)"),
        ((28, 28), (np.int64(10),), TypeError, r"output_shape is \(np.int64\(10\),\)"),
        ((None, 28, 28), (10,), TypeError, r"input_shape is \(None, 28, 28\)"),
        ((), (10,), ValueError, r"input_shape is \(\)"),
    ],
)
def test_shapes_are_refused_by_name(network_fn, input_shape, output_shape, error, message):
    with pytest.raises(error, match=message):
        network_fn(input_shape, output_shape)


@pytest.mark.parametrize("network_fn", [lenet, vgg])
@pytest.mark.parametrize(
    "input_shape, message", [((784,), r"\(784,\); this network needs \(height"), ((28, 3), r"\(28, 3\).* [68] pixels")]
)
def test_convolutions_need_an_image(network_fn, input_shape, message):
    with pytest.raises(ValueError, match=message):
        network_fn(input_shape, (10,))


def test_an_mlp_takes_vectors():
    assert mlp((784,), (10,)).count_params() == 134_794


@pytest.mark.parametrize("network_fn, side", [(lenet, 6), (vgg, 8)])
def test_the_smallest_image(network_fn, side):
    assert network_fn((side, side), (10,)).output_shape == (None, 10)
    with pytest.raises(ValueError, match=f"needs {side} pixels"):
        network_fn((side, side - 1), (10,))


@pytest.mark.parametrize(
    "network_fn, argument, message",
    [
        (mlp, {"num_layers": 0}, "num_layers is 0"),
        (mlp, {"layer_size": 0}, "layer_size is 0"),
        (mlp, {"dropout_amount": 1}, "dropout_amount is 1"),
        (mlp, {"dropout_amount": -0.1}, "dropout_amount is -0.1"),
        (vgg, {"blocks": ()}, r"blocks is \(\)"),
        (vgg, {"blocks": ((8, 0),)}, r"blocks is \(\(8, 0\),\)"),
        (vgg, {"blocks": ((8,), ())}, r"blocks is \(\(8,\), \(\)\)"),
        (vgg, {"layer_size": 0}, "layer_size is 0"),
        (vgg, {"dropout_amount": 1.5}, "dropout_amount is 1.5"),
    ],
)
def test_arguments_are_refused_by_name(network_fn, argument, message):
    with pytest.raises(ValueError, match=message):
        network_fn((28, 28), (10,), **argument)
