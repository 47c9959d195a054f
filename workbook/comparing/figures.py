"""What a matplotlib figure shows, in words and numbers: so that a curve which moves can be compared by its values.

The kernel that executes a page loads this file as an extension of IPython, without the rest of the package. It
attaches the description to each figure that is shown, as metadata of its PNG, where no viewer of notebooks looks:

    "metadata": {"image/png": {"figure": {"set": [...], "drawn": [...]}}}
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

import numpy as np

_MOST_POINTS = 32  # of a curve; a longer one is described by as many of its points
_MOST_CELLS = 700  # of a matrix; a larger one is a photograph, described by the means of 4 x 4 tiles
_TILES = 4


def load_ipython_extension(shell) -> None:
    """Let `shell` describe each figure that it shows."""
    undescribed = shell.display_formatter.format

    def format_(obj, include=None, exclude=None):
        data, metadata = undescribed(obj, include, exclude)
        module = sys.modules.get("matplotlib.figure")
        if module and isinstance(obj, module.Figure) and "image/png" in data:
            metadata.setdefault("image/png", {})["figure"] = describe(obj)
        return data, metadata

    shell.display_formatter.format = format_


def describe(figure) -> dict[str, list[str]]:
    """What a figure shows, after it was drawn.

    Args:
        figure: a `matplotlib.figure.Figure`.

    Returns:
        Two lists of lines. "set" is what the author has chosen: labels, scales, limits and ticks unless they follow
        from the data, colours and styles. "drawn" is what may vary: titles, legends, texts, and the values of lines,
        bars, points and matrices.

    >>> from matplotlib.figure import Figure
    >>> figure = Figure()
    >>> _ = figure.subplots().bar([1, 2], [0.5, 0.25])
    >>> describe(figure)["drawn"][-1]
    '1. bars height: 0.50000 0.25000'
    """
    lines: dict[str, list[str]] = {"set": [], "drawn": []}
    for kind, line in _texts(figure.texts, figure.legends):
        lines[kind].append(line)
    for number, axes in enumerate(figure.axes, start=1):
        for kind, line in _panel(axes):
            lines[kind].append(f"{number}. {line}")
    return lines


def _texts(texts, legends) -> Iterator[tuple[str, str]]:
    if texts:
        yield "drawn", "texts: " + ", ".join(repr(text.get_text()) for text in texts)
        places = [(*text.get_position(), *getattr(text, "xy", ())) for text in texts]
        yield "drawn", f"texts at {_numbers(np.concatenate(places, dtype=float))}"
    for legend in legends:
        yield "drawn", "legend: " + ", ".join(repr(text.get_text()) for text in legend.get_texts())


def _panel(axes) -> Iterator[tuple[str, str]]:
    from matplotlib.collections import PathCollection
    from matplotlib.patches import Rectangle

    if axes.get_label() == "<colorbar>":  # the rest of it follows from the data
        yield "set", f"colour bar {axes.get_xlabel() or axes.get_ylabel()!r}"
        return
    for place in "left", "center", "right":
        if title := axes.get_title(loc=place):
            yield "drawn", f"title {title!r} {place}"
    for name, axis in (("x", axes.xaxis), ("y", axes.yaxis)) if axes.axison else ():
        yield "set", f"{name} {axis.get_label_text()!r} {axis.get_scale()}{_limits(axis)}"
    yield from _texts(axes.texts, filter(None, [axes.get_legend()]))

    for number, line in enumerate(axes.lines, start=1):
        look = _colour(line.get_color()), line.get_linestyle(), line.get_marker()
        yield "set", f"line {number}: {' '.join(map(str, look))}"
        yield from _curve(axes, f"line {number}", _data(line.get_xdata), _data(line.get_ydata))
    bars = [patch for patch in axes.patches if isinstance(patch, Rectangle)]
    if bars:
        yield "set", f"bars: {' '.join(dict.fromkeys(_colour(bar.get_facecolor()) for bar in bars))}"
        for what in "x", "y", "width", "height":
            yield "drawn", f"bars {what}: {_numbers([getattr(bar, f'get_{what}')() for bar in bars])}"
    for patch in axes.patches:
        if patch not in bars:
            yield "set", f"patch: {_colour(patch.get_facecolor())}"
            yield from _curve(axes, "patch", *patch.get_patch_transform().transform(patch.get_path().vertices).T)
    for collection in axes.collections:
        name = type(collection).__name__
        colours = [*collection.get_facecolor(), *collection.get_edgecolor()]
        yield "set", f"{name}: {'by value' if len(colours) > 2 else ' '.join(map(_colour, colours))}"
        if isinstance(collection, PathCollection):
            points = collection.get_offsets()
        else:
            points = np.concatenate([np.zeros((0, 2)), *(path.vertices for path in collection.get_paths())])
        yield from _curve(axes, name, *np.ma.filled(points, np.nan).T)
        if collection.get_array() is not None:
            yield "drawn", f"{name} values: {_numbers(_few(np.ravel(collection.get_array())))}"
    for image in axes.images:
        yield "set", f"image: {image.get_cmap().name}"
        yield "drawn", _matrix(np.ma.getdata(image.get_array()))


def _limits(axis) -> str:
    """The limits and ticks of an axis, where they do not follow from the data."""
    from matplotlib.category import StrCategoryLocator
    from matplotlib.ticker import FixedLocator, NullLocator

    free = axis.axes.get_autoscalex_on() if axis.axis_name == "x" else axis.axes.get_autoscaley_on()
    limits = "" if free else f" from {_numbers(axis.get_view_interval())}"
    if free and not isinstance(axis.get_major_locator(), (FixedLocator, NullLocator, StrCategoryLocator)):
        return limits
    return f"{limits} ticks {[label.get_text() for label in axis.get_ticklabels()]}"


def _data(get) -> np.ndarray:
    """The coordinates of a line: integers as the author gave them, anything else in the units of the axis."""
    given = np.asarray(get(orig=True))
    return given if given.dtype.kind in "iu" else get(orig=False)


def _curve(axes, name: str, x, y) -> Iterator[tuple[str, str]]:
    for letter, scale, values in ("x", axes.get_xscale(), x), ("y", axes.get_yscale(), y):
        values = _few(values)
        if scale == "log":  # as it is seen
            letter, values = f"log {letter}", np.log10(np.where(np.greater(values, 0), values, np.nan))
        yield "drawn", f"{name} {letter}: {_numbers(values)}"


def _few(values) -> np.ndarray:
    if len(values) <= _MOST_POINTS:
        return values
    return values[np.linspace(0, len(values) - 1, _MOST_POINTS).round().astype(int)]


def _matrix(matrix: np.ndarray) -> str:
    """Its values, shape (h, w), or the means of 16 tiles if it is large or has colours, shape (h, w, 3 or 4)."""
    name = f"matrix {'x'.join(map(str, matrix.shape))}"
    if matrix.ndim == 2 and matrix.size <= _MOST_CELLS:
        return f"{name}: {_numbers(matrix.ravel())}"
    bands = np.array_split(matrix, _TILES)
    tiles = [tile.mean() for band in bands for tile in np.array_split(band, _TILES, axis=1) if tile.size]
    return f"{name}, means: {_numbers(tiles)}"


def _numbers(values) -> str:
    """Integers as they are; other numbers to one in ten thousand of the largest, and always with a decimal point."""
    values = np.asarray(values)
    if values.dtype.kind != "f":
        return " ".join(str(value) for value in values.tolist())
    largest = np.max(np.abs(values[np.isfinite(values)]), initial=0)
    decimals = 4 - int(np.floor(np.log10(largest))) if largest else 1
    form = f".{max(1, decimals)}f" if decimals <= 8 else ".4e"
    return " ".join(format(value, form) for value in values.tolist())


def _colour(colour) -> str:
    from matplotlib.colors import to_hex

    return to_hex(colour)
