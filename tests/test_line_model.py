"""The line model: it learns lines, says how well it reads them, and reads images of every kind."""

import keras
import numpy as np
import pytest
from PIL import Image

from text_recognizer.datasets.synthetic.characters import draw_text
from text_recognizer.datasets.emnist_lines import EmnistLinesDataset
from text_recognizer.images import ImageError
from text_recognizer.metrics import character_error_rate
from text_recognizer.models.line_model import LineModel
from text_recognizer.training.weights import WeightsError
from text_recognizer.networks.lenet import lenet
from text_recognizer.networks.line_cnn import line_cnn

FEW = {"max_length": 4, "num_train": 32, "num_test": 8}


def build(folder, **network_args):
    return LineModel(EmnistLinesDataset, line_cnn, FEW, {"filters": 16} | network_args, weights_dir=folder)


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A model that knows 24 lines by heart, and was validated on another 8."""
    keras.utils.set_random_seed(0)
    model = build(tmp_path_factory.mktemp("weights"))
    model.history = model.fit(epochs=30, batch_size=4, validation_fraction=0.25, verbose=0).history
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
    lines = np.zeros((129, 28, 128), np.float32)  # one without, and one with ink in each column
    lines[np.arange(128), 10:18, np.arange(128)] = np.arange(8)
    logits = np.asarray(network(lines))[:, 16]
    changed = np.flatnonzero((logits[:128] != logits[128]).any(axis=-1))
    assert changed[-1] - changed[0] + 1 == 35


def test_a_saved_network_loads_without_running_foreign_code(tmp_path):
    network = line_cnn((28, 64), (11,), filters=4)
    network.save(tmp_path / "line.keras")
    line = np.random.default_rng(0).random((1, 28, 64), np.float32)
    loaded = keras.saving.load_model(tmp_path / "line.keras", safe_mode=True)
    np.testing.assert_array_equal(loaded(line), network(line))


def test_shapes_that_the_network_cannot_take_are_named():
    with pytest.raises(ValueError, match=r"\(28,\)"):
        line_cnn((28,), (64,))
    with pytest.raises(ValueError, match=r"\(28, 6\).*8 pixels"):
        line_cnn((28, 6), (64,))
    with pytest.raises(TypeError, match="64"):
        line_cnn((28, 64), 64)


# The model


def test_the_name_and_the_shape(tmp_path):
    model = build(tmp_path)
    assert model.name == "LineModel_EmnistLinesDataset_line_cnn"
    assert model.image_shape == (28, 64)
    assert model.weights_filename == tmp_path / f"{model.name}.weights.h5"


def test_a_network_of_another_kind_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"lenet gives \(64,\).*4 characters.*\(steps, 64\).*line_cnn"):
        LineModel(EmnistLinesDataset, lenet, FEW, weights_dir=tmp_path)


def test_a_network_of_too_few_steps_is_refused(tmp_path):
    def narrow(input_shape, output_shape):
        return line_cnn((28, 8), output_shape, filters=4)

    with pytest.raises(ValueError, match=r"gives \(2, 64\).*4 characters"):
        LineModel(EmnistLinesDataset, narrow, FEW, weights_dir=tmp_path)


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
    through_image = [trained.predict_on_image(line, strategy="greedy").text for line in lines]
    assert character_error_rate(direct, through_image) < 0.2
