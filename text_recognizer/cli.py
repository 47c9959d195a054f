"""The command: train a recognizer, evaluate it, read images; train the ResNet."""

import argparse
import dataclasses
import os
import sys
import time
from pathlib import Path

import numpy as np

from text_recognizer.datasets.dataset import FULL, SAMPLE, VARIABLE, DatasetUnavailableError, choose_source
from text_recognizer.datasets.text_lines import LEAST_HEIGHT, SUFFIXES, VALIDATION_FRACTION, visible
from text_recognizer.files import atomic_write
from text_recognizer.recipes import recognizers
from text_recognizer.recipes.recognizers import OWN_LINES, RECIPES
from text_recognizer.recipes.resnet_configuration import DTYPE_POLICIES, TINY_IMAGENET, Configuration
from text_recognizer.recipes.resnet_configuration import SAMPLE as SMALL

PROGRAM = "python -m text_recognizer"
PREDICTION = ".pred.txt"  # never ".gt.txt", which a person wrote
BLOCK = 128  # images that are read together: of 32, so few are of one width that it takes twice as long
DRAWN = 10  # lines, of those that a network is judged by
BACKENDS = ("tensorflow", "jax")  # packages, of the same names as what Keras calls them
CONSTANTS = dataclasses.fields(Configuration)


def main(arguments=None):
    """Run the command.

    Args:
        arguments: a list of strings. Default: those of the command line. Wrong ones end the
            program with status 2, as `argparse` does it.

    Returns:
        The exit status: 0, 1 after an error, 130 after Ctrl-C, 141 where nobody reads the output any more.
        With `--debug` an error is raised.
    """
    options = parser().parse_args(arguments)
    if getattr(sys.stdout, "errors", None) == "strict" and hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(errors="backslashreplace")  # of what was read, it may lack a character
    try:
        options.drawn = options.data is not None
        options.data = choose_source(options.data)
        if getattr(options, "network", ...) is None:
            options.network = "line_convnext" if getattr(options, "lines", None) else "vgg"
        return options.run(options)
    except KeyboardInterrupt:
        print(f"\n{PROGRAM}: interrupted{options.after_an_interruption}", file=sys.stderr)
        return 130
    except BrokenPipeError:  # as of `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python complains when it flushes
        return 141
    except Exception as error:
        if options.debug or not isinstance(error, _expected()):
            raise
        return _fail(error)


def train(options):
    """Train a network, write its weights, and print what it reaches on lines or characters held out."""
    _check_options(options)
    keras = _import_keras()
    keras.utils.set_random_seed(options.seed)
    model = recognizers.build(options.network, _training_data(options), options.weights_dir)
    print(f"{_described(model)}\n{model.name}: {model.network.count_params():,} parameters", flush=True)
    if options.start:
        known, classes = recognizers.start_from(model, options.start), len(model.data.class_names)
        print(f"starts from {options.start}, which knows {known} of the {classes} classes", flush=True)

    start = time.perf_counter()
    recognizers.train(
        model,
        (OWN_LINES if options.lines else RECIPES)[options.network],
        epochs=options.epochs,
        batch_size=options.batch_size,
        validation_fraction=options.validation_fraction,
        seed=options.seed,
        start=options.start,
        verbose=1 if sys.stdout.isatty() else 2,  # a bar, or a line an epoch
    )
    print(f"trained in {time.perf_counter() - start:.0f} s\nweights in {model.weights_filename}")
    if len(model.data.x_test):
        _print_score("validation" if options.lines else "test", model, model.data.x_test, model.data.y_test)
    return 0


def evaluate(options):
    """Print what a trained network reaches on the test set, or on the lines of a folder."""
    _check_options(options)
    model = _trained_model(options, own_lines=options.lines)
    print(_described(model))
    if options.lines:
        _print_score(options.lines, model, model.data.x_train, model.data.y_train)
        if options.draw:
            _draw_lines(options.draw, model)
    else:
        _print_score("test", model, model.data.x_test, model.data.y_test)
    return 0


def read(options):
    """Print what is written on each image and how sure the network is of it, from 0 to 1."""
    own_lines = not options.drawn and recognizers.own_lines_weights(options.network, options.weights_dir).exists()
    model = _trained_model(options, own_lines)
    images, status = [], 0

    def fail(error):  # the others can still be read
        nonlocal status
        if options.debug:
            raise error
        status = _fail(error)

    for path in map(Path, options.image):
        try:
            images += _images(path)
        except OSError as error:
            fail(error)
    if options.write_texts:
        _check_stems(images)
    for start in range(0, len(images), BLOCK):
        block = images[start : start + BLOCK]
        for path, prediction in zip(block, _predictions(model, block)):
            if isinstance(prediction, Exception):
                fail(prediction)
                continue
            text, confidence = prediction
            print(f"{path}\t{text}\t{confidence:.2g}", flush=True)
            if options.write_texts:
                try:
                    with atomic_write(path.with_suffix(PREDICTION)) as beside:
                        beside.write_text(f"{text}\n", "utf-8")
                except OSError as error:
                    fail(error)
    return status


def resnet(options):
    """Train the ResNet on Tiny ImageNet, or on the sample, and go on where it was stopped."""
    constants = {field.name: getattr(options, field.name) for field in CONSTANTS if hasattr(options, field.name)}
    configuration = dataclasses.replace(TINY_IMAGENET if options.data == FULL else SMALL, **constants)
    _import_keras()
    from text_recognizer.recipes.resnet import train

    run = train(
        configuration,
        options.folder or Path("runs", f"resnet-{options.data}"),
        source=options.data,
        images_per_class=options.images_per_class,
        by_hand=options.by_hand,
        dtype_policy=options.dtype_policy,
        jit_compile=options.jit_compile,
    )
    if run.chief:
        print("test:", "  ".join(f"{name} {value:.4f}" for name, value in run.test.items()))
    return 0


def parser():
    """Return the `argparse.ArgumentParser` of the command. It needs neither Keras nor TensorFlow."""
    top = argparse.ArgumentParser(PROGRAM, description="Train a recognizer of characters or lines, and use it.")
    commands = top.add_subparsers(required=True, metavar="train | evaluate | read | resnet")
    parsers = {run: _add_command(commands, run) for run in (train, evaluate, read, resnet)}
    for run in (train, evaluate, read):
        _add_recognizer_options(parsers[run])
    for run in (train, evaluate):
        _add_lines_options(parsers[run])
    parsers[evaluate].add_argument(
        "--draw", metavar="FILE.png", help=f"draw {DRAWN} of the lines into it, with what is read"
    )
    _add_training_options(parsers[train])
    _add_reading_options(parsers[read])
    _add_resnet_options(parsers[resnet])
    return top


def _check_options(options):
    """Refuse options that do not go together."""
    if not options.lines:
        for name in ("validation", "group_by", "height", "on_error", "draw"):
            if getattr(options, name, None) is not None:
                raise ValueError(f"--{name.replace('_', '-')} goes with --lines")
        return
    if options.network not in OWN_LINES:
        networks = " or ".join(OWN_LINES)
        raise ValueError(f"{options.network} reads single characters: with --lines give --network {networks}")
    for name in ("drawn", "subsample"):
        if getattr(options, name, None):
            raise ValueError(f"--{'data' if name == 'drawn' else name} does not go with --lines")


def _training_data(options):
    if not options.lines:
        return recognizers.drawn_data(options.network, options.data, options.subsample)
    from text_recognizer.datasets.text_lines import TextLines

    names = ("validation", "validation_fraction", "group_by", "height", "on_error", "seed")
    given = {name: getattr(options, name) for name in names}
    return TextLines(options.lines, **{name: value for name, value in given.items() if value is not None})


def _trained_model(options, own_lines):
    _import_keras()
    if own_lines:
        path = recognizers.own_lines_weights(options.network, options.weights_dir)
    else:
        data = recognizers.drawn_data(options.network, options.data)
        model = recognizers.build(options.network, data, options.weights_dir)
        path = model.weights_filename
    if not path.exists():
        source = "--lines FOLDER" if own_lines else f"--data {options.data}"
        command = f"{PROGRAM} train --network {options.network} {source}"
        if options.weights_dir:
            command += f" --weights-dir {options.weights_dir}"
        raise FileNotFoundError(f"no weights in {path}: first run {command}")
    if own_lines:
        lines, on_error = getattr(options, "lines", None), getattr(options, "on_error", None)
        return recognizers.load_own_lines(options.network, options.weights_dir, lines, on_error or "refuse")
    model.load_weights()
    return model


def _described(model):
    """Return what the data are, after a line for each of those that were skipped."""
    description = model.data.describe()
    for name, reason in getattr(model.data, "skipped", {}).items():
        print(f"skipped {name}: {reason}", file=sys.stderr)
    return description


def _print_score(part, model, x, y):
    if not RECIPES[model.network.name].line:
        print(f"{part} accuracy {model.evaluate(x, y):.4f}")
        return
    from text_recognizer.metrics import character_error_rate, word_error_rate

    texts, readings = model.data.decode(y), model.read(x)
    rates = character_error_rate(texts, readings), word_error_rate(texts, readings)
    print("{} character error rate {:.4f}, word error rate {:.4f}".format(part, *rates))


def _draw_lines(path, model):
    """Draw some of the lines that the model is judged by, from the first to the last, with what it reads."""
    from text_recognizer.plotting import plot_lines

    x, y = model.data.x_train, model.data.y_train
    rows = np.unique(np.linspace(0, len(x) - 1, DRAWN).round().astype(int))
    figure = plot_lines(x[rows], model.data.decode(y[rows]), model.read(x[rows]))
    with atomic_write(path) as beside:
        figure.savefig(beside)
    print(f"{len(rows)} lines in {path}")


def _images(path):
    """Return the paths of the images in a folder, or the path alone."""
    if not path.is_dir():
        return [path]
    if images := [file for file in visible(path) if file.suffix.lower() in SUFFIXES]:
        return images
    raise FileNotFoundError(f"no images in {path}: none of its files ends in {', '.join(SUFFIXES)}")


def _check_stems(images):
    """Refuse images whose texts would be written into one file."""
    firsts = {}
    for path in images:
        there = path.parent.resolve() / path.name
        first = firsts.setdefault(there.with_suffix(PREDICTION), there)
        if first != there:
            raise ValueError(
                f"{first} and {there} would both have their text in {there.with_suffix(PREDICTION).name}: "
                "rename one of them, or leave out --write-texts"
            )


def _predictions(model, paths):
    """Return for each image what is read on it, or the error; lines are read together."""
    lines = hasattr(model, "predict_on_lines")
    found = []
    for path in paths:
        try:
            found.append(model.line_on(path) if lines else model.predict_on_image(path))
        except (OSError, ValueError) as error:
            found.append(error)
    rows = [row for row, line in enumerate(found) if not isinstance(line, Exception)]
    if lines and rows:
        for row, prediction in zip(rows, model.predict_on_lines([found[row] for row in rows])):
            found[row] = prediction
    return found


def _expected():
    """Return the errors that a user can mend, and whose message says how."""
    expected = (DatasetUnavailableError, FloatingPointError, OSError, OverflowError, ValueError)
    if "tensorflow" in sys.modules:
        expected += (sys.modules["tensorflow"].errors.OpError,)
    return expected


def _fail(error):
    message = " ".join((str(error).strip() or type(error).__name__).split())
    print(f"{PROGRAM}: error: {message}", file=sys.stderr)
    return 1


def _import_keras():
    """Import Keras without the start-up messages of TensorFlow, which it logs before it reads its log level."""
    # by itself TensorFlow takes oneDNN's kernels, which train up to twice as fast, on newer processors alone
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    level = os.environ.get("TF_CPP_MIN_LOG_LEVEL")
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = level or "3"
    if sys.stderr is None:  # closed by the caller
        import keras

        return keras
    sys.stderr.flush()
    saved = os.dup(2)
    with open(os.devnull, "wb") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        import keras
    except ModuleNotFoundError as error:
        if (package := (error.name or "").partition(".")[0]) not in BACKENDS:
            raise
        raise ValueError(
            f"Keras is set to a backend that is not installed, {package}. Set KERAS_BACKEND to one that is, "
            f"{' or '.join(BACKENDS)} (the default is {BACKENDS[0]}), or install {package}"
        ) from error
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        if level is None:
            del os.environ["TF_CPP_MIN_LOG_LEVEL"]
    return keras


def _add_command(commands, run):
    command = commands.add_parser(run.__name__, help=run.__doc__, description=run.__doc__)
    command.set_defaults(run=run, after_an_interruption="")
    command.add_argument(
        "--data",
        choices=(SAMPLE, FULL),
        help=f"drawn characters, lines and shapes, or the real data. Default: what {VARIABLE} says, or {SAMPLE}",
    )
    command.add_argument("--debug", action="store_true", help="show where in the code an error comes from")
    return command


def _add_recognizer_options(command):
    command.add_argument("--network", choices=RECIPES, help="default: vgg, or with --lines line_convnext")
    command.add_argument("--weights-dir", metavar="DIR", help="default: weights/sample, weights/full or weights/lines")


def _add_lines_options(command):
    command.add_argument("--lines", metavar="FOLDER", help="lines of one's own: STEM.png, .jpg, ... beside STEM.gt.txt")
    command.add_argument(
        "--on-error", choices=("refuse", "skip"), help="what to do with lines that cannot be used. Default: refuse"
    )


def _add_training_options(command):
    command.set_defaults(after_an_interruption="; the same command goes on after the last whole epoch")
    for option in ("epochs", "batch_size"):
        recipes = RECIPES | {"--lines": OWN_LINES["line_convnext"]}
        defaults = ", ".join(f"{getattr(recipe, option)} for {name}" for name, recipe in recipes.items())
        command.add_argument(f"--{option.replace('_', '-')}", type=int, metavar="N", help=f"default: {defaults}")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="default: %(default)s")
    command.add_argument(
        "--subsample",
        type=float,
        metavar="FRACTION",
        help="take only this part of each class of characters, or of the lines",
    )
    held_out = command.add_mutually_exclusive_group()
    held_out.add_argument("--validation", metavar="FOLDER", help="of lines to hold out, with --lines")
    held_out.add_argument(
        "--validation-fraction",
        type=float,
        metavar="FRACTION",
        help="of the training set, held out to show the progress; 0 for none. "
        f"Default: {recognizers.VALIDATION_FRACTION}, or an image of each character; of --lines {VALIDATION_FRACTION}",
    )
    command.add_argument("--group-by", metavar="SEPARATOR", help="hold out all lines alike up to this in their stems")
    command.add_argument(
        "--height", type=int, metavar="PIXELS", help=f"of the lines of --lines, {LEAST_HEIGHT} or more. Default: 48"
    )
    command.add_argument("--from", dest="start", metavar="WEIGHTS", help="start from these, of such a network")


def _add_reading_options(command):
    command.add_argument("image", nargs="+", metavar="IMAGE", help="a file (PNG, JPEG, ...), or a folder of such files")
    command.add_argument("--write-texts", action="store_true", help=f"write what was read into STEM{PREDICTION}")


def _add_resnet_options(command):
    command.set_defaults(after_an_interruption="; the same command goes on after the last whole epoch")
    add = command.add_argument
    add("--folder", help="of the run: checkpoints, history.csv. Default: runs/resnet-sample or -full")
    add("--images-per-class", type=int, metavar="N", help="train on a part of each class")
    add("--loop", action="store_true", dest="by_hand", help="train with the loop by hand, not with fit")
    add("--dtype-policy", choices=DTYPE_POLICIES, default="float32", help="default: %(default)s")
    add("--jit-compile", action="store_true", help="compile with XLA")

    group = command.add_argument_group("the configuration")
    for constant in CONSTANTS:
        group.add_argument(
            f"--{constant.name.replace('_', '-')}",
            default=argparse.SUPPRESS,
            help=_help(constant),
            **_kind(constant.default),
        )


def _kind(default):
    """Return how `argparse` reads a constant like this one."""
    if isinstance(default, bool):
        return {"action": argparse.BooleanOptionalAction}
    if isinstance(default, tuple):
        return {"type": _integers, "metavar": "N,N,..."}
    return {"type": type(default), "metavar": type(default).__name__.upper()}


def _help(constant):
    sample, full = (getattr(configuration, constant.name) for configuration in (SMALL, TINY_IMAGENET))
    default = f"{full}" if sample == full else f"{full}; on the sample {sample}"
    text = f"{constant.metadata['unit']} {constant.metadata['meaning']}".strip() + f" (default: {default})"
    return text.replace("%", "%%")


def _integers(text):
    return tuple(int(number) for number in text.split(","))
