"""What tests of several modules start from."""

import os
import shutil
import socket
import sys
import tempfile
from pathlib import Path

import pytest
from absl import logging

from tests.python import run_python
from workbook.pages import ROOT

# as pages are executed, and before anything imports TensorFlow
os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
# XLA, and JAX by it, compiles in half the time where LLVM does not optimize. For a GPU it must, and `make claims` trains.
if not shutil.which("nvidia-smi") and "WORKBOOK_CLAIMS" not in os.environ:
    os.environ.setdefault("XLA_FLAGS", "--xla_backend_optimization_level=0")
# An application of Jupyter closes all handlers of logs, and absl's closes its stream: it must not be pytest's.
logging.get_absl_handler().python_handler.stream = sys.__stderr__

REAL_DATA = ROOT.parent / "shared" / "keras" / "datasets"
NOBODY = 65534  # the user who owns nothing


@pytest.fixture
def eagerly():
    """Trace no function: a training of a few steps takes a part of the time that tracing it does."""
    import tensorflow as tf

    tf.config.run_functions_eagerly(True)
    yield
    tf.config.run_functions_eagerly(False)


@pytest.fixture
def offline(monkeypatch):
    """Start on the default source, and let nothing reach the network."""

    def refuse(*args, **kwargs):
        raise socket.gaierror("no network in tests")

    monkeypatch.delenv("WORKBOOK_DATA", raising=False)
    monkeypatch.setattr(socket, "create_connection", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def keras_home(monkeypatch, tmp_path):
    """An empty Keras home, on `full`."""
    monkeypatch.setenv("WORKBOOK_DATA", "full")
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    return tmp_path


@pytest.fixture
def real_home(tmp_path):
    """`real_home("fashion-mnist")` makes a Keras home that has this part of the real data, or skips where none is."""

    def home(part):
        if not (REAL_DATA / part).exists():
            pytest.skip(f"no real data: {REAL_DATA / part} is not there")
        (tmp_path / "datasets").mkdir(exist_ok=True)
        (tmp_path / "datasets" / part).symlink_to(REAL_DATA / part)
        return tmp_path

    return home


@pytest.fixture
def shared_home():
    """A Keras home to fill, as a class shares it; `shared_home.run` lets somebody else use it, who may only read."""
    if os.name == "nt":
        pytest.skip("the rights of another user are those of POSIX")
    with tempfile.TemporaryDirectory() as folder:  # not tmp_path, into which its owner alone may look
        os.chmod(folder, 0o755)
        home = SharedHome(Path(folder))
        yield home
        for path in (home.path, *home.path.rglob("*")):
            if path.is_dir():
                path.chmod(0o755)


class SharedHome:
    """A Keras home at `path`, whose data sets go to `datasets`, and a folder `elsewhere` where everybody may write."""

    def __init__(self, folder):
        self.path = folder / "home"
        self.datasets = self.path / "datasets"
        self.datasets.mkdir(parents=True)
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        self.elsewhere.chmod(0o777)

    def run(self, imports, code, fresh=False, **environment):
        """Make the home read-only, run the code in a process of its own as `run_python` does, and return what it prints.

        Root may write everywhere, so where root runs the tests, the process turns into another user. It does so
        after the imports, since that user may not be allowed to look where Python is installed.
        """
        for path in (self.path, *self.path.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        before = sorted(self.path.rglob("*"))
        printed = run_python(
            f"import os, encodings.cp437\n{imports}\n"  # zipfile looks that one up when it reads
            f"if os.geteuid() == 0:\n    os.setgroups([])\n    os.setgid({NOBODY})\n    os.setuid({NOBODY})\n"
            f"assert not os.access({str(self.path)!r}, os.W_OK)\n{code}",
            fresh,
            KERAS_HOME=str(self.path),
            **environment,
        )
        assert sorted(self.path.rglob("*")) == before
        return printed
