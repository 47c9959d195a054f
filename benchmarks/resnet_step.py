"""How long a training step of the ResNet takes beside PyTorch, what makes it faster or slower, and where it goes.

    python -m benchmarks.resnet_step --torch PYTHON           # full width, batches of 32 and of 128
    python -m benchmarks.resnet_step --only ways --batch 32   # one of the tables: rivals, ways, parts, first

- rivals: the network written by subclassing and functionally, and the same one in PyTorch, eager and compiled.
- ways: one thing at a time is another than in the subclassed network. `--xla` adds XLA, which takes minutes to compile.
- parts: the step by forward pass, gradients and optimizer, and by TensorFlow's operations, from its own profiler.
- first: the first step, tracing included.

Each way is a process of its own, which starts from the same weights and takes the same batch, random numbers. Rounds
take turns, and the median of all steps counts; two steps at the start of each process do not. The losses of the first
step are compared.
"""

import argparse
import collections
import functools
import importlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from benchmarks.contestants import add_options, interpreters, peak_memory, run
from tests.pytorch import drawn

IMAGE = (64, 64, 3)
CLASSES = 200
LEVELS = [4, 6, 3, 2]
AT_ONCE = 8  # steps, where several are taken in one call
TABLES = ("rivals", "ways", "parts", "first")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, "torch")
    parser.add_argument("--width", type=int, default=64, help="channels of the first level (default: 64)")
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128], help="images in a batch (default: 32 128)")
    parser.add_argument("--steps", type=int, default=8, help="timed in each process (default: 8)")
    parser.add_argument("--rounds", type=int, default=2, help="processes of each way (default: 2)")
    parser.add_argument("--xla", action="store_true", help="also with jit_compile=True, which takes minutes to compile")
    parser.add_argument("--only", nargs="+", choices=TABLES, default=TABLES, help="some of the tables")
    parser.add_argument("--contestant", help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    if arguments.contestant:
        importlib.import_module("torch" if arguments.contestant.startswith("PyTorch") else "keras")
        imported = peak_memory()
        print(json.dumps(CONTESTANTS[arguments.contestant](arguments) | {"imported": imported}))
        return
    pythons = interpreters(arguments, "torch")
    small, *others = arguments.batch
    for table in TABLES:
        if table in arguments.only:
            for batch in arguments.batch if table == "rivals" else [small]:
                globals()[f"show_{table}"](arguments, pythons, batch)


def ask(arguments, pythons, contestant, batch):
    python = pythons["torch" if contestant.startswith("PyTorch") else "keras"]
    options = ["--contestant", contestant, "--width", arguments.width, "--steps", arguments.steps, "--batch", batch]
    return run(python, "benchmarks.resnet_step", *options, **ENVIRONMENT.get(contestant, {}))


# The tables


def show_rivals(arguments, pythons, batch):
    show_steps(arguments, pythons, batch, RIVALS, ask(arguments, pythons, "machine", batch))


def show_ways(arguments, pythons, batch):
    ways = {"subclassed": RIVALS["subclassed"], **WAYS}
    if not arguments.xla:
        del ways["XLA"]
    show_steps(arguments, pythons, batch, ways)


def show_steps(arguments, pythons, batch, ways, machine=None):
    print(f"\nA training step, width {arguments.width}, batch {batch}, {arguments.rounds} x {arguments.steps} steps.")
    if machine:
        flops, peak = machine["flops"], machine["peak"]
        print(f"{flops / 1e9:.1f} GFLOP; a product of float32 matrices makes {peak / 1e9:.0f} GFLOP/s.")
    print(f"\n{'':38}{'seconds':>9}{'ratio':>7}{'images/s':>10}{'GFLOP/s':>9}{'peak MB':>9}{'first loss':>12}")
    found, failed = collections.defaultdict(list), {}
    for _ in range(arguments.rounds):
        for name in ways:
            if name not in failed and ("torch" in pythons or not name.startswith("PyTorch")):
                try:
                    told = ask(arguments, pythons, name, batch)
                    found[name].append(told)
                    print(f"{name}: {statistics.median(told['seconds']):.3f} s", file=sys.stderr)
                except RuntimeError as error:
                    failed[name] = next(line for line in reversed(str(error).splitlines()) if "Error" in line)
    seconds = {name: statistics.median(sum((one["seconds"] for one in told), [])) for name, told in found.items()}
    expected = found["subclassed"][0]["losses"][0]
    for name, told in found.items():
        second, loss, memory = seconds[name], told[0]["losses"][0], max(one["memory"] for one in told)
        ratio = second / seconds["subclassed"]
        rate = f"{machine['flops'] / second / 1e9:.0f}" if machine else "-"
        print(
            f"{name:38}{second:>9.3f}{ratio:>7.2f}{batch / second:>10.1f}{rate:>9}{memory / 1e6:>9,.0f}"
            f"{loss:>12.4f}{'' if abs(loss / expected - 1) < 0.02 else '  not the same network'}"
        )
    for name, why in failed.items():
        print(f"{name:38} does not run: {why}")


def show_parts(arguments, pythons, batch):
    told = ask(arguments, pythons, "parts", batch)
    print(f"\nThe step in parts, subclassed, width {arguments.width}, batch {batch}.\n")
    before = 0
    for name, seconds in told["parts"].items():
        print(f"{name:38}{seconds:>9.3f}{seconds - before:>+9.3f}")
        before = seconds
    print("\nBy operation, seconds a step; two can run at the same time, so the sum is more than the step.\n")
    for name, (seconds, count) in told["operations"].items():
        print(f"{name:38}{seconds:>9.3f}{count:>7.0f} times")
    print("\nA 3x3 convolution of 64 channels at 32x32 pixels with its gradients, by where the channels stand:\n")
    for name, seconds in told["layouts"].items():
        print(f"{name:38}{seconds:>9.4f}")


def show_first(arguments, pythons, batch):
    print(f"\nThe first step of a process, width {arguments.width}, batch {batch}, in seconds, imports left out.\n")
    for name in FIRST_STEPS:
        parts = ask(arguments, pythons, name, batch)
        del parts["imported"]
        total = sum(seconds for part, seconds in parts.items() if part != "then")
        print(f"{name:38}{total:9.2f}   ({', '.join(f'{part} {seconds:.2f}' for part, seconds in parts.items())})")


# A step


def timed(step, count, at_once=1):
    """Take steps; return their seconds, the losses of all, and the peak of the memory."""
    losses, seconds = [], []
    for _ in range(2 + count):
        started = time.perf_counter()
        losses.append(step())
        seconds.append((time.perf_counter() - started) / at_once)
    return {"seconds": seconds[2:], "losses": losses, "memory": peak_memory()}


def keras_steps(
    arguments,
    *,
    dtype=None,
    functional=False,
    at_once=None,
    grappler=None,
    threads=None,
    unfused=False,
    kept=False,
    optimizer=None,
    jit_compile=False,
):
    import tensorflow as tf

    if threads:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
    if grappler:
        tf.config.optimizer.set_experimental_options(grappler)
    model = built(arguments.width, dtype, functional)
    if unfused:
        unfuse(model)
    if kept:
        recompute_by("nobody")
    compiled(model, optimizer, jit_compile, at_once or 1)
    x, y = random_batch(*arguments.batch)
    if not at_once:
        return timed(lambda: float(model.train_on_batch(x, y)), arguments.steps)
    batches = tf.data.Dataset.from_tensors((x, y)).cache().repeat(AT_ONCE)
    first = float(model.loss(y, model(x, training=True)))
    told = timed(lambda: model.fit(batches, verbose=0).history["loss"][0], max(1, arguments.steps // AT_ONCE), AT_ONCE)
    return told | {"losses": [first]}


def torch_steps(arguments, compile=False, dtype=None, channels_first=False, threads=None):
    import torch

    from tests.pytorch import networks

    torch.set_num_threads(threads or os.cpu_count())
    network = networks.resnet(IMAGE, CLASSES, arguments.width, LEVELS)
    networks.set_weights(network, drawn.weights(networks.shapes(network)))
    x, y = map(torch.from_numpy, random_batch(*arguments.batch))  # channels last in memory, once moved first
    if not channels_first:
        network = network.to(memory_format=torch.channels_last)
    else:
        network[0], x = torch.nn.Identity(), x.movedim(-1, 1).contiguous()
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01, momentum=0.9, fused=True)
    forward = torch.compile(network) if compile else network

    def step():
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype == "bfloat16"):
            outputs = forward(x)
        loss = torch.nn.functional.cross_entropy(outputs.float(), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return timed(step, arguments.steps)


def unfuse(model):
    """Let the network's layers normalize as Keras' own."""
    import keras

    for layer in model._flatten_layers():
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.is_fused = lambda inputs, training: False


def recompute_by(whom):
    """Let "nobody" compute again what a gradient needs, so that it is kept; or "keras.remat" in our place."""
    import keras

    from text_recognizer.networks import resnet

    resnet.recomputed = {"nobody": lambda function: function, "keras.remat": keras.remat}[whom]


RIVALS = {
    "subclassed": keras_steps,
    "functional": functools.partial(keras_steps, functional=True),
    "PyTorch": torch_steps,
    "PyTorch, compiled": functools.partial(torch_steps, compile=True),
}
WAYS = {
    "Keras' own batch normalization": functools.partial(keras_steps, unfused=True),
    "what is normalized is kept": functools.partial(keras_steps, kept=True),
    "mixed_bfloat16": functools.partial(keras_steps, dtype="mixed_bfloat16"),
    "bfloat16 throughout": functools.partial(keras_steps, dtype="bfloat16"),
    "Grappler puts in bfloat16": functools.partial(
        keras_steps, grappler={"auto_mixed_precision_onednn_bfloat16": True}
    ),
    "Grappler without remapping": functools.partial(keras_steps, grappler={"remapping": False}),
    "Grappler without layouts": functools.partial(keras_steps, grappler={"layout_optimizer": False}),
    "Grappler off": functools.partial(keras_steps, grappler={"disable_meta_optimizer": True}),
    "oneDNN off": keras_steps,
    "one thread in an operation": functools.partial(keras_steps, threads=1),
    "fit, a step in a call": functools.partial(keras_steps, at_once=1),
    f"fit, {AT_ONCE} steps in a call": functools.partial(keras_steps, at_once=AT_ONCE),
    "SGD without momentum": functools.partial(keras_steps, optimizer={"momentum": 0.0}),
    "weight decay, decoupled": functools.partial(keras_steps, optimizer={"momentum": 0.9, "weight_decay": 1e-3}),
    "XLA": functools.partial(keras_steps, jit_compile=True),
    "PyTorch": torch_steps,
    "PyTorch, bfloat16 (autocast)": functools.partial(torch_steps, dtype="bfloat16"),
    "PyTorch, channels first": functools.partial(torch_steps, channels_first=True),
    "PyTorch, one thread": functools.partial(torch_steps, threads=1),
}
ENVIRONMENT = {"oneDNN off": {"TF_ENABLE_ONEDNN_OPTS": "0"}}


# What it could be, and where it goes


def machine(arguments):
    """Return the operations of a step, and how many a second this machine does at best."""
    import tensorflow as tf

    from text_recognizer.training.profile import graph_flops, matmul, measure

    (batch,) = arguments.batch
    gradients = gradients_of(compiled(built(arguments.width, functional=True)))
    flops = graph_flops(gradients, tf.TensorSpec((batch, *IMAGE)), tf.TensorSpec((batch,), "int64"))
    product, product_flops = matmul()
    return {"flops": flops, "peak": product_flops / measure({"product": product})["product"]}


def gradients_of(model):
    import tensorflow as tf

    def gradients(x, y):
        with tf.GradientTape() as tape:
            loss = model.loss(y, model(x, training=True))
        return loss, tape.gradient(loss, model.trainable_variables)

    return gradients


def parts(arguments):
    import tensorflow as tf

    model = compiled(built(arguments.width))
    x, y = map(tf.constant, random_batch(*arguments.batch))
    ways = {
        "forward": tf.function(lambda x, y: model.loss(y, model(x, training=True))),
        "forward, gradients": tf.function(gradients_of(model)),
        "forward, gradients, optimizer": model.train_on_batch,
    }
    layouts = {"NHWC, channels last": (32, 32, 32, 64), "NCHW, channels first": (32, 64, 32, 32)}
    return {
        "parts": {name: fastest(functools.partial(way, x, y), arguments.steps) for name, way in ways.items()},
        "operations": operations(functools.partial(model.train_on_batch, x, y), 3),
        "layouts": {name: fastest(convolution(name[:4], shape), 20) for name, shape in layouts.items()},
    }


def fastest(way, count):
    way()
    seconds = []
    for _ in range(count):
        started = time.perf_counter()
        way()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def convolution(data_format, shape):
    import tensorflow as tf

    x, kernel = tf.random.normal(shape), tf.random.normal((3, 3, 64, 64))

    @tf.function
    def gradients():
        with tf.GradientTape() as tape:
            tape.watch([x, kernel])
            total = tf.reduce_sum(tf.nn.conv2d(x, kernel, 1, "SAME", data_format) ** 2)
        return tape.gradient(total, [x, kernel])

    return gradients


def operations(step, count):
    """Return seconds and number of each kind of operation in a step, those that take most first, a dict."""
    import tensorflow as tf
    from tensorflow.tsl.profiler.protobuf import xplane_pb2

    with tempfile.TemporaryDirectory() as folder:
        with tf.profiler.experimental.Profile(folder):
            for _ in range(count):
                step()
        (path,) = Path(folder).rglob("*.xplane.pb")
        space = xplane_pb2.XSpace.FromString(path.read_bytes())
    seconds, counts = collections.Counter(), collections.Counter()
    (plane,) = (plane for plane in space.planes if plane.name == "/host:CPU")
    for event in (event for line in plane.lines for event in line.events):
        _, named, kind = plane.event_metadata[event.metadata_id].name.rpartition(":")
        if named and kind[0] != " " and kind not in ("Process", "Run"):  # those are of the runtime
            seconds[kind] += event.duration_ps / 1e12 / count
            counts[kind] += 1 / count
    return {kind: (value, counts[kind]) for kind, value in seconds.most_common(16)}


# The first step


def first_fit(arguments, whom=None):
    if whom:
        recompute_by(whom)
    watch = Stopwatch()
    model = compiled(built(arguments.width))
    watch("build")
    x, y = random_batch(*arguments.batch)
    for part in ("first fit", "then"):
        model.fit(x, y, batch_size=len(x), verbose=0)
        watch(part)
    return watch.parts


def first_function(arguments, eager=False, grappler=True):
    import tensorflow as tf

    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": not grappler})
    watch = Stopwatch()
    model = compiled(built(arguments.width))
    watch("build")
    x, y = map(tf.constant, random_batch(*arguments.batch))
    gradients = gradients_of(model)

    def step():
        loss, values = gradients(x, y)
        model.optimizer.apply_gradients(zip(values, model.trainable_variables))
        return loss

    if not eager:
        step = tf.function(step).get_concrete_function()
        watch("trace")
    for part in ("first run", "then"):
        step().numpy()
        watch(part)
    return watch.parts


class Stopwatch:
    def __init__(self):
        self.parts, self.last = {}, time.perf_counter()

    def __call__(self, part):
        now = time.perf_counter()
        self.parts[part], self.last = now - self.last, now


FIRST_STEPS = {
    "fit": first_fit,
    "fit, what is normalized is kept": functools.partial(first_fit, whom="nobody"),
    "fit, recomputed by keras.remat": functools.partial(first_fit, whom="keras.remat"),
    "tf.function": first_function,
    "tf.function, Grappler off": functools.partial(first_function, grappler=False),
    "eager": functools.partial(first_function, eager=True),
}
CONTESTANTS = RIVALS | WAYS | FIRST_STEPS | {"machine": machine, "parts": parts}


def built(width, dtype=None, functional=False):
    """Return the network with the weights that every contestant has."""
    from text_recognizer.networks.resnet import Resnet, resnet_functional

    if functional:
        model = resnet_functional(CLASSES, width, LEVELS, IMAGE)
    else:
        model = Resnet(CLASSES, width, LEVELS, dtype=dtype)
        model.build((None, *IMAGE))
    model.set_weights(drawn.weights(weight.shape for weight in model.weights))
    return model


def compiled(model, optimizer=None, jit_compile=False, at_once=1):
    import keras

    model.compile(
        keras.optimizers.SGD(0.01, **optimizer or {"momentum": 0.9}),
        keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        jit_compile=jit_compile,
        steps_per_execution=at_once,
    )
    model.optimizer.build(model.trainable_variables)  # as the library does: see Recognizer._train
    return model


def random_batch(batch):
    generator = np.random.default_rng(0)
    return generator.standard_normal((batch, *IMAGE), dtype="float32"), generator.integers(CLASSES, size=batch)


if __name__ == "__main__":
    main()
