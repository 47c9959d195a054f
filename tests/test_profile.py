"""The profile: counted from shapes, by hand, and by TensorFlow, which must agree."""

import keras
import pytest
import tensorflow as tf

from text_recognizer.networks.resnet import Resnet, resnet_functional
from text_recognizer.training import profile as profiling
from text_recognizer.training.profile import Speed, graph_flops, matmul, measure, memory, profile, speed

IMAGE = (16, 16, 3)


def subclassed():
    network = Resnet(5, 8, [1, 1])
    network.build((None, *IMAGE))
    return network


def functional():
    return resnet_functional(5, 8, [1, 1], IMAGE)


def inference(model):
    return graph_flops(lambda x: model(x, training=False), tf.TensorSpec((1, *IMAGE)))


# Operations


def test_two_layers_by_hand():
    table = profile(subclassed())

    tail = table.loc["tail"]
    assert tail.flops == 16 * 16 * 8 * (3 * 3 * 3 * 2)  # each output: 27 products and 27 sums
    assert (tail.type, tail.output_shape, tail.parameters) == ("Conv2D", (16, 16, 8), 3 * 3 * 3 * 8)
    assert tail.output_bytes == 16 * 16 * 8 * 4

    dense = table.loc["dense"]
    assert dense.flops == 2 * 32 * 5 + 5
    assert dense.parameters == 32 * 5 + 5


def test_a_dense_layer_of_10_by_5_takes_105_operations():
    model = keras.Sequential([keras.Input((10,)), keras.layers.Dense(5)])
    assert profile(model).flops.tolist() == [105]
    assert graph_flops(model, tf.TensorSpec((1, 10))) == 105


@pytest.mark.parametrize("make", [subclassed, functional])
def test_the_sum_is_what_tensorflow_counts(make):
    model = make()
    assert profile(model).flops.sum() == inference(model)


def test_the_full_network():
    network = Resnet(200, 64, [4, 6, 3, 2])
    network.build((None, 64, 64, 3))
    table = profile(network)
    assert table.flops.sum() == 823_476_616
    assert table.parameters.sum() == 3_137_800
    assert table[table.type == "Conv2D"].flops.sum() / table.flops.sum() > 0.98


def test_both_ways_of_writing_the_network_have_the_same_profile():
    # Functional models sort their layers by depth, which puts a main path elsewhere.
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
    with pytest.raises(ValueError, match="strange is a Softmax, .*known are Conv2D"):
        profile(keras.Sequential([keras.Input((3,)), keras.layers.Softmax(name="strange")]))
    with pytest.raises(ValueError, match="conv does not know its shapes"):
        profile(keras.Sequential([keras.Input((None, None, 3)), keras.layers.Conv2D(4, 3, name="conv")]))


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


def test_training_keeps_what_is_normalized_and_what_is_rectified():
    network = subclassed()
    network.compile(keras.optimizers.SGD(momentum=0.9), "mse")
    one, two = (memory(network, IMAGE, batch_size).kept for batch_size in (1, 2))

    table = profile(network)
    # A ReLU is as large as what was normalized for it. A block's input is normalized twice where it is downsampled.
    relu = table[table.type == "ReLU"].drop(["downsample_0/main/relu", "downsample_1/main/relu"]).output_bytes.sum()
    again = table.loc[["downsample_0/main/relu", "downsample_1/main/relu"]].output_bytes.sum()
    image, pooled = 4 * 16 * 16 * 3, 4 * 32
    assert two - one == 2 * relu + again + image + pooled


def test_memory_needs_an_optimizer():
    with pytest.raises(ValueError, match="resnet.* has no optimizer.*compile it first"):
        memory(subclassed(), IMAGE, 1)


# Time


def test_functions_are_measured_in_turn(monkeypatch):
    calls = []
    clock = iter([0, 1, 10, 15, 20, 23, 30, 34, 40, 42, 50, 56])
    monkeypatch.setattr(profiling.time, "perf_counter", lambda: next(clock))
    seconds = measure({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3)
    assert "".join(calls) == "ab" + "ab" * 3  # once to warm up
    assert seconds == {"a": 2, "b": 5}  # of 1, 3, 2 and of 5, 4, 6


def test_the_product_is_of_the_size_that_its_operations_say():
    product, flops = matmul(64)
    assert product().shape == (64, 64) and flops == 2 * 64**3
    assert flops == graph_flops(tf.matmul, tf.TensorSpec((64, 64)), tf.TensorSpec((64, 64)))


def test_speed_compares_a_step_with_the_peak(monkeypatch):
    monkeypatch.setattr(profiling, "measure", lambda functions, repeats: {"step": 2.0, "matmul": 0.5})
    monkeypatch.setattr(profiling, "matmul", lambda: (lambda: None, 25e9))
    assert speed(lambda: None, flops=30e9) == Speed(seconds=2.0, gflops=15.0, peak_gflops=50.0)
    assert speed(lambda: None, flops=30e9).share == 0.3


def test_a_training_step_takes_about_three_times_the_operations():
    network = subclassed()

    def gradients(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(network(x, training=True))
        return tape.gradient(total, network.trainable_variables)

    assert 2.8 < graph_flops(gradients, tf.TensorSpec((1, *IMAGE))) / inference(network) < 3.5
