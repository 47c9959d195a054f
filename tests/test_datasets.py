"""The data sets: the sample's bytes, the switch, and what a reader is told when data is missing."""

import gzip
import hashlib
import json
import os
from pathlib import Path

import numpy as np
import pytest

from tests.python import run_python
from text_recognizer.datasets import digits, fashion_mnist, keras_files, mnist
from text_recognizer.datasets.source import DatasetUnavailableError, source

pytestmark = pytest.mark.usefixtures("offline")


# The sample


def test_digits_have_the_form_of_mnist():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    assert x_train.shape == (1540, 28, 28) and y_train.shape == (1540,)
    assert x_test.shape == (257, 28, 28) and y_test.shape == (257,)
    assert len(x_train) / len(x_test) == pytest.approx(60_000 / 10_000, rel=0.01)
    assert {a.dtype for a in (x_train, y_train, x_test, y_test)} == {np.dtype("uint8")}
    assert x_train.min() == 0 and x_train.max() == 255
    rows, columns = np.nonzero(x_train.any(axis=0))
    assert (rows.min(), rows.max()) == (columns.min(), columns.max()) == (4, 23)  # the 20x20 box


def test_digits_are_the_same_bytes_on_every_machine():
    (x_train, y_train), (x_test, y_test) = digits.load_data()
    digest = hashlib.sha256(b"".join(a.tobytes() for a in (x_train, y_train, x_test, y_test)))
    assert digest.hexdigest() == "d5fc932d75b44d9533091f0e0f77db541201673b1d2f9471ae654b1d340d9003"


def test_every_class_is_in_both_parts():
    (_, y_train), (_, y_test) = digits.load_data()
    assert np.bincount(y_train).min() >= 150 and len(np.bincount(y_train)) == 10
    assert np.bincount(y_test).min() >= 24 and len(np.bincount(y_test)) == 10


def test_a_caller_cannot_damage_the_sample():
    for part in digits.load_data():
        for array in part:
            array[:] = 77
    for part in digits.load_data():
        for array in part:
            assert (array != 77).any()


@pytest.mark.parametrize("dataset", [fashion_mnist, mnist])
def test_the_digits_stand_in_on_sample(dataset):
    for part, expected in zip(dataset.load_data(), digits.load_data()):
        np.testing.assert_array_equal(part[0], expected[0])
        np.testing.assert_array_equal(part[1], expected[1])
    assert dataset.class_names() == list("0123456789")
    assert dataset.describe() == "sample: scikit-learn digits, 1,540 + 257 images"


def test_the_sample_needs_neither_keras_nor_tensorflow():
    loaded = run_python(
        "import sys, text_recognizer.plotting\n"
        "from text_recognizer.datasets import fashion_mnist\n"
        "fashion_mnist.load_data()\n"
        "print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    assert loaded == "set()\n"


# The switch


@pytest.mark.parametrize("value, expected", [(None, "sample"), ("", "sample"), ("sample", "sample"), ("full", "full")])
def test_the_switch(monkeypatch, value, expected):
    if value is not None:
        monkeypatch.setenv("WORKBOOK_DATA", value)
    assert source() == expected


def test_an_unknown_source_is_named_with_the_choices(monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", "fulll")
    for ask in (source, mnist.load_data, fashion_mnist.class_names, mnist.describe):
        with pytest.raises(ValueError, match="'fulll'.*'sample'.*'full'"):
            ask()


def test_names_and_description_follow_the_switch(monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", "full")
    assert fashion_mnist.class_names()[0] == "T-shirt/top"
    assert fashion_mnist.class_names()[9] == "Ankle boot"
    assert mnist.class_names() == list("0123456789")
    assert fashion_mnist.describe() == "full: Fashion-MNIST, 60,000 + 10,000 images"
    assert mnist.describe() == "full: MNIST, 60,000 + 10,000 images"


# The real data sets, as far as no data is needed


def write_fashion_mnist(home, train=60_000, test=10_000, classes=10):
    """Write black images in Fashion-MNIST's four files; return their folder."""
    folder = home / "datasets" / "fashion-mnist"
    folder.mkdir(parents=True)
    for part, count in (("train", train), ("t10k", test)):
        images = bytes(16 + count * 28 * 28)
        labels = bytes(8) + (np.arange(count) % classes).astype(np.uint8).tobytes()
        for name, data in ((f"{part}-images-idx3", images), (f"{part}-labels-idx1", labels)):
            (folder / f"{name}-ubyte.gz").write_bytes(gzip.compress(data, compresslevel=1))
    return folder


def test_full_is_loaded_from_the_cache_and_can_be_written_to(keras_home):
    write_fashion_mnist(keras_home)
    (x_train, y_train), (x_test, y_test) = fashion_mnist.load_data()
    assert x_train.shape == (60_000, 28, 28) and x_test.shape == (10_000, 28, 28)
    assert y_train[:3].tolist() == [0, 1, 2]
    for array in (x_train, y_train, x_test, y_test):
        assert array.flags.writeable  # as the sample's are


def truncate(folder):
    path = folder / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[:-1000])


def replace_by_a_login_page(folder):
    (folder / "t10k-labels-idx1-ubyte.gz").write_text("<html>Please log in to the wireless</html>")


@pytest.mark.parametrize("damage, what", [(truncate, "EOFError"), (replace_by_a_login_page, "BadGzipFile")])
def test_a_damaged_file_is_reported_with_the_folder_to_delete(keras_home, damage, what):
    folder = write_fashion_mnist(keras_home, train=3000, test=10)
    damage(folder)
    with pytest.raises(DatasetUnavailableError) as caught:
        fashion_mnist.load_data()
    message = str(caught.value)
    assert what in message and f"Delete {folder} and run this again" in message
    assert "WORKBOOK_DATA=sample" in message


@pytest.mark.parametrize(
    "wrong, what",
    [
        ({"train": 59_999}, r"x_train is uint8 \(59999, 28, 28\), not uint8 \(60000, 28, 28\)"),
        ({"test": 60}, r"x_test is uint8 \(60, 28, 28\)"),
        ({"classes": 11}, r"y_train holds the labels \[0, .*10\], not 0 to 9"),
        ({"classes": 9}, r"y_train holds the labels \[0, .*8\], not 0 to 9"),
    ],
)
def test_files_that_hold_something_else_are_reported(keras_home, wrong, what):
    folder = write_fashion_mnist(keras_home, **wrong)
    with pytest.raises(DatasetUnavailableError, match=what) as caught:
        fashion_mnist.load_data()
    assert f"Delete {folder}" in str(caught.value)


@pytest.mark.parametrize(
    "dataset, missing, folder",
    [(fashion_mnist, "train-labels-idx1-ubyte.gz", "fashion-mnist"), (mnist, "mnist.npz", "")],
)
def test_without_a_network_the_reader_is_told_what_to_do(keras_home, dataset, missing, folder):
    with pytest.raises(DatasetUnavailableError) as caught:
        dataset.load_data()
    message = str(caught.value)
    assert str(keras_home / "datasets" / folder) in message and missing in message
    assert "no network in tests" in message  # the reason, as the system gave it
    assert "Connect to the network once" in message
    place = Path("datasets", folder or missing)
    assert f"KERAS_HOME set to a Keras home that has {place}," in message
    assert "WORKBOOK_DATA=sample" in message
    assert "Delete" not in message


def test_a_damaged_mnist_counts_as_missing(keras_home):
    """Keras checks this one by its hash, and removes it when the new download fails."""
    path = keras_home / "datasets" / "mnist.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK half a file")
    with pytest.raises(DatasetUnavailableError, match="has no mnist.npz"):
        mnist.load_data()


def test_the_reader_is_told_where_keras_looks_when_its_home_cannot_be_written_to(keras_home, monkeypatch):
    assert keras_files.keras_home() == (keras_home, "")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    folder, note = keras_files.keras_home()
    assert folder.name == ".keras" and folder != keras_home
    assert f"cannot write to {keras_home}" in note


# The real data, where it exists


def test_the_real_fashion_mnist(real_home):
    printed = run_python(
        "import json, numpy as np\n"
        "from text_recognizer.datasets import fashion_mnist\n"
        "for x, y in fashion_mnist.load_data():\n"
        "    print(json.dumps([x.shape, str(x.dtype), np.bincount(y).tolist(), int(x.max())]))",
        KERAS_HOME=str(real_home("fashion-mnist")),
        WORKBOOK_DATA="full",
    )
    train, test = map(json.loads, printed.splitlines())
    assert train == [[60_000, 28, 28], "uint8", [6000] * 10, 255]
    assert test == [[10_000, 28, 28], "uint8", [1000] * 10, 255]
