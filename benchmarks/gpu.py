"""The networks on a GPU: how fast they train, how well, and how far their numbers move from the CPU's.

    python -m benchmarks.gpu                        # about four minutes
    python -m benchmarks.gpu --minutes 8 --out gpu  # also into gpu.json and gpu.md

It runs on the backend that Keras is set to (KERAS_BACKEND), TensorFlow or JAX, and on its first GPU.
Without one it says so. It takes EMNIST and Tiny ImageNet as far as they are in the Keras home, and
the samples for what is not there; it downloads nothing.

`fit` is given whole arrays, uint8 for photographs, and copies a batch at a time to the GPU, where the
ResNet's images are flipped and standardized as a part of the step. So no Python prepares batches; but
Python still starts each step, about a millisecond, which is most of the time of a small network. The
speed is that of whole epochs, which the transfers are part of, without the first steps, which compile.
"""

import argparse
import contextlib
import dataclasses
import functools
import json
import os
import platform
import signal
import subprocess
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from text_recognizer import ctc, files, networks
from text_recognizer.datasets import Emnist, EmnistLines, TinyImagenet
from text_recognizer.metrics import character_error_rate, top_metrics
from text_recognizer.recipes.recognizers import RECIPES
from text_recognizer.recipes.resnet import build_network
from text_recognizer.recipes.resnet_configuration import TINY_IMAGENET

BACKEND = keras.backend.backend()
IMAGE = TinyImagenet.input_shape
TINY = {"filters": 8, "levels": (1,)}  # to try the script without a GPU


def main():
    parser = argparse.ArgumentParser(description="Train the networks on a GPU.")
    parser.add_argument("--minutes", type=float, default=4, help="for all of it (default: %(default)s)")
    parser.add_argument("--epochs", type=int, default=12, help="of the ResNet, at most (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=TINY_IMAGENET.batch_size, help="of the ResNet (default: 128)")
    parser.add_argument("--out", type=Path, help="write the results to OUT.json and OUT.md")
    parser.add_argument("--cpu", action="store_true", help=argparse.SUPPRESS)  # all lines of it, at tiny sizes
    options = parser.parse_args()

    card = "the CPU, to try the script" if options.cpu else gpu_name()
    if card is None:
        print(f"No GPU: {BACKEND} sees none, so there is nothing to measure.")
        return
    report = Report(options.out)
    start = time.monotonic()
    report.section("The machine", [("what", "which"), ("card", card), *versions().items()], start + 30)
    # the part of the time by the end of which a section is to be over; what one leaves is the next one's
    for share, title, section, *arguments in (
        (0.25, "The ResNet in float32", train_resnet, "float32"),
        (0.45, "The ResNet in mixed precision", train_resnet, "mixed_bfloat16"),
        (0.7, "How far the numbers move from the CPU's", compare),
        (0.88, "Each recognizer", fit_recognizers),
        (1, "The ResNet in larger batches", larger_batches),
    ):
        end = start + 60 * options.minutes * share
        report.section(title, section(*arguments, options, end), end)
    print(f"\n{time.monotonic() - start:.0f} s in all")


# What is there


def gpu_name():
    """Return the name of the GPU that the backend computes on; None where it has none."""
    if BACKEND == "jax":
        import jax

        return next((device.device_kind for device in jax.devices() if device.platform != "cpu"), None)
    if BACKEND == "tensorflow":
        import tensorflow as tf

        for gpu in tf.config.list_physical_devices("GPU"):
            return tf.config.experimental.get_device_details(gpu).get("device_name", gpu.name)
    return None


def versions():
    found = {"date": time.strftime("%Y-%m-%d"), "cores": os.cpu_count(), "Python": platform.python_version()}
    found |= {"Keras": keras.version(), BACKEND: sys.modules[BACKEND].__version__}
    with contextlib.suppress(OSError, subprocess.SubprocessError):
        query = ["nvidia-smi", "--query-gpu=driver_version,memory.total", "--format=csv,noheader"]
        said = subprocess.run(query, capture_output=True, check=False, text=True, timeout=20)
        found["driver, memory"] = said.stdout.strip()
    return found


def source(*names):
    """Return "full" where one of these is in the Keras home, and else "sample"."""
    return "full" if any(map(files.find, names)) else "sample"


class Report:
    """What was found, printed at once and written anew after each row: whatever ends the script, it is there."""

    def __init__(self, out):
        self.out, self.found = out, []

    def section(self, title, rows, end):
        """Run a section until it ends, fails, or runs out of time.

        Args:
            title: of the section.
            rows: yields remarks, strings, and the rows of a table, tuples, of which the first one is its header.
            end: when it is to be over, of `time.monotonic()`.
        """
        print(f"\n{title}", flush=True)
        found = {"title": title, "remarks": [], "rows": []}
        self.found.append(found)
        with limited(end):
            try:
                for row in rows:
                    self.add(found, row)
            except Exception as error:  # the other sections can still run
                self.add(found, f"It was not finished. {type(error).__name__}: {str(error)[:500]}")

    def add(self, found, row):
        if isinstance(row, str):
            found["remarks"].append(row)
            print(row, flush=True)
        else:
            row = [f"{cell:,.4g}" if isinstance(cell, float) else str(cell) for cell in row]
            found["rows"].append(row)
            print("  ".join(f"{cell:>14}" for cell in row), flush=True)
        if self.out:
            self.out.with_suffix(".json").write_text(json.dumps(self.found, indent=1), encoding="utf-8")
            self.out.with_suffix(".md").write_text("\n".join(map(markdown, self.found)), encoding="utf-8")


def markdown(found):
    header, *rows = [f"| {' | '.join(row)} |" for row in found["rows"]] or [""]
    line = "|".join(["", *["---"] * (header.count("|") - 1), ""])
    return "\n\n".join([f"## {found['title']}", *found["remarks"], "\n".join([header, line, *rows])]) + "\n"


@contextlib.contextmanager
def limited(end):
    """Raise TimeoutError in a block that is not over some seconds after its end. (A compilation is not stopped.)"""

    def stop(*_):
        raise TimeoutError("it ran out of its time")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(max(int(end - time.monotonic()) + 5, 1))
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


# The sections


@functools.cache
def photographs(count):
    """Return Tiny ImageNet as far as it is there, and its arrays, the training images first, `count` of each or all."""
    data = TinyImagenet(source=source("tiny-imagenet-200", "tiny-imagenet-200.zip"))
    return data, [part[:count] for part in (data.x_train, data.y_train, data.x_test, data.y_test)]


def resnet(classes, steps, policy, batch, options):
    """Return the ResNet as its recipe compiles it, with the flips and the standardization before it."""
    configuration = dataclasses.replace(
        TINY_IMAGENET, classes=classes, batch_size=batch, **(TINY if options.cpu else {})
    )
    network = build_network(configuration, steps, policy)
    prepare = [
        keras.layers.RandomFlip("horizontal", seed=0, dtype="float32"),
        keras.layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False, dtype="float32"),
    ]
    model = keras.Sequential([keras.Input(IMAGE), *prepare, network])
    model.compile(network.optimizer, network.loss, metrics=top_metrics(), jit_compile=network.jit_compile)
    return model


def train_resnet(policy, options, end):
    data, (x, y, x_test, y_test) = photographs(64 if options.cpu else None)
    batch = min(options.batch, len(x) // 2)
    x, y = whole_batches(batch, x, y)
    keras.utils.set_random_seed(0)
    model = resnet(len(data.class_names), len(x) // batch, policy, batch, options)

    def test():
        return model.evaluate(x_test, y_test, 256, verbose=0, return_dict=True)

    first_step = clock(lambda: model.fit(x[:batch], y[:batch], batch, verbose=0))
    yield (
        f"{data.describe()}; {model.count_params():,} parameters, {policy}, batches of {batch}. The first step took "
        f"{first_step:.0f} s, and the first test {clock(test):.0f} s, since they compile. fit is given all images at "
        "once, uint8; to flip and to standardize them is a part of the step."
    )
    yield "epoch", "images/s", "loss", "top-1", "test top-1", "test top-5"
    slowest = 0
    for epoch in range(2 if options.cpu else options.epochs):
        start = time.perf_counter()
        if time.monotonic() + slowest > end:
            break
        trained = model.fit(x, y, batch, epochs=epoch + 1, initial_epoch=epoch, verbose=0).history
        speed, tested = len(x) / (time.perf_counter() - start), test()
        yield epoch + 1, speed, trained["loss"][0], trained["top1"][0], tested["top1"], tested["top5"]
        slowest = max(slowest, time.perf_counter() - start)


def larger_batches(options, end):
    data, (x, y, *_) = photographs(64 if options.cpu else None)
    yield "The faster of two epochs."
    yield "policy", "batch", "images/s", "first step, s"
    batch = min(4 * options.batch, len(x) // 2)
    x, y = whole_batches(batch, x, y)
    for policy in ("mixed_bfloat16", "float32"):
        model = resnet(len(data.class_names), len(x) // batch, policy, batch, options)
        first_step = clock(lambda: model.fit(x[:batch], y[:batch], batch, verbose=0))
        seconds = min(clock(lambda: model.fit(x, y, batch, verbose=0)) for _ in range(2))
        yield policy, batch, len(x) / seconds, first_step


def fit_recognizers(options, end):
    chosen = source("emnist")
    characters = Emnist(source=chosen)
    lines = EmnistLines(num_train=64 if options.cpu else 2000, num_test=32 if options.cpu else 200, source=chosen)
    yield from (f"{data.describe()}." for data in (characters, lines))
    yield "network", "batch", "images/s", "first step, s", "epochs", "test accuracy, or character error rate"
    for name in ("mlp", "lenet", "vgg", "line_cnn", "line_convnext"):
        recipe, reads_lines = RECIPES[name], RECIPES[name].line
        data = lines if reads_lines else characters
        keras.utils.set_random_seed(0)
        network = getattr(networks, name)(data.input_shape, data.output_shape, **recipe.network_args)
        loss = keras.losses.CTC() if reads_lines else keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        optimizer = keras.optimizers.Adam(
            recipe.learning_rate, weight_decay=recipe.weight_decay, global_clipnorm=recipe.clip
        )
        network.compile(optimizer, loss, metrics=[] if reads_lines else ["accuracy"])
        batch = recipe.batch_size if reads_lines else 2 * recipe.batch_size
        count = 4 * batch if options.cpu else None
        x, y = whole_batches(batch, data.x_train[:count], data.y_train[:count])
        x, x_test = (pixels.astype("float32") / 255 for pixels in (x, data.x_test))
        first_step = clock(lambda: network.fit(x[:batch], y[:batch], batch, verbose=0))
        epochs = 1 if options.cpu else 10 if reads_lines else 4
        seconds = clock(lambda: network.fit(x, y, batch, epochs, verbose=0))
        if reads_lines:
            read = ctc.decode(network.predict(x_test, verbose=0))
            reached = character_error_rate(data.decode(data.y_test), data.decode(read))
        else:
            reached = network.evaluate(x_test, data.y_test, 512, verbose=0, return_dict=True)["accuracy"]
        yield name, batch, epochs * len(x) / seconds, first_step, epochs, reached


def compare(options, end):
    """The same weights and the same batch on the GPU and on the CPU, outputs and gradients."""
    random = np.random.default_rng(0)
    resnet = networks.Resnet(200, 8 if options.cpu else 64, (1,) if options.cpu else TINY_IMAGENET.levels)
    resnet.build((None, *IMAGE))
    made = {  # dropout draws its own numbers, so it is off; where it cannot be, the network computes as in use
        "resnet": resnet,
        "line_cnn": networks.line_cnn((28, 256), (63,)),
        "line_convnext": networks.line_convnext((28, 256), (63,), dropout_amount=0),
        "vgg": networks.vgg((28, 28), (62,), dropout_amount=0),
        "lenet": networks.lenet((28, 28), (62,)),
        "mlp": networks.mlp((28, 28), (62,), 512, dropout_amount=0),
    }
    yield (
        "Outputs: the largest difference, by the largest output. Gradients: the length of the difference of all, by "
        "their length on the CPU. Products of float32 matrices are computed as the backend does by default, which on "
        "new GPUs is in TF32, and in the highest precision, whole float32."
    )
    yield "network", "precision", "outputs", "gradients", "seconds, CPU", "seconds, GPU"
    cpu, gpu = devices(options)
    for name, network in made.items():
        shape = IMAGE if name == "resnet" else network.input_shape[1:]
        x = random.standard_normal((4 if options.cpu else 16, *shape)).astype("float32")
        y = random.integers(62, size=len(x))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        if name.startswith("line"):
            y, loss = random.integers(1, 63, (len(x), 10)), keras.losses.CTC()
        expected = None
        for device, precision in ((cpu, "default"), (gpu, "default"), (gpu, "highest")):
            start = time.perf_counter()
            with matmul_precision(precision):
                outputs, gradients = outputs_and_gradients(network, x, y, loss, name != "lenet", device)
            seconds = time.perf_counter() - start
            found = outputs, np.concatenate([gradient.ravel() for gradient in gradients]).astype("float64")
            if expected is None:
                expected, on_cpu = found, seconds
                continue
            moved = np.abs(found[0] - expected[0]).max() / np.abs(expected[0]).max()
            turned = np.linalg.norm(found[1] - expected[1]) / np.linalg.norm(expected[1])
            yield name, precision, f"{moved:.1e}", f"{turned:.1e}", on_cpu, seconds


def devices(options):
    """Return what `outputs_and_gradients` takes for the CPU and for the GPU."""
    if BACKEND == "tensorflow":
        return "CPU:0", "CPU:0" if options.cpu else "GPU:0"
    import jax

    cpu = jax.devices("cpu")[0]
    return cpu, cpu if options.cpu else jax.devices()[0]


@contextlib.contextmanager
def matmul_precision(name):
    """Compute float32 products in a block as the backend does by "default" (on new GPUs, in TF32) or "highest"."""
    if BACKEND == "jax":
        import jax

        with jax.default_matmul_precision("highest") if name == "highest" else contextlib.nullcontext():
            yield
        return
    import tensorflow as tf

    before = tf.config.experimental.tensor_float_32_execution_enabled()
    tf.config.experimental.enable_tensor_float_32_execution(before and name != "highest")
    try:
        yield
    finally:
        tf.config.experimental.enable_tensor_float_32_execution(before)


def outputs_and_gradients(network, x, y, loss, training=True, device=None):
    """Return what a network makes of a batch, and the gradients of its trainable weights, in their order.

    Args:
        network: a built `keras.Model`.
        x, y: arrays, what it takes and what `loss` is told.
        loss: a `keras.losses.Loss`.
        training: whether to compute as in training.
        device: to compute on: of `jax.devices()`, or a name that `tf.device` takes. Default: the backend's.

    Returns:
        An array and a list of arrays, of NumPy.
    """
    if BACKEND == "tensorflow":
        import tensorflow as tf

        with tf.device(device), tf.GradientTape() as tape:
            outputs = network(x, training=training)
            total = loss(y, outputs)
        with tf.device(device):
            gradients = tape.gradient(total, network.trainable_variables)
    else:
        import jax

        def compute(trainable, fixed, x, y):
            outputs, _ = network.stateless_call(trainable, fixed, x, training=training)
            return loss(y, outputs), outputs

        weights = network.trainable_variables, network.non_trainable_variables
        state = [[variable.value for variable in variables] for variables in weights]
        arrays = jax.device_put((*state, x, y), device)
        with jax.default_device(device):
            (_, outputs), gradients = jax.jit(jax.value_and_grad(compute, has_aux=True))(*arrays)
    return keras.ops.convert_to_numpy(outputs), [keras.ops.convert_to_numpy(gradient) for gradient in gradients]


def whole_batches(size, *arrays):
    """Return arrays without what is left of the last batch: a batch of another size is compiled anew."""
    return [array[: len(array) // size * size] for array in arrays]


def clock(work):
    start = time.perf_counter()
    work()  # `fit` ends with numbers, for which the GPU must have finished
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
