"""Training on two machines, which are two processes on this one."""

import json
import os
import socket
import subprocess

from tests import tiny_run
from tests.python import python_command
from text_recognizer.cli import main
from workbook.pages import ROOT

ONE_EPOCH = ("--epochs=1", "--loop")


def free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [opened.getsockname()[1] for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def start(home, folder, index, ports):
    """Start the command by hand for one epoch, as one of the workers."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "KERAS_HOME": str(home)}
    environment.pop("WORKBOOK_DATA", None)
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    environment["TF_CONFIG"] = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
    command = python_command("-m", "text_recognizer", "resnet", *tiny_run.command(folder, *ONE_EPOCH))
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def outputs(processes):
    """Wait for the processes, all of them, and return what they print."""
    done = [process.communicate() for process in processes]
    assert all(process.returncode == 0 for process in processes), done
    return [output for output, _ in done]


def test_two_processes_end_at_the_weights_of_one(tmp_path, monkeypatch, eagerly):
    """To rounding: batch normalization over two replicas adds up in another order."""
    with monkeypatch.context() as patch:
        patch.delenv("WORKBOOK_DATA", raising=False)
        patch.delenv("TF_CONFIG", raising=False)
        patch.setenv("KERAS_HOME", str(tmp_path))
        assert main(["resnet", *tiny_run.command(tmp_path / "one", *ONE_EPOCH)]) == 0
    ports = free_ports(2)
    chief, worker = outputs([start(tmp_path, tmp_path / "two", index, ports) for index in range(2)])
    checkpoint = "resnet_01.weights.h5"
    assert tiny_run.largest_difference(tmp_path / "one" / checkpoint, tmp_path / "two" / checkpoint) < 1e-4
    assert "epoch 1/1" in chief and worker == ""
