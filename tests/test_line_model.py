"""The line model: it learns lines, says how well it reads them, and reads images of every kind."""

from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

from tests.drawn_lines import write_lines
from text_recognizer.datasets import EmnistLines
from text_recognizer.datasets.synthetic.characters import draw_text
from text_recognizer.datasets.text_lines import TextLines
from text_recognizer.images import ImageError
from text_recognizer.metrics import character_error_rate, word_error_rate
from text_recognizer.models import LineModel
from text_recognizer.networks import lenet, line_cnn
from text_recognizer.networks.line_convnext import line_convnext
from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset
from text_recognizer.pipelines.lines import by_width
from text_recognizer.training.weights import WeightsError

LINES = EmnistLines(max_length=4, num_train=32, num_test=8, source="sample")


def build(folder, filters=16):
    return LineModel(LINES, line_cnn(LINES.input_shape, LINES.output_shape, filters), weights_dir=folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that knows 24 lines by heart, and was validated on another 8."""
    keras.utils.set_random_seed(0)
    model = build(tmp_path_factory.mktemp("weights"))
    model.compile(steps_per_execution=1)  # several take longer to trace than they save here
    model.history = model.fit(epochs=20, batch_size=4, validation_fraction=0.25, verbose=0).history
    return model


# The network


def test_the_network_gives_logits_at_every_fourth_pixel():
    network = line_cnn((28, 64), (11,))
    assert network.output_shape == (None, 16, 11)
    assert line_cnn((20, 30, 3), (5,)).output_shape == (None, 8, 5)
    logits = network(np.random.default_rng(0).random((2, 28, 64), np.float32))
    assert float(keras.ops.min(logits)) < 0 < float(keras.ops.max(logits))


def test_a_step_sees_a_window_of_35_pixels():
    network = line_cnn((28, 128), (5,), filters=4)
    network.set_weights([np.abs(weights) for weights in network.get_weights()])  # nothing cancels, no ReLU is silent
    lines = np.zeros((129, 28, 128), np.float32)  # one without, and one with ink in each column
    lines[np.arange(128), 10:18, np.arange(128)] = np.arange(8)
    logits = np.asarray(network(lines))[:, 16]
    changed = np.flatnonzero((logits[:128] != logits[128]).any(axis=-1))
    assert changed[-1] - changed[0] + 1 == 35


def test_a_saved_network_loads_without_running_foreign_code(tmp_path):
    line = np.random.default_rng(0).random((1, 28, 64), np.float32)
    for network in (line_cnn((28, 64), (11,), filters=4), line_convnext((28, None), (11,), units=8, blocks=1)):
        network.save(tmp_path / "line.keras")
        loaded = keras.saving.load_model(tmp_path / "line.keras", safe_mode=True)
        np.testing.assert_array_equal(loaded(line), network(line))


def test_shapes_that_the_network_cannot_take_are_named():
    with pytest.raises(ValueError, match=r"\(28,\)"):
        line_cnn((28,), (64,))
    with pytest.raises(ValueError, match=r"\(28, 6\).*8 pixels"):
        line_cnn((28, 6), (64,))
    with pytest.raises(TypeError, match="64"):
        line_cnn((28, 64), 64)


def test_a_network_for_lines_of_any_width_gives_logits_at_every_fourth_pixel():
    small = {"filters": (4, 4, 4, 4, 8), "units": 16, "blocks": 2}
    network = line_convnext((48, None), (11,), **small)
    assert network.output_shape == (None, None, 11)
    line = np.random.default_rng(0).random((1, 48, 500), np.float32)
    for width in (16, 61, 500):
        assert network(line[:, :, :width]).shape == (1, -(-width // 4), 11)
    fixed = line_convnext((48, 500, 1), (11,), **small)
    fixed.set_weights(network.get_weights())
    np.testing.assert_array_equal(fixed(line[..., None]), network(line))
    paper = np.pad(line, ((0, 0), (0, 0), (0, 300)))  # what is far behind changes nothing
    np.testing.assert_allclose(network(paper)[:, :100], network(line)[:, :100], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "arguments, error, message",
    [
        ({"input_shape": (8, None)}, ValueError, "needs 16 pixels"),
        ({"input_shape": (None, 48)}, TypeError, "None"),
        ({"filters": (8, 8)}, ValueError, "give 5 sizes"),
        ({"blocks": 0}, ValueError, "blocks is 0"),
        ({"dropout_amount": 1}, ValueError, "dropout_amount is 1"),
    ],
)
def test_arguments_that_line_convnext_cannot_take_are_named(arguments, error, message):
    with pytest.raises(error, match=message):
        line_convnext(**{"input_shape": (48, None), "output_shape": (11,)} | arguments)


# The model


def test_the_name_and_the_shape(tmp_path):
    model = build(tmp_path)
    assert model.name == "LineModel_EmnistLines_line_cnn"
    assert model.image_shape == (28, 64)
    assert model.weights_filename == tmp_path / f"{model.name}.weights.h5"


def test_a_network_of_another_kind_is_refused():
    with pytest.raises(ValueError, match=r"lenet gives \(64,\).*63 characters.*\(steps, 64\).*line_cnn"):
        LineModel(LINES, lenet(LINES.input_shape, LINES.output_shape))
    with pytest.raises(ValueError, match=r"line_cnn gives \(16, 10\)"):
        LineModel(LINES, line_cnn(LINES.input_shape, (10,)))


DOUBLED = np.array([[1, 1, 1, 1], [1, 2, 3, 0]], np.int32)  # 0000 needs three blanks between its letters


def narrow(steps):
    """A model whose network makes so many steps of an image."""
    network = line_cnn((28, 4 * steps), LINES.output_shape, filters=4)
    return LineModel(LINES, network)


def test_a_text_that_cannot_be_spelled_is_refused_before_the_training(eagerly):
    x = np.zeros((2, 28, 24), np.uint8)
    six, seven = narrow(6), narrow(7)
    with pytest.raises(ValueError, match="0000") as caught:
        six.fit((x, DOUBLED), validation_fraction=0)
    assert "7" in str(caught.value) and "6" in str(caught.value)
    batches = batched_dataset(x.astype("float32"), DOUBLED, 2)
    with pytest.raises(ValueError, match="0000"):
        six.fit(batches)
    with pytest.raises(ValueError, match="0000"):
        six.fit((x[1:], DOUBLED[1:]), (x, DOUBLED))
    with pytest.raises(ValueError, match="0000"):
        six.fit((x[1:], DOUBLED[1:]), batches)
    with pytest.raises(ValueError, match="labels run from 0 to 99, and the data set has 64 classes"):
        six.fit((x, np.array([[1, 0, 0, 0], [99, 0, 0, 0]])), validation_fraction=0)
    sequence = DatasetSequence(np.zeros((2, 28, 28), "float32"), DOUBLED, 2)
    assert len(seven.fit(sequence, epochs=1, verbose=0).history["loss"]) == 1
    history = seven.fit((np.zeros((2, 28, 28), np.uint8), DOUBLED), epochs=1, validation_fraction=0, verbose=0)
    assert history.history["loss"][0] < 100


def test_reading_hands_arrays_on(trained, monkeypatch):
    """Of a tensor, `decode` would ask for each label alone, a thousand times slower."""
    seen = []
    decode = trained.data.decode
    monkeypatch.setattr(trained.data, "decode", lambda labels: seen.append(labels) or decode(labels))
    for strategy in ("greedy", "beam_search"):
        trained.read(trained.data.x_test, strategy)
    trained.predict_on_image(draw_text("ab", "cmr10"))
    assert len(seen) == 3 and all(type(labels) is np.ndarray for labels in seen)


def test_it_learns_lines(trained):
    history = trained.history
    assert set(history) == {"loss", "character_error_rate", "val_loss", "val_character_error_rate"}
    assert history["character_error_rate"][0] > 0.5
    assert history["character_error_rate"][-1] < 0.1
    # three quarters by heart, and a quarter that it has not seen
    assert trained.evaluate(trained.data.x_train, trained.data.y_train) < 0.45


@pytest.mark.parametrize("strategy", ["greedy", "beam_search"])
def test_evaluate_is_the_rate_of_what_read_returns(trained, strategy):
    data = trained.data
    readings = trained.read(data.x_test, strategy=strategy)
    rate = trained.evaluate(data.x_test, data.y_test, strategy=strategy)
    assert rate == character_error_rate(data.decode(data.y_test), readings)
    assert 0 < rate < 2


@pytest.mark.parametrize("labels", [np.zeros(8, np.int32), np.zeros((7, 4), np.int32)])
def test_labels_of_another_shape_are_named(trained, labels):
    with pytest.raises(ValueError, match=r"\(8, length\)"):
        trained.evaluate(trained.data.x_test, labels)


def test_saved_and_loaded_weights_read_the_same(trained):
    trained.save_weights()
    other = build(trained.weights_dir)
    x = trained.data.x_test
    assert not np.array_equal(other.predict(x), trained.predict(x))
    other.load_weights()
    np.testing.assert_array_equal(other.predict(x), trained.predict(x))
    with pytest.raises(WeightsError, match="line_cnn"):
        build(trained.weights_dir, filters=4).load_weights()


def test_a_line_model_that_was_fitted_is_exported(trained, tmp_path):
    lines = trained.data.x_test
    trained.export(tmp_path / "lines.keras")
    probabilities = keras.saving.load_model(tmp_path / "lines.keras").predict(lines, verbose=0)
    np.testing.assert_allclose(probabilities, keras.ops.softmax(trained.predict(lines)), atol=1e-5)


# Images


@pytest.fixture(scope="module")
def word(trained):
    """A training line as somebody would photograph it: larger, with paper around it; and what it says."""
    model, data = trained, trained.data
    texts = data.decode(data.y_train)
    for line, text in zip(data.x_train, texts):
        clean = np.where(line > 64, line, 0).astype(np.uint8)
        if model.predict_on_image(clean).text == text:
            large = Image.fromarray(clean).resize((160, 70), Image.Resampling.BICUBIC)
            return np.pad(np.asarray(large), ((30, 10), (5, 90))), text
    pytest.fail("none of the training lines is read as an image")


def test_a_line_is_read_wherever_it_stands_and_whatever_its_colours(trained, word, tmp_path):
    ink, text = word
    paper = 255 - ink
    Image.fromarray(paper).save(tmp_path / "line.png")
    blue_on_yellow = np.stack([paper, paper, 255 - paper], axis=-1)
    for image in (ink, paper, paper / 255, blue_on_yellow, tmp_path / "line.png", np.roll(paper, (-20, 60), (0, 1))):
        prediction = trained.predict_on_image(image)
        assert prediction.text == text
        assert 0 < prediction.confidence <= 1


def test_the_confidence_is_that_of_the_text_however_it_was_found(trained, word):
    greedy, beam_search = (trained.predict_on_image(word[0], strategy) for strategy in ("greedy", "beam_search"))
    assert greedy.text == beam_search.text == word[1]
    assert greedy.confidence == pytest.approx(beam_search.confidence)


def test_many_lines_are_read_as_each_is_alone(trained, own):
    own_images = [Image.open(path) for path in sorted(Path(own.data.folder).glob("*.png"))]
    for model, images in ((trained, list(trained.data.x_train[:5])), (own, own_images)):
        alone = [model.predict_on_image(image) for image in images]
        together = model.predict_on_lines([model.line_on(image) for image in images], batch_size=3)
        assert [prediction.text for prediction in together] == [prediction.text for prediction in alone]
        confidence = [prediction.confidence for prediction in alone]
        assert [prediction.confidence for prediction in together] == pytest.approx(confidence, rel=1e-3)


def test_images_that_hold_no_line_are_refused(trained, tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.png"):
        trained.predict_on_image(tmp_path / "nowhere.png")
    with pytest.raises(ImageError, match="empty"):
        trained.predict_on_image(np.zeros((28, 64), np.uint8))
    with pytest.raises(ImageError, match=r"the line is too long: to fit into 64 pixels.*max_length"):
        trained.predict_on_image(draw_text("a line that is much longer", "cmr10"))


def test_a_line_of_the_data_set_is_read_as_an_image_too(trained):
    """A recognizer that is judged on its data's images and reads others differently would be judged wrongly."""
    lines = trained.data.x_train
    direct = trained.read(lines)
    through_image = [reading.text for reading in trained.predict_on_lines(list(map(trained.line_on, lines)))]
    assert character_error_rate(direct, through_image) < 0.4  # of other lines it would be about 1
    assert character_error_rate(direct, through_image[1:] + through_image[:1]) > 0.7


# Lines of any width


@pytest.fixture(scope="module")
def own(tmp_path_factory):
    """A model that has learned a few lines of different widths, all but by heart."""
    folder = tmp_path_factory.mktemp("own")
    data = TextLines(write_lines(folder / "lines"), write_lines(folder / "other", ["the sea", "quay"]), height=32)
    keras.utils.set_random_seed(0)
    arguments = {"filters": (8, 16, 16, 24, 32), "units": 48, "blocks": 1, "dropout_amount": 0}
    model = LineModel(data, line_convnext(data.input_shape, data.output_shape, **arguments), weights_dir=folder)
    model.compile(optimizer=keras.optimizers.Adam(3e-3), steps_per_execution=1)
    training = np.tile(data.x_train, 4), np.tile(data.y_train, (4, 1))  # an epoch costs more than its steps
    validation = data.x_test, data.y_test
    model.history = model.fit(training, validation, batch_size=4, epochs=12, verbose=0).history
    return model


def test_it_learns_lines_of_any_width(own):
    data = own.data
    assert own.history["loss"][0] > 3 > 0.5 > own.history["loss"][-1]
    assert own.evaluate(data.x_train, data.y_train) < 0.2
    # q, u and y are in no training text: nobody reads them, and they count
    assert own.evaluate(data.x_test, data.y_test) >= 3 / 11 and own.history["val_character_error_rate"][-1] >= 3 / 11
    assert own.evaluate(data.x_test, data.y_test, metric=word_error_rate) in (0.5, 2 / 3, 1)


def test_how_a_line_is_read_does_not_depend_on_the_others(own):
    x = own.data.x_train
    assert own.read(x) == [own.read(x[row : row + 1])[0] for row in range(len(x))] == own.read(x[::-1])[::-1]


def test_logits_of_lines_of_different_widths_are_refused(own):
    with pytest.raises(ValueError, match=r"lines are of different widths.*read\(x\) gives the texts.*by_width"):
        own.predict(own.data.x_train)


def test_a_model_for_lines_of_any_width_is_exported(own, tmp_path):
    own.export(tmp_path / "lines.keras")
    loaded = keras.saving.load_model(tmp_path / "lines.keras")
    for _, lines in by_width(own.data.x_train):
        probabilities = keras.ops.softmax(own.predict(lines))
        np.testing.assert_allclose(loaded(lines), probabilities, atol=1e-5)


def test_an_image_is_read_as_the_same_line_of_the_data_set(own):
    for line, path in zip(own.read(own.data.x_train[:4]), sorted(Path(own.data.folder).glob("*.png"))):
        prediction = own.predict_on_image(path, strategy="greedy")
        assert prediction.text == line and 0 < prediction.confidence <= 1


def test_a_text_that_its_own_image_is_too_narrow_for_is_refused(own):
    x = np.empty(2, object)
    x[:] = np.zeros((32, 400), np.uint8), np.zeros((32, 16), np.uint8)
    y = np.array([[1, 2, 3, 4, 5], [1, 2, 3, 4, 5]])
    with pytest.raises(ValueError, match="1 of 1 texts need more than the 4 steps"):
        own.fit((x, y), validation_fraction=0)


def test_a_network_is_traced_once_for_all_widths(own, monkeypatch):
    traces, ctc_per_character = [], own.loss()

    def loss(y, logits):
        traces.append(logits.shape)
        return ctc_per_character(y, logits)

    monkeypatch.setattr(own, "loss", lambda: loss)
    own.compile(optimizer=keras.optimizers.SGD(0.0), metrics=[], steps_per_execution=1)
    data = own.data
    own.fit(validation=(data.x_test, data.y_test), batch_size=2, epochs=1, verbose=0)
    first = len(traces)
    own.fit(validation=(data.x_test, data.y_test), batch_size=1, epochs=1, verbose=0)
    assert 1 <= first == len(traces) <= 3
