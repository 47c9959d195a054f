"""Training the ResNet: checkpoints, going on after kill -9, the loop by hand, the command."""

import csv
import dataclasses
import os
import signal
import subprocess

import keras
import numpy as np
import pytest
from filelock import FileLock

from tests import tiny_run
from tests.python import python_command
from text_recognizer.cli import main
from text_recognizer.recipes import resnet
from text_recognizer.recipes.resnet_configuration import TINY_IMAGENET
from workbook.pages import ROOT


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A Keras home of its own, on the sample."""
    home = tmp_path_factory.mktemp("keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WORKBOOK_DATA", raising=False)
        patch.delenv("TF_CONFIG", raising=False)
        patch.setenv("KERAS_HOME", str(home))
        yield home


@pytest.fixture(scope="module")
def uninterrupted(home, tmp_path_factory):
    """The folder of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert run(folder) == 0
    return folder


def run(folder, *more):
    return main(["resnet", *tiny_run.command(folder, *more)])


def rows(folder):
    with open(folder / "history.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# kill -9

KILL = """
import os, signal, sys
import tensorflow as tf
from text_recognizer.cli import main
from text_recognizer.training import weights
from text_recognizer.training.checkpoints import Checkpoints

def kill(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def in_the_second_epoch(self, batch, logs=None):
    if len(self.history) == 1:
        kill()

def half_a_file(path, network, **arguments):
    path.with_name(f".{os.getpid()}.{path.name}").write_bytes(b"half")
    kill()

def no_csv(self):
    if len(self.history) == 2:
        kill()

moment = sys.argv[1]
if moment == "a step":
    Checkpoints.on_train_batch_end = in_the_second_epoch
elif moment == "validation":
    Checkpoints.on_test_batch_end = in_the_second_epoch
elif moment == "the checkpoint":
    weights.save = half_a_file
elif moment == "before the csv":
    Checkpoints._write_csv = no_csv
# Graphs take seconds to trace. Where nothing of what the process computes is kept, it does without.
tf.config.run_functions_eagerly(moment in ("validation", "the checkpoint"))
main(["resnet", *sys.argv[2:]])
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_after_kill_at_any_moment_the_run_goes_on_as_if_nothing_had_happened(home, uninterrupted, tmp_path):
    """One run is killed at four moments of its second epoch, going on after each, and then left alone."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_HOME": str(home)}
    for moment, done in (("a step", 1), ("validation", 1), ("the checkpoint", 1), ("before the csv", 2)):
        killed = subprocess.run(
            python_command("-c", KILL, moment, *tiny_run.command(tmp_path)),
            env=environment,
            capture_output=True,
            check=False,
            text=True,
        )
        assert killed.returncode == -signal.SIGKILL, f"{moment}: {killed.stderr}"
        assert len(list(tmp_path.glob("resnet_*"))) == done, moment
        assert len(rows(tmp_path)) == 1, moment

    assert run(tmp_path) == 0
    assert (tmp_path / "history.csv").read_bytes() == (uninterrupted / "history.csv").read_bytes()
    last = "resnet_03.weights.h5"
    assert tiny_run.largest_difference(tmp_path / last, uninterrupted / last) == 0


# fit and the loop


def test_the_loop_ends_at_the_weights_of_fit(home, uninterrupted, tmp_path):
    assert run(tmp_path, "--epochs=1", "--loop") == 0
    first = "resnet_01.weights.h5"
    assert tiny_run.largest_difference(tmp_path / first, uninterrupted / first) < 1e-5
    for by_hand, by_fit in zip(rows(tmp_path), rows(uninterrupted)):
        for name in by_fit:
            assert float(by_hand[name]) == pytest.approx(float(by_fit[name]), abs=1e-4), name


def test_the_rate_falls_in_one_step_after_64_epochs():
    configuration = dataclasses.replace(TINY_IMAGENET, filters=16, levels=(1,))
    schedule = resnet.build_network(configuration, steps_per_epoch=3).optimizer._learning_rate
    rates = [float(schedule(epoch * 3 + step)) for epoch in (0, 63, 64, 71) for step in (0, 2)]
    np.testing.assert_allclose(rates, [0.01] * 4 + [0.001] * 4, rtol=1e-6)


def test_kernels_decay_and_batch_normalization_does_not():
    configuration = dataclasses.replace(TINY_IMAGENET, filters=16, levels=(1,), weight_decay=0.5, momentum=0.9)
    network = resnet.build_network(configuration, steps_per_epoch=3)
    before = network.get_weights()
    variables = network.trainable_variables
    network.optimizer.apply([keras.ops.zeros_like(variable) for variable in variables], variables)
    for variable, weights, old in zip(network.weights, network.get_weights(), before):
        shrinks = 1 - 0.01 * 0.5 / (1 - 0.9) if variable.name == "kernel" else 1
        np.testing.assert_allclose(weights, shrinks * old, rtol=1e-6, err_msg=variable.path)


def test_mixed_precision_keeps_weights_and_logits_in_float32():
    configuration = dataclasses.replace(TINY_IMAGENET, filters=16, levels=(1,))
    network = resnet.build_network(configuration, 3, "mixed_bfloat16")
    assert {variable.dtype for variable in network.trainable_variables} == {"float32"}
    assert network.chain[0].compute_dtype == "bfloat16" and network.chain[-1].compute_dtype == "float32"


# The command


def complaint(capsys, *arguments):
    assert main(["resnet", *arguments]) == 1
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    return lines[0]


def test_errors_are_one_line(capsys, monkeypatch, home, tmp_path):
    folder = f"--folder={tmp_path}"
    assert "filters is 30; give a multiple of four" in complaint(capsys, folder, "--filters=30")
    assert "classes is 11" in complaint(capsys, folder, "--classes=11")
    monkeypatch.setenv("TF_CONFIG", "{}")
    assert "add --loop" in complaint(capsys, folder)
    assert not any(tmp_path.iterdir())


def test_one_process_trains_in_a_folder(capsys, home, tmp_path):
    with FileLock(tmp_path / ".lock"):
        assert f"another process trains in {tmp_path}" in complaint(capsys, *tiny_run.command(tmp_path))


def test_a_run_with_other_constants_is_refused(capsys, uninterrupted):
    before = {path: path.stat().st_mtime for path in uninterrupted.iterdir()}
    arguments = tiny_run.command(uninterrupted, "--batch-size=16")
    assert "has batch_size 12, not 16. Give another folder, or delete this one" in complaint(capsys, *arguments)
    assert before == {path: path.stat().st_mtime for path in uninterrupted.iterdir()}


def test_ctrl_c_is_one_line(capsys, monkeypatch, tmp_path):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(resnet, "train", interrupt)
    assert main(["resnet", f"--folder={tmp_path}"]) == 130
    assert "the same command goes on after the last whole epoch" in capsys.readouterr().err
