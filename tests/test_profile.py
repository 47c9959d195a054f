"""The profile: counted from shapes, by hand, and by TensorFlow, which must agree."""

import keras
import pytest
import tensorflow as tf

from text_recognizer.networks import Resnet, lenet, line_cnn, line_convnext, mlp, vgg
from text_recognizer.networks.resnet import resnet_functional
from text_recognizer.training import profile as profiling
from text_recognizer.training.profile import Speed, graph_flops, matmul, measure, memory, profile, speed

IMAGE = (16, 16, 3)


def subclassed():
    network = Resnet(5, 8, [1])
    network.build((None, *IMAGE))
    return network


def functional():
    return resnet_functional(5, 8, [1], IMAGE)


def inference(model, shape=IMAGE):
    return graph_flops(lambda x: model(x, training=False), tf.TensorSpec((1, *shape)))


# Operations


def test_two_layers_by_hand():
    table = profile(subclassed())

    stem = table.loc["stem"]
    assert stem.flops == 16 * 16 * 8 * (3 * 3 * 3 * 2)  # each output: 27 products and 27 sums
    assert (stem.type, stem.output_shape, stem.parameters) == ("Conv2D", (16, 16, 8), 3 * 3 * 3 * 8)
    assert stem.output_bytes == 16 * 16 * 8 * 4

    dense = table.loc["dense"]
    assert dense.flops == 2 * 16 * 5 + 5
    assert dense.parameters == 16 * 5 + 5


def test_a_dense_layer_of_10_by_5_takes_105_operations():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(5)])
    assert profile(model).flops.tolist() == [105]
    assert graph_flops(model, tf.TensorSpec((1, 10))) == 105


@pytest.mark.parametrize("make", [subclassed, functional])
def test_the_sum_is_what_tensorflow_counts(make):
    model = make()
    assert profile(model).flops.sum() == inference(model)


@pytest.mark.parametrize("network_fn", [mlp, lenet, vgg, line_cnn, line_convnext])
@pytest.mark.parametrize("shape", [(28, 28), (29, 31, 3)])
def test_every_network_can_be_counted_and_tensorflow_agrees(network_fn, shape):
    network = network_fn(shape, (10,))
    table = profile(network)
    assert table.flops.sum() == inference(network, shape)
    assert table.parameters.sum() == network.count_params()
    assert table.output_shape.tolist()[-1] == network.output_shape[1:]


@pytest.mark.parametrize(
    "layer, shape, expected",
    [
        # the same convolution, whichever axis has the channels
        (keras.layers.Conv2D(6, 3, data_format="channels_last"), (16, 14, 3), 14 * 12 * 6 * (27 * 2 + 1)),
        (keras.layers.Conv2D(6, 3, data_format="channels_first"), (3, 16, 14), 14 * 12 * 6 * (27 * 2 + 1)),
        (keras.layers.Conv2D(6, 3, 2, "same", data_format="channels_first"), (3, 16, 14), 8 * 7 * 6 * (27 * 2 + 1)),
        (keras.layers.Conv1D(6, 3), (16, 5), 14 * 6 * (15 * 2 + 1)),
        (keras.layers.Conv1D(6, 3, data_format="channels_first"), (5, 16), 14 * 6 * (15 * 2 + 1)),
        (keras.layers.Conv1D(6, 3, 2, "same"), (15, 5), 8 * 6 * (15 * 2 + 1)),
        (keras.layers.Conv1D(6, 3, padding="causal"), (16, 5), 16 * 6 * (15 * 2 + 1)),
        (keras.layers.DepthwiseConv1D(9, padding="same"), (16, 5), 16 * 5 * (9 * 2 + 1)),
        (keras.layers.DepthwiseConv1D(3, depth_multiplier=2, use_bias=False), (16, 5), 14 * 10 * 3 * 2),
        (keras.layers.DepthwiseConv2D(3, depth_multiplier=2), (7, 6, 5), 5 * 4 * 10 * (9 * 2 + 1)),
        (keras.layers.Dense(6, activation="relu"), (7, 4, 5), 7 * 4 * 6 * (5 * 2 + 1)),
        (keras.layers.Dense(6, activation="gelu"), (7, 4, 5), 7 * 4 * 6 * (5 * 2 + 1 + 4)),
        (keras.layers.MaxPooling2D(2), (6, 8, 3), 3 * 4 * 3 * 4),
        (keras.layers.MaxPooling2D(2, data_format="channels_first"), (3, 6, 8), 3 * 4 * 3 * 4),
        (keras.layers.AveragePooling2D((3, 1), 1), (6, 8, 3), 4 * 8 * 3 * 3),
        (keras.layers.GlobalAveragePooling2D(data_format="channels_first"), (3, 6, 8), 6 * 8 * 3),
        (keras.layers.BatchNormalization(), (6, 8, 3), 2 * 6 * 8 * 3 + 6 * 3),
        (keras.layers.BatchNormalization(axis=1), (3, 6, 8), 2 * 6 * 8 * 3 + 6 * 3),
        (keras.layers.BatchNormalization(axis=-3, scale=False), (3, 6, 8), 2 * 6 * 8 * 3 + 5 * 3),
        (keras.layers.BatchNormalization(center=False), (5,), 2 * 5 + 6 * 5),
        # two means, a difference and its square, and what is made of them, for each number; the rest for each step
        (keras.layers.LayerNormalization(), (7, 5), 9 * 7 * 5 + 4 * 7),
        (keras.layers.LayerNormalization(axis=(1, 2)), (7, 5), 9 * 7 * 5 + 4),
        (keras.layers.LayerNormalization(axis=1, center=False), (7, 5), 8 * 7 * 5 + 4 * 5),
        (keras.layers.LayerNormalization(scale=False), (7, 5), 7 * 7 * 5 + 5 * 7),
        (keras.layers.LayerNormalization(scale=False, center=False), (7, 5), 6 * 7 * 5 + 5 * 7),
    ],
)
def test_a_layer_by_hand_and_by_tensorflow(layer, shape, expected):
    model = keras.Sequential([keras.Input(shape), layer])
    assert profile(model).flops.sum() == expected == inference(model, shape)


def test_what_only_moves_numbers_is_free():
    layers = [keras.layers.SpatialDropout1D(0.5), keras.layers.Reshape((4, 4, 3)), keras.layers.SpatialDropout2D(0.5)]
    layers += [keras.layers.Dropout(0.5), keras.layers.Flatten(), keras.layers.ReLU()]
    assert profile(keras.Sequential([keras.Input((16, 3)), *layers])).flops.tolist() == [0] * 6


def test_the_full_network():
    network = Resnet(200, 64, [4, 6, 3, 2])
    network.build((None, 64, 64, 3))
    table = profile(network)
    assert table.flops.sum() == 823_722_376
    assert table.parameters.sum() == 3_137_800
    assert table[table.type == "Conv2D"].flops.sum() / table.flops.sum() > 0.98


def test_both_ways_of_writing_the_network_have_the_same_profile():
    # Functional models sort their layers by depth, which puts a shortcut elsewhere.
    ours, theirs = profile(subclassed()).sort_index(), profile(functional()).sort_index()
    assert ours.index.tolist() == theirs.index.tolist()
    assert ours.to_dict() == theirs.to_dict()


def test_the_blocks_are_in_the_order_of_the_network():
    blocks = profile(subclassed()).groupby("block", sort=False).flops.sum()
    assert blocks.index.tolist() == [layer.name for layer in subclassed().layers]


def test_a_layer_with_a_bias_and_one_with_groups():
    model = keras.Sequential([keras.Input(IMAGE), keras.layers.Conv2D(6, 3, groups=3, padding="same")])
    assert profile(model).flops.tolist() == [16 * 16 * 6 * (3 * 3 * 1 * 2 + 1)]


def test_what_cannot_be_counted_is_named():
    with pytest.raises(ValueError, match="resnet.* is not built"):
        profile(Resnet(5, 8, [1]))
    with pytest.raises(ValueError, match="strange, a Softmax .*, cannot be counted; known are Conv2D"):
        profile(keras.Sequential([keras.Input((3,)), keras.layers.Softmax(name="strange")]))
    with pytest.raises(ValueError, match=r"dense, a Dense \(sigmoid\), cannot be counted"):
        profile(keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="sigmoid", name="dense")]))
    with pytest.raises(ValueError, match="conv does not know its shapes"):
        profile(keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3, name="conv")]))


def test_an_unknown_size_is_refused_where_tensorflow_would_count_nothing():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(5)])
    with pytest.raises(ValueError, match=r"shape=\(None, 10\).* has a size that is unknown"):
        graph_flops(model, tf.TensorSpec((None, 10)))


# Memory


def test_the_memory_of_a_dense_network_by_hand():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(20), keras.layers.ReLU(), keras.layers.Dense(5)])
    model.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    need = memory(model, (10,), batch_size=7)
    weights = 10 * 20 + 20 + 20 * 5 + 5
    assert need.parameters == need.gradients == 4 * weights
    assert 0 <= need.optimizer - 4 * weights <= 16  # a velocity each; the step and the learning rate
    assert need.kept == 4 * 7 * (10 + 20)  # the inputs of both products; ReLU's output is one of them
    assert need.inference == 4 * 7 * (20 + 20)  # a layer's input and output, where they are largest


@pytest.mark.parametrize("build", [subclassed, functional])
def test_training_keeps_what_is_normalized_and_the_functional_network_what_is_rectified_too(build):
    network = build()
    network.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    one, two = (memory(network, IMAGE, batch_size).kept for batch_size in (1, 2))

    table = profile(subclassed())
    rectified = table[table.type == "ReLU"].output_bytes
    # What was normalized is as large as its ReLU, but where only every fourth pixel is used. There it is the block's
    # input, which is normalized twice, once for each path, and kept once.
    normalized = table[table.type == "BatchNormalization"].output_bytes
    kept = normalized.sum() - normalized.filter(like="shortcut").sum()
    kept += rectified.sum() if build is functional else rectified["relu"]  # the network's last, behind no convolution
    image, pooled = 4 * 16 * 16 * 3, 4 * 16
    assert two - one == kept + image + pooled


def test_memory_needs_weights_and_an_optimizer():
    with pytest.raises(ValueError, match="resnet.* has no optimizer.*compile it first"):
        memory(subclassed(), IMAGE, 1)
    network = Resnet(5, 8, [1])
    network.compile("sgd", "mse")
    with pytest.raises(ValueError, match="resnet.* is not built"):
        memory(network, IMAGE, 1)


# Time


def test_functions_are_measured_in_turn(monkeypatch):
    calls = []
    clock = iter([0, 1, 10, 15, 20, 23, 30, 34, 40, 42, 50, 56])
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: next(clock))
    seconds = measure({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3)
    assert "".join(calls) == "ab" + "ab" * 3  # once to warm up
    assert seconds == {"a": 2, "b": 5}  # of 1, 3, 2 and of 5, 4, 6


def test_no_round_is_refused():
    with pytest.raises(ValueError, match="repeats is 0; give an integer, 1 or more"):
        measure({}, repeats=0)


def test_the_product_is_of_the_size_that_its_operations_say():
    product, flops = matmul(64)
    assert product().shape == (64, 64) and flops == 2 * 64**3
    assert flops == graph_flops(tf.matmul, tf.TensorSpec((64, 64)), tf.TensorSpec((64, 64)))


def test_speed_compares_a_step_with_the_peak(monkeypatch):
    monkeypatch.setattr(profiling, "measure", lambda functions, repeats: {"step": 2.0, "matmul": 0.5})
    monkeypatch.setattr(profiling, "matmul", lambda: (lambda: None, 25e9))
    assert speed(lambda: None, flops=30e9) == Speed(seconds=2.0, share=0.3)


def test_a_training_step_takes_about_three_times_the_operations():
    network = subclassed()

    def gradients(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(network(x, training=True))
        return tape.gradient(total, network.trainable_variables)

    # A little less, since TensorFlow counts nothing for its fused batch normalization.
    assert 2.5 < graph_flops(gradients, tf.TensorSpec((1, *IMAGE))) / inference(network) < 3.5
