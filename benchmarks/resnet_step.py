"""How long a training step of the ResNet takes, and where the first one's time goes.

    python -m benchmarks.resnet_step             # full width, batches of 32
    python -m benchmarks.resnet_step --help

In one process, side by side: the network written by subclassing and functionally, in mixed
precision, with `--xla` compiled by XLA, and in PyTorch where torch is installed (with the same
weights; the outputs are compared first). Then the first steps, tracing included, each in a process of its own.
"""

import argparse
import json
import os
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from text_recognizer.networks.resnet import Resnet, resnet_functional
from text_recognizer.training.profile import graph_flops, matmul, measure

IMAGE = (64, 64, 3)
CLASSES = 200
LEVELS = [4, 6, 3, 2]


def main():
    parser = argparse.ArgumentParser(description="Time a training step of the ResNet.")
    parser.add_argument("--width", type=int, default=64, help="channels of the first level (default: 64)")
    parser.add_argument("--batch", type=int, default=32, help="images in a batch (default: 32)")
    parser.add_argument("--repeats", type=int, default=5, help="rounds, of which the median counts (default: 5)")
    parser.add_argument("--xla", action="store_true", help="also with jit_compile=True, which takes minutes to compile")
    parser.add_argument("--only", choices=["steps", "first"], help="one of the two tables")
    parser.add_argument("--first", choices=FIRST_STEPS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    if arguments.first:
        print(json.dumps(FIRST_STEPS[arguments.first](arguments.width, arguments.batch)))
        return
    if arguments.only != "first":
        compare_steps(arguments.width, arguments.batch, arguments.repeats, arguments.xla)
    if arguments.only != "steps":
        compare_first_steps(arguments.width, arguments.batch)


# A step


def compare_steps(width, batch, repeats, xla):
    images, labels = random_batch(batch)
    subclassed = compiled(built(width))
    functional = compiled(resnet_functional(CLASSES, width, LEVELS, IMAGE))
    functional.set_weights(subclassed.get_weights())

    product, product_flops = matmul()
    steps = {
        "functional": lambda: functional.train_on_batch(images, labels),
        "subclassed": lambda: subclassed.train_on_batch(images, labels),
        "subclassed, mixed_bfloat16": keras_step(width, images, labels, dtype="mixed_bfloat16"),
        "matmul": product,
    }
    if xla:
        steps["subclassed, jit_compile"] = keras_step(width, images, labels, jit_compile=True)
    try:
        steps["PyTorch"] = torch_step(functional, images, labels)
    except ImportError:
        print("PyTorch is not installed, and left out.")

    seconds = measure(steps, repeats)
    flops = step_flops(functional, batch)
    peak = product_flops / seconds.pop("matmul") / 1e9
    print(f"\nA training step, width {width}, batch {batch}, {flops / 1e9:.1f} GFLOP, median of {repeats} rounds.")
    print(f"Peak of this machine: {peak:.0f} GFLOP/s (a product of float32 matrices).\n")
    print(f"{'':28}{'seconds':>9}{'images/s':>10}{'GFLOP/s':>9}{'of peak':>9}{'to functional':>15}")
    for name, second in seconds.items():
        rate = flops / second / 1e9
        ratio = second / seconds["functional"]
        print(f"{name:28}{second:9.3f}{batch / second:10.1f}{rate:9.1f}{rate / peak:9.0%}{ratio:15.2f}")


def keras_step(width, images, labels, dtype=None, jit_compile=False):
    model = compiled(built(width, dtype=dtype), jit_compile)
    return lambda: model.train_on_batch(images, labels)


def step_flops(model, batch):
    def gradients(images, labels):
        with tf.GradientTape() as tape:
            loss = model.loss(labels, model(images, training=True))
        return tape.gradient(loss, model.trainable_variables)

    return graph_flops(gradients, tf.TensorSpec((batch, *IMAGE)), tf.TensorSpec((batch,), "int64"))


def torch_step(model, images, labels):
    """Return a step of the same network in PyTorch, with the weights of `model`, checked by its outputs."""
    import torch

    from tests.pytorch import networks

    torch.set_num_threads(os.cpu_count())
    network = networks.resnet(IMAGE, CLASSES, model.get_layer("stem").filters, LEVELS)
    networks.set_weights(network, model.get_weights())
    network = network.to(memory_format=torch.channels_last)
    x, y = torch.from_numpy(images), torch.from_numpy(labels)  # channels last in memory, once moved first
    network.eval()
    with torch.no_grad():
        np.testing.assert_allclose(network(x).numpy(), model.predict_on_batch(images), rtol=1e-3, atol=1e-3)

    network.train()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9)

    def step():
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(network(x), y)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


# The first step


def compare_first_steps(width, batch):
    print(f"\nThe first step of a new process, width {width}, batch {batch}, in seconds, imports left out.\n")
    for way in FIRST_STEPS:
        command = [sys.executable, "-m", "benchmarks.resnet_step", "--first", way]
        command += ["--width", str(width), "--batch", str(batch)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        parts = json.loads(done.stdout.splitlines()[-1])
        total = sum(seconds for part, seconds in parts.items() if part != "then")
        shown = ", ".join(f"{part} {seconds:.2f}" for part, seconds in parts.items())
        print(f"{way:42}{total:7.2f}   ({shown})")


def first_fit(width, batch):
    watch = Stopwatch()
    model = compiled(built(width))
    watch("build")
    images, labels = random_batch(batch)
    for part in ("first fit", "then"):
        model.fit(images, labels, batch_size=batch, verbose=0)
        watch(part)
    return watch.parts


def first_fit_not_built(width, batch):
    watch = Stopwatch()
    model = compiled(Resnet(CLASSES, width, LEVELS))
    images, labels = random_batch(batch)
    for part in ("first fit", "then"):
        model.fit(images, labels, batch_size=batch, verbose=0)
        watch(part)
    return watch.parts


def first_function(width, batch, eager=False):
    watch = Stopwatch()
    model = compiled(built(width))
    watch("build")
    model.optimizer.build(model.trainable_variables)
    watch("optimizer")
    images, labels = map(tf.constant, random_batch(batch))

    def step(images, labels):
        with tf.GradientTape() as tape:
            loss = model.loss(labels, model(images, training=True))
        model.optimizer.apply_gradients(zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables))
        return loss

    if not eager:
        step = tf.function(step).get_concrete_function(images, labels)
        watch("trace")
    for part in ("first run", "then"):
        step(images, labels).numpy()
        watch(part)
    return watch.parts


def first_function_not_optimized(width, batch):
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    return first_function(width, batch)


def first_eager(width, batch):
    return first_function(width, batch, eager=True)


FIRST_STEPS = {
    "fit": first_fit,
    "fit, network not built before": first_fit_not_built,
    "tf.function": first_function,
    "tf.function, graph optimizer (Grappler) off": first_function_not_optimized,
    "eager": first_eager,
}


class Stopwatch:
    def __init__(self):
        self.parts, self.last = {}, time.perf_counter()

    def __call__(self, part):
        now = time.perf_counter()
        self.parts[part], self.last = now - self.last, now


def built(width, dtype=None):
    model = Resnet(CLASSES, width, LEVELS, dtype=dtype)
    model.build((None, *IMAGE))
    return model


def compiled(model, jit_compile=False):
    model.compile(
        keras.optimizers.SGD(0.01, momentum=0.9),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
    )
    return model


def random_batch(batch):
    generator = np.random.default_rng(0)
    images = generator.standard_normal((batch, *IMAGE), dtype="float32")
    return images, generator.integers(CLASSES, size=batch)


if __name__ == "__main__":
    main()
