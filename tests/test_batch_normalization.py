"""The library's batch normalization is Keras', in one operation of TensorFlow."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from text_recognizer.networks.batch_normalization import BatchNormalization

IMAGES = np.random.default_rng(0).normal(3, 2, (8, 6, 5, 4)).astype("float32")


def trained(layer, x, dtype, **compiled):
    """Return the weights after three steps, the loss of each, and what the network says then."""
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input(x.shape[1:]), layer(momentum=0.9, dtype=dtype), keras.layers.Flatten()])
    network.add(keras.layers.Dense(2, dtype="float32"))
    network.compile(keras.optimizers.SGD(0.1), "mse", **compiled)
    y = np.eye(2)[np.arange(len(x)) % 2]
    losses = [network.train_on_batch(x, y) for _ in range(3)]
    return network.get_weights(), losses, keras.ops.convert_to_numpy(network(x, training=False))


@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float32", 1e-5), ("mixed_bfloat16", 0.1), ("bfloat16", 0.1), ("float64", 1e-5)]
)
@pytest.mark.parametrize("x", [IMAGES, IMAGES[:, 0, 0]], ids=["images", "rows"])
def test_it_trains_as_that_of_keras(x, dtype, tolerance):
    theirs = trained(keras.layers.BatchNormalization, x, dtype, run_eagerly=True)
    for jit_compile in (False, True):
        ours, message = trained(BatchNormalization, x, dtype, jit_compile=jit_compile), f"{jit_compile=}"
        for one, other in zip(ours[0], theirs[0]):
            np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance, err_msg=message)
        np.testing.assert_allclose(ours[1], theirs[1], rtol=tolerance, err_msg=message)
        np.testing.assert_allclose(ours[2], theirs[2], rtol=tolerance, atol=tolerance, err_msg=message)


def operations(layer, x, training):
    """Return the names of the TensorFlow operations that a layer makes."""
    layer.build(x.shape)
    graph = tf.function(lambda x: layer(x, training=training)).get_concrete_function(x).graph
    return {operation.type for operation in graph.get_operations()}


def test_images_are_normalized_by_one_operation():
    assert "FusedBatchNormV3" in operations(BatchNormalization(), IMAGES, training=True)
    assert "FusedBatchNormV3" not in operations(BatchNormalization(), IMAGES, training=False)


@pytest.mark.parametrize("arguments", [{"axis": 1}, {"scale": False}, {"center": False}, {"trainable": False}])
def test_what_the_operation_cannot_do_is_left_to_keras(arguments):
    layer, theirs = BatchNormalization(**arguments), keras.layers.BatchNormalization(**arguments)
    assert "FusedBatchNormV3" not in operations(layer, IMAGES, training=True)
    np.testing.assert_allclose(layer(IMAGES, training=True), theirs(IMAGES, training=True), rtol=1e-5, atol=1e-6)


def test_a_saved_model_has_it(tmp_path):
    network = keras.Sequential([keras.Input((6, 5, 4)), BatchNormalization(momentum=0.8)])
    network.save(tmp_path / "network.keras")
    (layer,) = keras.saving.load_model(tmp_path / "network.keras").layers
    assert type(layer) is BatchNormalization and layer.momentum == 0.8
