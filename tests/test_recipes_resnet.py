"""Training the ResNet: checkpoints, going on after kill -9, the loop by hand, the command."""

import csv
import dataclasses
import os
import signal
import subprocess
import sys

import keras
import numpy as np
import pytest
from filelock import FileLock

from tests import tiny_run
from text_recognizer.recipes import resnet
from text_recognizer.training.callbacks import Checkpoints
from text_recognizer.recipes.resnet_configuration import TINY_IMAGENET
from workbook.pages import ROOT


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A Keras home of its own, on the sample."""
    from keras.src.backend import config

    home = tmp_path_factory.mktemp("keras")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("WORKBOOK_DATA", raising=False)
        patch.delenv("TF_CONFIG", raising=False)
        patch.setattr(config, "_KERAS_DIR", str(home))
        yield home


@pytest.fixture(scope="module")
def uninterrupted(home, tmp_path_factory):
    """The folder of a run that nothing stopped."""
    folder = tmp_path_factory.mktemp("uninterrupted")
    assert resnet.main(tiny_run.command(folder)) == 0
    return folder


# Checkpoints, with a network of one layer


def small_network():
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    network.compile(keras.optimizers.SGD(0.01, momentum=0.9), "mse", jit_compile=False)
    network.optimizer.build(network.trainable_variables)
    return network


def go_on(folder, epochs, keep=5, settings=None):
    """Train to so many epochs, or go on to them; return the network."""
    network, checkpoints = small_network(), Checkpoints(folder, "net_{epoch:02d}.weights.h5", keep, settings or {})
    done = checkpoints.restore(network)
    x = np.arange(8.0).reshape(4, 2) / 8
    network.fit(x, x[:, :1], initial_epoch=done, epochs=epochs, callbacks=[checkpoints], shuffle=False, verbose=0)
    return network


def rows(folder):
    with open(folder / "history.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_newest_checkpoints_stay(tmp_path):
    go_on(tmp_path, epochs=7, keep=2)
    assert names(tmp_path) == ["history.csv", "net_06.weights.h5", "net_07.weights.h5"]


def test_a_run_that_goes_on_ends_where_one_that_never_stopped_ends(tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    expected = go_on(whole, epochs=4)
    for epochs in (1, 3, 3, 4):
        found = go_on(parts, epochs)
    for one, other in zip(expected.get_weights(), found.get_weights()):
        np.testing.assert_array_equal(one, other)
    assert (whole / "history.csv").read_bytes() == (parts / "history.csv").read_bytes()
    assert [row["epoch"] for row in rows(parts)] == ["1", "2", "3", "4"]


def test_the_csv_is_written_anew_from_the_checkpoint(tmp_path):
    go_on(tmp_path, epochs=2)
    expected = (tmp_path / "history.csv").read_bytes()
    (tmp_path / "history.csv").write_text("epoch,loss\n1,0.5\n")
    go_on(tmp_path, epochs=2)
    assert (tmp_path / "history.csv").read_bytes() == expected


def test_keras_reads_the_weights(tmp_path):
    expected, network = go_on(tmp_path, epochs=1), small_network()
    network.load_weights(tmp_path / "net_01.weights.h5")
    np.testing.assert_array_equal(network.get_weights()[0], expected.get_weights()[0])


def test_another_run_is_refused(tmp_path):
    go_on(tmp_path, epochs=1, settings={"batch_size": 32})
    with pytest.raises(ValueError, match="has batch_size 32, not 64. Give another folder"):
        go_on(tmp_path, epochs=2, settings={"batch_size": 64})


def test_a_damaged_checkpoint_is_named(tmp_path):
    go_on(tmp_path, epochs=2)
    path = tmp_path / "net_02.weights.h5"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(ValueError, match="net_02.weights.h5 is damaged .*Delete it"):
        go_on(tmp_path, epochs=3)
    path.unlink()
    go_on(tmp_path, epochs=3)
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2", "3"]


def test_a_loss_that_is_no_number_ends_the_run_without_a_checkpoint(tmp_path):
    network, checkpoints = small_network(), Checkpoints(tmp_path / "run", "net_{epoch}.weights.h5", 5, {})
    with pytest.raises(FloatingPointError, match="the loss of epoch 1 is nan: try a smaller learning rate"):
        network.fit(np.full((4, 2), np.nan), np.zeros(4), callbacks=[checkpoints], verbose=0)
    assert not (tmp_path / "run").exists()


# kill -9

KILL = """
import os, signal, sys
import keras
from text_recognizer.recipes import resnet
from text_recognizer.training.callbacks import Checkpoints

def kill(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

def in_the_second_epoch(self, batch, logs=None):
    if len(self.history) == 1:
        kill()

def half_a_file(self, path):
    path.write_bytes(b"half")
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
    keras.Model.save_weights = half_a_file
elif moment == "before the csv":
    Checkpoints._write_csv = no_csv
resnet.main(sys.argv[2:])
"""


def test_after_kill_at_any_moment_the_run_goes_on_as_if_nothing_had_happened(home, uninterrupted, tmp_path):
    """One run is killed at four moments of its second epoch, and then left alone."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_HOME": str(home)}
    assert resnet.main(tiny_run.command(tmp_path, "--epochs=1")) == 0
    for moment, done in (("a step", 1), ("validation", 1), ("the checkpoint", 1), ("before the csv", 2)):
        killed = subprocess.run(
            [sys.executable, "-c", KILL, moment, *tiny_run.command(tmp_path)],
            env=environment,
            capture_output=True,
            check=False,
            text=True,
        )
        assert killed.returncode == -signal.SIGKILL, f"{moment}: {killed.stderr}"
        assert len(list(tmp_path.glob("resnet_*"))) == done, moment
        assert len(rows(tmp_path)) == 1, moment

    assert resnet.main(tiny_run.command(tmp_path)) == 0
    assert (tmp_path / "history.csv").read_bytes() == (uninterrupted / "history.csv").read_bytes()
    last = "resnet_03.weights.h5"
    assert tiny_run.largest_difference(tmp_path / last, uninterrupted / last) == 0


# fit and the loop


def test_the_loop_ends_at_the_weights_of_fit(home, uninterrupted, tmp_path):
    assert resnet.main(tiny_run.command(tmp_path, "--epochs=1", "--loop")) == 0
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
    assert resnet.main(list(arguments)) == 1
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
    assert "has batch_size 12, not 16. Give another folder" in complaint(capsys, *arguments)
    assert before == {path: path.stat().st_mtime for path in uninterrupted.iterdir()}


def test_ctrl_c_is_one_line(capsys, monkeypatch, tmp_path):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.delenv("TF_CONFIG", raising=False)
    monkeypatch.setattr(resnet, "train", interrupt)
    assert resnet.main([f"--folder={tmp_path}"]) == 130
    assert "the same command goes on after the last whole epoch" in capsys.readouterr().err
