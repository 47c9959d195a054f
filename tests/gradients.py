"""The gradients of every network at few channels, for a process of its own: a library that fails there ends it."""

import sys

import keras
import numpy as np
import tensorflow as tf

from text_recognizer.networks import Resnet, lenet, line_cnn, line_convnext, mlp, vgg

IMAGE, CLASSES, BATCH = (64, 64), 5, 4


def networks():
    """Yield names and networks; without dropout, where it can be set."""
    for width in (4, 8, 12, 16):
        yield f"mlp, layer_size={width}", mlp(IMAGE, (CLASSES,), layer_size=width, dropout_amount=0)
        blocks = ((width,), (width,), (width, width))
        yield f"vgg, blocks={blocks}", vgg(IMAGE, (CLASSES,), blocks, layer_size=width, dropout_amount=0)
        yield f"line_cnn, filters={width}", line_cnn(IMAGE, (CLASSES,), filters=width)
        small = {"filters": 5 * (width,), "units": width, "blocks": 1, "dropout_amount": 0}
        yield f"line_convnext, filters={width}", line_convnext(IMAGE, (CLASSES,), **small)
        resnet = Resnet(CLASSES, width, [1, 1])
        resnet.build((None, *IMAGE, 3))
        yield f"Resnet, filters={width}", resnet
    yield "lenet", lenet((28, 28), (CLASSES,))


def write(path):
    """Compute them, say each name before, and write them to an .npz: {name, the number of the weight: gradient}."""
    # Rounding moves a value across the bend of a ReLU now and then, which changes a gradient by per cents. SiLU has none.
    keras.layers.ReLU.call = lambda self, x: keras.ops.silu(x)
    found = {}
    keras.utils.set_random_seed(0)
    for name, network in networks():
        print(name, file=sys.stderr, flush=True)
        random = np.random.RandomState(0)
        shape = (*IMAGE, 3) if isinstance(network, Resnet) else network.input_shape[1:]
        x = random.standard_normal((BATCH, *shape)).astype("float32")
        with tf.GradientTape() as tape:
            y = network(x, training=name != "lenet")
            loss = tf.reduce_sum(y * random.standard_normal(y.shape))
        gradients = tape.gradient(loss, network.trainable_variables)
        found |= {f"{name}, {i}": gradient.numpy() for i, gradient in enumerate(gradients)}
    np.savez(path, **found)
