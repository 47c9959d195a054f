"""`python -m text_recognizer`: training, judging and reading without a notebook, and what it says when it cannot."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from tests.drawn_lines import TEXTS, small_network, write_lines
from tests.python import python_command
from text_recognizer import metrics
from text_recognizer.cli import main
from text_recognizer.datasets import Digits
from text_recognizer.datasets.text_lines import TextLines
from text_recognizer.models import LineModel
from text_recognizer.recipes.recognizers import OWN_LINES, RECIPES, Recipe, build, load_own_lines, train
from text_recognizer.training import weights

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
def small(monkeypatch, tmp_path, eagerly):
    """Small data and a small network; the working directory is a folder of the test's own."""
    monkeypatch.setattr("text_recognizer.datasets.Emnist", Few)
    monkeypatch.setitem(
        RECIPES, "mlp", Recipe(4, 3e-2, batch_size=64, network_args={"layer_size": 32, "num_layers": 1})
    )
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
    assert sum("val_accuracy" in line for line in trained) == 4  # progress, a line an epoch
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
        run("train", "--epochs", "2", "--batch-size", "120", "--subsample", "0.8", "--seed", seed)
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
    Path("weights").write_text("a file", encoding="utf-8")
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
    assert "has batch_size 64, not 50. Give another folder, or delete this one" in capsys.readouterr().err
    assert run("train") == 0
    out, _ = capsys.readouterr()
    assert "Epoch 3/4" in out and "Epoch 2/4" not in out
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


# Lines of one's own


@pytest.fixture
def lines(monkeypatch):
    """A folder of a few lines, and a small network for them."""
    monkeypatch.setattr("text_recognizer.networks.line_convnext", small_network)
    recipe = Recipe(3, 1e-2, batch_size=4, augment=True, line=True, warm_up=0.2, weight_decay=1e-2, clip=5.0)
    monkeypatch.setitem(OWN_LINES, "line_convnext", recipe)
    edit_distances = metrics._edit_distances

    def by_numpy(texts, readings, ops, loop):
        """Eagerly, the loop over TensorFlow's operations takes three quarters of a training."""
        return edit_distances(np.asarray(texts), np.asarray(readings), np, metrics._loop)

    monkeypatch.setattr(metrics, "_edit_distances", by_numpy)
    return write_lines(Path("lines"))


WEIGHTS = "LineModel_TextLines_line_convnext.weights.h5"


def test_lines_are_learned_judged_and_read(capsys, lines):
    write_lines(Path("other"), ["the quay", "tea"])
    assert main(["train", "--lines", "lines", "--validation", "other", "--height", "32"]) == 0
    trained = capsys.readouterr().out.splitlines()
    assert trained[0] == "lines: 10 + 2 lines, 10 characters" and "line_convnext" in trained[1]
    assert sum("val_character_error_rate" in line for line in trained) == 3
    assert trained[-2] == f"weights in {Path('weights', 'lines', WEIGHTS)}"
    assert trained[-1].startswith("validation character error rate ") and ", word error rate " in trained[-1]

    assert main(["evaluate", "--lines", "other", "--draw", "drawn.png"]) == 0  # alphabet and height are the weights'
    judged = capsys.readouterr().out.splitlines()
    score = trained[-1].replace("validation", "other")
    assert judged == ["other: 2 + 0 lines, 10 characters", score, "2 lines in drawn.png"]
    assert Path("drawn.png").read_bytes().startswith(b"\x89PNG")

    Path("other", "blank.PNG").write_bytes(b"no image")
    Path("other", "notes.md").write_text("no image either", encoding="utf-8")
    assert main(["read", "--network", "line_convnext", "--write-texts", "other", "lines/ann-0.png"]) == 1
    out, err = capsys.readouterr()
    assert err.count("\n") == 1 and "blank.PNG cannot be read as an image" in err
    read = dict(line.split("\t")[:2] for line in out.splitlines())
    assert list(read) == [str(Path("other", f"ann-{i}.png")) for i in range(2)] + [str(Path("lines/ann-0.png"))]
    for path, text in read.items():
        assert Path(path).with_suffix(".pred.txt").read_text("utf-8") == f"{text}\n"
    assert Path("other", "ann-0.gt.txt").read_text("utf-8") == "the quay\n"


def test_lines_that_cannot_be_used_are_refused_or_skipped(capsys, lines):
    Path("lines", "ann-1.gt.txt").unlink()
    assert main(["train", "--lines", "lines"]) == 1
    out, err = capsys.readouterr()
    assert out == "" and "1 of the lines cannot be used: lines/ann-1.png: there is no text ann-1.gt.txt" in err
    assert err.count("\n") == 1 and not Path("weights").exists()
    options = ["--lines", "lines", "--on-error", "skip", "--validation-fraction", "0", "--epochs", "1"]
    assert main(["train", *options]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("lines: 9 + 0 lines, 10 characters, 1 skipped\n") and "validation" not in out
    assert err == "skipped lines/ann-1.png: there is no text ann-1.gt.txt\n"


@pytest.fixture(scope="module")
def learned_weights(tmp_path_factory):
    """A folder for what the first test to ask for it trains."""
    return tmp_path_factory.mktemp("learned") / "weights"


@pytest.fixture
def learned(lines, learned_weights):
    """A network that has learned the lines."""
    if not learned_weights.exists():
        options = ["--validation-fraction", "0", "--epochs", "1", "--height", "32"]
        assert main(["train", "--lines", "lines", *options, "--weights-dir", str(learned_weights / "lines")]) == 0
    shutil.copytree(learned_weights, "weights")


READ = ["read", "--network", "line_convnext"]


def test_lines_are_read_together_and_printed_in_their_order(capsys, monkeypatch, learned):
    shutil.copy("lines/ann-0.png", "lines/ann-95.png")
    Path("lines", "ann-33.png").write_bytes(b"no image")
    Path("lines", "._ann-0.png").write_bytes(b"what macOS leaves")
    for i in range(10, 33):
        shutil.copy("lines/ann-0.png", f"lines/ann-{i}.png")
    monkeypatch.setattr("text_recognizer.cli.BLOCK", 32)
    read, sizes = LineModel.predict_on_lines, []
    monkeypatch.setattr(LineModel, "predict_on_lines", lambda self, x: sizes.append(len(x)) or read(self, x))
    capsys.readouterr()
    Path("notes").mkdir()
    assert main([*READ, "notes", "lines", "nowhere.png"]) == 1
    out, err = capsys.readouterr()
    names = [Path(line.split("\t")[0]).name for line in out.splitlines()]
    expected = sorted(path.name for path in Path("lines").glob("ann-*.png"))
    assert names == [name for name in expected if name != "ann-33.png"] and sizes in ([31, 3], [32, 2])
    same = [line.split("\t")[1] for line in out.splitlines() if "ann-0." in line or "ann-95" in line]
    assert same[0] == same[1]
    notes, damaged, nowhere = err.splitlines()
    assert "no images in notes" in notes and "ann-33.png" in damaged and "nowhere.png" in nowhere


def test_two_pictures_of_one_stem_do_not_write_one_text(capsys, learned):
    shutil.copy("lines/ann-1.png", "lines/ann-0.PNG")
    capsys.readouterr()
    assert main([*READ, "--write-texts", "lines/ann-0.png", "lines/ann-0.png"]) == 0  # twice the same is the same
    Path("lines/ann-0.pred.txt").unlink()
    capsys.readouterr()
    assert main([*READ, "--write-texts", "lines"]) == 1
    out, err = capsys.readouterr()
    assert "ann-0.PNG and " in err and "ann-0.png would both have their text in ann-0.pred.txt: rename" in err
    assert out == "" and not list(Path("lines").glob("*.pred.txt"))


def test_what_was_read_is_printed_where_it_cannot_be_written(capsys, learned):
    Path("lines/ann-0.pred.txt").mkdir()
    capsys.readouterr()
    assert main([*READ, "--write-texts", "lines/ann-0.png", "lines/ann-1.png"]) == 1
    out, err = capsys.readouterr()
    assert out.startswith("lines/ann-0.png\t") and "lines/ann-1.png\t" in out and err.count("\n") == 1


def test_a_reader_that_goes_and_an_encoding_that_lacks_a_character_are_no_errors(learned):
    os.rename("lines/ann-0.png", "lines/\u4e00.png")
    code = f"""
import sys
sys.path.append({str(ROOT)!r})
sys.stdout = open(1, "w", encoding="cp1252", errors="strict", closefd=False)  # as PYTHONIOENCODING makes it
from tests.drawn_lines import small_network
from text_recognizer import cli

def import_keras(import_keras=cli._import_keras):
    import_keras()
    from text_recognizer import networks
    networks.line_convnext = small_network

cli._import_keras = import_keras
sys.exit(cli.main(sys.argv[1:]))
"""
    command = python_command("-c", code, *READ, "lines")
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 and done.stderr == "" and "lines/\\u4e00.png\t" in done.stdout
    read, write = os.pipe()
    os.close(read)
    done = subprocess.run(command, stdout=write, stderr=subprocess.PIPE, check=False)
    os.close(write)
    assert done.returncode == 141 and done.stderr == b""


def arrays(path):
    """Return all that a file of weights holds, a dict of the name to the array."""
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def test_a_training_on_lines_that_was_interrupted_goes_on_to_the_same_weights(capsys, monkeypatch, lines):
    def interrupt(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    arguments = ["train", "--lines", "lines", "--validation-fraction", "0.2", "--weights-dir"]
    assert main([*arguments, "whole"]) == 0
    with monkeypatch.context() as patch:
        patch.setattr("keras.callbacks.History.on_epoch_begin", interrupt, raising=False)
        assert main([*arguments, "stopped"]) == 130
    assert main([*arguments, "stopped", "--batch-size", "5"]) == 1
    capsys.readouterr()
    arguments[2] = str(Path("lines").resolve())  # the same lines, however one comes to them
    assert main([*arguments, "stopped"]) == 0
    assert "Epoch 1/3" not in capsys.readouterr().out and os.listdir("stopped") == [WEIGHTS]
    whole, stopped = (arrays(Path(folder, WEIGHTS)) for folder in ("whole", "stopped"))
    assert whole.keys() == stopped.keys() and len(whole) > 20
    for name, array in whole.items():
        np.testing.assert_array_equal(array, stopped[name], err_msg=name)


def test_it_starts_from_weights_of_another_alphabet(capsys, lines, learned):
    write_lines(lines, [*TEXTS, "quay"])
    capsys.readouterr()
    first = str(Path("weights", "lines", WEIGHTS))
    arguments = ["train", "--lines", "lines", "--from", first, "--validation-fraction", "0", "--epochs", "1"]
    assert main([*arguments, "--height", "32", "--weights-dir", "second"]) == 0
    assert f"starts from {first}, which knows 12 of the 15 classes" in capsys.readouterr().out
    assert main([*arguments, "--weights-dir", "third"]) == 1
    err = capsys.readouterr().err
    assert "is for images 32 pixels high, and these are 48: with lines of your own give height=32 (--height 32)" in err
    assert main(["train", "--network", "mlp", "--from", first]) == 1
    assert "holds the weights of LineModel_TextLines_line_convnext, and not of a network mlp" in capsys.readouterr().err


def test_weights_that_do_not_name_their_classes_start_nothing(capsys, learned):
    model = load_own_lines("line_convnext")
    weights.save("nameless.weights.h5", model.network, name=model.name)
    assert main(["train", "--lines", "lines", "--weights-dir", "second", "--from", "nameless.weights.h5"]) == 1
    assert "nameless.weights.h5 does not say which classes" in capsys.readouterr().err


def test_an_interrupted_training_does_not_go_on_with_another_alphabet_or_other_lines_held_out(lines):
    def stop(self, epoch, logs=None):
        if epoch == 1:
            raise KeyboardInterrupt

    def train_on(alphabet, held_out):
        data = TextLines("lines", write_lines(Path("other"), held_out), alphabet=alphabet)
        train(build("line_convnext", data, "weights"), OWN_LINES["line_convnext"], verbose=0)

    alphabet = sorted(set("".join(TEXTS)))
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("keras.callbacks.History.on_epoch_begin", stop, raising=False)
        train_on([*alphabet, "x"], ["tea"])
    with pytest.raises(ValueError, match="is 'x' in the file, 'z' here"):  # in no line, so the labels are the same
        train_on([*alphabet, "z"], ["tea"])
    with pytest.raises(ValueError, match="has data 10 . 1 lines, sha256 .*delete this one to begin anew"):
        train_on([*alphabet, "x"], ["ate"])
    train_on([*alphabet, "x"], ["tea"])
    assert os.listdir("weights") == [WEIGHTS]


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["train", "--epochs", "0"], "epochs is 0; give an integer, 1 or more"),
        (["train", "--batch-size", "-1"], "batch_size is -1; give an integer, 1 or more"),
        (["train", "--network", "line_cnn", "--subsample", "0"], "subsample is 0.0; such a part is above"),
        (["train", "--network", "line_cnn", "--subsample", "2"], "subsample is 2.0; such a part is above 0"),
        (["train", "--subsample", "nan"], "subsample is nan; such a part is above 0"),
        (["train", "--subsample", "-0.5"], "subsample is -0.5; such a part is above 0"),
        (["train", "--lines", ".", "--height", "12"], "height is 12; give an integer, 16 or more"),
        (["train", "--validation-fraction", "1"], "validation_fraction is 1"),
        (["train", "--validation-fraction", "nan"], "validation_fraction is nan"),
        (["train", "--lines", "nowhere"], "no lines in nowhere: there is no such folder"),
        (["train", "--lines", ".", "--network", "vgg"], "vgg reads single characters: with --lines give"),
        (["train", "--validation", "."], "--validation goes with --lines"),
        (["evaluate", "--on-error", "skip"], "--on-error goes with --lines"),
        (["train", "--lines", ".", "--data", "full"], "--data does not go with --lines"),
        (["train", "--lines", ".", "--subsample", "0.5"], "--subsample does not go with --lines"),
        (["evaluate", "--lines", "."], "text_recognizer train --network line_convnext --lines FOLDER"),
        (["train", "--from", "nowhere.weights.h5"], "no weights in nowhere.weights.h5"),
        (["read", "--network", "mlp", "."], "no weights in"),
    ],
)
def test_options_that_make_no_sense_are_named_in_one_line(capsys, arguments, message):
    assert main(arguments) == 1
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1


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
        (["train", "--epochs", "some"], "argument --epochs: invalid int value: 'some'"),
        (["train", "--subsample", "half"], "argument --subsample: invalid float value: 'half'"),
        (["train", "--lines", ".", "--validation", ".", "--validation-fraction", "0.1"], "not allowed with argument"),
        (["train", "--data", "mnist"], "invalid choice: 'mnist'"),
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
        [sys.executable, "-m", "text_recognizer", "read", "--network", "line_cnn", "--weights-dir", "nowhere", image],
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


NOT_INSTALLED = """
import sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == sys.argv[1]:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nowhere())
from text_recognizer.cli import main
sys.exit(main(["evaluate", "--network", "mlp"]))
"""


@pytest.mark.parametrize("backend", ["tensorflow", "jax"])
def test_a_backend_that_is_not_installed_is_named_in_one_line(backend):
    done = subprocess.run(
        [sys.executable, "-c", NOT_INSTALLED, backend],
        env=os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": backend},
        capture_output=True,
        text=True,
        check=False,
    )
    message = f"python -m text_recognizer: error: Keras is set to a backend that is not installed, {backend}. Set "
    assert done.returncode == 1 and done.stderr.startswith(message) and done.stderr.count("\n") == 1, done.stderr


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
