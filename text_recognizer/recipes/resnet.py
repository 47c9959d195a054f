"""Train the ResNet on Tiny ImageNet, in a run that may be stopped at any moment and goes on.

A run that was stopped, by Ctrl-C, `kill -9` or a power cut, goes on after the last whole epoch, and
ends with the history and the weights of a run that was never stopped: to the bit on a CPU, and on a
GPU to rounding, or to the bit after `tf.config.experimental.enable_op_determinism()`. For that, an
epoch depends on nothing but the state at its start, which is in the checkpoint (see `Checkpoints`),
and its number, from which the order of its images and their flips are drawn (see
`Shards.training_batches` and `DatasetSequence`). The network itself draws nothing: it has no dropout.

With TensorFlow it reads TFRecord shards, and trains on all GPUs of a machine, and on several machines
if it is started on each with a TF_CONFIG that names them all
(https://www.tensorflow.org/guide/distributed_training) and with `by_hand`. With another backend of
Keras, as JAX, it reads a memory-mapped array, and trains on one device. TensorFlow need not be
installed then. Each draws order and flips in its own way, so a run goes on with the backend that it
was begun with, and no other.
"""

import dataclasses
import functools
import hashlib
import os
import sys
from contextlib import nullcontext
from typing import NamedTuple

import keras

from text_recognizer.datasets import TinyImagenet
from text_recognizer.datasets.tiny_imagenet import read_image
from text_recognizer.files import find, place
from text_recognizer.metrics import top_metrics
from text_recognizer.models import ImageModel
from text_recognizer.models.image_model import standardize
from text_recognizer.networks import Resnet
from text_recognizer.pipelines.arrays import DatasetSequence
from text_recognizer.pipelines.memory_mapped import memory_mapped
from text_recognizer.pipelines.tfrecord_shards import write_shards
from text_recognizer.training.checkpoints import Checkpoints
from text_recognizer.training.progress import ProgressBar

CHANGEABLE = ("epochs", "checkpoints_kept")  # constants that may be others when a run goes on


class Run(NamedTuple):
    """What `train` returns.

    Attributes:
        model: an `ImageModel`, trained.
        history: a list of a dict for each epoch, the rows of history.csv.
        test: what it reaches on the test images at the end: loss, top1, top5.
        chief: whether this process is the one of all machines' that writes and reports.
    """

    model: ImageModel
    history: list
    test: dict
    chief: bool


class _ImageModelByHand(ImageModel):
    """An `ImageModel` that `loop.fit` trains: on several devices and machines, where Keras' own `fit` cannot follow."""

    def _train(self, training, verbose=None, **arguments):
        from text_recognizer.training import loop

        return loop.fit(self.network, training, **arguments)


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
            JAX knows no other way, and always does.

    Returns:
        A `Resnet`, its weights drawn from Keras' global seed, its optimizer built.
    """
    network = Resnet(configuration.classes, configuration.filters, configuration.levels, dtype=dtype_policy)
    network.build((None, *TinyImagenet.input_shape))
    strategy = getattr(network, "distribute_strategy", None)  # TensorFlow's
    if strategy and strategy.num_replicas_in_sync > 1:
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
    jit_compile = jit_compile or keras.backend.backend() == "jax"
    network.compile(optimizer, loss, metrics=top_metrics(), jit_compile=jit_compile)
    network.optimizer.build(network.trainable_variables)  # where it is not, Keras does not restore the momentum
    return network


def train(
    configuration,
    folder,
    *,
    source=None,
    images_per_class=None,
    by_hand=False,
    dtype_policy="float32",
    jit_compile=False,
    strategy=None,
):
    """Train the network of a configuration, or go on with it, and judge it by the test images.

    The first call writes the images beside the data set, as shards or as arrays. The validation
    images are set aside from the training images. The test images are the data set's own validation
    images, since nobody has the labels of those that it calls test.

    Args:
        configuration: a `Configuration`.
        folder: of the run, for `Checkpoints`. Several machines must share it.
        source: "sample" or "full"; see `text_recognizer.datasets.Dataset`.
        images_per_class: take the first so many training images of each class. Default: all.
        by_hand: train with `loop.fit` instead of the network's own. It needs TensorFlow.
        dtype_policy, jit_compile: as for `build_network`.
        strategy: a `tf.distribute.Strategy`, to train on all its devices. Default: with TensorFlow,
            one for all machines and devices that there are.

    Returns:
        A `Run`.

    Raises:
        ValueError: another process trains in the folder, or its run has other settings; something
            that needs TensorFlow is asked of another backend; or as for `TinyImagenet.train`,
            `LabeledFiles.split`, `write_shards` and `memory_mapped`.
        FloatingPointError: the loss is no number any more.
        DatasetUnavailableError: the data set cannot be had.
    """
    on_tensorflow = keras.backend.backend() == "tensorflow"
    if on_tensorflow:
        strategy = strategy or _strategy(by_hand)
    else:
        for name, given in {"--loop": by_hand, "TF_CONFIG": "TF_CONFIG" in os.environ, "strategy": strategy}.items():
            if given:
                raise ValueError(f"{name} needs TensorFlow, and KERAS_BACKEND is {keras.backend.backend()}")
    data = TinyImagenet(classes=configuration.classes, source=source)
    training, validation = data.train(images_per_class).split(configuration.validation_fraction)
    parts = {"training": training, "validation": validation, "test": data.validation()}
    parts = {f"{part}-{configuration.classes}-classes-{len(images)}-images": images for part, images in parts.items()}
    beside = f"{data.folder.name}-{'shards' if on_tensorflow else 'arrays'}"
    read = _from_shards if on_tensorflow else _from_arrays
    steps, images, training, validation, test = read(beside, parts, configuration, strategy)

    keras.utils.set_random_seed(configuration.seed)
    with strategy.scope() if strategy else nullcontext():
        network = build_network(configuration, steps, dtype_policy, jit_compile)
    model = (_ImageModelByHand if by_hand else ImageModel)(data, network, weights_dir=folder)

    settings = {
        "backend": keras.backend.backend(),
        **{name: value for name, value in dataclasses.asdict(configuration).items() if name not in CHANGEABLE},
        "images": images,
        "dtype_policy": dtype_policy,
    }
    chief = not strategy or strategy.extended.should_checkpoint
    names, keep = configuration.checkpoint_format, configuration.checkpoints_kept
    checkpoints = Checkpoints(folder, names, keep, settings, writes=chief)
    with ProgressBar() if chief else nullcontext() as progress:
        model.fit(
            training,
            validation,
            steps_per_epoch=steps,
            epochs=configuration.epochs,
            callbacks=filter(None, [progress]),
            checkpoints=checkpoints,
            verbose=0,
        )
    if by_hand:
        from text_recognizer.training import loop

        reached = loop.evaluate(network, test)
    else:
        reached = network.evaluate(test, verbose=0, return_dict=True)
    return Run(model, checkpoints.history, reached, chief)


def _from_shards(folder, parts, configuration, strategy):
    """Return what a run reads on TensorFlow.

    Args:
        folder: for the images as they are read, as for `files.find`.
        parts: `LabeledFiles` to train, to validate and to test with, by the names of their folders in it.
        configuration: a `Configuration`.
        strategy: the run's.

    Returns:
        The number of training batches in an epoch; a checksum of the images in them; a function from
        the number of epochs done to the training batches of those that are left; the batches to
        validate with, and to test with.
    """
    count, batch_size = configuration.shards, configuration.batch_size
    training, validation, test = (
        write_shards(
            _beside(folder, f"{name}-{count}-shards"),
            images.files,
            images.labels,
            read=read_image,
            count=count,
            file_format=configuration.shard_format,
            progress=sys.stdout.isatty(),
        )
        for name, images in parts.items()
    )

    def batches_after(done):
        _check_that_all_restored(strategy, done)
        return training.training_batches(batch_size, configuration.shuffle, seed=configuration.seed, first_epoch=done)

    steps, source = training.steps(batch_size), training.contents["source"]
    return steps, source, batches_after, validation.batches(batch_size), test.batches(batch_size)


def _from_arrays(folder, parts, configuration, _):
    """Return the same on another backend."""
    (x, y), *judged = (
        memory_mapped(_beside(folder, name), images.files, images.labels, read_image) for name, images in parts.items()
    )
    batches = functools.partial(DatasetSequence, batch_size=configuration.batch_size, format_fn=standardize)
    flip = keras.layers.RandomFlip("horizontal", seed=configuration.seed, data_format="channels_last")
    draws = {"shuffle": True, "seed": configuration.seed, "augment_fn": lambda x, y: (flip(x, training=True), y)}

    def batches_after(done):
        return batches(x, y, first_epoch=done, **draws)

    return len(batches(x, y)), hashlib.sha256(x).hexdigest(), batches_after, *(batches(x, y) for x, y in judged)


def _beside(folder, name):
    """Return where these images are, or else where they are to be put."""
    return find(f"{folder}/{name}") or place(f"{folder}/{name}")


def _strategy(by_hand):
    """Return the strategy for the machines and the devices that there are."""
    import tensorflow as tf

    if "TF_CONFIG" in os.environ:
        if not by_hand:
            raise ValueError("fit does not run on several machines (TF_CONFIG is set): add --loop")
        return tf.distribute.MultiWorkerMirroredStrategy()
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def _check_that_all_restored(strategy, done):
    """Refuse to go on where machines that do not share the folder have restored different epochs."""
    import tensorflow as tf

    everywhere = strategy.reduce("SUM", strategy.run(lambda: tf.constant(done)), axis=None)
    if everywhere != done * strategy.num_replicas_in_sync:
        raise ValueError(f"this machine has {done} epochs and another one has not: all must share the run's folder")
