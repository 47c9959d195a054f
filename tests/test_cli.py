"""`python -m text_recognizer`: training, judging and reading without a notebook, and what it says when it cannot."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from text_recognizer.cli import main
from text_recognizer.datasets import Digits
from text_recognizer.recipes.recognizers import RECIPES, Recipe

ROOT = Path(__file__).resolve().parents[1]


class Few(Digits):
    """A small stand-in for EMNIST: 360 digits."""

    def __init__(self, subsample_fraction=None, source=None):
        super().__init__(source)
        self.subsample_fraction = subsample_fraction

    def describe(self):
        return f"digits, {len(self.x_train)} + {len(self.x_test)} images"

    def _load(self, part):
        x, y = super()._load("train")
        rows = slice(int(300 * (self.subsample_fraction or 1))) if part == "train" else slice(300, 360)
        return x[rows], y[rows]


@pytest.fixture(autouse=True)
def small(monkeypatch, tmp_path):
    """Small data and a small network; the working directory is a folder of the test's own."""
    monkeypatch.setattr("text_recognizer.datasets.Emnist", Few)
    monkeypatch.setitem(RECIPES, "mlp", Recipe(8, 1e-2, network_args={"layer_size": 32, "num_layers": 1}))
    monkeypatch.setenv("WORKBOOK_DATA", "sample")
    monkeypatch.chdir(tmp_path)


def run(*arguments):
    command, *rest = arguments
    return main([command, "--network", "mlp", "--weights-dir", "weights", *rest])


@pytest.fixture
def image():
    """A page with a character on it."""
    Image.fromarray(255 - Digits().x_train[0]).resize((90, 90)).save("page.png")
    return "page.png"


def test_train_evaluate_and_read(capsys, image):
    assert run("train") == 0
    trained = capsys.readouterr().out.splitlines()
    assert trained[:2] == ["digits, 300 + 60 images", "CharacterModel_Few_mlp: 25,450 parameters"]
    assert sum("val_accuracy" in line for line in trained) == 8  # progress, a line an epoch
    assert trained[-3].startswith("trained in ")
    assert trained[-2] == "weights in weights/CharacterModel_Few_mlp.weights.h5"
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


def test_interrupted_training_goes_on_and_leaves_the_old_weights(capsys, monkeypatch):
    run("train", "--epochs", "1")
    path = Path("weights/CharacterModel_Few_mlp.weights.h5")
    before = path.read_bytes()

    def interrupt(self, epoch, logs=None):
        if epoch == 2:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("keras.callbacks.History.on_epoch_begin", interrupt, raising=False)
        assert run("train") == 130
    out, err = capsys.readouterr()
    assert "interrupted; the same command goes on after the last whole epoch" in err
    assert path.read_bytes() == before
    assert sorted(os.listdir("weights")) == ["CharacterModel_Few_mlp.unfinished", path.name]
    assert run("evaluate") == 0  # with the weights that are there
    capsys.readouterr()

    assert run("train", "--batch-size", "50") == 1
    assert "has batch_size 128, not 50. Give another folder" in capsys.readouterr().err
    assert run("train") == 0
    out, _ = capsys.readouterr()
    assert "Epoch 3/8" in out and "Epoch 2/8" not in out
    assert path.read_bytes() != before and os.listdir("weights") == [path.name]


def test_an_interrupted_evaluation_promises_nothing(capsys, monkeypatch):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("text_recognizer.recipes.recognizers.build", interrupt)
    assert run("evaluate") == 130
    assert capsys.readouterr().err == "\npython -m text_recognizer: interrupted\n"


def test_what_the_error_advises_the_command_can_do(capsys):
    assert run("train", "--subsample", "0.05") == 1
    assert "or another validation_fraction" in capsys.readouterr().err
    assert run("train", "--subsample", "0.05", "--validation-fraction", "0", "--epochs", "1") == 0


@pytest.mark.parametrize(
    "option, name",
    [
        ("--checkpoint-format={epoch.foo}.weights.h5", "checkpoint_format"),
        ("--checkpoint-format={epoch[0]}.weights.h5", "checkpoint_format"),
        ("--shard-format={shard.foo}.tfrecord", "shard_format"),
        ("--shuffle=100000000000000000000", "shuffle"),
        ("--seed=-1", "seed"),
        ("--initial-rate=inf", "initial_rate"),
    ],
)
def test_a_constant_that_makes_no_sense_is_named_in_one_line(capsys, option, name):
    assert main(["resnet", option]) == 1
    err = capsys.readouterr().err
    assert err.startswith(f"python -m text_recognizer: error: {name} is ") and err.count("\n") == 1


def test_debug_raises(image):
    with pytest.raises(FileNotFoundError, match="no weights in"):
        run("read", "--debug", image)


def test_the_command_leaves_the_environment_as_it_is():
    before = dict(os.environ)
    assert run("evaluate", "--data", "full") == 1
    assert dict(os.environ) == before


@pytest.mark.parametrize(
    "arguments, message",
    [
        ([], "required: train | evaluate | read | resnet"),
        (["read"], "required: IMAGE"),
        (["train", "--network", "alexnet"], "invalid choice: 'alexnet'"),
        (["train", "--epochs", "0"], "0 is no integer of 1 or more"),
        (["train", "--batch-size", "many"], "many is no integer"),
        (["train", "--network", "line_cnn", "--subsample", "0"], "0 is no number above 0, and at most 1"),
        (["train", "--subsample", "1.5"], "1.5 is no number above 0"),
        (["train", "--subsample", "half"], "half is no number above 0"),
        (["train", "--data", "mnist"], "invalid choice: 'mnist'"),
        (["train", "--validation-fraction", "1"], "1 is no number above 0, and below 1"),
        (["train", "--validation-fraction", "nan"], "nan is no number above 0, and below 1"),
        (["resnet", "--levels", "2,x"], "argument --levels: invalid"),
        (["resnet", "--filters", "wide"], "argument --filters: invalid int value"),
        (["resnet", "--dtype-policy", "float8"], "invalid choice: 'float8'"),
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
