"""The networks and CTC against PyTorch: same weights, same inputs; outputs, losses, gradients and moving means agree.

PyTorch's side is in tests/pytorch: the networks by its own layers, the script that ran them in
float64, and what came out, so that it need not be there. Ours compute in float32. Of each array,
the largest error may be 1e-4 of the largest number; but gradients that are zero but for rounding,
as of a kernel whose scale batch normalization undoes, are measured by the largest of all.

Dropout draws its own numbers in each library, so it is off: by a share of 0, and in lenet, whose
share is fixed, by computing everything with `training=False`.
"""

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.pytorch import drawn
from text_recognizer import ctc
from text_recognizer.networks import Resnet, lenet, line_cnn, mlp, vgg
from text_recognizer.networks.resnet import Bottleneck, resnet_functional

NUMBERS = json.loads(Path(__file__).with_name("pytorch").joinpath("numbers.json").read_text(encoding="utf-8"))
ERROR = 1e-4


def network(name):
    kind, *_ = name.split(",")
    arguments = dict(drawn.CASES[name])
    input_shape = arguments.pop("input_shape")
    if kind == "Bottleneck":
        return Bottleneck(**arguments)
    if kind == "Resnet":
        return Resnet(**arguments)
    arguments |= {"dropout_amount": 0} if kind in ("mlp", "vgg") else {}
    make = {"mlp": mlp, "lenet": lenet, "vgg": vgg, "line_cnn": line_cnn}[kind]
    return make(input_shape, (arguments.pop("classes"),), **arguments)


def loss(name, y):
    if name.startswith("Bottleneck"):
        return keras.ops.sum(y * drawn.weighting(y.shape))
    if name == "line_cnn":
        return keras.losses.CTC()(np.array(drawn.LINE_LABELS), y)
    labels = drawn.labels(drawn.CASES[name]["classes"])
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True)(labels, y)


def compute(name, layer):
    """Run a layer or network as tests/pytorch/make_numbers.py does PyTorch's, and return the same results."""
    x = tf.constant(drawn.inputs(drawn.CASES[name]["input_shape"]), "float32")
    layer.build((None, *x.shape[1:]))
    layer.set_weights(drawn.weights(weight.shape for weight in layer.weights))

    results = {"in use": layer(x, training=False)}
    with tf.GradientTape() as tape:
        tape.watch(x)
        y = layer(x, training=name != "lenet")
        total = loss(name, y)
    input_gradient, gradients = tape.gradient(total, [x, layer.trainable_variables])
    results |= {"in training": y, "loss": total, "gradient of the input": input_gradient}
    results |= {f"gradient {i}": gradient for i, gradient in enumerate(gradients)}
    means = [weight for weight in layer.weights if weight.name == "moving_mean"]
    return results | {f"moving mean {i}": mean for i, mean in enumerate(means)}


def assert_agree(name, results):
    expected = {key: np.array(values) for key, values in NUMBERS.items() if key.startswith(f"{name}: ")}
    found = {f"{name}: {key}": drawn.digest(values) for key, values in results.items()}
    assert found.keys() == expected.keys()
    largest = max(np.abs(values).max() for key, values in expected.items() if "gradient" in key)
    for key, values in expected.items():
        scale = max(np.abs(values).max(), 0.01 * largest if "gradient" in key else 0)
        np.testing.assert_allclose(found[key], values, rtol=0, atol=ERROR * scale, err_msg=key)


@pytest.mark.parametrize("name", drawn.CASES)
def test_a_network_agrees_with_pytorch(name):
    assert_agree(name, compute(name, network(name)))


def test_the_functional_resnet_agrees_with_pytorch():
    assert_agree("Resnet", compute("Resnet", resnet_functional(**drawn.CASES["Resnet"])))


@pytest.mark.parametrize("loss", [keras.losses.ctc, ctc.loss])
def test_ctc_agrees_with_pytorch(loss):
    logits = tf.constant(drawn.inputs((drawn.CTC_STEPS, drawn.CTC_CLASSES), len(drawn.CTC_LABELS)), "float32")
    with tf.GradientTape() as tape:
        tape.watch(logits)
        losses = loss(np.array(drawn.CTC_LABELS), logits)
    assert_agree("CTC", {"losses": losses, "gradient": tape.gradient(losses, logits)})
