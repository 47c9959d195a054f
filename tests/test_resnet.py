"""The ResNet: what it computes, what it refuses, and that both ways of writing it agree."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from text_recognizer.networks.resnet import Bottleneck, PreActConv2D, Resnet, resnet_functional

IMAGE = (16, 16, 3)
LEVELS = [2, 1]


def images(count=4, shape=IMAGE, seed=0):
    return np.random.default_rng(seed).standard_normal((count, *shape), dtype="float32")


def small(**kwargs):
    network = Resnet(classes=5, filters=8, **({"levels": LEVELS} | kwargs))
    network.build((None, *IMAGE))
    randomize(network)
    return network


def randomize(layer):
    """Draw every weight anew, so that none is 0 or 1, and equal results mean equal weights."""
    generator = np.random.default_rng(1)
    layer.set_weights(
        [
            generator.uniform(0.5, 1.5, w.shape) if w.ndim == 1 else generator.normal(0, 0.3, w.shape)
            for w in layer.get_weights()
        ]
    )


def compiled(model, **arguments):
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.SGD(0.05, momentum=0.9), loss, **arguments)
    return model


# The architecture


def parameters(classes, width, levels, channels=3):
    """Count by the formula: k * k * in * out for a convolution, 4 for each channel normalized."""

    def preactivated(inputs, outputs, kernel):
        return 4 * inputs + kernel * kernel * inputs * outputs

    def residual(inputs, inside, outputs):
        return preactivated(inputs, inside, 1) + preactivated(inside, inside, 3) + preactivated(inside, outputs, 1)

    count = 9 * channels * width + residual(width, width // 4, width) + width * width
    for repeats in levels:
        count += repeats * residual(width, width // 4, width)
        count += residual(width, width // 2, 2 * width) + preactivated(width, 2 * width, 1)
        width *= 2
    return count + 4 * width + width * classes + classes


@pytest.fixture(scope="module")
def full_network():
    network = Resnet(200, 64, [4, 6, 3, 2])
    network.build((None, 64, 64, 3))
    return network


def test_the_parameters_of_the_full_network_are_those_of_the_formula(full_network):
    assert full_network.count_params() == parameters(200, 64, [4, 6, 3, 2]) == 3_137_800


@pytest.mark.parametrize(
    "width, levels, expected", [(32, [4, 6, 3, 2], 844_456), (64, [4, 6, 3], 956_680), (32, [4, 6, 3], 269_992)]
)
def test_the_parameters_are_those_of_the_formula(width, levels, expected):
    network = Resnet(200, width, levels)
    network.build((None, 64, 64, 3))
    assert network.count_params() == parameters(200, width, levels) == expected


def test_the_image_halves_and_the_channels_double_at_each_level(full_network):
    lines = []
    full_network.summary(print_fn=lines.append, line_length=120)
    summary = "\n".join(lines)
    assert "?" not in summary
    for level, (size, channels) in enumerate([(32, 128), (16, 256), (8, 512), (4, 1024)]):
        (line,) = [line for line in summary.splitlines() if f"downsample_{level} " in line]
        assert f"(None, {size}, {size}, {channels})" in line
    assert sum("(Bottleneck)" in line for line in summary.splitlines()) == 1 + 4 + 6 + 3 + 2 + 4


def test_the_first_batch_does_not_fix_the_batch():
    network = Resnet(5, 8, LEVELS)
    assert network(images(3)).shape == (3, 5)
    assert network(images(2)).shape == (2, 5)
    lines = []
    network.summary(print_fn=lines.append)
    assert "(None, 16, 16, 8)" in "".join(lines) and "?" not in "".join(lines)


@pytest.mark.parametrize(
    "block, output",
    [
        (PreActConv2D(6, 3), (9, 9, 6)),
        (PreActConv2D(6, 1, strides=2), (5, 5, 6)),
        (PreActConv2D(6, 3, strides=2), (5, 5, 6)),
        (Bottleneck(8), (9, 9, 8)),
        (Bottleneck(12, projection="linear"), (9, 9, 12)),
        (Bottleneck(12, projection="linear", strides=3), (3, 3, 12)),
        (Bottleneck(16, projection="preactivated"), (9, 9, 16)),
        (Bottleneck(16, projection="preactivated", strides=2), (5, 5, 16)),
    ],
)
def test_a_block_announces_the_shape_it_gives(block, output):
    x = images(2, (9, 9, 8))
    assert block.compute_output_shape((None, 9, 9, 8)) == (None, *output)
    assert block(x).shape == (2, *output)


@pytest.mark.parametrize("strides", [1, 2])
def test_a_preactivated_convolution_normalizes_and_rectifies_before_it_convolves(strides):
    block = PreActConv2D(2, 1, strides)
    x = images(2, (3, 4, 4))
    block.build(x.shape)
    randomize(block)
    gamma, beta, mean, variance, kernel = block.get_weights()
    normal = gamma * (x - mean) / np.sqrt(variance + block.batch_norm.epsilon) + beta
    expected = np.maximum(normal, 0)[:, ::strides, ::strides] @ kernel[0, 0]
    np.testing.assert_allclose(block(x), expected, rtol=1e-4, atol=1e-5)


def test_the_statistics_are_those_of_all_pixels_also_where_only_every_second_one_is_used():
    block = PreActConv2D(2, 1, strides=2)
    x = images(2, (3, 4, 4))
    block.build(x.shape)
    block(x, training=True)
    np.testing.assert_allclose(block.batch_norm.moving_mean, 0.1 * x.mean(axis=(0, 1, 2)), rtol=1e-4, atol=1e-6)


def test_nan_in_the_input_is_not_lost_where_the_image_is_halved():
    x = np.full((1, 4, 4, 8), np.nan, "float32")
    assert np.isnan(Bottleneck(8, strides=2, projection="linear")(x)).all()


def test_a_bottleneck_whose_residual_is_zero_is_the_identity():
    block = Bottleneck(8)
    x = images(2, (4, 4, 8))
    block.build(x.shape)
    assert not np.array_equal(block(x), x)
    last = block.residual[-1].conv2d
    last.set_weights([np.zeros_like(w) for w in last.get_weights()])
    np.testing.assert_array_equal(block(x), x)


# Both ways of writing it


def test_subclassed_and_functional_are_the_same_function_before_and_after_a_step():
    subclassed = compiled(small(), run_eagerly=True)  # XLA's gradients, in a graph, are compared below
    functional = compiled(resnet_functional(5, 8, LEVELS, IMAGE), run_eagerly=True)
    functional.set_weights(subclassed.get_weights())
    x, y = images(8), np.arange(8) % 5
    np.testing.assert_allclose(subclassed(x), functional(x), rtol=1e-5, atol=1e-6)

    before = subclassed.get_weights()
    losses = [float(model.train_on_batch(x, y)) for model in (subclassed, functional)]
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    names = [weight.name for weight in subclassed.weights]
    assert names == [weight.name for weight in functional.weights]
    for name, old, ours, theirs in zip(names, before, subclassed.get_weights(), functional.get_weights()):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-6, err_msg=name)
        assert not np.array_equal(ours, old), f"{name} did not move"  # nor a moving statistic
    np.testing.assert_allclose(subclassed(x), functional(x), rtol=1e-3, atol=1e-4)


def test_subclassed_and_functional_give_tensorflow_the_same_graph_but_for_what_is_normalized_twice(monkeypatch):
    def operations(model):
        @tf.function(autograph=False)
        def gradients(x):
            with tf.GradientTape() as tape:
                total = tf.reduce_sum(model(x, training=True))
            return tape.gradient(total, model.trainable_variables)

        graph = gradients.get_concrete_function(tf.TensorSpec((2, *IMAGE))).graph
        return Counter(operation.type for operation in graph.get_operations())

    functional = operations(resnet_functional(5, 8, [1], IMAGE))
    subclassed = operations(small(levels=[1]))
    normalized = functional["FusedBatchNormV3"]
    assert subclassed["FusedBatchNormV3"] == 2 * normalized - 1  # not the one at the network's end
    assert subclassed["FusedBatchNormGradV3"] == normalized and subclassed["AssignVariableOp"] == 2 * normalized

    monkeypatch.setattr("text_recognizer.networks.resnet.recomputed", lambda function: function)
    assert operations(small(levels=[1])) == functional


def test_xla_computes_the_same_gradients():
    network = small(levels=[1])

    def gradients(x):
        with tf.GradientTape() as tape:
            total = tf.reduce_sum(network(x, training=True) * np.arange(5.0, dtype="float32"))
        return tape.gradient(total, network.trainable_variables)

    x = tf.constant(images())
    pairs = zip(gradients(x), tf.function(gradients, jit_compile=True)(x), network.trainable_variables)
    for without, with_xla, weight in pairs:
        scale = np.abs(without).max()
        np.testing.assert_allclose(with_xla, without, rtol=0, atol=1e-3 * scale, err_msg=weight.path)


def test_fit_trains_the_moving_statistics_and_predict_leaves_them():
    network = compiled(small(levels=[1]), run_eagerly=True)
    statistics = [w for w in network.non_trainable_variables if w.name.startswith("moving")]
    assert len(statistics) == 2 * (3 + 3 + 4 + 1)  # two each of the first block, the bottleneck, the last one, the end
    before = [w.numpy() for w in statistics]
    network.predict(images(), verbose=0)
    assert all(np.array_equal(a, w) for a, w in zip(before, statistics))
    compiled(network).fit(images(), np.arange(4), verbose=0)
    assert not any(np.array_equal(a, w) for a, w in zip(before, statistics))


# Saving and drawing


@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_a_saved_network_is_loaded_equal(tmp_path, dtype):
    network = small(dtype=dtype)
    network.save(tmp_path / "resnet.keras")
    loaded = keras.saving.load_model(tmp_path / "resnet.keras")
    assert loaded.get_config() == network.get_config()
    assert (loaded.classes, loaded.filters, loaded.levels) == (5, 8, tuple(LEVELS))
    np.testing.assert_array_equal(loaded(images()), network(images()))


@pytest.mark.parametrize(
    "block",
    [
        PreActConv2D(8, 3, strides=2),
        PreActConv2D(np.int64(8), np.int64(1), strides=np.int64(2)),
        Bottleneck(8),
        Bottleneck(np.int64(8), projection="linear"),
        Bottleneck(16, strides=2, projection="preactivated"),
    ],
)
def test_a_block_can_be_saved_inside_another_model(tmp_path, block):
    model = keras.Sequential([keras.Input((4, 4, 8)), block])
    randomize(model)
    model.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    assert type(loaded.layers[0]) is type(block)
    x = images(2, (4, 4, 8))
    np.testing.assert_array_equal(loaded(x), model(x))


def test_mixed_precision_computes_in_bfloat16_and_gives_float32_logits():
    network = small(dtype="mixed_bfloat16")
    block = network.get_layer("bottleneck_0_0")
    assert block(images(1, (16, 16, 8))).dtype == "bfloat16"
    assert block.residual[0].conv2d.compute_dtype == "bfloat16"
    assert network(images()).dtype == "float32"
    assert {w.dtype for w in network.weights} == {"float32"}


def test_the_graph_shows_the_blocks_and_expanded_what_is_in_them():
    def labels(model, **kwargs):
        return keras.utils.model_to_dot(model, show_layer_names=True, **kwargs).to_string()

    functional = resnet_functional(5, 8, LEVELS, IMAGE)
    assert "bottleneck_0_1" in labels(functional) and "batch_norm</b> (BatchN" in labels(functional)
    assert labels(functional).count("(Conv2D)") == 1  # the stem
    convolutions = 1 + 4 + sum(LEVELS) * 3 + len(LEVELS) * 4
    assert labels(functional, expand_nested=True).count("(Conv2D)") == convolutions

    subclassed = small()
    inputs = keras.Input(IMAGE)
    drawn = labels(keras.Model(inputs, subclassed.call(inputs)))
    assert drawn.count("(Bottleneck)") == 1 + sum(LEVELS) + len(LEVELS)


# What is refused


@pytest.mark.parametrize("make", [Resnet, resnet_functional])
@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ((200, 64 / 2, [1]), TypeError, r"filters is 32\.0; give an integer: 32, which // gives"),
        ((200, 30, [1]), ValueError, "filters is 30; .*multiple of four"),
        ((200, 0, [1]), ValueError, "filters is 0; give an integer, 1 or more"),
        ((200, 64, []), ValueError, r"levels is \[\]; .*as in \[4, 6, 3, 2\]"),
        ((200, 64, 4), TypeError, r"levels is 4; .*as in \[4, 6, 3, 2\]"),
        ((200, 64, [4, 1.5]), TypeError, r"levels\[1\] is 1\.5"),
        ((200, 64, [4, 0]), ValueError, r"levels\[1\] is 0"),
        (("200", 64, [1]), TypeError, "classes is '200'; give an integer$"),
        ((0, 64, [1]), ValueError, "classes is 0"),
        ((True, 64, [1]), TypeError, "classes is True; give an integer$"),
        ((200, 64, [True]), TypeError, r"levels\[0\] is True"),
        ((200, 64, "11"), TypeError, "levels is '11'"),
        ((200, float("inf"), [1]), TypeError, "filters is inf; give an integer$"),
    ],
)
def test_arguments_are_refused_by_name(make, arguments, error, message):
    with pytest.raises(error, match=message):
        make(*arguments)


@pytest.mark.parametrize("block", [Bottleneck, lambda filters: PreActConv2D(filters, 3)])
@pytest.mark.parametrize("filters", [32.0, True])
def test_a_width_that_is_no_integer_is_refused_before_the_block_is_built(block, filters):
    with pytest.raises(TypeError, match=f"filters is {filters}"):
        block(filters)


@pytest.mark.parametrize(
    "make, error, message",
    [
        (lambda: PreActConv2D(8, 3.0), TypeError, "kernel_size is 3.0"),
        (lambda: PreActConv2D(8, 1, strides=0), ValueError, "strides is 0"),
        (lambda: Bottleneck(8, True, "linear"), TypeError, "strides is True"),
        (lambda: Bottleneck(8, strides=2), ValueError, 'strides is 2, and the identity .*projection="linear"'),
        (lambda: Bottleneck(8, projection="full"), ValueError, "is 'full'; give None, 'linear' or 'preactivated'"),
        (lambda: Bottleneck(8, projection=True), ValueError, "projection is True"),
    ],
)
def test_arguments_of_a_block_are_refused_by_name(make, error, message):
    with pytest.raises(error, match=message):
        make()


@pytest.mark.parametrize("make", [Resnet, resnet_functional])
def test_any_kind_of_integer_will_do(make):
    network = make(np.int64(5), np.int32(8), [np.uint8(1), np.int64(1)])
    network.build((None, 64, 64, 3))
    assert network.count_params() == parameters(5, 8, [1, 1])
    assert "5" in network.to_json()


def build_subclassed(shape, levels):
    Resnet(5, 8, levels)(np.zeros((1, *shape), "float32"))


def build_functional(shape, levels):
    resnet_functional(5, 8, levels, shape)


@pytest.mark.parametrize("build", [build_subclassed, build_functional])
@pytest.mark.parametrize(
    "shape, levels, message",
    [
        ((3, 64, 64), [1, 1], r"\(3, 64, 64\) would be 3 pixels high with 64 channels"),
        ((1, 28, 28), [1], r"\(1, 28, 28\) would be 1 pixels high with 28 channels"),
        ((7, 64, 3), [1, 1, 1], "7x64; 3 levels halve them 3 times, so give at least 8x8"),
        ((64, 7, 3), [1, 1, 1], "64x7"),
        ((64, 64), [1], r"shape \(\w+, 64, 64\); give images, \(batch, height, width, channels\)"),
    ],
)
def test_images_are_refused_by_their_shape(build, shape, levels, message):
    with pytest.raises(ValueError, match=message):
        build(shape, levels)


def test_the_smallest_image_reaches_the_last_level():
    network = Resnet(5, 8, [1, 1, 1])
    assert network(images(1, (8, 8, 1))).shape == (1, 5)


@pytest.mark.parametrize("channels", [1, 16])
def test_an_identity_refuses_other_channels(channels):
    x = images(1, (8, 8, channels))
    with pytest.raises(ValueError, match=f'adds 32 channels to its input, which has {channels}.*projection="linear"'):
        Bottleneck(32)(x)
    assert Bottleneck(32, projection="linear")(x).shape == (1, 8, 8, 32)
