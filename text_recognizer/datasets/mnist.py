"""MNIST, 28x28 grey images of handwritten digits; scikit-learn's digits stand in on `sample`.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document
Recognition", Proceedings of the IEEE 86(11), 1998.
"""

import numpy as np

from text_recognizer.datasets.dataset import FULL, KERAS_URL, Dataset, fetch, reading
from text_recognizer.datasets.digits import Digits

_COUNT = {"train": 60_000, "test": 10_000}


class Mnist(Dataset):
    """60,000 + 10,000 grey images of handwritten digits; on `sample`, the 1,540 + 257 of `Digits`.

    The file is downloaded once, mnist.npz in the folder `datasets` of the Keras home, where
    `keras.datasets.mnist.load_data` keeps it too.

    Attributes:
        x_train, x_test: uint8 (n, 28, 28), 0 (paper) to 255 (ink).
        y_train, y_test: uint8 (n,), 0 to 9.
        class_names: "0" to "9".
        input_shape, output_shape: (28, 28) and (10,).
        source: "sample" or "full".

    Args:
        source: see `Dataset`.

    Raises:
        ValueError: the source is neither "sample" nor "full".
        DatasetUnavailableError: when the arrays are loaded, on `full`, the file can be neither found
            nor downloaded, or it is broken.

    Example:
        >>> data = Mnist(source="sample")
        >>> data
        Mnist(source='sample')
        >>> data.x_train.shape, data.x_test.shape
        ((1540, 28, 28), (257, 28, 28))
    """

    input_shape = (28, 28)
    output_shape = (10,)
    class_names = Digits.class_names
    title = "MNIST"

    def describe(self):
        """Say in one line what the data are, and how many."""
        if self.source == FULL:
            return f"{FULL}: {self.title}, {_COUNT['train']:,} + {_COUNT['test']:,} images"
        return Digits(self.source).describe()

    def _load(self, part):
        if self.source != FULL:
            return Digits(self.source)._load(part)
        return self._read(part)

    def _read(self, part):
        """Return the images and labels of a part of the real data."""
        path = fetch(
            self.title,
            "mnist.npz",
            f"{KERAS_URL}/mnist.npz",
            "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1",
        )
        with reading(self.title, path), np.load(path, allow_pickle=False) as file:
            return checked(file[f"x_{part}"], file[f"y_{part}"], part)


def checked(x, y, part):
    """Return the images and labels of a part, if they have MNIST's form.

    Raises:
        ValueError: they do not.
    """
    for name, array, shape in ((f"x_{part}", x, (_COUNT[part], 28, 28)), (f"y_{part}", y, (_COUNT[part],))):
        if array.shape != shape or array.dtype != np.uint8:
            raise ValueError(f"{name} is {array.dtype} {array.shape}, not uint8 {shape}")
    if (found := np.unique(y).tolist()) != list(range(10)):
        raise ValueError(f"y_{part} holds the labels {found}, not 0 to 9")
    return x, y
