"""What tests of several modules start from."""

import socket

import pytest

from workbook.pages import ROOT

REAL_DATA = ROOT.parent / "shared" / "keras" / "datasets"


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
    """An empty Keras home, on `full`. Keras reads KERAS_HOME once, when it is imported."""
    from keras.src.backend import config

    monkeypatch.setenv("WORKBOOK_DATA", "full")
    monkeypatch.setattr(config, "_KERAS_DIR", str(tmp_path))
    return tmp_path


@pytest.fixture
def real_home(tmp_path):
    """`real_home("fashion-mnist")` makes a Keras home that has this part of the real data; it skips where there is none."""

    def home(part):
        if not (REAL_DATA / part).exists():
            pytest.skip(f"no real data: {REAL_DATA / part} is not there")
        (tmp_path / "datasets").mkdir(exist_ok=True)
        (tmp_path / "datasets" / part).symlink_to(REAL_DATA / part)
        return tmp_path

    return home
