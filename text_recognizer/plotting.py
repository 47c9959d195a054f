"""Figures: histories, images, confusion matrices, model graphs.

All have one style, the sheet `text_recognizer.workbook`, whatever the caller's settings are, and
the same pixels on every machine with the same versions. Each `plot_...` of a matplotlib figure
returns it closed: a notebook shows it once, as the value of the cell's last expression.
"""

import functools
import importlib.util
import math
import os
import re
import struct
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.sax.saxutils import escape

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import PowerNorm
from matplotlib.ticker import MaxNLocator

from text_recognizer.arguments import whole_number
from text_recognizer.files import atomic_write

WIDTH = 7.2  # inches, as in the style sheet
DPI = 144
BLUE, VERMILLION = "#0072B2", "#D55E00"
DARK_VERMILLION = "#A84800"  # as text on white it has a contrast of 5.9 to 1; the other one has 3.9, and 4.5 is needed


def _styled(plot):
    @functools.wraps(plot)
    def styled(*args, **kwargs):
        with plt.style.context("text_recognizer.workbook", after_reset=True):
            figure = plot(*args, **kwargs)
            # Ticks are made when a figure is first drawn, in the style of that moment.
            figure.draw_without_rendering()
            interactive = plt.isinteractive()
        plt.close(figure)
        # A session's first figure loads the backend, which decides this; the context has undone it.
        plt.interactive(interactive)
        return figure

    return styled


@_styled
def plot_history(history, metrics=None):
    """Plot what `fit` recorded, a panel a quantity: training as a line, validation dashed.

    Args:
        history: what `keras.Model.fit` returned, or its `history` dict of lists, a float an epoch.
            The epochs of a dict are counted from 1, those of a `History` from its first one.
        metrics: the quantities to show, in this order, without the prefix `val_`, e.g.
            `["loss", "learning_rate"]`. Default: the loss, then all others but the learning rate.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: nothing was recorded, a metric is not in the history, or a quantity was not
            recorded at every epoch.

    Example:
        >>> from text_recognizer.plotting import plot_history
        >>> history = {"loss": [2.0, 1.0, 0.5], "val_loss": [2.1, 1.2, 0.9], "accuracy": [0.5, 0.7, 0.8]}
        >>> figure = plot_history(history)
        >>> [panel.get_title(loc="left") for panel in figure.axes]
        ['loss', 'accuracy']
    """
    recorded = getattr(history, "history", history)
    lengths = {name: len(values) for name, values in recorded.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        raise ValueError(f"the history has {lengths or 'no'} values; it needs one for each epoch (validation_freq=1)")
    quantities = list(dict.fromkeys(name.removeprefix("val_") for name in recorded))
    if not metrics:
        metrics = sorted((name for name in quantities if name != "learning_rate"), key=lambda name: name != "loss")
    if unknown := [name for name in metrics if name not in quantities]:
        raise ValueError(f"{unknown} not in the history, which has {quantities}")

    epochs, first = len(next(iter(recorded.values()))), getattr(history, "epoch", [0])[0] + 1
    x = np.arange(first, first + epochs)
    columns = min(len(metrics), 3)
    rows = math.ceil(len(metrics) / columns)
    every = math.ceil(epochs * columns / 40)  # where markers are denser, they hide the dashes
    figure, axes = plt.subplots(rows, columns, figsize=(WIDTH, 2.7 * rows), squeeze=False)
    shown = {}
    for panel, name in zip(axes.flat, metrics):
        for prefix, label, style, color in (("", "training", "-o", BLUE), ("val_", "validation", "--s", VERMILLION)):
            if prefix + name in recorded:
                look = {"color": color, "markevery": every, "clip_on": False}
                (shown[label],) = panel.plot(x, recorded[prefix + name], style, label=label, **look)
        panel.set(title=name, xlabel="epoch", xlim=(x[0] - 0.5, x[-1] + 0.5))
        panel.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    for panel in axes.flat[len(metrics) :]:
        panel.remove()
    figure.legend(shown.values(), shown.keys(), loc="outside upper right", ncols=2)
    return figure


@_styled
def plot_trainings(histories, metrics=("loss", "val_loss"), ylim=None):
    """Plot several trainings over each other, a panel a quantity.

    Args:
        histories: by name, what `keras.Model.fit` returned, or its `history` dict of lists, a float an
            epoch. They may differ in length. At most seven, which is how many lines can be told apart.
        metrics: the quantities to show, in this order, each recorded by every training.
        ylim: (lowest, highest) of every panel. Default: as each panel needs it.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: there are no trainings or more than seven, or one lacks a quantity or has no epoch.

    Example:
        >>> from text_recognizer.plotting import plot_trainings
        >>> figure = plot_trainings({"plain": {"loss": [2.0, 1.0]}, "wider": {"loss": [1.5, 0.5]}}, ["loss"])
        >>> [line.get_label() for line in figure.axes[0].lines]
        ['plain', 'wider']
    """
    recorded = {name: getattr(history, "history", history) for name, history in histories.items()}
    if not 1 <= len(recorded) <= 7:
        raise ValueError(f"{len(recorded)} trainings; give 1 to 7, which can be told apart")
    for name, values in recorded.items():
        if missing := [metric for metric in metrics if not len(values.get(metric, ()))]:
            raise ValueError(f"{name!r} has no {missing}, only {[key for key in values if len(values[key])]}")

    longest = max(len(values[metrics[0]]) for values in recorded.values())
    figure, axes = plt.subplots(1, len(metrics), figsize=(WIDTH, 2.9), squeeze=False)
    for panel, metric in zip(axes.flat, metrics):
        for name, values in recorded.items():
            panel.plot(np.arange(1, len(values[metric]) + 1), values[metric], label=name, marker="." * (longest == 1))
        panel.set(title=metric, xlabel="epoch", ylim=ylim)
        panel.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    figure.legend(*axes.flat[0].get_legend_handles_labels(), loc="outside upper right", ncols=min(len(recorded), 5))
    return figure


@_styled
def plot_pairs(first, second, names, ylabel):
    """Plot two results of each seed, joined by a line: what the difference is within the pairs.

    Args:
        first: a float a seed, such as the validation accuracy without dropout.
        second: the same with the one thing changed, in the same order of seeds.
        names: what the two are called, such as ("plain", "dropout").
        ylabel: the quantity.

    Returns:
        A `matplotlib.figure.Figure`. A pair that falls is drawn in another colour, and dashed.

    Raises:
        ValueError: there is no pair, or one lacks its partner.

    Example:
        >>> from text_recognizer.plotting import plot_pairs
        >>> figure = plot_pairs([0.81, 0.84], [0.85, 0.83], ("plain", "dropout"), "accuracy")
        >>> [line.get_linestyle() for line in figure.axes[0].lines]
        ['-', '--']
    """
    first, second = (np.asarray(values, dtype="float64") for values in (first, second))
    if first.ndim != 1 or first.shape != second.shape or not len(first):
        raise ValueError(f"results of shape {first.shape} and {second.shape}; give one of each for every seed")
    figure, panel = plt.subplots(figsize=(WIDTH, 2.9))
    for pair in zip(first, second):
        falls = pair[1] < pair[0]
        panel.plot([0, 1], pair, marker="o", color=VERMILLION if falls else BLUE, linestyle="--" if falls else "-")
    panel.set(xticks=[0, 1], xticklabels=names, xlim=(-0.6, 1.6), ylabel=ylabel)
    return figure


@_styled
def plot_images(images, labels=None, predictions=None, class_names=None, columns=8):
    """Plot a grid of images; a wrong prediction is titled "7, not 1", in colour.

    Args:
        images: shape (n, h, w) or (n, h, w, 1), grey, or (n, h, w, 3), RGB; n is 1 to 256. Of
            uint8, 0 is black and 255 white; of floats, 0 and 1 are, or, where a value lies outside
            these, the lowest and the highest of all the images.
        labels: the true labels, shape (n,): integers, or strings to show as they are.
        predictions: the predicted labels, shape (n,), of the same kind.
        class_names: a name for each integer label. Default: the integer.
        columns: images in a row.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: a shape or a dtype is none of these, an image holds NaN or infinity, lengths
            differ, or a label has no name.

    Example:
        >>> import numpy as np
        >>> from text_recognizer.plotting import plot_images
        >>> images = np.random.default_rng(0).random((3, 28, 28))
        >>> figure = plot_images(images, labels=[7, 1, 2], predictions=[7, 7, 2])
        >>> [panel.get_title() for panel in figure.axes]
        ['7', '7, not 1', '2']
    """
    pictures, columns = _as_pictures(images), whole_number("columns", columns)
    titles, wrong = _titles(len(pictures), labels, predictions, class_names)

    cell = WIDTH / columns
    titles, fontsize = _fit(titles, 72 * cell)
    lines = max(title.count("\n") for title in titles) + 1 if any(titles) else 0
    height, width = pictures.shape[1:3]
    cell_height = cell * height / width + lines * (1.2 * fontsize + 4) / 72

    columns = min(columns, len(pictures))
    rows = math.ceil(len(pictures) / columns)
    figure, axes = plt.subplots(rows, columns, figsize=(cell * columns, cell_height * rows), squeeze=False)
    for panel in axes.flat:
        panel.axis("off")
    for panel, picture, title, is_wrong in zip(axes.flat, pictures, titles, wrong):
        panel.imshow(picture, cmap="gray", vmin=0, vmax=1, interpolation="nearest")
        look = {"color": DARK_VERMILLION, "fontweight": "bold"} if is_wrong else {}
        panel.set_title(title, loc="center", pad=3, fontsize=fontsize, **look)
    return figure


@_styled
def plot_lines(images, texts, readings):
    """Plot lines of text, above each what it says, and below it, in colour, what was read if that is something else.

    Args:
        images: n arrays, uint8 (height, any width), 0 (paper) to 255 (ink), as those of `TextLines`.
        texts: what they say, n strings.
        readings: what was read, n strings.

    Returns:
        A `matplotlib.figure.Figure`.

    Raises:
        ValueError: there are no lines, or not one text and one reading for each.

    Example:
        >>> import numpy as np
        >>> from text_recognizer.plotting import plot_lines
        >>> figure = plot_lines([np.zeros((48, 300), "uint8")], ["a line"], ["o line"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['a line', 'o line']
    """
    if not len(images) == len(texts) == len(readings) > 0:
        raise ValueError(f"{len(images)} lines, {len(texts)} texts, {len(readings)} readings: give as many of each")
    figure, axes = plt.subplots(len(images), 1, figsize=(WIDTH, 1.0 * len(images)), squeeze=False)
    widest = max(image.shape[1] for image in images)
    for panel, image, text, reading in zip(axes.flat, images, texts, readings):
        panel.imshow(255 - image, cmap="gray", vmin=0, vmax=255, extent=(0, image.shape[1], image.shape[0], 0))
        panel.set_xlim(0, widest)
        panel.axis("off")
        panel.text(0, 1, text, transform=panel.transAxes, va="bottom")
        if reading != text:
            panel.text(0, 0, reading, transform=panel.transAxes, va="top", color=DARK_VERMILLION, fontweight="bold")
    return figure


def _as_pictures(images):
    """Return the images as floats from 0 (black) to 1, of shape (n, h, w) or (n, h, w, 3)."""
    images = np.asarray(images)
    if images.shape[3:] == (1,):
        images = images[..., 0]
    if images.ndim < 3 or images.shape[3:] not in ((), (3,)) or 0 in images.shape or len(images) > 256:
        forms = "(n, h, w), (n, h, w, 1) or (n, h, w, 3), n up to 256, as images[:32] or image[None]"
        raise ValueError(f"images has shape {images.shape}; give {forms}")
    if images.dtype == np.uint8:
        return images / 255
    if images.dtype.kind != "f" or not np.isfinite(images).all():
        raise ValueError(f"images is {images.dtype}; give uint8, or floats without NaN and infinity")
    low, high = float(images.min()), float(images.max())
    if 0 <= low and high <= 1:
        low, high = 0, 1
    return (images.astype(np.float64) - low) / ((high - low) or 1)


def _titles(count, labels, predictions, class_names):
    """Return a title for each image, and whether it tells of a wrong prediction."""
    given = {"labels": labels, "predictions": predictions}
    given = {
        name: _named(name, _as_labels(name, values, kinds="iuU"), class_names)
        for name, values in given.items()
        if values is not None
    }
    for name, values in given.items():
        if len(values) != count:
            raise ValueError(f"{len(values)} {name} for {count} images")
    if len(given) < 2:
        return next(iter(given.values()), [""] * count), [False] * count
    pairs = list(zip(*given.values()))
    titles = [label if label == taken else f"{taken}, not {label}" for label, taken in pairs]
    return titles, [label != taken for label, taken in pairs]


def _fit(titles, width):
    """Break the titles in two lines and shrink them, as far as needed, to a width in points."""

    def points(texts, fontsize):
        return max(map(len, texts)) * 0.6 * fontsize  # a character is about 0.6 em wide

    if points(titles, 9) > width:
        titles = [title.replace(", not ", ",\nnot ") for title in titles]
    lines = [line for title in titles for line in title.split("\n")]
    return titles, max(5, min(9, 0.94 * width / (points(lines, 1) or 1)))


def _as_labels(name, values, kinds="iu"):
    values = np.asarray(values)
    if values.ndim != 1 or values.dtype.kind not in kinds:
        advice = f"np.argmax({name}, axis=-1) makes them of one-hot rows or probabilities, ({name}[:, 0] > 0.5) of one"
        raise ValueError(f"{name} is {values.dtype} {values.shape}, not integers (n,); {advice}")
    return values


def _named(name, labels, class_names):
    if class_names is None or labels.dtype.kind == "U":
        return [str(label) for label in labels]
    if len(labels) and not 0 <= labels.min() <= labels.max() < len(class_names):
        raise ValueError(f"{name} run from {labels.min()} to {labels.max()}; there are {len(class_names)} class_names")
    return [str(class_names[label]) for label in labels]


@_styled
def plot_confusion_matrix(y_true, y_pred, class_names=None):
    """Plot how often each class (a row) was taken for each class (a column).

    Up to 20 classes, a cell holds its count, unless that is 0. Beyond, shades alone are shown, on
    a square-root scale, so that single mistakes are seen beside hundreds of hits.

    Args:
        y_true: the true labels, integers of shape (n,).
        y_pred: the predicted labels, integers of shape (n,).
        class_names: a name for each label from 0 on. Default: the integers that occur.

    Returns:
        A `matplotlib.figure.Figure`. The matrix is scikit-learn's, `metrics.confusion_matrix`.

    Raises:
        ValueError: these are not integer labels (but one-hot vectors or probabilities), there are
            none, their numbers differ, or a label has no name.

    Example:
        >>> from text_recognizer.plotting import plot_confusion_matrix
        >>> figure = plot_confusion_matrix([0, 0, 0, 1], [0, 0, 1, 1], class_names=["cat", "dog"])
        >>> figure.axes[0].images[0].get_array().tolist()  # a cat was taken for a dog
        [[2, 1], [0, 1]]
    """
    from sklearn.metrics import ConfusionMatrixDisplay, confusion_matrix

    y_true, y_pred = _as_labels("y_true", y_true), _as_labels("y_pred", y_pred)
    if len(y_true) != len(y_pred) or not len(y_true):
        raise ValueError(f"{len(y_true)} y_true and {len(y_pred)} y_pred; one of each an example")
    classes = names = np.union1d(y_true, y_pred)
    if class_names is not None:
        _named("y_true and y_pred", classes, class_names)
        classes, names = range(len(class_names)), class_names

    counts = confusion_matrix(y_true, y_pred, labels=classes)
    few = len(classes) <= 20
    longest = max(len(str(name)) for name in names)
    figure, axes = plt.subplots(figsize=(WIDTH, 5.6 if few else 6.4))
    display = ConfusionMatrixDisplay(counts, display_labels=names).plot(
        ax=axes,
        cmap="Blues",
        include_values=few,
        values_format="d",
        text_kw={"color": "black"},
        # Black on the lighter half of the colours is legible everywhere.
        im_kw={"vmax": 2 * counts.max()} if few else {"norm": PowerNorm(0.5)},
        xticks_rotation="vertical" if longest > 3 else "horizontal",
        colorbar=False,
    )
    if few:
        for text in display.text_.flat:
            text.set_visible(text.get_text() != "0")
    else:
        figure.colorbar(display.im_, aspect=50, pad=0.02, label="count")
    axes.grid(False)
    axes.spines[:].set_visible(True)
    axes.set(xlabel="predicted", ylabel="true")
    axes.tick_params(length=0, labelsize=min(9, max(4, 360 / len(classes))))
    return figure


class ModelGraph:
    """The graph of a model: a picture in a notebook, the list of its layers as text.

    Attributes:
        png: the picture, the bytes of a PNG file.
        text: a line on the model and one on each layer, in Keras' order, numbered, with the shape
            of its output, and with the numbers of the layers that feed it where that is not the
            one above. The picture's alternative text.
    """

    def __init__(self, png, text):
        self.png, self.text = png, text

    def __repr__(self):
        return self.text

    def _repr_png_(self):
        (width,) = struct.unpack(">I", self.png[16:20])  # of the header chunk, the first in a PNG
        return self.png, {"width": min(width, round(WIDTH * DPI)), "alt": self.text}


def plot_model(model, to_file=None, *, show_layer_names=False, expand_nested=False, dpi=96, **options):
    """Draw a model's graph: `keras.utils.plot_model` without a system package.

    `keras.utils.plot_model` needs the program `dot`. The wheel of pygraphviz carries Graphviz's
    libraries, so `pip` is enough here. Text is set in matplotlib's DejaVu Sans, so the picture does not
    depend on the fonts of the machine.

    Args:
        model: a built `keras.Model`.
        to_file: a .png file to write the picture to as well; one that is there is replaced, and its
            folder is made if need be.
        dpi: dots per inch; at 96 (Keras: 200), the text is about as large as the other text of a
            notebook.
        show_layer_names, expand_nested, options: as in `keras.utils.plot_model`: `show_shapes`,
            `show_dtype`, `rankdir`, `show_layer_activations`, `show_trainable`, `splines`.

    Returns:
        A `ModelGraph`.

    Raises:
        ValueError: the model is not built, or `to_file` is not a .png.
        ImportError: pygraphviz is not installed, or pydot is not.
        RuntimeError: Graphviz failed.

    Example:
        >>> import keras
        >>> from text_recognizer.plotting import plot_model
        >>> model = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)])
        >>> graph = plot_model(model)  # in a notebook it is shown as a picture
        >>> print(graph)
        Sequential, 2 layers
        1. Flatten: output (None, 784)
        2. Dense: output (None, 10)
    """
    import keras

    if not model.built:
        raise ValueError(
            f"{model.name} is not built, so its layers have no shapes yet: begin it with "
            "keras.Input(shape), call model.build((None, ...)), or call it on a batch"
        )
    if to_file is not None and Path(to_file).suffix != ".png":
        raise ValueError(f"to_file is {to_file}; only PNG is written, so end it in .png")

    shown = {"show_layer_names": show_layer_names, "expand_nested": expand_nested}
    dot = keras.utils.model_to_dot(model, dpi=dpi, **shown, **options)
    dot.obj_dict["attributes"].update(bgcolor="white", pad=0.1, nodesep=0.4, ranksep=0.35)
    source = re.sub("<<table.*?</table>>", _restyle, dot.to_string())
    graph = ModelGraph(_draw(source), "\n".join(_describe(model, show_layer_names, expand_nested)))
    if to_file is not None:
        with atomic_write(to_file) as beside:
            beside.write_bytes(graph.png)
    return graph


def _restyle(label):
    """Give Keras' label of a layer, black slabs, the look of the other figures."""
    table = label[0].replace('bgcolor="black"', f'bgcolor="{BLUE}"')
    table = table.replace('cellborder="1"', 'cellborder="0"').replace('cellpadding="10"', 'cellpadding="7"')
    # Keras counts a cell too many where a layer has no input or no weights, which leaves a gap.
    cells = table.rpartition("<tr>")[2].count("<td")
    return re.sub(r'colspan="\d+"', f'colspan="{cells}"', table)


_PYGRAPHVIZ = """
import sys, pygraphviz
graph = pygraphviz.AGraph(string=sys.stdin.buffer.read().decode())
sys.stdout.buffer.write(graph.draw(format="png", prog="dot"))
"""


def _draw(source):
    """Return a graph in the DOT language as the bytes of a PNG file."""
    if importlib.util.find_spec("pygraphviz") is None:
        raise ImportError("drawing a model needs Graphviz: pip install pygraphviz")
    # Fontconfig reads its settings once a process, so Graphviz gets a process of its own.
    with tempfile.TemporaryDirectory() as folder:
        settings = Path(folder, "fonts.conf")
        fonts = Path(matplotlib.get_data_path(), "fonts", "ttf")
        # The paths in it are the bytes that the file system has, whatever the locale is.
        settings.write_bytes(os.fsencode(_FONTS.format(fonts=escape(str(fonts)), cache=escape(folder))))
        env = {k: v for k, v in os.environ.items() if not k.startswith(("FONTCONFIG_", "FC_"))}
        env["FONTCONFIG_FILE"] = str(settings)
        command = [sys.executable, "-c", _PYGRAPHVIZ]
        drawing = subprocess.run(command, input=source.encode(), capture_output=True, check=False, env=env)
    if drawing.returncode:
        raise RuntimeError(f"Graphviz failed: {drawing.stderr.decode(errors='replace').strip()}")
    return drawing.stdout


# Whatever font is asked for (Keras asks for Helvetica), the answer is DejaVu Sans.
_FONTS = """<?xml version="1.0"?>
<fontconfig>
  <dir>{fonts}</dir>
  <cachedir>{cache}</cachedir>
  <match target="pattern">
    <edit name="family" mode="assign" binding="strong"><string>DejaVu Sans</string></edit>
  </match>
</fontconfig>
"""


def _describe(model, show_names, expand_nested):
    """Yield a line on the model, and one on each of its layers."""
    import keras

    # An operation such as x + y is no layer, but it is in the picture.
    layers = getattr(model, "operations", model.layers)
    number = {str(id(layer)): i for i, layer in enumerate(layers, start=1)}
    inputs = {i: [] for i in number.values()}
    for edge in keras.utils.model_to_dot(model).get_edges():
        inputs[number[edge.get_destination()]].append(number[edge.get_source()])

    yield f"{_title(model, show_names)}, {len(layers)} layer{'s' * (len(layers) != 1)}"
    for i, layer in enumerate(layers, start=1):
        try:
            shape = keras.tree.map_structure(lambda tensor: tensor.shape, layer.output)
        except (AttributeError, ValueError):  # called more than once, or inside a subclass' call
            shape = "unknown"
        line = f"{i}. {_title(layer, show_names)}: output {shape}"
        if inputs[i] not in ([], [i - 1]):  # not an input, nor fed by the layer above it
            line += f", from {' and '.join(map(str, inputs[i]))}"
        yield line
        if expand_nested and isinstance(layer, keras.Model):
            _, *lines = _describe(layer, show_names, expand_nested)
            yield from (f"   {line}" for line in lines)


def _title(layer, show_name):
    kind = type(layer).__name__
    return f"{layer.name} ({kind})" if show_name else kind
