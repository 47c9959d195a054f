"""California housing, what a house costs in 20,640 districts; the diabetes study on `sample`.

Full: the 1990 census of the United States by block groups (R. K. Pace, R. Barry, "Sparse Spatial
Autoregressions", Statistics & Probability Letters 33, 1997), in the file of `keras.datasets`.

Sample: 442 patients, ten measurements each, and how far their diabetes had progressed a year later
(B. Efron, T. Hastie, I. Johnstone, R. Tibshirani, "Least Angle Regression", Annals of Statistics
32, 2004), which scikit-learn carries. Like the other, it has a few columns of very different size,
and a large number to predict.
"""

import numpy as np

from text_recognizer import files
from text_recognizer.arguments import real_number
from text_recognizer.datasets.dataset import FULL, KERAS_URL, SAMPLE, Dataset, check_array, check_seed

_FILE = "california_housing.npz"
_SHA256 = "1a2e3a52e0398de6463aebe6f4a8da34fb21fbb6b934cf88c3425e766f2a1a6f"
_ROWS = {"large": 20_640, "small": 600}

# Keras' documentation lists others (MedInc, AveRooms, ...): those are scikit-learn's, computed from
# these. The order here is that of the columns in Keras' file.
_NAMES = {
    FULL: "longitude latitude housing_median_age total_rooms total_bedrooms population households median_income",
    SAMPLE: "age sex bmi bp tc ldl hdl tch ltg glu",
}


class CaliforniaHousing(Dataset):
    """A table: what is known of 20,640 districts, and the price of a house there; on `sample`, of 442 patients.

    The rows are shuffled and divided as `keras.datasets.california_housing.load_data` does it, on
    `sample` too. They are the same rows everywhere: the stream of `np.random.RandomState`, which
    shuffles, is frozen (NumPy Enhancement Proposal 19).

    The file is downloaded once, california_housing.npz in the folder `datasets` of the Keras home,
    where Keras keeps it too.

    Attributes:
        x_train, x_test: float32 (n, 8), on `sample` (n, 10): a column for each of `feature_names`,
            in the units of the study, unscaled.
        y_train, y_test: float32 (n,): dollars, up to 500,001; on `sample` a score of 25 to 346.
        feature_names: longitude, latitude, housing_median_age, total_rooms, total_bedrooms,
            population, households, median_income. On `sample`: age, sex, bmi (body mass index), bp
            (blood pressure), and six blood serum measurements: tc (total cholesterol), ldl, hdl, tch
            (total over hdl), ltg (related to the log of triglycerides), glu (blood sugar).
        input_shape: (8,), on `sample` (10,).
        output_shape: (1,), the one number that is to be predicted.
        source: "sample" or "full".

    Args:
        version: "large" for all 20,640 rows, "small" for the first 600. The sample has 442 rows,
            and gives them for both.
        test_split: the share of the rows to test with, at least 0 and below 1.
        seed: of the shuffling, an integer, 0 or more.
        source: see `Dataset`.

    Raises:
        ValueError: `version`, `test_split`, `seed` or `source` is none of the above.
        TypeError: `test_split` is no number, or `seed` no integer.
        DatasetUnavailableError: when the arrays are loaded, on `full`, the file can be neither found
            nor downloaded, or it is broken.

    Example:
        >>> data = CaliforniaHousing(source="sample")
        >>> data.x_train.shape, data.y_train.shape, data.x_test.shape
        ((353, 10), (353,), (89, 10))
        >>> data.feature_names[2], float(data.x_train[0, 2]), float(data.y_train[0])
        ('bmi', 31.5, 68.0)
    """

    title = "California housing"
    output_shape = (1,)

    def __init__(self, version="large", test_split=0.2, seed=113, source=None):
        super().__init__(source)
        if version not in _ROWS:
            raise ValueError(f"version is {version!r}, not one of {', '.join(map(repr, _ROWS))}")
        self.version = version
        self.test_split = real_number("test_split", test_split, least=0, below=1)
        self.seed = check_seed(seed)
        self.feature_names = tuple(_NAMES[self.source].split())
        self.input_shape = (len(self.feature_names),)

    def describe(self):
        """Say in one line what the data are, and how many rows and columns they have."""
        if self.source == FULL:
            return f"{FULL}: {self.title}, {_ROWS[self.version]:,} x {len(self.feature_names)}"
        return f"{SAMPLE}: scikit-learn's diabetes study, 442 x {len(self.feature_names)}"

    def _load(self, part):
        x, y = self._load_california() if self.source == FULL else _load_diabetes()
        order = np.arange(len(x))
        np.random.RandomState(self.seed).shuffle(order)
        train, test = np.split(order, [int(len(x) * (1 - self.test_split))])
        rows = train if part == "train" else test
        return x[rows], y[rows]

    def _load_california(self):
        path = self._fetch(_FILE, lambda path: files.download(f"{KERAS_URL}/{_FILE}", path, f"sha256:{_SHA256}"))
        with self._reading(path), np.load(path, allow_pickle=False) as file:
            x, y = file["x"], file["y"]
            for name, array, shape in (("x", x, (_ROWS["large"], *self.input_shape)), ("y", y, (_ROWS["large"],))):
                check_array(name, array, shape, np.float32)
                if not np.isfinite(array).all():
                    raise ValueError(f"{name} holds values that are not finite")
        rows = _ROWS[self.version]
        return x[:rows], y[:rows]


def _load_diabetes():
    from sklearn.datasets import load_diabetes

    study = load_diabetes(scaled=False)
    return study.data.astype(np.float32), study.target.astype(np.float32)
