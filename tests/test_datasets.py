"""The data sets: the sample's bytes, the switch, and what a reader is told when data is missing."""

import gzip
import hashlib
import inspect
import os
import shutil
from pathlib import Path

import numpy as np
import pytest

from tests.python import run_python
from text_recognizer import datasets, files
from text_recognizer.datasets import (
    CaliforniaHousing,
    Dataset,
    DatasetUnavailableError,
    Digits,
    Emnist,
    EmnistLines,
    FashionMnist,
    Mnist,
    TinyImagenet,
)
from text_recognizer.datasets.dataset import choose_source
from text_recognizer.datasets.idx import read_idx, read_shape

pytestmark = pytest.mark.usefixtures("offline")

ALL = [CaliforniaHousing, Digits, Emnist, EmnistLines, FashionMnist, Mnist, TinyImagenet]
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


def arrays(data):
    return [getattr(data, name) for name in ARRAYS]


# What all have in common


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    return tmp_path_factory.mktemp("samples")


@pytest.fixture
def sample_home(samples, monkeypatch):
    """A Keras home in which the samples that are drawn are drawn once for all tests."""
    monkeypatch.setenv("KERAS_HOME", str(samples))


def small(cls, **arguments):
    """Make a data set, a small one of those that can be."""
    less = {EmnistLines: {"num_train": 80, "num_test": 9}, TinyImagenet: {"classes": 3}}
    return cls(**less.get(cls, {}), **arguments)


@pytest.mark.parametrize("cls", ALL)
def test_every_data_set_keeps_the_contract(cls, sample_home):
    data = small(cls)
    assert isinstance(data, Dataset) and data.source == "sample"
    counts = f"{len(data.x_train):,} + {len(data.x_test):,} images"
    assert data.describe().startswith("sample: ")
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert x.shape == (len(y), *data.input_shape) and x.flags.writeable and y.flags.writeable
    if cls is CaliforniaHousing:
        assert data.y_train.dtype == np.float32 and data.output_shape == (1,)
        assert isinstance(data.feature_names, tuple) and (len(data.feature_names),) == data.input_shape
        return
    assert counts in data.describe()
    assert isinstance(data.class_names, tuple) and data.output_shape == (len(data.class_names),)
    assert data.x_train.dtype == np.uint8 and data.y_train.max() < len(data.class_names)
    if cls is EmnistLines:
        assert data.y_train.dtype == np.int32 and data.class_names[0] == ""
        assert ["".join(data.class_names[i] for i in row) for row in data.y_test] == data.decode(data.y_test)
    else:
        assert data.y_train.dtype == np.uint8 and data.y_train.ndim == 1


@pytest.mark.parametrize("cls", ALL)
def test_two_objects_share_no_array(cls, sample_home):
    spoilt = small(cls)
    expected = [array.copy() for array in arrays(spoilt)]
    for array in arrays(spoilt):
        array[:] = 77
    for array, as_before in zip(arrays(small(cls)), expected):
        np.testing.assert_array_equal(array, as_before)
    assert spoilt.x_train is spoilt.x_train and (spoilt.x_train == 77).all()


@pytest.mark.parametrize("cls", ALL)
@pytest.mark.parametrize("source", ["sample", "full"])
def test_repr_says_how_it_was_made_and_loads_nothing(cls, source, keras_home, monkeypatch):
    monkeypatch.setattr(cls, "_load", lambda *_: pytest.fail("it was loaded"))
    data = cls(source=source)
    assert eval(repr(data), vars(datasets)).source == source
    assert repr(eval(repr(data), vars(datasets))) == repr(data)
    for name in inspect.signature(cls).parameters.keys() - {"folder"}:
        assert f"{name}={getattr(data, name)!r}" in repr(data)
    if cls is not TinyImagenet or source == "full":  # its sample is drawn to be described
        data.describe()
    assert not list(keras_home.iterdir())


def test_repr_never_fails():
    assert repr(Emnist.__new__(Emnist)) == "Emnist()"


def test_a_data_set_without_a_description_or_data_cannot_be_made():
    class Nothing(Dataset):
        pass

    with pytest.raises(TypeError, match="_load.*describe|describe.*_load"):
        Nothing()


@pytest.mark.parametrize("cls", [CaliforniaHousing, Emnist, EmnistLines])
@pytest.mark.parametrize("seed, error", [(-1, ValueError), (None, TypeError), (0.5, TypeError), (2**32, ValueError)])
def test_a_seed_that_is_none_is_named(cls, seed, error):
    with pytest.raises(error, match=f"seed is {seed}; give an integer"):
        cls(seed=seed)


def test_data_sets_need_neither_keras_nor_tensorflow(tmp_path):
    loaded = run_python(
        "import sys\n"
        "from text_recognizer import datasets, plotting\n"
        "data = [datasets.FashionMnist(), datasets.CaliforniaHousing(), datasets.EmnistLines(4, 1, 1)]\n"
        "print([len(one.x_test) for one in data])\n"
        "try:\n"
        "    datasets.EmnistLines(source='full').x_test\n"  # looks for a file, and tries to download it
        "except datasets.DatasetUnavailableError:\n"
        "    print({'keras', 'tensorflow'} & set(sys.modules))",
        fresh=True,
        KERAS_HOME=str(tmp_path),
        https_proxy="http://127.0.0.1:9",  # nobody listens there
    )
    assert loaded == "[257, 89, 1]\nset()\n"


# The sample


def test_digits_have_the_form_of_mnist():
    data = Digits()
    assert data.x_train.shape == (1540, 28, 28) and data.y_train.shape == (1540,)
    assert data.x_test.shape == (257, 28, 28) and data.y_test.shape == (257,)
    assert len(data.x_train) / len(data.x_test) == pytest.approx(60_000 / 10_000, rel=0.01)
    assert {array.dtype for array in arrays(data)} == {np.dtype("uint8")}
    assert data.x_train.min() == 0 and data.x_train.max() == 255
    rows, columns = np.nonzero(data.x_train.any(axis=0))
    assert (rows.min(), rows.max()) == (columns.min(), columns.max()) == (4, 23)  # the 20x20 box


def test_digits_are_the_same_bytes_on_every_machine():
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays(Digits())))
    assert digest.hexdigest() == "d5fc932d75b44d9533091f0e0f77db541201673b1d2f9471ae654b1d340d9003"


def test_every_class_is_in_both_parts():
    data = Digits()
    assert np.bincount(data.y_train).min() >= 150 and len(np.bincount(data.y_train)) == 10
    assert np.bincount(data.y_test).min() >= 24 and len(np.bincount(data.y_test)) == 10


@pytest.mark.parametrize("cls", [FashionMnist, Mnist])
def test_the_digits_stand_in_on_sample(cls):
    for array, expected in zip(arrays(cls()), arrays(Digits())):
        np.testing.assert_array_equal(array, expected)
    assert cls().class_names == tuple("0123456789")
    assert cls().describe() == "sample: scikit-learn digits, 1,540 + 257 images"


# The switch


@pytest.mark.parametrize("value, expected", [(None, "sample"), ("", "sample"), ("sample", "sample"), ("full", "full")])
def test_the_switch(monkeypatch, value, expected):
    if value is not None:
        monkeypatch.setenv("WORKBOOK_DATA", value)
    assert choose_source() == expected


@pytest.mark.parametrize("cls", ALL)
def test_an_unknown_source_is_named_with_the_choices(monkeypatch, cls):
    for wrong in ("fulll", "", 1):
        with pytest.raises(ValueError, match=f"^source is {wrong!r}. .*'sample'.*'full'"):
            cls(source=wrong)
    monkeypatch.setenv("WORKBOOK_DATA", "fulll")
    with pytest.raises(ValueError, match="^WORKBOOK_DATA is 'fulll'. .*'sample'.*'full'"):
        cls()
    assert cls(source="sample").source == "sample"


@pytest.mark.parametrize("cls", ALL)
def test_an_object_keeps_its_source_whatever_the_switch_says_later(cls, monkeypatch, sample_home):
    """Labels that were loaded from the sample must not get the names of the real data."""
    monkeypatch.setenv("WORKBOOK_DATA", "sample")
    data = small(cls)
    before = data.describe(), getattr(data, "class_names", None), getattr(data, "feature_names", None)
    monkeypatch.setenv("WORKBOOK_DATA", "full")
    assert data.source == "sample" and len(data.x_test) and len(data.y_train)
    assert (data.describe(), getattr(data, "class_names", None), getattr(data, "feature_names", None)) == before
    assert cls().source == "full"


def test_names_and_description_belong_to_the_source():
    assert FashionMnist(source="full").class_names[0] == "T-shirt/top"
    assert FashionMnist(source="full").class_names[9] == "Ankle boot"
    assert Mnist(source="full").class_names == tuple("0123456789")
    assert FashionMnist(source="full").describe() == "full: Fashion-MNIST, 60,000 + 10,000 images"
    assert Mnist(source="full").describe() == "full: MNIST, 60,000 + 10,000 images"


# The real data sets, as far as no data is needed


def write_fashion_mnist(datasets, train=60_000, test=10_000, classes=10):
    """Write black images in Fashion-MNIST's four files; return their folder."""
    folder = datasets / "fashion-mnist"
    folder.mkdir(parents=True)
    for part, count in (("train", train), ("t10k", test)):
        labels = (np.arange(count) % classes).astype(np.uint8)
        for name, array in (("images-idx3", np.zeros((count, 28, 28), np.uint8)), ("labels-idx1", labels)):
            header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
            content = gzip.compress(header + array.tobytes(), compresslevel=1)
            (folder / f"{part}-{name}-ubyte.gz").write_bytes(content)
    return folder


def write_mnist(datasets, train=60_000, test=10_000, classes=10, **others):
    """Write black images in MNIST's file; return its path."""
    path = datasets / "mnist.npz"
    path.parent.mkdir(exist_ok=True)
    written = {}
    for part, count in (("train", train), ("test", test)):
        written[f"x_{part}"] = np.zeros((count, 28, 28), np.uint8)
        written[f"y_{part}"] = (np.arange(count) % classes).astype(np.uint8)
    np.savez_compressed(path, **written | others)
    return path


WRITE = {FashionMnist: write_fashion_mnist, Mnist: write_mnist}


@pytest.fixture(scope="module")
def mnist(tmp_path_factory):
    """MNIST's file, to copy: it takes longer to compress."""
    return write_mnist(tmp_path_factory.mktemp("mnist"))


@pytest.mark.parametrize("cls", [FashionMnist, Mnist])
def test_full_is_loaded_from_the_cache_and_can_be_written_to(keras_home, cls):
    WRITE[cls](keras_home / "datasets")
    data = cls()
    assert data.x_train.shape == (60_000, 28, 28) and data.x_test.shape == (10_000, 28, 28)
    assert data.y_train[:3].tolist() == [0, 1, 2]
    for array in arrays(data):
        assert array.dtype == np.uint8 and array.flags.writeable  # as the sample's are


def test_one_part_is_loaded_without_the_other(keras_home):
    folder = write_fashion_mnist(keras_home / "datasets", test=12)
    for path in folder.glob("train-*"):
        path.unlink()
    with pytest.raises(DatasetUnavailableError, match=r"y_test is uint8 \(12,\)|x_test is uint8 \(12, 28, 28\)"):
        FashionMnist().x_test


@pytest.mark.parametrize("cls", [CaliforniaHousing, FashionMnist, Mnist])
def test_the_files_are_those_of_keras_and_where_keras_keeps_them(cls, keras_home, monkeypatch):
    """So that a home that Keras has filled serves here, and one filled from here serves Keras."""
    import keras

    module = {CaliforniaHousing: "california_housing", FashionMnist: "fashion_mnist", Mnist: "mnist"}[cls]
    load_data = getattr(keras.datasets, module).load_data
    asked, downloaded = {}, {}

    def get_file(fname, origin, file_hash=None, cache_subdir="datasets"):
        asked[str(keras_home / cache_subdir / fname)] = origin, file_hash
        return str(keras_home / "nothing")

    def download(url, path, checksum):
        algorithm, _, digest = checksum.partition(":")
        downloaded[str(path)] = url, digest if algorithm == "sha256" else None
        return keras_home / "nothing"

    monkeypatch.setitem(load_data.__globals__, "get_file", get_file)
    monkeypatch.setattr(files, "download", download)
    with pytest.raises(FileNotFoundError):
        load_data()
    for part in ("x_train", "x_test"):
        with pytest.raises(DatasetUnavailableError):
            getattr(cls(), part)
    assert downloaded == asked


def truncate(path):
    path.write_bytes(path.read_bytes()[:-1000])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-6 if path.suffix == ".gz" else len(content) // 2] ^= 1  # of the checksum: black images have little else
    path.write_bytes(content)


def replace_by_a_login_page(path):
    path.write_text("<html>Please log in to the wireless</html>", encoding="utf-8")


@pytest.mark.parametrize(
    "damage, what",
    [
        (truncate, "EOFError"),
        (flip_a_bit, "BadGzipFile: CRC check failed"),
        (replace_by_a_login_page, "no IDX file of unsigned bytes: it begins with 3c 68 74 6d"),
        (lambda path: path.write_bytes(b""), "no IDX file of unsigned bytes: it is empty"),
    ],
)
def test_a_damaged_file_is_reported_with_the_files_to_delete(keras_home, damage, what):
    folder = write_fashion_mnist(keras_home / "datasets", train=10)
    damage(folder / "t10k-images-idx3-ubyte.gz")
    with pytest.raises(DatasetUnavailableError, match=what) as caught:
        FashionMnist().x_test
    message = str(caught.value)
    images, labels = (folder / f"t10k-{name}-ubyte.gz" for name in ("images-idx3", "labels-idx1"))
    assert f"Delete {images} and {labels} and run this again" in message
    assert "source='sample'" in message and "WORKBOOK_DATA=sample" in message


def ask_for_a_newer_program(path):
    content = bytearray(path.read_bytes())
    content[content.index(b"PK\1\2") + 6] = 99  # the version of the format, for which zipfile has an error of its own
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [truncate, flip_a_bit, replace_by_a_login_page, ask_for_a_newer_program, lambda path: path.write_bytes(b"")],
)
def test_a_damaged_mnist_is_reported_with_the_file_to_delete(keras_home, mnist, damage):
    path = keras_home / "datasets" / "mnist.npz"
    path.parent.mkdir()
    damage(shutil.copy(mnist, path))
    with pytest.raises(DatasetUnavailableError, match=f"MNIST in {path} is broken") as caught:
        arrays(Mnist())
    assert f"Delete {path} and run this again" in str(caught.value)


def test_a_file_that_holds_programs_is_not_run(keras_home):
    class Program:
        def __reduce__(self):
            return Path.touch, (keras_home / "was here",)

    write_mnist(keras_home / "datasets", x_test=np.array([Program()], dtype=object))
    with pytest.raises(DatasetUnavailableError, match="allow_pickle=False"):
        Mnist().x_test
    assert not (keras_home / "was here").exists()


@pytest.mark.parametrize("cls", [FashionMnist, Mnist])
@pytest.mark.parametrize(
    "wrong, what",
    [
        ({"train": 59_999}, r"x_train is uint8 \(59999, 28, 28\), not uint8 \(60000, 28, 28\)"),
        ({"test": 60}, r"x_test is uint8 \(60, 28, 28\)"),
        ({"classes": 11}, r"y_train holds the labels \[0, .*10\], not 0 to 9"),
        ({"classes": 9}, r"y_train holds the labels \[0, .*8\], not 0 to 9"),
    ],
)
def test_files_that_hold_something_else_are_reported(keras_home, cls, wrong, what):
    path = WRITE[cls](keras_home / "datasets", **wrong)
    with pytest.raises(DatasetUnavailableError, match=what) as caught:
        arrays(cls())
    assert f"Delete {path}" in str(caught.value)


@pytest.mark.parametrize(
    "cls, missing, place",
    [
        (CaliforniaHousing, "california_housing.npz", "california_housing.npz"),
        (FashionMnist, "train-images-idx3-ubyte.gz", "fashion-mnist/train-images-idx3-ubyte.gz"),
        (Mnist, "mnist.npz", "mnist.npz"),
    ],
)
def test_without_a_network_the_reader_is_told_what_to_do(keras_home, cls, missing, place):
    with pytest.raises(DatasetUnavailableError) as caught:
        cls().x_train
    message = str(caught.value)
    assert f"is not in {keras_home / 'datasets' / place}" in message
    assert f"https://storage.googleapis.com/tensorflow/tf-keras-datasets/{missing}" in message
    assert "no network in tests" in message  # the reason, as the system gave it
    assert "Connect to the network" in message
    assert f"KERAS_HOME set to a Keras home that has {Path('datasets', place)}, or to" in message
    assert "WORKBOOK_DATA=sample" in message
    assert "Delete" not in message


def test_too_little_memory_is_no_fault_of_the_data(keras_home):
    with pytest.raises(MemoryError), Mnist()._reading(keras_home / "mnist.npz"):
        raise MemoryError


# A home that others keep


def test_a_shared_home_can_be_read_without_a_right_to_write(shared_home):
    write_fashion_mnist(shared_home.datasets)
    write_mnist(shared_home.datasets)
    printed = shared_home.run(
        "from text_recognizer.datasets import FashionMnist, Mnist",
        "print(*(len(data.x_test) for data in (FashionMnist(), Mnist())))",
        WORKBOOK_DATA="full",
    )
    assert printed == "10000 10000\n"


def test_a_file_in_a_shared_home_cannot_be_deleted(monkeypatch, tmp_path):
    monkeypatch.setattr(os, "access", lambda path, mode: path != tmp_path)
    with pytest.raises(DatasetUnavailableError) as caught, Mnist()._reading(tmp_path / "mnist.npz"):
        raise EOFError("it ends")
    message = str(caught.value)
    assert "You cannot write there: have it replaced, or set KERAS_HOME to a folder of your own" in message
    assert "Delete" not in message


# The IDX format


def write_idx(path, array, compress=True):
    content = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
    path.write_bytes(gzip.compress(content, compresslevel=1) if compress else content)
    return path


@pytest.mark.parametrize("compress", [True, False])
def test_idx_is_read_gzipped_or_not(tmp_path, compress):
    given = np.random.default_rng(0).integers(0, 256, (5000, 28, 28)).astype(np.uint8)
    path = write_idx(tmp_path / "images", given, compress)
    assert read_shape(path) == (5000, 28, 28)
    array = read_idx(path)
    np.testing.assert_array_equal(array, given)
    assert array.flags.writeable and array.flags.c_contiguous
    for rows in ([], [4999], [3, 0, 3], np.arange(5000)[::-1], np.array([7, 4000], np.uint16)):
        np.testing.assert_array_equal(read_idx(path, rows), given[np.asarray(rows, int)])


def test_idx_rows_that_are_not_there(tmp_path):
    path = write_idx(tmp_path / "labels", np.arange(3, dtype=np.uint8))
    for rows in ([3], [-4, 2]):
        with pytest.raises(IndexError, match="index .* is out of bounds"):
            read_idx(path, rows)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\0\0\x0d\x01" + bytes(8), "no IDX file of unsigned bytes: it begins with 00 00 0d 01"),
        (b"", "no IDX file of unsigned bytes: it is empty"),
        (b"\0\0", "it begins with 00 00"),
        (b"\0\0\x08\0" + bytes(1), "it begins with 00 00 08 00"),
        (b"\0\0\x08\x01\0\0\0\x03" + bytes(2), r"holds 2 bytes behind its header, which announces \(3,\)"),
        (b"\0\0\x08\x01\0\0\0\x03" + bytes(4), r"holds more bytes behind its header than it announces, \(3,\)"),
        (b"\0\0\x08\x02\0\0\0\x03", "it ends within its header, which announces 2 dimensions"),
        (b"\0\0\x08\x01\0\0\0", "it ends within its header"),
        (b"\0\0\x08\x03" + b"\xff" * 12, r"announces \(4294967295, 4294967295, 4294967295\)"),
    ],
)
@pytest.mark.parametrize("pack", [gzip.compress, bytes], ids=["gzipped", "plain"])
def test_what_is_no_idx_file(tmp_path, content, message, pack):
    path = tmp_path / "file"
    path.write_bytes(pack(content))
    with pytest.raises(ValueError, match=message):
        read_idx(path)


# The real data, where it exists


def test_the_real_fashion_mnist(real_home, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(real_home("fashion-mnist")))
    data = FashionMnist(source="full")
    assert data.x_train.shape == (60_000, 28, 28) and np.bincount(data.y_train).tolist() == [6000] * 10
    assert data.x_test.shape == (10_000, 28, 28) and np.bincount(data.y_test).tolist() == [1000] * 10
    assert data.x_train.max() == 255
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays(data)))  # what keras.datasets gives
    assert digest.hexdigest() == "ca3ab2a37f845e1b8ae23cab1b51749a3011ba3bf1d9016176d75cbaabac376f"
