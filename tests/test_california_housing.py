"""California housing: the sample's bytes, the arguments, and what a reader is told when it is broken."""

import hashlib

import numpy as np
import pytest

from text_recognizer.datasets import CaliforniaHousing, DatasetUnavailableError

pytestmark = pytest.mark.usefixtures("offline")

KERAS_NAMES = "longitude latitude housing_median_age total_rooms total_bedrooms population households median_income"


def arrays(data):
    return data.x_train, data.y_train, data.x_test, data.y_test


def shapes(data):
    return [array.shape for array in arrays(data)]


def write(home, rows=20_640, columns=8, dtype=np.float32, **others):
    """Write a file in the form of Keras'; return its path."""
    path = home / "datasets" / "california_housing.npz"
    path.parent.mkdir(exist_ok=True)
    x = np.arange(rows * columns).reshape(rows, columns).astype(dtype)
    np.savez(path, **{"x": x, "y": np.arange(rows).astype(dtype)} | others)
    return path


# The sample


def test_the_sample_has_the_form_of_the_real_data():
    data = CaliforniaHousing()
    assert shapes(data) == [(353, 10), (353,), (89, 10), (89,)]
    assert {array.dtype for array in arrays(data)} == {np.dtype("float32")}
    assert len(data.feature_names) == 10 and data.input_shape == (10,)
    assert data.describe() == "sample: scikit-learn's diabetes study, 442 x 10"


def test_the_columns_are_unscaled_and_bear_the_right_names():
    data = CaliforniaHousing()
    column = dict(zip(data.feature_names, np.concatenate([data.x_train, data.x_test]).T))
    assert set(column["sex"]) == {1, 2}
    assert column["age"].min() == 19 and column["age"].max() == 79
    assert np.allclose(column["tch"], column["tc"] / column["hdl"], atol=0.01, rtol=0.25)
    y = np.concatenate([data.y_train, data.y_test])
    assert y.min() == 25 and y.max() == 346


def test_the_sample_is_the_same_bytes_on_every_machine():
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays(CaliforniaHousing())))
    assert digest.hexdigest() == "c75b8fd8d7bf0fc34394c932f1733e049954e354922379cefe3b3336d7ab7efa"


def test_no_row_is_lost_or_doubled_by_the_split():
    from sklearn.datasets import load_diabetes

    data = CaliforniaHousing(test_split=0.5, seed=1)
    x_train, y_train, x_test, y_test = arrays(data)
    rows = np.column_stack([np.concatenate([x_train, x_test]), np.concatenate([y_train, y_test])])
    study = load_diabetes(scaled=False)
    given = np.column_stack([study.data, study.target]).astype(np.float32)
    order = np.lexsort(given.T)
    assert np.array_equal(rows[np.lexsort(rows.T)], given[order])
    assert len(x_train) == len(x_test) == 221


def test_the_seed_shuffles_and_nothing_else_does():
    first, again, other = (CaliforniaHousing(seed=seed).y_train for seed in (113, 113, 7))
    assert np.array_equal(first, again) and not np.array_equal(first, other)


@pytest.mark.parametrize("source", ["sample", "full"])
def test_wrong_arguments_are_named(source):
    with pytest.raises(ValueError, match="'medium', not one of 'large', 'small'"):
        CaliforniaHousing("medium", source=source)
    with pytest.raises(ValueError, match="test_split is 1; give a number, at least 0 and below 1"):
        CaliforniaHousing(test_split=1, source=source)
    with pytest.raises(ValueError, match="test_split is nan"):
        CaliforniaHousing(test_split=float("nan"), source=source)


def test_an_empty_test_part_is_allowed():
    assert shapes(CaliforniaHousing(test_split=0))[2:] == [(0, 10), (0,)]


# The real data set, as far as no data is needed


def test_what_it_is_without_a_file(keras_home):
    data = CaliforniaHousing()
    assert data.feature_names == tuple(KERAS_NAMES.split())
    assert data.input_shape == (8,) and data.output_shape == (1,)
    assert data.describe() == "full: California housing, 20,640 x 8"
    assert CaliforniaHousing("small").describe() == "full: California housing, 600 x 8"


@pytest.mark.parametrize("arguments", [{}, {"version": "small", "seed": 3}, {"test_split": 0.31, "seed": 2**32 - 1}])
def test_it_is_shuffled_and_divided_as_keras_does(keras_home, monkeypatch, arguments):
    import keras

    path = write(keras_home)
    load_data = keras.datasets.california_housing.load_data
    monkeypatch.setitem(load_data.__globals__, "get_file", lambda *_, **__: path)
    (x_train, y_train), (x_test, y_test) = load_data(**arguments)
    for array, expected in zip(arrays(CaliforniaHousing(**arguments)), (x_train, y_train, x_test, y_test)):
        assert array.dtype == np.float32 and array.flags.writeable
        np.testing.assert_array_equal(array, expected)


@pytest.mark.parametrize(
    "wrong, what",
    [
        ({"rows": 600}, r"x is float32 \(600, 8\), not float32 \(20640, 8\)"),
        ({"columns": 13}, r"x is float32 \(20640, 13\)"),
        ({"dtype": np.float64}, "x is float64"),
        ({"y": np.full(20_640, np.nan, np.float32)}, "y holds values that are not finite"),
        ({"y": np.zeros((20_640, 1), np.float32)}, r"y is float32 \(20640, 1\)"),
    ],
    ids=["rows", "columns", "dtype", "nan", "shape"],
)
def test_a_file_that_holds_something_else_is_reported(keras_home, wrong, what):
    path = write(keras_home, **wrong)
    with pytest.raises(DatasetUnavailableError, match=what) as caught:
        CaliforniaHousing().x_train
    assert f"Delete {path} and run this again" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"PK half a file", b"<html>Please log in to the wireless</html>"])
def test_a_damaged_file_is_reported_with_the_file_to_delete(keras_home, content):
    path = write(keras_home)
    path.write_bytes(content)
    with pytest.raises(DatasetUnavailableError, match=f"California housing in {path} is broken") as caught:
        CaliforniaHousing().x_train
    assert f"Delete {path}" in str(caught.value) and "WORKBOOK_DATA=sample" in str(caught.value)


def test_a_shared_home_can_be_read_without_a_right_to_write(shared_home):
    write(shared_home.path)
    printed = shared_home.run(
        "from text_recognizer.datasets import CaliforniaHousing",
        "print(CaliforniaHousing(source='full').x_test.shape)",
    )
    assert printed == "(4128, 8)\n"


# The real data, where it exists


def test_the_real_data(real_home, monkeypatch):
    monkeypatch.setenv("KERAS_HOME", str(real_home("california_housing.npz")))
    data = CaliforniaHousing(source="full")
    assert shapes(data) == [(16_512, 8), (16_512,), (4_128, 8), (4_128,)]
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert 14_999 <= y.min() < y.max() == 500_001
        # in California, and rooms that are counted whole: the names fit the columns
        lowest = dict(zip(data.feature_names, x.min(axis=0)))
        assert -125 < lowest["longitude"] < -114 and 32 < lowest["latitude"] < 42
        assert lowest["total_rooms"] % 1 == 0 and lowest["median_income"] < 1
    digest = hashlib.sha256(b"".join(array.tobytes() for array in arrays(data)))  # what keras.datasets gives
    assert digest.hexdigest() == "f6e75b9c4452a3dd3c280d4d7c4ebb7748841477e9a392e68140d71b39c8b668"
