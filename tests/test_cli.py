"""`python -m text_recognizer`: training, judging and reading without a notebook, and what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from text_recognizer.cli import RECIPES, Recipe, main
from text_recognizer.datasets import digits

ROOT = Path(__file__).resolve().parents[1]


class Digits:
    """A small stand-in for EMNIST: 360 digits."""

    input_shape = (28, 28)
    output_shape = (10,)

    def __init__(self, subsample_fraction=None):
        self.mapping = dict(enumerate("0123456789"))
        (x, y), _ = digits.load_data()
        count = int(300 * (subsample_fraction or 1))
        self.x_train, self.x_test = x[:count], x[300:360]
        self.y_train, self.y_test = np.eye(10, dtype="float32")[y[:count]], np.eye(10, dtype="float32")[y[300:360]]

    def describe(self):
        return f"digits, {len(self.x_train)} + {len(self.x_test)} images"


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Small data and a small network; the working directory is a folder of the test's own."""
    monkeypatch.setattr("text_recognizer.datasets.emnist.EmnistDataset", Digits)
    monkeypatch.setitem(RECIPES, "mlp", Recipe(8, 1e-2, network_args={"layer_size": 32, "num_layers": 1}))
    monkeypatch.setenv("WORKBOOK_DATA", "sample")
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    command, *rest = arguments
    return main([command, "--network", "mlp", "--weights-dir", "weights", *rest])


@pytest.fixture
def image():
    """A page with a character on it."""
    (x, _), _ = digits.load_data()
    Image.fromarray(255 - x[0]).resize((90, 90)).save("page.png")
    return "page.png"


def test_train_evaluate_and_read(capsys, image):
    assert run("train") == 0
    trained = capsys.readouterr().out.splitlines()
    assert trained[:2] == ["digits, 300 + 60 images", "CharacterModel_Digits_mlp: 25,450 parameters"]
    assert sum("val_accuracy" in line for line in trained) == 8  # progress, a line an epoch
    assert trained[-3].startswith("trained in ")
    assert trained[-2] == "weights in weights/CharacterModel_Digits_mlp.weights.h5"
    assert trained[-1].startswith("test accuracy 0.") and float(trained[-1].split()[-1]) > 0.6

    assert run("evaluate") == 0
    assert capsys.readouterr().out.splitlines() == ["digits, 300 + 60 images", trained[-1]]

    assert run("read", image, image) == 0
    first, second = capsys.readouterr().out.splitlines()
    path, character, confidence = first.split("\t")
    assert (path, character) == (image, "0") and 0.1 <= float(confidence) <= 1 and first == second


def test_the_same_seed_gives_the_same_network(capsys):
    results = []
    for seed in ("1", "1", "2"):
        run("train", "--epochs", "2", "--batch-size", "50", "--subsample", "0.8", "--seed", seed)
        lines = capsys.readouterr().out.splitlines()
        assert lines[0] == "digits, 240 + 60 images"
        results.append([line.partition(" - accuracy")[2] for line in lines if "val_accuracy" in line])
    assert len(results[0]) == 2 and results[0] == results[1] != results[2]


def test_an_image_that_fails_does_not_stop_the_others(capsys, image):
    run("train", "--epochs", "1")
    capsys.readouterr()
    assert run("read", "nowhere.png", image) == 1
    out, err = capsys.readouterr()
    assert out.startswith("page.png\t")
    assert err == "python -m text_recognizer: error: no image in nowhere.png: there is no such file\n"


def test_without_weights_it_says_how_to_get_them(capsys, image):
    assert run("read", image) == 1
    assert "first run python -m text_recognizer train --network mlp --data sample" in capsys.readouterr().err


def test_a_folder_that_cannot_be_written_to_is_refused_before_the_training(capsys):
    Path("weights").write_text("a file")
    assert run("train") == 1
    out, err = capsys.readouterr()
    assert "epoch" not in out.lower() and "weights" in err and err.count("\n") == 1


def test_interrupted_training_leaves_the_old_weights(capsys, monkeypatch):
    run("train", "--epochs", "1")
    path = Path("weights/CharacterModel_Digits_mlp.weights.h5")
    before = path.read_bytes()

    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("keras.Sequential.fit", interrupt)
    assert run("train") == 130
    assert "interrupted; weights are written when training is done" in capsys.readouterr().err
    assert path.read_bytes() == before and os.listdir("weights") == [path.name]


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "required: train | evaluate | read"),
        (["read"], "required: IMAGE"),
        (["train", "--network", "alexnet"], "invalid choice: 'alexnet'"),
        (["train", "--epochs", "0"], "0 is no integer of 1 or more"),
        (["train", "--batch-size", "many"], "many is no integer"),
        (["train", "--network", "line_cnn", "--subsample", "0"], "0 is no number above 0, and at most 1"),
        (["train", "--subsample", "1.5"], "1.5 is no number above 0"),
        (["train", "--subsample", "half"], "half is no number above 0"),
        (["train", "--data", "mnist"], "invalid choice: 'mnist'"),
    ],
)
def test_wrong_arguments(capsys, arguments, message):
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == 2
    assert message in capsys.readouterr().err


def test_data_chooses_the_source(capsys, monkeypatch, image):
    assert run("read", "--data", "full", image) == 1
    assert "--data full" in capsys.readouterr().err
    monkeypatch.setenv("WORKBOOK_DATA", "fulll")
    assert main(["read", image]) == 1
    assert "WORKBOOK_DATA is 'fulll'" in capsys.readouterr().err


def test_from_a_shell_an_error_is_one_line_and_nothing_else_is_written(image):
    done = subprocess.run(
        [sys.executable, "-m", "text_recognizer", "read", "--line", "--weights-dir", "nowhere", image],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1 and done.stdout == ""
    assert (
        done.stderr.startswith("python -m text_recognizer: error: no weights in nowhere") and "line_cnn" in done.stderr
    )
    assert done.stderr.count("\n") == 1


def test_help_needs_no_tensorflow():
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "text_recognizer", "train", "--help"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "--epochs" in done.stdout
    assert "argparse" in done.stderr and "keras" not in done.stderr and "tensorflow" not in done.stderr
