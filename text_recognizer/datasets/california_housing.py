"""California housing, what a house costs in 20,640 districts; the diabetes study on `sample`.

Full: the 1990 census of the United States by block groups (R. K. Pace, R. Barry, "Sparse Spatial
Autoregressions", Statistics & Probability Letters 33, 1997), as `keras.datasets` serves it.

Sample: 442 patients, ten measurements each, and how far their diabetes had progressed a year later
(B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of Statistics
32, 2004), which scikit-learn carries. Like the other, it has a few columns of very different size,
and a large number to predict.
"""

import numpy as np

from text_recognizer.datasets.keras_files import KerasFiles
from text_recognizer.datasets.source import FULL, SAMPLE, source

_FILES = KerasFiles(
    name="California housing",
    module="california_housing",
    folder="",
    files=("california_housing.npz",),
)
_ROWS = {"large": 20_640, "small": 600}
_SAMPLE_ROWS = 442

# Keras' documentation lists others (MedInc, AveRooms, ...): those are scikit-learn's, computed from
# these. The order here is that of the columns in Keras' file.
_NAMES = (
    "longitude",
    "latitude",
    "housing_median_age",
    "total_rooms",
    "total_bedrooms",
    "population",
    "households",
    "median_income",
)
_SAMPLE_NAMES = ("age", "sex", "bmi", "bp", "tc", "ldl", "hdl", "tch", "ltg", "glu")


def load_data(version="large", *, test_split=0.2, seed=113):
    """Load the data, with the signature of `keras.datasets.california_housing.load_data`.

    The rows are shuffled and split as Keras does it, by `np.random.RandomState(seed)`, on `sample`
    too: the same rows on every machine.

    Args:
        version: "large" for all 20,640 rows, "small" for the first 600. The sample has 442 rows,
            and gives them for both.
        test_split: the share of the rows to test with, at least 0 and below 1.
        seed: of the shuffling.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, new float32 arrays on every call. Each x has shape
        (n, 8), on `sample` (n, 10), a column for each of `feature_names()`, in the units of the
        study, unscaled. Each y has shape (n,): dollars, up to 500,001; on `sample` a score of 25 to
        346. n is 16,512 and 4,128; 480 and 120 for "small"; 353 and 89 on `sample`.

    Raises:
        DatasetUnavailableError: on `full`, the file can be neither found nor downloaded, or it is
            broken.
        ValueError: `WORKBOOK_DATA`, `version` or `test_split` is none of the above.
    """
    if version not in _ROWS:
        raise ValueError(f"version is {version!r}, not one of {', '.join(map(repr, _ROWS))}")
    if not 0 <= test_split < 1:
        raise ValueError(f"test_split is {test_split}, not at least 0 and below 1")
    if source() == FULL:

        def check(data):
            _check(data, _ROWS[version])

        return _FILES.load_full(check, version=version, test_split=test_split, seed=seed)
    x, y = _load_diabetes()
    order = np.arange(len(x))
    np.random.RandomState(seed).shuffle(order)
    train, test = np.split(order, [int(len(x) * (1 - test_split))])
    return (x[train], y[train]), (x[test], y[test])


def feature_names():
    """Return the names of the columns of whichever source is on, in their order.

    On `full`: longitude, latitude, housing_median_age, total_rooms, total_bedrooms, population,
    households, median_income. On `sample`: age, sex, bmi (body mass index), bp (blood pressure),
    and six blood serum measurements: tc (total cholesterol), ldl, hdl, tch (total over hdl), ltg
    (related to the log of triglycerides), glu (blood sugar).
    """
    return list(_NAMES if source() == FULL else _SAMPLE_NAMES)


def describe():
    """Say in one line which source is on, e.g. "full: California housing, 20,640 x 8"."""
    if source() == FULL:
        return f"{FULL}: {_FILES.name}, {_ROWS['large']:,} x {len(_NAMES)}"
    return f"{SAMPLE}: scikit-learn's diabetes study, {_SAMPLE_ROWS} x {len(_SAMPLE_NAMES)}"


def _load_diabetes():
    from sklearn.datasets import load_diabetes

    study = load_diabetes(scaled=False)
    return study.data.astype(np.float32), study.target.astype(np.float32)


def _check(data, rows):
    (x_train, y_train), (x_test, y_test) = data
    found = len(x_train) + len(x_test)
    if found != rows:
        raise ValueError(f"{found:,} rows, not {rows:,}")
    for part, x, y in (("train", x_train, y_train), ("test", x_test, y_test)):
        if x.shape != (len(x), len(_NAMES)) or y.shape != (len(x),):
            raise ValueError(f"x_{part} is {x.shape} and y_{part} {y.shape}, not (n, 8) and (n,)")
        if x.dtype != np.float32 or y.dtype != np.float32:
            raise ValueError(f"x_{part} is {x.dtype} and y_{part} {y.dtype}, not float32")
        if not (np.isfinite(x).all() and np.isfinite(y).all()):
            raise ValueError(f"x_{part} or y_{part} holds values that are not finite")
