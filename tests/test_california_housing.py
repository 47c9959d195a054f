"""California housing: the sample's bytes, the arguments, and what a reader is told when it is missing."""

import hashlib
import json
from pathlib import Path

import numpy as np
import pytest

from tests.python import run_python
from text_recognizer.datasets import california_housing
from text_recognizer.datasets.source import DatasetUnavailableError

pytestmark = pytest.mark.usefixtures("offline")

KERAS_NAMES = "longitude latitude housing_median_age total_rooms total_bedrooms population households median_income"


def shapes(data):
    return [array.shape for part in data for array in part]


def fake_rows(rows=20_640, columns=8, dtype=np.float32):
    """Rows as Keras would return them, in the proportion of its default split."""
    cut = int(rows * 0.8)
    x, y = np.ones((rows, columns), dtype), np.full(rows, 250_000, dtype)
    return (x[:cut], y[:cut]), (x[cut:], y[cut:])


@pytest.fixture
def served(monkeypatch, keras_home):
    """What Keras returns, as a function to set it; it records the arguments of the calls."""
    import keras

    calls = []

    def serve(data):
        def load_data(**arguments):
            calls.append(arguments)
            return data

        monkeypatch.setattr(keras.datasets.california_housing, "load_data", load_data)
        return calls

    return serve


# The sample


def test_the_sample_has_the_form_of_the_real_data():
    data = california_housing.load_data()
    assert shapes(data) == [(353, 10), (353,), (89, 10), (89,)]
    assert {array.dtype for part in data for array in part} == {np.dtype("float32")}
    assert len(california_housing.feature_names()) == 10
    assert california_housing.describe() == "sample: scikit-learn's diabetes study, 442 x 10"


def test_the_columns_are_unscaled_and_bear_the_right_names():
    (x_train, y_train), (x_test, y_test) = california_housing.load_data()
    column = dict(zip(california_housing.feature_names(), np.concatenate([x_train, x_test]).T))
    assert set(column["sex"]) == {1, 2}
    assert column["age"].min() == 19 and column["age"].max() == 79
    assert np.allclose(column["tch"], column["tc"] / column["hdl"], atol=0.01, rtol=0.25)
    y = np.concatenate([y_train, y_test])
    assert y.min() == 25 and y.max() == 346


def test_the_sample_is_the_same_bytes_on_every_machine():
    digest = hashlib.sha256()
    for part in california_housing.load_data():
        for array in part:
            digest.update(array.tobytes())
    assert digest.hexdigest() == "c75b8fd8d7bf0fc34394c932f1733e049954e354922379cefe3b3336d7ab7efa"


def test_no_row_is_lost_or_doubled_by_the_split():
    from sklearn.datasets import load_diabetes

    (x_train, y_train), (x_test, y_test) = california_housing.load_data(test_split=0.5, seed=1)
    rows = np.column_stack([np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])])
    study = load_diabetes(scaled=False)
    given = np.column_stack([study.data, study.target]).astype(np.float32)
    order = np.lexsort(given.T)
    assert np.array_equal(rows[np.lexsort(rows.T)], given[order])
    assert len(x_train) == len(x_test) == 221


def test_the_seed_shuffles_and_nothing_else_does():
    first, again, other = (california_housing.load_data(seed=s)[0][1] for s in (113, 113, 7))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


def test_a_caller_cannot_damage_the_sample():
    for part in california_housing.load_data():
        for array in part:
            array[:] = -1
    for part in california_housing.load_data():
        for array in part:
            assert (array != -1).all()


@pytest.mark.parametrize("source", ["sample", "full"])
def test_wrong_arguments_are_named(monkeypatch, source):
    monkeypatch.setenv("WORKBOOK_DATA", source)
    with pytest.raises(ValueError, match="'medium', not one of 'large', 'small'"):
        california_housing.load_data("medium")
    with pytest.raises(ValueError, match="test_split is 1, not at least 0 and below 1"):
        california_housing.load_data(test_split=1)


def test_an_empty_test_part_is_allowed():
    assert shapes(california_housing.load_data(test_split=0))[2:] == [(0, 10), (0,)]


def test_the_sample_needs_neither_keras_nor_tensorflow():
    loaded = run_python(
        "import sys\n"
        "from text_recognizer.datasets import california_housing\n"
        "california_housing.load_data()\n"
        "print({'keras', 'tensorflow'} & set(sys.modules))"
    )
    assert loaded == "set()\n"


# The switch


def test_names_and_description_follow_the_switch(monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", "full")
    assert california_housing.feature_names() == KERAS_NAMES.split()
    assert california_housing.describe() == "full: California housing, 20,640 x 8"


def test_an_unknown_source_is_named_with_the_choices(monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", "fulll")
    for ask in (
        california_housing.load_data,
        california_housing.feature_names,
        california_housing.describe,
    ):
        with pytest.raises(ValueError, match="'fulll'.*'sample'.*'full'"):
            ask()


# The real data set, as far as no data is needed


def test_without_a_network_the_reader_is_told_what_to_do(keras_home):
    with pytest.raises(DatasetUnavailableError) as caught:
        california_housing.load_data()
    message = str(caught.value)
    assert f"{keras_home / 'datasets'} has no california_housing.npz" in message
    assert "no network in tests" in message  # the reason, as the system gave it
    assert "Connect to the network once" in message
    assert f"Keras home that has {Path('datasets', 'california_housing.npz')}," in message
    assert "WORKBOOK_DATA=sample" in message and "Delete" not in message


def test_a_damaged_file_counts_as_missing(keras_home):
    """Keras checks it by its hash, and removes it when the new download fails."""
    path = keras_home / "datasets" / "california_housing.npz"
    path.parent.mkdir()
    path.write_bytes(b"PK half a file")
    with pytest.raises(DatasetUnavailableError, match="has no california_housing.npz"):
        california_housing.load_data()


@pytest.mark.parametrize(
    "wrong, what",
    [
        (fake_rows(rows=600), "600 rows, not 20,640"),
        (fake_rows(columns=13), r"x_train is \(16512, 13\)"),
        (fake_rows(dtype=np.float64), "x_train is float64"),
        (fake_rows()[:1] + ((np.full((4128, 8), np.nan, np.float32), fake_rows()[1][1]),), "not finite"),
    ],
    ids=["rows", "columns", "dtype", "nan"],
)  # fmt: skip
def test_a_file_that_holds_something_else_is_reported(served, keras_home, wrong, what):
    path = keras_home / "datasets" / "california_housing.npz"
    path.parent.mkdir()
    path.touch()
    served(wrong)
    with pytest.raises(DatasetUnavailableError, match=what) as caught:
        california_housing.load_data()
    assert f"Delete {path}" in str(caught.value)


def test_the_arguments_reach_keras(served):
    calls = served(fake_rows(rows=600))
    data = california_housing.load_data("small", test_split=0.2, seed=3)
    assert calls == [{"version": "small", "test_split": 0.2, "seed": 3}]
    assert shapes(data) == [(480, 8), (480,), (120, 8), (120,)]


# The real data, where it exists


def test_the_real_data(real_home):
    printed = run_python(
        "import json, numpy as np\n"
        "from text_recognizer.datasets import california_housing\n"
        "for x, y in california_housing.load_data():\n"
        "    low = dict(zip(california_housing.feature_names(), x.min(axis=0).tolist()))\n"
        "    print(json.dumps([x.shape, str(x.dtype), y.shape, float(y.min()), float(y.max()), low]))",
        KERAS_HOME=str(real_home("california_housing.npz")),
        WORKBOOK_DATA="full",
    )
    train, test = map(json.loads, printed.splitlines())
    assert train[:3] == [[16_512, 8], "float32", [16_512]]
    assert test[:3] == [[4_128, 8], "float32", [4_128]]
    for *_, cheapest, dearest, lowest in (train, test):
        assert 14_999 <= cheapest < dearest == 500_001
        # in California, and rooms that are counted whole: the names fit the columns
        assert -125 < lowest["longitude"] < -114 and 32 < lowest["latitude"] < 42
        assert lowest["total_rooms"] % 1 == 0 and lowest["median_income"] < 1
