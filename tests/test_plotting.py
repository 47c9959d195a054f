"""Figures show what they were given, legibly, and alike on every machine."""

import io
import os
import re

import matplotlib.colors
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from nbclient import NotebookClient
from PIL import Image

from tests.python import run_python
from text_recognizer import plotting
from workbook.pages import ROOT

HISTORY = {
    "accuracy": [0.5, 0.7, 0.8],
    "loss": [2.0, 1.0, 0.5],
    "val_accuracy": [0.4, 0.6, 0.65],
    "val_loss": [2.1, 1.2, 0.9],
    "learning_rate": [0.1, 0.01, 0.001],
}


def panels(figure):
    return {axes.get_title(loc="left"): axes for axes in figure.axes}


def titles(figure):
    return [text for axes in figure.axes if (text := axes.get_title())]


def pixels(figure):
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return np.asarray(Image.open(buffer))


# All figures


@pytest.mark.parametrize(
    "plot",
    [
        lambda: plotting.plot_history(HISTORY),
        lambda: plotting.plot_trainings({"one": HISTORY, "two": HISTORY}),
        lambda: plotting.plot_pairs([0.5, 0.7], [0.6, 0.6], ("a", "b"), "accuracy"),
        lambda: plotting.plot_images(np.zeros((16, 28, 28), np.uint8)),
        lambda: plotting.plot_confusion_matrix([0, 1, 1], [0, 1, 0]),
    ],
)
def test_a_figure_has_one_style_and_leaves_no_trace(plot):
    before = pixels(plot())
    assert before.shape[1] == 1036  # 7.2 in at 144 dpi
    assert (before[..., 3] == 255).all() and (before[0, 0] == 255).all()  # opaque white
    with plt.rc_context({"font.size": 30, "axes.facecolor": "red", "figure.autolayout": True}):
        settings = dict(plt.rcParams)
        figure = plot()
        assert dict(plt.rcParams) == settings
    np.testing.assert_array_equal(pixels(figure), before)
    assert plt.get_fignums() == []  # or a notebook would show it twice


def test_in_a_notebook_a_figure_of_ones_own_follows_one_of_ours():
    notebook = nbformat.v4.new_notebook()
    notebook.cells = [
        nbformat.v4.new_code_cell("from text_recognizer.plotting import plot_history\nplot_history({'loss': [2, 1]})"),
        nbformat.v4.new_code_cell("import matplotlib.pyplot as plt\nplt.plot([1, 2]);"),
    ]
    NotebookClient(notebook, resources={"metadata": {"path": ROOT}}).execute()
    assert [sum("image/png" in output.get("data", {}) for output in cell.outputs) for cell in notebook.cells] == [1, 1]


def test_the_style_sheet_can_be_used_by_a_page():
    with plt.style.context("text_recognizer.workbook"):
        assert plt.rcParams["figure.dpi"] * plt.rcParams["figure.figsize"][0] == 1036.8
        assert plt.rcParams["font.family"] == ["DejaVu Sans"]


# Histories


def test_history_shows_loss_first_and_both_curves():
    figure = plotting.plot_history(HISTORY)
    assert list(panels(figure)) == ["loss", "accuracy"]
    for name, axes in panels(figure).items():
        training, validation = axes.lines
        for line, key in ((training, name), (validation, "val_" + name)):
            assert line.get_xdata().tolist() == [1, 2, 3]
            assert line.get_ydata().tolist() == HISTORY[key]
        for look in ("color", "linestyle", "marker"):
            assert plt.getp(training, look) != plt.getp(validation, look)
        assert axes.get_xlabel() == "epoch"
        low, high = axes.get_xlim()
        assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1, 2, 3]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["training", "validation"]


def test_history_of_one_epoch_is_seen():
    figure = plotting.plot_history({"loss": [0.5], "val_loss": [0.6]})
    (axes,) = figure.axes
    assert [line.get_marker() for line in axes.lines] == ["o", "s"]
    low, high = axes.get_xlim()
    assert [tick for tick in axes.get_xticks() if low <= tick <= high] == [1]


def test_history_shows_what_is_asked_for():
    figure = plotting.plot_history(HISTORY, metrics=["accuracy", "learning_rate"])
    assert list(panels(figure)) == ["accuracy", "learning_rate"]
    assert len(panels(figure)["learning_rate"].lines) == 1


def test_history_of_two_outputs_has_a_panel_each():
    names = ["aux_output_loss", "loss", "main_output_accuracy", "main_output_loss"]
    figure = plotting.plot_history({name: [1.0, 0.5] for name in names})
    assert list(panels(figure)) == ["loss", "aux_output_loss", names[2], names[3]]
    boxes = [axes.get_tightbbox() for axes in figure.axes]
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


def test_a_resumed_history_goes_on_counting():
    import keras

    history = keras.callbacks.History()
    history.history, history.epoch = {"loss": [0.5, 0.4]}, [10, 11]
    (axes,) = plotting.plot_history(history).axes
    assert axes.lines[0].get_xdata().tolist() == [11, 12]


@pytest.mark.parametrize(
    "history, metrics, message",
    [
        ({}, None, "history has no values"),
        ({"loss": []}, None, "history has {'loss': 0} values"),
        (HISTORY, ["acc"], r"\['acc'\] not in the history, which has \['accuracy', 'loss', 'lea"),
        ({"loss": [1, 2, 3], "val_loss": [1]}, None, "{'loss': 3, 'val_loss': 1} values; it needs one for each epoch"),
    ],
)
def test_a_history_that_cannot_be_plotted(history, metrics, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_history(history, metrics)


def test_trainings_lie_over_each_other():
    short = {"loss": [2.0, 1.0], "val_loss": [2.1, 1.5]}
    figure = plotting.plot_trainings({"all": HISTORY, "stopped": short}, ylim=(0, 3))
    assert list(panels(figure)) == ["loss", "val_loss"]
    for name, axes in panels(figure).items():
        assert [line.get_ydata().tolist() for line in axes.lines] == [HISTORY[name], short[name]]
        assert [line.get_xdata().tolist() for line in axes.lines] == [[1, 2, 3], [1, 2]]
        assert len({line.get_linestyle() for line in axes.lines}) == 2 and axes.get_ylim() == (0, 3)
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["all", "stopped"]


def test_trainings_of_one_epoch_are_seen():
    figure = plotting.plot_trainings({"a": {"loss": [1.0]}}, ["loss"])
    assert figure.axes[0].lines[0].get_marker() == "."


@pytest.mark.parametrize(
    "histories, metrics, message",
    [
        ({}, ["loss"], "0 trainings; give 1 to 7"),
        (dict.fromkeys(range(8), HISTORY), ["loss"], "8 trainings; give 1 to 7"),
        ({"a": HISTORY, "b": {"loss": [1.0]}}, ["loss", "val_loss"], r"'b' has no \['val_loss'\], only \['loss'\]"),
        ({"a": {"loss": []}}, ["loss"], r"'a' has no \['loss'\]"),
    ],
)
def test_trainings_that_cannot_be_plotted(histories, metrics, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_trainings(histories, metrics)


def test_each_pair_is_joined_and_one_that_falls_stands_out():
    (axes,) = plotting.plot_pairs([0.5, 0.7, 0.6], [0.6, 0.6, 0.6], ("plain", "dropout"), "accuracy").axes
    assert [line.get_ydata().tolist() for line in axes.lines] == [[0.5, 0.6], [0.7, 0.6], [0.6, 0.6]]
    rises, falls, stays = axes.lines
    for look in ("color", "linestyle"):
        assert plt.getp(falls, look) != plt.getp(rises, look) == plt.getp(stays, look)
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["plain", "dropout"]
    assert axes.get_ylabel() == "accuracy"


@pytest.mark.parametrize("second", [[0.5], [[0.5, 0.6]], []])
def test_results_without_partners_make_no_pairs(second):
    with pytest.raises(ValueError, match="give one of each for every seed"):
        plotting.plot_pairs([0.5, 0.6] if second else [], second, ("a", "b"), "loss")


# Images

NAMES = ["T-shirt/top", "Trouser", "Ankle boot"]


def test_wrong_predictions_are_marked_in_words_and_colour():
    images = np.zeros((3, 28, 28), np.uint8)
    figure = plotting.plot_images(images, labels=[7, 1, 2], predictions=[7, 7, 2])
    assert titles(figure) == ["7", "7, not 1", "2"]
    colors = [matplotlib.colors.to_hex(axes.title.get_color()) for axes in figure.axes]
    assert colors[0] == colors[2] == "#000000" != colors[1]


def test_titles_of_images():
    images = np.zeros((2, 28, 28), np.uint8)
    assert titles(plotting.plot_images(images)) == []
    assert titles(plotting.plot_images(images, [0, 2], class_names=NAMES)) == [NAMES[0], NAMES[2]]
    assert titles(plotting.plot_images(images, predictions=[3, 4])) == ["3", "4"]
    assert titles(plotting.plot_images(images, ["before", "after"])) == ["before", "after"]


@pytest.mark.parametrize("columns", [4, 8, 12])
def test_long_titles_keep_to_their_column(columns):
    labels = np.arange(columns) % 2 * 2
    figure = plotting.plot_images(np.zeros((columns, 28, 28)), labels, 2 - labels, NAMES, columns=columns)
    boxes = [axes.title.get_window_extent() for axes in figure.axes]
    assert all(left.x1 < right.x0 for left, right in zip(boxes, boxes[1:]))
    assert boxes[0].x0 >= 0 and boxes[-1].x1 <= figure.bbox.width
    assert max(box.y1 for box in boxes) <= figure.bbox.height


def test_every_image_is_shown_once_in_rows():
    images = np.arange(10, dtype=np.uint8)[:, None, None] * np.ones((28, 28), np.uint8)
    figure = plotting.plot_images(images, columns=4)
    assert len(figure.axes) == 12
    shown = [axes.images[0].get_array()[0, 0] * 255 for axes in figure.axes if axes.images]
    np.testing.assert_allclose(shown, range(10))


def test_the_forms_of_an_image_give_the_same_picture():
    images = np.random.default_rng(0).integers(0, 256, (3, 8, 8), dtype=np.uint8)
    expected = pixels(plotting.plot_images(images))
    for same in (images[..., None], images / 255, (images / 255).astype(np.float32)):
        np.testing.assert_array_equal(pixels(plotting.plot_images(same)), expected)
    rgb = np.repeat(images[..., None], 3, axis=-1)
    np.testing.assert_allclose(pixels(plotting.plot_images(rgb)), expected, atol=1)


def test_standardized_images_are_stretched_together():
    images = np.stack([np.full((8, 8), -2.0), np.full((8, 8), 0.0), np.full((8, 8), 2.0)])
    figure = plotting.plot_images(images)
    assert [axes.images[0].get_array()[0, 0] for axes in figure.axes] == [0, 0.5, 1]


@pytest.mark.parametrize(
    "images, options, message",
    [
        (np.zeros((28, 28)), {}, r"shape \(28, 28\).*image\[None\]"),
        (np.zeros((2, 8, 8, 4)), {}, r"shape \(2, 8, 8, 4\); give \(n, h, w\)"),
        (np.zeros((0, 8, 8)), {}, r"shape \(0, 8, 8\); give"),
        (np.zeros((2, 0, 8)), {}, r"shape \(2, 0, 8\); give"),
        (np.zeros((2, 8, 0), np.uint8), {}, r"shape \(2, 8, 0\); give"),
        (np.full((2, 8, 8), np.nan), {}, "NaN and infinity"),
        (np.full((2, 8, 8, 3), -np.inf), {}, "NaN and infinity"),
        (np.zeros((257, 8, 8)), {}, r"shape \(257, 8, 8\).* up to 256, as images\[:32\]"),
        (np.zeros((2, 8, 8), np.int64), {}, "int64; give uint8, or floats"),
        (np.zeros((2, 8, 8)), {"labels": [1]}, "1 labels for 2 images"),
        (np.zeros((2, 8, 8)), {"predictions": [1, 2, 3]}, "3 predictions for 2 images"),
        (np.zeros((2, 8, 8)), {"labels": np.eye(2)}, r"np.argmax\(labels, axis=-1\)"),
        (np.zeros((2, 8, 8)), {"labels": [0, 3], "class_names": NAMES}, "0 to 3.* 3 class_names"),
        (np.zeros((2, 8, 8)), {"columns": 0}, "columns is 0"),
    ],
)
def test_images_that_cannot_be_plotted(images, options, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_images(images, **options)


# Confusion matrices


def test_confusion_matrix_counts_true_by_row_and_predicted_by_column():
    figure = plotting.plot_confusion_matrix([0, 0, 0, 2], [0, 0, 1, 2], NAMES)
    (axes,) = figure.axes
    np.testing.assert_array_equal(axes.images[0].get_array(), [[2, 1, 0], [0, 0, 0], [0, 0, 1]])
    shown = {text.get_position(): text.get_text() for text in axes.texts if text.get_visible()}
    assert shown == {(0, 0): "2", (1, 0): "1", (2, 2): "1"}  # (column, row)
    assert (axes.get_ylabel(), axes.get_xlabel()) == ("true", "predicted")
    assert [label.get_text() for label in axes.get_yticklabels()] == NAMES


@pytest.mark.parametrize("count", [10, 62])
def test_confusion_matrix_is_legible(count):
    labels = np.arange(count)
    figure = plotting.plot_confusion_matrix(labels, labels, [chr(65 + label) for label in labels])
    axes = figure.axes[0]
    assert len(axes.texts) == (count**2 if count == 10 else 0)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        boxes = [tick.get_window_extent() for tick in ticks]
        assert len(boxes) == count
        assert not any(a.overlaps(b) for a, b in zip(boxes, boxes[1:]))
        assert min(box.height for box in boxes) >= 7  # pixels
    box = axes.get_tightbbox()
    assert box.x0 >= 0 and box.y0 >= 0 and box.y1 <= figure.bbox.height


@pytest.mark.parametrize(
    "y_true, y_pred, names, message",
    [
        ([0, 1], np.eye(2), None, r"y_pred is float64 \(2, 2\), .*np.argmax\(y_pred, axis=-1\)"),
        (np.eye(2, dtype=int), [0, 1], None, r"y_true is int64.*one-hot"),
        ([0, 1], [[0.2], [0.8]], None, r"y_pred is float64 \(2, 1\).*> 0.5"),
        ([0, 1], [0.0, 1.0], None, "y_pred is float64 .*, not integers"),
        ([0, 1], [0, 1, 1], None, "2 y_true and 3 y_pred"),
        (np.array([], int), np.array([], int), None, "0 y_true"),
        ([0, 3], [0, 1], NAMES, "run from 0 to 3; there are 3 class_names"),
        ([0, -1], [0, 1], NAMES, "run from -1 to 1"),
    ],
)
def test_labels_that_make_no_confusion_matrix(y_true, y_pred, names, message):
    with pytest.raises(ValueError, match=message):
        plotting.plot_confusion_matrix(y_true, y_pred, names)


# Model graphs


def mlp():
    import keras
    from keras import layers

    return keras.Sequential(
        [
            keras.Input((28, 28)),
            layers.Flatten(),
            layers.Dense(300, activation="relu", name="hidden"),
            layers.Dense(10, activation="softmax", name="digit"),
        ]
    )


def wide_and_deep():
    import keras
    from keras import layers

    wide, deep = keras.Input((5,), name="wide"), keras.Input((6,), name="deep")
    hidden = layers.Dense(30, name="hidden")(deep)
    both = layers.Concatenate(name="both")([wide, hidden])
    outputs = [layers.Dense(1, name="main")(both), layers.Dense(1, name="aux")(hidden)]
    return keras.Model([wide, deep], outputs, name="wide_and_deep")


def size(png):
    return Image.open(io.BytesIO(png)).size


def test_model_graph_is_a_picture_in_a_notebook_and_a_list_as_text():
    graph = plotting.plot_model(mlp(), show_shapes=True)
    png, metadata = graph._repr_png_()
    assert png == graph.png and metadata["width"] == size(png)[0] < 1037
    assert np.asarray(Image.open(io.BytesIO(png)))[0, 0].tolist() == [255] * 4  # opaque white
    assert metadata["alt"] == repr(graph) == graph.text
    assert graph.text == (
        "Sequential, 3 layers\n"
        "1. Flatten: output (None, 784)\n"
        "2. Dense: output (None, 300)\n"
        "3. Dense: output (None, 10)"
    )


def test_a_wide_graph_is_shown_at_the_width_of_a_page():
    graph = plotting.plot_model(mlp(), rankdir="LR", show_shapes=True)
    assert size(graph.png)[0] > 1037
    assert graph._repr_png_()[1]["width"] == 1037


def test_the_text_tells_which_layer_feeds_which():
    lines = plotting.plot_model(wide_and_deep(), show_layer_names=True).text.splitlines()
    assert lines[0] == "wide_and_deep (Functional), 6 layers"
    number = {line.split()[1]: line.split(".")[0] for line in lines[1:]}
    both = next(line for line in lines if " both " in line)
    sources = sorted([number["wide"], number["hidden"]])
    assert both.endswith(f"both (Concatenate): output (None, 35), from {' and '.join(sources)}")
    assert next(line for line in lines if " aux " in line).endswith(f"from {number['hidden']}")


def test_options_reach_the_picture():
    plain = size(plotting.plot_model(mlp()).png)
    assert size(plotting.plot_model(mlp(), show_shapes=True).png)[1] > plain[1]
    assert size(plotting.plot_model(mlp(), show_layer_names=True).png)[0] > plain[0]
    assert size(plotting.plot_model(mlp(), show_layer_activations=True).png)[1] > plain[1]
    wide = size(plotting.plot_model(mlp(), rankdir="LR").png)
    assert wide[0] > wide[1] and plain[0] < plain[1]
    assert size(plotting.plot_model(mlp(), dpi=192).png)[0] == pytest.approx(2 * plain[0], abs=4)


def test_the_cells_of_a_layer_fill_the_width_of_its_box(monkeypatch):
    sources = []
    monkeypatch.setattr(plotting, "_draw", sources.append)
    plotting.plot_model(wide_and_deep(), show_shapes=True, show_dtype=True, show_trainable=True)
    tables = re.findall("<table.*?</table>", sources[0])
    assert len(tables) == 6
    for table in tables:
        header, cells = re.findall("<tr>.*?</tr>", table)
        assert f'colspan="{cells.count("<td")}"' in header


def test_a_nested_model_is_listed_layer_by_layer_where_it_is_drawn_so():
    import keras

    images = keras.Input((28, 28))
    model = keras.Model(images, mlp()(images))
    assert plotting.plot_model(model).text.splitlines()[1:] == [
        "1. InputLayer: output (None, 28, 28)",
        "2. Sequential: output (None, 10)",
    ]
    assert plotting.plot_model(model, expand_nested=True).text.splitlines()[3:] == [
        "   1. Flatten: output (None, 784)",
        "   2. Dense: output (None, 300)",
        "   3. Dense: output (None, 10)",
    ]


def test_a_model_is_drawn_alike_twice_and_whatever_the_fonts_of_the_machine(monkeypatch, tmp_path):
    expected = plotting.plot_model(mlp(), show_shapes=True).png
    for name in ("FONTCONFIG_FILE", "FONTCONFIG_PATH", "FONTCONFIG_SYSROOT"):
        monkeypatch.setenv(name, str(tmp_path))  # an empty folder: no fonts, no settings
    assert plotting.plot_model(mlp(), show_shapes=True).png == expected
    # And the settings that are written for the drawing are what decides.
    monkeypatch.setattr(plotting, "_FONTS", plotting._FONTS.replace("Sans", "Serif"))
    assert plotting.plot_model(mlp(), show_shapes=True).png != expected


def test_a_graph_is_drawn_where_the_locale_does_not_know_the_letters_of_a_path(tmp_path):
    """Fontconfig takes its settings for UTF-8; Python writes text as the locale has it."""
    (tmp_path / "é").mkdir()
    code = "from text_recognizer.plotting import _draw; print(hash(_draw('digraph { a }')))"
    folder = {name: str(tmp_path / "é") for name in ("TMPDIR", "TEMP")}
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONHASHSEED": "0"}
    assert run_python(code, True, **locale, **folder) == run_python(code, True, PYTHONHASHSEED="0")


def test_the_environment_is_left_as_it_was():
    before = dict(os.environ)
    plotting.plot_model(mlp())
    assert dict(os.environ) == before


def test_a_model_that_is_not_built():
    import keras

    model = keras.Sequential([keras.layers.Dense(3)], name="no_input")
    with pytest.raises(ValueError, match=r"no_input is not built.*keras.Input.*build"):
        plotting.plot_model(model)


def test_to_file(tmp_path):
    path = tmp_path / "model.png"
    path.write_text("an older picture")
    graph = plotting.plot_model(mlp(), to_file=str(path))
    assert path.read_bytes() == graph.png
    assert os.listdir(tmp_path) == ["model.png"]


def test_a_failed_write_leaves_the_old_picture_and_nothing_else(monkeypatch, tmp_path):
    path = tmp_path / "model.png"
    path.write_text("an older picture")

    def fail(source, target):
        raise PermissionError(f"{target} is open elsewhere")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(PermissionError):
        plotting.plot_model(mlp(), path)
    assert path.read_text() == "an older picture"
    assert os.listdir(tmp_path) == ["model.png"]


def test_a_file_that_cannot_be_written_is_reported(tmp_path):
    with pytest.raises(ValueError, match="model.jpg; only PNG"):
        plotting.plot_model(mlp(), tmp_path / "model.jpg")
    assert os.listdir(tmp_path) == []


def test_a_failure_of_graphviz_is_reported_and_writes_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(plotting, "_PYGRAPHVIZ", "raise SystemExit('dot: out of paint')")
    with pytest.raises(RuntimeError, match="Graphviz failed: dot: out of paint"):
        plotting.plot_model(mlp(), tmp_path / "model.png")
    assert os.listdir(tmp_path) == []


def test_without_graphviz_the_reader_is_told_what_to_install(monkeypatch, tmp_path):
    monkeypatch.setattr(plotting.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install pygraphviz"):
        plotting.plot_model(mlp(), tmp_path / "model.png")
    assert os.listdir(tmp_path) == []
