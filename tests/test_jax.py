"""Keras on JAX, where TensorFlow cannot be imported: the networks, a training that goes on, the command.

JAX is none of the requirements. These tests run it in a process of its own: by the Python that runs the
tests if `jax` can be imported there, or else by the one whose path is in JAX_PYTHON. That one needs, beside
jax, what `pyproject.toml` lists without tensorflow:

    python -m venv jaxenv && jaxenv/bin/pip install jax keras==3.15.1 h5py filelock rich numpy pillow scikit-learn \
        matplotlib
    JAX_PYTHON=jaxenv/bin/python pytest tests/test_jax.py
"""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest

from tests import backends, tiny_run
from text_recognizer.cli import main
from workbook.pages import ROOT

WITHOUT_TENSORFLOW = """
import json, os, sys

class Nowhere:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "tensorflow":
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

sys.meta_path.insert(0, Nowhere())
"""


@pytest.fixture(scope="module")
def run_jax(tmp_path_factory):
    """A function that runs code on JAX in a folder of its own, and returns what it prints; or skip."""
    python = sys.executable if importlib.util.find_spec("jax") else os.environ.get("JAX_PYTHON")
    if not python:
        pytest.skip("JAX is not installed: pip install jax, or set JAX_PYTHON to a Python that has it")
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu"}
    environment |= {"KERAS_HOME": str(tmp_path_factory.mktemp("keras")), "WORKBOOK_DATA": "sample"}
    environment["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"  # to compile takes most of the time
    environment.pop("TF_CONFIG", None)

    def run(code, folder):
        command = [python, "-c", WITHOUT_TENSORFLOW + code]
        done = subprocess.run(command, env=environment, cwd=folder, capture_output=True, check=False, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


def test_outputs_and_gradients_agree_with_tensorflow(run_jax, tmp_path):
    """To 1e-5 of the largest number of an output, and of the largest of all gradients of a network."""
    run_jax("from tests import backends; backends.write('jax.npz')", tmp_path)
    backends.write(tmp_path / "tensorflow.npz")
    ours, theirs = (dict(np.load(tmp_path / f"{name}.npz")) for name in ("tensorflow", "jax"))
    assert ours.keys() == theirs.keys() and len(ours) > 100
    for name in backends.MAKE:
        largest = max(np.abs(array).max() for key, array in ours.items() if key.startswith(f"{name}: gradient"))
        for key, array in ours.items():
            if key.startswith(name):
                scale = largest if "gradient" in key else np.abs(array).max()
                np.testing.assert_allclose(theirs[key], array, rtol=0, atol=1e-5 * scale, err_msg=key)


PROBABILITY = """
import numpy as np
from text_recognizer import ctc
with np.errstate(divide="ignore"):
    print(ctc.probability([[1, 2], [2, 0]], np.log([[[0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]] * 2)).tolist())
"""


def test_a_logit_of_minus_infinity_has_a_probability(run_jax, tmp_path):
    assert json.loads(run_jax(PROBABILITY, tmp_path)) == [1, 0]


TRAIN = """
import keras
import numpy as np
from text_recognizer.augmentation import RandomAffine
from text_recognizer.datasets import Digits, EmnistLines
from text_recognizer.models import CharacterModel, ImageModel, LineModel
from text_recognizer.networks import Resnet, lenet, line_cnn, mlp, vgg

digits = Digits()
arrays = digits.x_train[:120], digits.y_train[:120]

def vgg_after(folder, *epochs):
    for start, count in enumerate(epochs):
        keras.utils.set_random_seed(start)  # what goes on begins with other weights and other states of dropout
        network = vgg((28, 28), (10,), blocks=((4,), (8,)), layer_size=8)
        model = CharacterModel(digits, network)
        model.augmentation = RandomAffine(seed=1)
        history = model.fit(arrays, epochs=count, batch_size=16, checkpoints=folder, verbose=0)
    return network.get_weights(), history.history

whole, stopped = vgg_after("whole", 3), vgg_after("stopped", 1, 3)
same = all(np.array_equal(a, b) for a, b in zip(whole[0], stopped[0])) and whole[1] == stopped[1]

losses = {}
for network in (mlp((28, 28), (10,), 16), lenet((28, 28), (10,))):
    history = CharacterModel(digits, network).fit(arrays, epochs=3, batch_size=16, verbose=0)
    losses[network.name] = history.history["loss"]
lines = EmnistLines(max_length=4, num_train=8, num_test=2)
model = LineModel(lines, line_cnn(lines.input_shape, lines.output_shape, filters=2))
losses["line_cnn"] = model.fit(epochs=3, validation_fraction=0, verbose=0).history["loss"]
network = Resnet(10, 4, [1])
network.build((None, 28, 28, 1))
model = ImageModel(digits, network)
x, y = arrays
losses["Resnet"] = model.fit((x[..., None], y), epochs=3, batch_size=16, verbose=0).history["loss"]
texts = LineModel(lines, line_cnn(lines.input_shape, lines.output_shape, filters=2)).read(lines.x_test)
print(json.dumps([same, losses, len(texts), "tensorflow" in sys.modules]))
"""


def test_all_networks_train_and_a_training_goes_on_to_the_bit(run_jax, tmp_path):
    same, losses, texts, tensorflow = json.loads(run_jax(TRAIN, tmp_path))
    assert same and texts == 2 and not tensorflow
    assert losses.keys() == {"mlp", "lenet", "line_cnn", "Resnet"}
    for name, values in losses.items():
        assert values[-1] < values[0], name


RECOGNIZER = """
import text_recognizer.datasets
from text_recognizer.cli import main
from text_recognizer.datasets import Digits
from PIL import Image

text_recognizer.datasets.Emnist = lambda subsample_fraction=None, source=None: Digits(source)
Image.fromarray(255 - Digits().x_test[0]).save("digit.png")
assert main(["train", "--network=mlp", "--epochs=2"]) == 0
assert main(["evaluate", "--network=mlp"]) == 0
assert main(["read", "--network=mlp", "digit.png"]) == 0
"""


def test_the_command_trains_evaluates_and_reads(run_jax, tmp_path):
    lines = run_jax(RECOGNIZER, tmp_path).splitlines()
    scores = [float(line.split()[-1]) for line in lines if line.startswith("test accuracy")]
    assert len(scores) == 2 and scores[0] == scores[1] > 0.5
    assert lines[-1].startswith("digit.png\t")


RESNET = """
import contextlib, io
from text_recognizer.cli import main

whole, stopped = json.loads(sys.argv[1])
for arguments in (whole, stopped + ["--epochs=1"], stopped):
    assert main(["resnet", *arguments]) == 0
with contextlib.redirect_stderr(io.StringIO()) as said:
    assert main(["resnet", *stopped, "--loop"]) == 1
    os.environ["TF_CONFIG"] = "{}"
    assert main(["resnet", *stopped]) == 1
print(json.dumps(said.getvalue().splitlines()))
"""


def test_the_resnet_goes_on_from_arrays_and_refuses_what_needs_tensorflow(run_jax, tmp_path, monkeypatch, capsys):
    whole, stopped = (tiny_run.command(name) for name in ("whole", "stopped"))
    code = f"sys.argv[1:] = [{json.dumps([whole, stopped])!r}]\n{RESNET}"
    loop, machines = json.loads(run_jax(code, tmp_path).splitlines()[-1])
    last = "resnet_03.weights.h5"
    assert tiny_run.largest_difference(tmp_path / "whole" / last, tmp_path / "stopped" / last) == 0
    csv = [(tmp_path / name / "history.csv").read_bytes() for name in ("whole", "stopped")]
    assert csv[0] == csv[1]
    assert "--loop needs TensorFlow" in loop and "TF_CONFIG needs TensorFlow" in machines

    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.delenv("WORKBOOK_DATA", raising=False)
    assert main(["resnet", *tiny_run.command(tmp_path / "whole")]) == 1
    assert "has backend jax, not tensorflow" in capsys.readouterr().err
