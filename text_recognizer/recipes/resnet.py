"""Train the ResNet on Tiny ImageNet: the command `python -m text_recognizer.recipes.resnet`.

It may be stopped at any moment, by Ctrl-C, `kill -9` or a power cut. The same command then goes on
after the last whole epoch, and ends with the history and the weights of a run that was never
stopped. For that, an epoch depends on nothing but the state at its start, which is in the checkpoint
(see `Checkpoints`), and its number, from which the order of its images and their flips are drawn
(see `Shards.training_batches`). The network itself draws nothing: it has no dropout.

It trains on all GPUs of a machine, and on several machines if it is started on each with a TF_CONFIG
that names them all (https://www.tensorflow.org/guide/distributed_training) and with `--loop`.
"""

import argparse
import dataclasses
import functools
import os
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path

import keras
import tensorflow as tf
from filelock import FileLock, Timeout

from text_recognizer.datasets import tiny_imagenet
from text_recognizer.datasets.source import FULL, DatasetUnavailableError, source
from text_recognizer.pipelines.tfrecord_shards import write_shards
from text_recognizer.networks.resnet import Resnet
from text_recognizer.training import loop
from text_recognizer.training.callbacks import Checkpoints, ProgressBar
from text_recognizer.recipes.resnet_configuration import SAMPLE, TINY_IMAGENET, Configuration

DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")
CONSTANTS = dataclasses.fields(Configuration)
CHANGEABLE = ("epochs", "checkpoints_kept")  # constants that may be others when a run goes on


def load_shards(configuration, images_per_class=None):
    """Return what a run trains on, what it validates with after each epoch, and what it is tested on at the end.

    The first call writes them beside the data set, in the Keras home. The validation images are set
    aside from the training images. The test images are the data set's own validation images, since
    nobody has the labels of those that it calls test.

    Args:
        configuration: a `Configuration`.
        images_per_class: take the first so many training images of each class. Default: all.

    Returns:
        Three `Shards`.

    Raises:
        DatasetUnavailableError, ValueError: as for `tiny_imagenet.load` and `write_shards`.
    """
    classes, count = configuration.classes, configuration.shards
    data = tiny_imagenet.load(classes)
    training, validation = data.train(images_per_class).split(configuration.validation_fraction)
    folder = data.folder.with_name(f"{data.folder.name}-shards")
    return [
        write_shards(
            folder / f"{part}-{classes}-classes-{len(images)}-images-{count}-shards",
            images.files,
            images.labels,
            count=count,
            file_format=configuration.shard_format,
            processes=1 if len(images) < 10_000 else None,  # for fewer, starting a Python takes longer than writing
            progress=sys.stdout.isatty(),
        )
        for part, images in {"training": training, "validation": validation, "test": data.validation()}.items()
    ]


def build_network(configuration, steps_per_epoch, dtype_policy="float32", jit_compile=False):
    """Return the network of a configuration, compiled for training.

    The weight decay c stands for a penalty c/2 * w², whose gradient c * w the momentum m would add
    up to c / (1 - m). Here the weights shrink by rate * c / (1 - m) * w beside the momentum
    ("decoupled", I. Loshchilov, F. Hutter, arXiv:1711.05101): the same to first order, and the loss
    stays a cross-entropy that can be compared with the validation loss. Biases and the parameters of
    batch normalization do not decay (P. Goyal et al., arXiv:1706.02677).

    In the scope of a strategy with several replicas, batch normalization takes the statistics of all
    of them. Otherwise each replica would normalize by its own part of the batch, and keep moving
    statistics of its own: as many networks as replicas, and none of them that of a single device.

    Args:
        configuration: a `Configuration`.
        steps_per_epoch: batches in an epoch, in which the schedule of the learning rate counts.
        dtype_policy: one of `DTYPE_POLICIES`. On most CPUs, mixed precision only costs.
        jit_compile: compile with XLA, which on a CPU may help a narrow network, and slows wide convolutions down.

    Returns:
        A `Resnet`, its weights drawn from Keras' global seed, its optimizer built.
    """
    network = Resnet(configuration.classes, configuration.filters, configuration.levels, dtype=dtype_policy)
    network.build((None, *tiny_imagenet.IMAGE_SHAPE))
    if tf.distribute.get_strategy().num_replicas_in_sync > 1:
        for layer in network._flatten_layers():  # no public way reaches the layers within the blocks
            if isinstance(layer, keras.layers.BatchNormalization):
                layer.synchronized = True

    rate = keras.optimizers.schedules.ExponentialDecay(
        configuration.initial_rate,
        configuration.rate_epochs * steps_per_epoch,
        configuration.rate_factor,
        staircase=configuration.staircase,
    )
    decay = configuration.weight_decay / (1 - configuration.momentum)
    optimizer = keras.optimizers.SGD(rate, configuration.momentum, weight_decay=decay)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    network.compile(optimizer, loss, metrics=loop.metrics(), jit_compile=jit_compile)
    network.optimizer.build(network.trainable_variables)  # where it is not, Keras does not restore the momentum
    return network


def train(
    configuration,
    folder,
    *,
    images_per_class=None,
    by_hand=False,
    dtype_policy="float32",
    jit_compile=False,
    strategy=None,
):
    """Train the network of a configuration, or go on with it, and print what it reaches.

    Args:
        configuration: a `Configuration`.
        folder: of the run, for `Checkpoints`. Several machines must share it.
        images_per_class: as for `load_shards`.
        by_hand: train with `loop.fit` instead of the network's own.
        dtype_policy, jit_compile: as for `build_network`.
        strategy: a `tf.distribute.Strategy`, to train on all its devices. Default: TensorFlow's own.

    Returns:
        The network, and the history: a list of a dict for each epoch, the rows of history.csv.

    Raises:
        ValueError: another process trains in the folder, or its run has other settings.
        FloatingPointError: the loss is no number any more.
        DatasetUnavailableError, ValueError: as for `load_shards`.
    """
    strategy = strategy or tf.distribute.get_strategy()
    training, validation, test = load_shards(configuration, images_per_class)
    batch_size, epochs, seed = configuration.batch_size, configuration.epochs, configuration.seed
    steps = training.steps(batch_size)
    keras.utils.set_random_seed(seed)
    with strategy.scope():
        network = build_network(configuration, steps, dtype_policy, jit_compile)
    fit, evaluate = _fit_and_evaluate(network, by_hand)

    settings = {
        **{name: value for name, value in dataclasses.asdict(configuration).items() if name not in CHANGEABLE},
        "images": training.contents["source"],
        "dtype_policy": dtype_policy,
    }
    chief = strategy.extended.should_checkpoint
    checkpoints = Checkpoints(
        folder, configuration.checkpoint_format, configuration.checkpoints_kept, settings, writes=chief
    )
    with _alone_in(folder) if chief else nullcontext():
        done = checkpoints.restore(network)
        _check_that_all_restored(strategy, done)
        if done < epochs:
            with ProgressBar(epochs, done) if chief else nullcontext() as progress:
                fit(
                    training.training_batches(batch_size, configuration.shuffle, seed=seed, first_epoch=done),
                    validation_data=_once(validation, batch_size),
                    steps_per_epoch=steps,
                    epochs=epochs,
                    initial_epoch=done,
                    callbacks=[checkpoints, progress] if progress else [checkpoints],
                )
    reached = evaluate(_once(test, batch_size))
    if chief:
        print(f"test, {len(test):,} images:", "  ".join(f"{name} {value:.4f}" for name, value in reached.items()))
    return network, checkpoints.history


def main(arguments=None):
    """Run the command and return its exit status: 0, 1 after an error, 130 after Ctrl-C.

    Args:
        arguments: a list of strings. Default: those of the command line. Wrong ones end the program
            with status 2, as `argparse` does it.
    """
    parser = _parser()
    options = vars(parser.parse_args(arguments))
    try:
        constants = {field.name: options.pop(field.name) for field in CONSTANTS if field.name in options}
        configuration = dataclasses.replace(TINY_IMAGENET if source() == FULL else SAMPLE, **constants)
        folder = options.pop("folder") or Path("runs", f"resnet-{source()}")
        train(configuration, folder, strategy=_strategy(options["by_hand"]), **options)
        return 0
    except (DatasetUnavailableError, FloatingPointError, OSError, ValueError, tf.errors.OpError) as error:
        print(f"{parser.prog}: error: {_first_line(error)}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"\n{parser.prog}: interrupted; the same command goes on after the last whole epoch", file=sys.stderr)
        return 130


def _fit_and_evaluate(network, by_hand):
    if by_hand:
        return functools.partial(loop.fit, network), functools.partial(loop.evaluate, network)
    # The pipeline shuffles, and the bar is the run's own.
    fit = functools.partial(network.fit, shuffle=False, verbose=0)
    return fit, functools.partial(network.evaluate, verbose=0, return_dict=True)


def _once(shards, batch_size):
    """Return the batches with their number, without which Keras takes the end of the data for a mistake and warns."""
    return shards.batches(batch_size).apply(tf.data.experimental.assert_cardinality(shards.steps(batch_size)))


def _strategy(by_hand):
    """Return the strategy for the machines and the devices that there are."""
    if "TF_CONFIG" in os.environ:
        if not by_hand:
            raise ValueError("fit does not run on several machines (TF_CONFIG is set): add --loop")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


@contextmanager
def _alone_in(folder):
    """Keep other processes out of the folder of a run. The lock ends with the process, however that ends."""
    Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        lock = FileLock(Path(folder, ".lock")).acquire(blocking=False)
    except Timeout:
        raise ValueError(f"another process trains in {folder}: wait for it, or give another folder") from None
    with lock:
        yield


def _check_that_all_restored(strategy, done):
    """Refuse to go on where machines that do not share the folder have restored different epochs."""
    everywhere = strategy.reduce("SUM", strategy.run(lambda: tf.constant(done)), axis=None)
    if everywhere != done * strategy.num_replicas_in_sync:
        raise ValueError(f"this machine has {done} epochs and another one has not: all must share the run's folder")


def _parser():
    parser = argparse.ArgumentParser(
        prog="python -m text_recognizer.recipes.resnet",
        description="Train the ResNet on Tiny ImageNet, or on the sample (WORKBOOK_DATA), and go on where it stopped.",
        argument_default=argparse.SUPPRESS,
    )
    add = parser.add_argument
    add("--folder", default=None, help="of the run: checkpoints, history.csv. Default: runs/resnet-sample or -full")
    add("--images-per-class", type=int, default=None, metavar="N", help="train on a part of each class")
    add("--loop", action="store_true", dest="by_hand", default=False, help="train with the loop by hand, not with fit")
    add("--dtype-policy", choices=DTYPE_POLICIES, default="float32", help="default: %(default)s")
    add("--jit-compile", action="store_true", default=False, help="compile with XLA")

    group = parser.add_argument_group("the configuration")
    for field in CONSTANTS:
        group.add_argument(f"--{field.name.replace('_', '-')}", help=_help(field), **_kind(field.default))
    return parser


def _kind(default):
    """Return how `argparse` reads a constant like this one."""
    if isinstance(default, bool):
        return {"action": argparse.BooleanOptionalAction}
    if isinstance(default, tuple):
        return {"type": _integers, "metavar": "N,N,..."}
    return {"type": type(default), "metavar": type(default).__name__.upper()}


def _integers(text):
    return tuple(int(number) for number in text.split(","))


def _help(field):
    unit, sample, full = field.metadata["unit"], getattr(SAMPLE, field.name), getattr(TINY_IMAGENET, field.name)
    default = f"{full}" if sample == full else f"{full}; on the sample {sample}"
    text = f"{unit} {field.metadata['meaning']}".strip() + f" (default: {default})"
    return text.replace("%", "%%")


def _first_line(error):
    return str(error).strip().partition("\n")[0] or type(error).__name__


if __name__ == "__main__":
    sys.exit(main())
