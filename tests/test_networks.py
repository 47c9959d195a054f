"""The networks: what they are made of, what they give and refuse, and that a saved one loads again."""

import warnings

import keras
import numpy as np
import pytest

from tests.python import run_python
from text_recognizer.networks import Resnet, lenet, line_cnn, mlp, vgg
from text_recognizer.networks.resnet import resnet_functional

each_network = pytest.mark.parametrize("network_fn", [mlp, lenet, vgg, line_cnn])


def images(*shape):
    return np.random.default_rng(0).random(shape, "float32")


def resnet(input_shape, output_shape):
    """A ResNet, called as the functions of the other networks are."""
    network = Resnet(*output_shape, 8, [1, 1])
    network.build((None, *input_shape))
    return network


def functional_resnet(input_shape, output_shape):
    return resnet_functional(*output_shape, 8, [1, 1], input_shape)


@pytest.mark.parametrize("input_shape", [(28, 28), (28, 28, 1)])
@pytest.mark.parametrize(
    "network_fn, classes, parameters", [(mlp, 10, 134_794), (lenet, 10, 1_199_882), (vgg, 62, 553_182)]
)
def test_parameters(network_fn, classes, parameters, input_shape):
    network = network_fn(input_shape, (classes,))
    assert network.count_params() == parameters
    assert network.input_shape == (None, *input_shape) and network.output_shape == (None, classes)


@pytest.mark.parametrize("width, steps", [(256, 64), (253, 64), (257, 65)])
def test_a_line_has_a_step_for_every_four_columns(width, steps):
    assert line_cnn((28, width), (63,)).output_shape == (None, steps, 63)
    assert line_cnn((28, width), (63,))(images(2, 28, width)).shape == (2, steps, 63)


@pytest.mark.parametrize("network_fn", [mlp, lenet, vgg, line_cnn, resnet, functional_resnet])
def test_the_output_is_logits(network_fn):
    """With its last layer twice as large, a network gives twice as much; probabilities would be others."""
    network, x = network_fn((28, 28, 3), (10,)), images(3, 28, 28, 3)
    once = keras.ops.convert_to_numpy(network(x))
    for weight in network.layers[-1].trainable_weights:
        weight.assign(2 * weight)
    np.testing.assert_allclose(network(x), 2 * once, rtol=1e-3, atol=1e-5)
    assert once.min() < 0 and np.abs(once).max() > 1e-3


@pytest.mark.parametrize("network_fn", [mlp, lenet, vgg, line_cnn, resnet, functional_resnet])
def test_logits_stay_float32_in_mixed_precision(network_fn):
    policy = keras.config.dtype_policy()
    try:
        keras.config.set_dtype_policy("mixed_bfloat16")
        network = network_fn((28, 28, 3), (10,))
    finally:
        keras.config.set_dtype_policy(policy)
    assert network.layers[1].compute_dtype == "bfloat16" and network.layers[-1].compute_dtype == "float32"
    assert network(images(2, 28, 28, 3)).dtype == "float32"


@pytest.mark.parametrize("network_fn", [mlp, lenet, vgg, line_cnn, resnet, functional_resnet])
def test_channels_are_last_whatever_keras_is_set_to(network_fn):
    shape = (24, 20, 3)
    usual, x = network_fn(shape, (10,)), images(2, *shape)
    try:
        keras.config.set_image_data_format("channels_first")
        other = network_fn(shape, (10,))
        other.set_weights(usual.get_weights())
        outputs = other(x)
    finally:
        keras.config.set_image_data_format("channels_last")
    np.testing.assert_array_equal(outputs, usual(x))
    np.testing.assert_array_equal(other(x), usual(x))


@each_network
def test_an_axis_of_channels_changes_nothing(network_fn):
    flat, deep = network_fn((28, 28), (10,)), network_fn((28, 28, 1), (10,))
    deep.set_weights(flat.get_weights())
    x = images(3, 28, 28)
    np.testing.assert_array_equal(flat(x), deep(x[..., None]))


@each_network
def test_colour_images_and_shapes_as_lists(network_fn):
    assert network_fn([28, 28, 3], [10]).output_shape[-1] == 10


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
        ((28, 28), (), ValueError, r"output_shape is \(\); give one entry or more"),
        ((28, 28), (10, 2), ValueError, r"output_shape is \(10, 2\); it has one entry"),
        ((28, 28), (0,), ValueError, r"output_shape\[0\] is 0; give an integer, 1 or more"),
        (28, (10,), TypeError, r"input_shape is 28; .*\(28, 28\)"),
        ((28, 28.0), (10,), TypeError, r"input_shape\[1\] is 28.0; give an integer: 28"),
        ((28, 28), (True,), TypeError, r"output_shape\[0\] is True; give an integer"),
        ((True, 28), (10,), TypeError, r"input_shape\[0\] is True; give an integer"),
        ((28, 28), ("10",), TypeError, r"output_shape\[0\] is '10'"),
        ("28", (10,), TypeError, r"input_shape is '28'"),
        ((28, 0), (10,), ValueError, r"input_shape\[1\] is 0; give an integer, 1 or more"),
        ((None, 28, 28), (10,), TypeError, r"input_shape\[0\] is None"),
        ((), (10,), ValueError, r"input_shape is \(\)"),
    ],
)
def test_shapes_are_refused_by_name(network_fn, input_shape, output_shape, error, message):
    with pytest.raises(error, match=message):
        network_fn(input_shape, output_shape)


@pytest.mark.parametrize("network_fn", [lenet, vgg, line_cnn])
@pytest.mark.parametrize(
    "input_shape, message", [((784,), r"\(784,\); give \(height"), ((28, 3), r"\(28, 3\).* [68] pixels")]
)
def test_convolutions_need_an_image(network_fn, input_shape, message):
    with pytest.raises(ValueError, match=message):
        network_fn(input_shape, (10,))


def test_an_mlp_takes_vectors():
    assert mlp((784,), (10,)).count_params() == 134_794


@pytest.mark.parametrize("network_fn, side", [(lenet, 6), (vgg, 8), (line_cnn, 8)])
def test_the_smallest_image(network_fn, side):
    assert network_fn((side, side), (10,))(images(2, side, side)).shape[-1] == 10
    with pytest.raises(ValueError, match=f"needs {side} pixels"):
        network_fn((side, side - 1), (10,))


@pytest.mark.parametrize(
    "network_fn, argument, error, message",
    [
        (mlp, {"num_layers": 0}, ValueError, "num_layers is 0"),
        (mlp, {"num_layers": 2.0}, TypeError, r"num_layers is 2\.0; give an integer"),
        (mlp, {"layer_size": 0}, ValueError, "layer_size is 0"),
        (mlp, {"layer_size": True}, TypeError, "layer_size is True; give an integer"),
        (mlp, {"layer_size": 128 / 2}, TypeError, r"layer_size is 64\.0; give an integer: 64, which // gives"),
        (mlp, {"dropout_amount": 1}, ValueError, "dropout_amount is 1"),
        (mlp, {"dropout_amount": -0.1}, ValueError, "dropout_amount is -0.1"),
        (mlp, {"dropout_amount": float("nan")}, ValueError, "dropout_amount is nan"),
        (mlp, {"dropout_amount": "0.2"}, TypeError, "dropout_amount is '0.2'"),
        (mlp, {"dropout_amount": False}, TypeError, "dropout_amount is False"),
        (vgg, {"blocks": ()}, ValueError, r"blocks is \(\)"),
        (vgg, {"blocks": ((8, 0),)}, ValueError, r"blocks\[0\]\[1\] is 0; give an integer, 1 or more"),
        (vgg, {"blocks": ((8,), ())}, ValueError, r"blocks\[1\] is \(\); give one entry or more"),
        (vgg, {"blocks": (8, 16)}, TypeError, r"blocks\[0\] is 8; give a tuple"),
        (vgg, {"blocks": 8}, TypeError, "blocks is 8"),
        (vgg, {"blocks": ((8, 16.0),)}, TypeError, r"blocks\[0\]\[1\] is 16.0; give an integer"),
        (vgg, {"blocks": ((True,),)}, TypeError, "is True; give an integer"),
        (vgg, {"layer_size": 0}, ValueError, "layer_size is 0"),
        (vgg, {"layer_size": None}, TypeError, "layer_size is None"),
        (vgg, {"dropout_amount": 1.5}, ValueError, "dropout_amount is 1.5"),
        (line_cnn, {"filters": 0}, ValueError, "filters is 0"),
        (line_cnn, {"filters": 24.0}, TypeError, r"filters is 24\.0"),
        (line_cnn, {"filters": True}, TypeError, "filters is True"),
    ],
)
def test_arguments_are_refused_by_name(network_fn, argument, error, message):
    with pytest.raises(error, match=message):
        network_fn((28, 28), (10,), **argument)


@pytest.mark.parametrize(
    "network_fn, arguments",
    [
        (mlp, {"layer_size": np.int64(8), "num_layers": np.uint8(2), "dropout_amount": np.float32(0.5)}),
        (lenet, {}),
        (vgg, {"blocks": [[np.int64(8)]], "layer_size": np.int32(8), "dropout_amount": np.float32(0.5)}),
        (line_cnn, {"filters": np.int64(8)}),
    ],
)
def test_numbers_of_numpy_will_do_and_can_be_saved(network_fn, arguments, tmp_path):
    network = network_fn((np.int64(28), np.int32(28)), (np.int64(10),), **arguments)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(images(2, 28, 28)), network(images(2, 28, 28)))


# Gradients at few channels, which libraries compute in ways of their own


@pytest.fixture(scope="module")
def gradients(tmp_path_factory):
    """`gradients(**environment)` computes the gradients of all networks in a process that has these variables."""
    path = tmp_path_factory.mktemp("gradients") / "found.npz"

    def compute(fresh=False, **environment):
        run_python(f"from tests.gradients import write; write({str(path)!r})", fresh, **environment)
        with np.load(path) as found:
            return dict(found)

    return compute


@pytest.fixture(scope="module")
def gradients_without_onednn(gradients):
    return gradients(fresh=True, TF_ENABLE_ONEDNN_OPTS="0")  # which TensorFlow reads when it is imported


@pytest.mark.parametrize("instructions", ["DEFAULT", "AVX2"])
def test_gradients_at_few_channels_neither_end_the_process_nor_are_wrong(
    instructions, gradients, gradients_without_onednn
):
    """A process that dies has named the network that it was at: the last line of its standard error that does."""
    found = gradients(ONEDNN_MAX_CPU_ISA=instructions)
    assert found.keys() == gradients_without_onednn.keys()
    for name, expected in gradients_without_onednn.items():
        scale = max(np.abs(expected).max(), 0.1)  # smaller ones are zero but for rounding
        np.testing.assert_allclose(found[name], expected, rtol=0, atol=1e-3 * scale, err_msg=name)
