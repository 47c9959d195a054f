"""Checkpoints: what is in them, going on after kill -9, what is refused."""

import csv
import json
import os
import shutil
import signal
import subprocess

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.python import python_command
from text_recognizer.pipelines.arrays import DatasetSequence
from text_recognizer.training import weights
from text_recognizer.training.checkpoints import Checkpoints, checksum
from text_recognizer.training.weights import WeightsError
from workbook.pages import ROOT

X = np.random.default_rng(0).normal(size=(12, 5)).astype("float32")
Y = X[:, :2] > 0
BATCHES = tf.data.Dataset.from_tensors((X, Y))  # one an epoch: nothing here depends on how many there are


def small_network(optimizer=None, run_eagerly=True):
    """All that has a state: weights, moving statistics, a momentum, a rate that falls, and dropout.

    Tracing a graph would take longer than these trainings.
    """
    keras.utils.set_random_seed(0)
    rate = keras.optimizers.schedules.ExponentialDecay(0.1, 3, 0.5)
    layers = [keras.layers.Dense(6, "relu"), keras.layers.BatchNormalization(), keras.layers.Dropout(0.5)]
    network = keras.Sequential([keras.Input((5,)), *layers, keras.layers.Dense(2)])
    network.compile(optimizer or keras.optimizers.SGD(rate, momentum=0.9), "mse", run_eagerly=run_eagerly)
    return network


def go_on(folder, epochs, network=None, callbacks=(), fitting=None, **arguments):
    """Train to so many epochs, or go on to them; return the network and the checkpoints."""
    network = network or small_network()
    checkpoints = Checkpoints(folder, "net_{epoch:02d}.weights.h5", **{"keep": 5} | arguments)
    done = checkpoints.restore(network)
    fitting = {"x": BATCHES, "shuffle": False} | (fitting or {})
    network.fit(**fitting, initial_epoch=done, epochs=epochs, callbacks=[*callbacks, checkpoints], verbose=0)
    return network, checkpoints


@pytest.fixture(scope="module")
def _run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    go_on(folder, epochs=2)
    return folder


@pytest.fixture
def run(_run, tmp_path):
    """The folder of a run of two epochs, a copy of it."""
    return shutil.copytree(_run, tmp_path / "run")


def rows(folder):
    with open(folder / "history.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def arrays(checkpoint):
    """All arrays of a checkpoint by their path."""
    found = {}
    with h5py.File(checkpoint) as file:
        file.visititems(lambda path, item: found.update({path: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def assert_same_run(one, other, last):
    """Compare two runs to the bit: the newest checkpoint with all that it says, and the history."""
    ours, theirs = arrays(one / last), arrays(other / last)
    assert ours.keys() == theirs.keys() and len(ours) > 10
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert (one / "history.csv").read_bytes() == (other / "history.csv").read_bytes()


# Going on

KILL = """
import os, pathlib, signal, sys
from tests.test_training_checkpoints import go_on, small_network

replace = os.replace

def kill_before_the_third(old, new):
    if "net_03" in str(new):
        os.kill(os.getpid(), signal.SIGKILL)
    replace(old, new)

os.replace = kill_before_the_third
go_on(pathlib.Path(sys.argv[1]), 4, small_network(run_eagerly=False))
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_after_kill_a_run_with_dropout_goes_on_as_if_nothing_had_happened(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    go_on(whole, 4, small_network(run_eagerly=False))
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        python_command("-c", KILL, killed), env=environment, capture_output=True, check=False, text=True
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert len(names(killed)) == 4 and len(rows(killed)) == 2  # two checkpoints, the third beside its place
    go_on(killed, 4, small_network(run_eagerly=False))
    assert names(killed) == names(whole)
    assert_same_run(killed, whole, "net_04.weights.h5")


def test_each_epoch_of_dropout_is_another(run):
    """So the test above would fail if random numbers began anew."""
    runs = [json.loads(arrays(run / f"net_{epoch:02d}.weights.h5")["text_recognizer"])["run"] for epoch in (1, 2)]
    (first,), (second,) = (said["random_states"] for said in runs)
    assert first[0] == second[0] and second[1] == 2 * first[1] > 0


def test_layers_outside_of_the_network_go_on_too(tmp_path):
    """An augmentation in the pipeline, whose seed is drawn anew at each start."""

    def run(folder, epochs, seed):
        network, noise = small_network(), keras.layers.GaussianNoise(0.1, seed=seed)
        checkpoints = Checkpoints(folder, layers=[noise])
        done = checkpoints.restore(network)
        batches = DatasetSequence(
            X, Y, 6, augment_fn=lambda x, y: (noise(x, training=True), y), shuffle=True, seed=0, first_epoch=done
        )
        network.fit(batches, initial_epoch=done, epochs=epochs, callbacks=[checkpoints], shuffle=False, verbose=0)

    run(tmp_path / "whole", 3, seed=1)
    for epochs, seed in ((1, 1), (3, 2)):
        run(tmp_path / "parts", epochs, seed)
    assert_same_run(tmp_path / "parts", tmp_path / "whole", "epoch_0003.weights.h5")


@pytest.mark.parametrize("optimizer", ["adam", lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1))])
def test_a_run_in_parts_ends_where_one_in_one_piece_ends(optimizer, tmp_path):
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    for folder, ends in ((whole, [4]), (parts, [1, 3, 3, 4])):
        for epochs in ends:
            network = small_network(optimizer if isinstance(optimizer, str) else optimizer())
            go_on(folder, epochs, network)
    assert_same_run(parts, whole, "net_04.weights.h5")
    assert [row["epoch"] for row in rows(parts)] == ["1", "2", "3", "4"]


def test_a_run_under_a_strategy_goes_on(tmp_path):
    """Whose optimizer can be built in the scope of its strategy alone."""
    for folder, ends in ((tmp_path / "whole", [2]), (tmp_path / "parts", [1, 2])):
        for epochs in ends:
            with tf.distribute.MirroredStrategy(["CPU:0"]).scope():
                network = small_network()
            go_on(folder, epochs, network)
    assert_same_run(tmp_path / "parts", tmp_path / "whole", "net_02.weights.h5")


def test_a_rate_that_a_callback_lowers_is_lowered_when_the_run_goes_on(tmp_path):
    """And the history has the rate that the epoch began with, whatever the callback reports."""

    def lower(epoch, rate):
        return rate / 2 if epoch == 1 else rate

    for epochs in (2, 3):
        scheduler = keras.callbacks.LearningRateScheduler(lower)
        go_on(tmp_path, epochs, small_network("sgd"), callbacks=[scheduler])
    assert [float(row["learning_rate"]) for row in rows(tmp_path)] == pytest.approx([0.01, 0.005, 0.005])


def test_the_newest_checkpoints_stay(tmp_path):
    go_on(tmp_path, epochs=4, keep=2)
    assert names(tmp_path) == ["history.csv", "net_03.weights.h5", "net_04.weights.h5"]


def test_a_process_that_only_restores_writes_nothing(run):
    assert len(names(run)) == 3
    (run / "history.csv").unlink()
    _, checkpoints = go_on(run, epochs=3, writes=False)
    assert [row["epoch"] for row in checkpoints.history] == [1, 2, 3]
    assert names(run) == ["net_01.weights.h5", "net_02.weights.h5"]


def test_keras_and_weights_read_the_weights(tmp_path):
    network, _ = go_on(tmp_path, epochs=1, class_names="ab")
    for load in (
        lambda again: again.load_weights(tmp_path / "net_01.weights.h5"),
        lambda again: weights.load(tmp_path / "net_01.weights.h5", again, name="A", class_names="ab"),
    ):
        again = small_network("adam")
        load(again)
        np.testing.assert_array_equal(network.get_weights()[0], again.get_weights()[0])


# The history


def test_the_csv_is_written_anew_from_the_checkpoint(run):
    expected = (run / "history.csv").read_bytes()
    (run / "history.csv").write_text("epoch,loss\n1,0.5\n")
    go_on(run, epochs=2)
    assert (run / "history.csv").read_bytes() == expected


def test_columns_that_come_and_go(tmp_path):
    fitting = {"validation_data": BATCHES, "validation_freq": 2}
    go_on(tmp_path / "whole", epochs=3, fitting=fitting)
    for epochs in (1, 2, 3):
        _, checkpoints = go_on(tmp_path / "parts", epochs, fitting=fitting | {"validation_freq": [2]})
    found = rows(tmp_path / "parts")
    assert list(found[0]) == ["epoch", "learning_rate", "loss", "val_loss"]
    assert [bool(row["val_loss"]) for row in found] == [False, True, False]
    assert ["val_loss" in row for row in checkpoints.history] == [False, True, False]
    assert_same_run(tmp_path / "parts", tmp_path / "whole", "net_03.weights.h5")


def test_results_that_are_no_python_numbers(tmp_path):
    class More(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs):
            logs |= {"float32": np.float32(0.5), "tensor": keras.ops.convert_to_tensor(2.5), "matrix": np.eye(2)}

    _, checkpoints = go_on(tmp_path, epochs=1, callbacks=[More()])
    again = Checkpoints(tmp_path, "net_{epoch:02d}.weights.h5")
    again.restore(small_network())
    assert again.history == checkpoints.history
    assert [again.history[0][name] for name in ("float32", "tensor", "matrix")] == [0.5, 2.5, [[1, 0], [0, 1]]]


def test_the_history_as_fit_returns_it(tmp_path):
    """But of all epochs, those before included."""
    fitting = {"validation_data": BATCHES, "validation_freq": 2}
    for epochs in (1, 3):
        network, checkpoints = go_on(tmp_path, epochs, fitting=fitting)
    epochs, history = checkpoints.columns()
    assert epochs == [0, 1, 2] and [len(history[name]) for name in ("loss", "val_loss")] == [3, 1]
    assert list(history) == list(network.history.history)
    assert [history["loss"][1:], history["val_loss"]] == [network.history.history[name] for name in history]


def test_what_was_written_can_be_removed(tmp_path):
    folder = tmp_path / "run"
    _, checkpoints = go_on(folder, epochs=2)
    (folder / "mine.txt").write_text("stays")
    with checkpoints.locked():
        pass
    checkpoints.remove()
    assert names(folder) == ["mine.txt"] and len(checkpoints.history) == 2
    (folder / "mine.txt").unlink()
    checkpoints.remove()
    assert not folder.exists()
    checkpoints.remove()


# What is refused


def test_another_process_stays_out(tmp_path):
    """Another lock on the same file stands for another process."""
    checkpoints = Checkpoints(tmp_path / "run")
    with checkpoints.locked(), checkpoints.locked():
        with pytest.raises(ValueError, match="another process trains in .*run: wait for it, or give another folder"):
            with Checkpoints(tmp_path / "run").locked():
                pass
        with Checkpoints(tmp_path / "run", writes=False).locked():
            pass
    with pytest.raises(KeyboardInterrupt), checkpoints.locked():
        raise KeyboardInterrupt
    with Checkpoints(tmp_path / "run").locked():
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "run").write_text("a file")
    with pytest.raises(OSError, match="nothing could be written to .*run"), Checkpoints(tmp_path / "run").locked():
        pass


def test_a_checksum_tells_data_apart():
    ragged = np.empty(2, object)
    ragged[:] = [np.zeros((4, 3), np.uint8), np.zeros((4, 6), np.uint8)]
    other = ragged.copy()
    other[1] = np.zeros((6, 4), np.uint8)
    y = np.arange(4, dtype=np.int32)
    data = [y, y[::2], y[::-1], y.astype(np.int64), y.reshape(2, 2), y.reshape(4, 1)[:, :0], ragged, other, ragged[:1]]
    assert len({checksum({"x": array}) for array in data}) == len(data)
    assert checksum({"x": ragged, "y": y}) == checksum({"x": ragged.copy(), "y": y.copy()})
    assert checksum({"x": y}, {}) != checksum({"x": y}, {"x": y + 1}) != checksum({"x": y + 1}, {"x": y})


def test_another_run_is_refused(tmp_path):
    go_on(tmp_path, epochs=1, settings={"batch_size": 32, "levels": (1, 2)})
    go_on(tmp_path, epochs=2, settings={"batch_size": 32, "levels": (1, 2)})
    for settings, message in (
        ({"batch_size": 64, "levels": (1, 2)}, "has batch_size 32, not 64. Give another folder, or delete"),
        ({"batch_size": 32}, r"has levels \[1, 2\], not None. Give another folder, or delete this one to begin anew"),
        ({"batch_size": 32, "levels": (1, 2), "seed": 1}, "has seed None, not 1. Give another folder, or delete"),
    ):
        with pytest.raises(ValueError, match=message):
            go_on(tmp_path, epochs=3, settings=settings)


@pytest.mark.parametrize(
    "network, arguments, message",
    [
        (lambda: small_network("adam"), {}, "optimizer.class is 'SGD' in the file, 'Adam' here"),
        (lambda: small_network("sgd"), {}, "optimizer.shapes has 7 entries in the file, 2 here"),
        (lambda: keras.Sequential([keras.Input((5,)), keras.layers.Dense(2)]), {}, "random numbers: 1, not 0"),
        (small_network, {"layers": [keras.layers.RandomFlip()]}, "random numbers: 1, not 2"),
        (small_network, {"class_names": "ab"}, "class_names is None in the file"),
    ],
)
def test_another_network_is_refused_and_left_as_it_is(network, arguments, message, run):
    network = network()
    before = network.get_weights()
    with pytest.raises(ValueError, match=message):
        Checkpoints(run, "net_{epoch:02d}.weights.h5", **arguments).restore(network)
    for old, new in zip(before, network.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_a_damaged_checkpoint_is_named(run):
    path = run / "net_02.weights.h5"
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(WeightsError, match="net_02.weights.h5 is damaged.* Delete it, and go on from .*the checkpoint"):
        go_on(run, epochs=3)
    path.unlink()
    go_on(run, epochs=3)
    assert [row["epoch"] for row in rows(run)] == ["1", "2", "3"]


@pytest.mark.parametrize("run", [None, {}, [], {"settings": {}}])
def test_weights_that_are_no_checkpoint_are_named(run, tmp_path):
    weights.save(tmp_path / "net_03.weights.h5", small_network(), name="A", run=run)
    with pytest.raises(ValueError, match="newest weights in .* are no checkpoint"):
        go_on(tmp_path, epochs=4)


@pytest.mark.parametrize("done", [0, 2])
def test_a_folder_with_checkpoints_that_nobody_restored_is_refused(done, run):
    """Otherwise the new run would be thrown away at the next start: the old one has the newer checkpoint."""
    before = {path: path.read_bytes() for path in run.iterdir()}
    checkpoints = Checkpoints(run, "net_{epoch:02d}.weights.h5")
    with pytest.raises(ValueError, match="call restore before fit, and give fit what it returns as initial_epoch"):
        small_network().fit(BATCHES, initial_epoch=done, epochs=4, callbacks=[checkpoints], shuffle=False, verbose=0)
    assert before == {path: path.read_bytes() for path in run.iterdir()}


def test_what_restore_returns_is_where_the_training_begins(run):
    network, checkpoints = small_network(), Checkpoints(run, "net_{epoch:02d}.weights.h5")
    assert checkpoints.restore(network) == 2
    with pytest.raises(ValueError, match="give fit what it returns as initial_epoch"):
        network.fit(BATCHES, epochs=4, callbacks=[checkpoints], shuffle=False, verbose=0)


def test_a_loss_that_is_no_number_ends_the_run_without_a_checkpoint(tmp_path):
    no_numbers = BATCHES.map(lambda x, y: (x, np.full_like(X[:, :2], np.nan)))
    with pytest.raises(FloatingPointError, match="the loss of epoch 1 is nan: try a smaller learning rate"):
        go_on(tmp_path / "run", epochs=1, fitting={"x": no_numbers})
    assert not (tmp_path / "run").exists()


def test_a_network_that_cannot_be_saved_is_not_trained_first(tmp_path):
    class Network(keras.Model):
        def __init__(self, units):
            super().__init__()
            self.dense = keras.layers.Dense(units)

        def call(self, x):
            return self.dense(x)

    network = Network(2)
    network.compile("sgd", "mse")
    checkpoints = Checkpoints(tmp_path / "run")
    with pytest.raises(WeightsError, match="Network does not say what it is made of.*Write its get_config"):
        network.fit(BATCHES, callbacks=[checkpoints], shuffle=False, verbose=0)
    assert not (tmp_path / "run").exists() and checkpoints.history == []


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"keep": 0}, "keep is 0; give an integer, 1 or more"),
        ({"keep": True}, "keep is True; give an integer"),
        ({"filename": "net.weights.h5"}, "filename is 'net.weights.h5'; give one with the number of the epoch"),
        ({"filename": "net_{epoch}.h5"}, "filename is"),
        ({"filename": "{epoch}/net.weights.h5"}, "filename is"),
        ({"filename": "{epoch}_{loss}.weights.h5"}, "filename is"),
        ({"filename": "{epoch:x}.weights.h5"}, "filename is"),
        ({"filename": "{epoch:q}.weights.h5"}, "filename is"),
        ({"filename": "{epoch:<4d}.weights.h5"}, "filename is"),
        ({"filename": "{epoch.foo}.weights.h5"}, "filename is"),
        ({"filename": "{epoch}{epoch}.weights.h5"}, "filename is"),
        ({"settings": {"function": len}}, "not JSON serializable"),
        ({"settings": {"rate": float("nan")}}, "not JSON compliant"),
    ],
)
def test_arguments_are_refused_by_name(arguments, message, tmp_path):
    with pytest.raises((TypeError, ValueError), match=message):
        Checkpoints(tmp_path, **arguments)


def test_arguments_that_are_right(tmp_path):
    Checkpoints(tmp_path, "a.b+{epoch:06d}(1).weights.h5", np.int64(3), {"levels": (1, 2), "nothing": None})


def test_a_full_disk_names_the_folder_and_leaves_the_old_checkpoints(run):
    """A limit on the size of a file stands for the disk."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    class Fill(keras.callbacks.Callback):
        def on_epoch_begin(self, epoch, logs=None):
            if epoch == 2:
                resource.setrlimit(resource.RLIMIT_FSIZE, (5000, hard))

    try:
        with pytest.raises(OSError, match="nothing could be written to .*File too large.* Make room") as caught:
            go_on(run, epochs=3, callbacks=[Fill()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert str(run) in str(caught.value) and "\n" not in str(caught.value)
    assert names(run) == ["history.csv", "net_01.weights.h5", "net_02.weights.h5"]
    go_on(run, epochs=3)
    assert len(rows(run)) == 3
