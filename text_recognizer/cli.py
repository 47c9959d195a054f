"""The command: train a recognizer, evaluate it, read images, without a notebook."""

import argparse
import importlib
import math
import os
import sys
import tempfile
import time
from dataclasses import dataclass, field

from text_recognizer.datasets.source import FULL, SAMPLE, VARIABLE, DatasetUnavailableError, source

PROGRAM = "python -m text_recognizer"


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained. `text_recognizer.networks` has a module and a function of its name.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples a step.
        learning_rate: of Adam, at the start; it falls to zero along half a cosine.
        augment: whether to turn, slant, shift and scale the training images.
        network_args: arguments of the network's function.
        line: whether it reads lines, and not characters.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 128
    augment: bool = False
    network_args: dict = field(default_factory=dict)
    line: bool = False


RECIPES = {
    "mlp": Recipe(epochs=15, learning_rate=1e-3, network_args={"layer_size": 512}),
    "lenet": Recipe(epochs=8, learning_rate=1e-3),
    "vgg": Recipe(epochs=12, learning_rate=2e-3, augment=True),
    "line_cnn": Recipe(epochs=10, learning_rate=3e-3, batch_size=16, line=True),
}
LINES = 10_000  # to train on


def main(arguments=None):
    """Run the command.

    Args:
        arguments: a list of strings. Default: those of the command line. Wrong ones end the
            program with status 2, as `argparse` does it.

    Returns:
        The exit status: 0, 1 after an error, 130 after Ctrl-C.
    """
    options = _parser().parse_args(arguments)
    if options.data:
        os.environ[VARIABLE] = options.data
    try:
        return options.run(options)
    except (DatasetUnavailableError, OSError, ValueError) as error:
        return _fail(error)
    except KeyboardInterrupt:
        print("\ninterrupted; weights are written when training is done", file=sys.stderr)
        return 130


def train(options):
    """Train a network, print what it reaches on the test set, and write its weights."""
    keras = _import_keras()
    keras.utils.set_random_seed(options.seed)
    model = _model(options, options.subsample)
    model.weights_dir.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=model.weights_dir).close()  # where nothing can be written, say so before the training
    print(f"{model.data.describe()}\n{model.name}: {model.network.count_params():,} parameters", flush=True)

    start = time.perf_counter()
    _fit(model, options)
    print(f"trained in {time.perf_counter() - start:.0f} s\nweights in {model.save_weights()}")
    _print_score(model, options)
    return 0


def evaluate(options):
    """Print what a trained network reaches on the test set."""
    model = _trained_model(options)
    print(model.data.describe())
    _print_score(model, options)
    return 0


def read(options):
    """Print what is written on each image and how sure the network is of it, from 0 to 1."""
    model = _trained_model(options)
    status = 0
    for path in options.image:
        try:
            text, confidence = model.predict_on_image(path)
            print(f"{path}\t{text}\t{confidence:.2f}")
        except (OSError, ValueError) as error:  # the other images can still be read
            status = _fail(error)
    return status


def _model(options, subsample=None):
    _import_keras()
    from text_recognizer.datasets.emnist import EmnistDataset
    from text_recognizer.datasets.emnist_lines import EmnistLinesDataset
    from text_recognizer.models import CharacterModel, LineModel

    recipe = RECIPES[options.network]
    network_fn = getattr(importlib.import_module(f"text_recognizer.networks.{options.network}"), options.network)
    if recipe.line:
        dataset_args = {"num_train": int(LINES * (subsample or 1))}
        return LineModel(EmnistLinesDataset, network_fn, dataset_args, recipe.network_args, options.weights_dir)
    dataset_args = {"subsample_fraction": subsample}
    return CharacterModel(EmnistDataset, network_fn, dataset_args, recipe.network_args, options.weights_dir)


def _trained_model(options):
    model = _model(options)
    if not model.weights_filename.exists():
        raise FileNotFoundError(
            f"no weights in {model.weights_filename}: first run "
            f"{PROGRAM} train --network {options.network} --data {source()}"
        )
    model.load_weights()
    return model


def _fit(model, options):
    from text_recognizer.augmentation import random_affine

    keras, recipe = _import_keras(), RECIPES[options.network]
    epochs = options.epochs or recipe.epochs
    if recipe.augment:
        model.batch_augment_fn = random_affine(seed=options.seed)

    # "SGDR: Stochastic Gradient Descent with Warm Restarts", arXiv:1608.03983, without restarts
    def cosine_decay(epoch):
        return recipe.learning_rate * (1 + math.cos(math.pi * epoch / epochs)) / 2

    model.fit(
        batch_size=options.batch_size or recipe.batch_size,
        epochs=epochs,
        validation_fraction=0.05,  # it only shows the progress: nothing is chosen by it
        callbacks=[keras.callbacks.LearningRateScheduler(cosine_decay)],
        verbose=1 if sys.stdout.isatty() else 2,  # a bar, or a line an epoch
        seed=options.seed,
    )


def _print_score(model, options):
    score = "character error rate" if RECIPES[options.network].line else "accuracy"
    print(f"test {score} {model.evaluate(model.data.x_test, model.data.y_test):.4f}")


def _fail(error):
    message = " ".join(str(error).split())
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return 1


def _import_keras():
    """Import Keras, without what TensorFlow writes to stderr before it reads which of it is wanted."""
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import keras
    finally:
        os.dup2(saved, 2)
        os.close(saved)
    return keras


def _parser():
    parser = argparse.ArgumentParser(PROGRAM, description="Train a recognizer of characters or lines, and use it.")
    commands = parser.add_subparsers(required=True, metavar="train | evaluate | read")
    train_parser, _, read_parser = (_add_command(commands, run) for run in (train, evaluate, read))

    for option in ("epochs", "batch_size"):
        defaults = ", ".join(f"{getattr(recipe, option)} for {network}" for network, recipe in RECIPES.items())
        train_parser.add_argument(
            f"--{option.replace('_', '-')}", type=_positive, metavar="N", help=f"default: {defaults}"
        )
    train_parser.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    train_parser.add_argument(
        "--subsample",
        type=_fraction,
        metavar="FRACTION",
        help="take only this part of each class of characters, or of the lines",
    )
    read_parser.add_argument(
        "--line", dest="network", action="store_const", const="line_cnn", help="read a line: --network line_cnn"
    )
    read_parser.add_argument("image", nargs="+", metavar="IMAGE", help="a file: PNG, JPEG, ...")
    return parser


def _add_command(commands, run):
    parser = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
    parser.set_defaults(run=run)
    parser.add_argument("--network", choices=RECIPES, default="vgg", help="default: %(default)s")
    parser.add_argument(
        "--data",
        choices=(SAMPLE, FULL),
        help=f"what to learn from: characters drawn from fonts, or EMNIST. Default: what {VARIABLE} says, or {SAMPLE}",
    )
    parser.add_argument("--weights-dir", metavar="DIR", help="default: weights/sample or weights/full, after the data")
    return parser


def _positive(text):
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text} is no integer of 1 or more")
    return int(text)


def _fraction(text):
    try:
        fraction = float(text)
    except ValueError:
        fraction = math.nan
    if not 0 < fraction <= 1:
        raise argparse.ArgumentTypeError(f"{text} is no number above 0, and at most 1")
    return fraction
