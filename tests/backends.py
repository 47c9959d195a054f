"""What the networks compute on whichever backend Keras runs on: both sides of the comparison in `tests/test_jax.py`."""

import keras
import numpy as np

from benchmarks.gpu import outputs_and_gradients
from tests.pytorch import drawn
from text_recognizer.networks import Resnet, lenet, line_cnn, line_convnext, mlp, vgg

MAKE = {"mlp": mlp, "lenet": lenet, "vgg": vgg, "line_cnn": line_cnn, "Resnet": Resnet}
MAKE["line_convnext"] = line_convnext
CASES = drawn.CASES | {  # six steps, for the labels of line_cnn
    "line_convnext": {"input_shape": (17, 21, 2), "classes": 4, "filters": (4, 4, 4, 8, 8), "units": 16, "blocks": 1}
}


def network(name):
    """Return a network at few channels, with drawn weights, and without dropout where that can be set."""
    arguments = dict(CASES[name])
    input_shape, classes = arguments.pop("input_shape"), arguments.pop("classes")
    arguments |= {"dropout_amount": 0} if name in ("mlp", "vgg", "line_convnext") else {}
    shapes = () if name == "Resnet" else (input_shape,)
    made = MAKE[name](*shapes, classes if name == "Resnet" else (classes,), **arguments)
    made.build((None, *input_shape))
    made.set_weights(drawn.weights(weight.shape for weight in made.weights))
    return made


def loss_and_labels(name):
    if name.startswith("line"):
        return keras.losses.CTC(), np.array(drawn.LINE_LABELS)
    return keras.losses.SparseCategoricalCrossentropy(from_logits=True), drawn.labels(CASES[name]["classes"])


def write(path):
    """Write outputs and gradients of all networks to an .npz."""
    found = {}
    for name in MAKE:
        made, (loss, labels) = network(name), loss_and_labels(name)
        x = drawn.inputs(CASES[name]["input_shape"]).astype("float32")
        found[f"{name}: in use"] = made.predict_on_batch(x)  # first: TensorFlow's training moves the statistics
        outputs, gradients = outputs_and_gradients(made, x, labels, loss, training=name != "lenet")
        found[f"{name}: in training"] = outputs
        found |= {f"{name}: gradient {i}": gradient for i, gradient in enumerate(gradients)}
    np.savez(path, **found)
