"""MNIST and Fashion-MNIST, 28x28 grey images of digits and of clothes; scikit-learn's digits stand in on `sample`.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document
Recognition", Proceedings of the IEEE 86(11), 1998.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", arXiv:1708.07747, 2017.
"""

import numpy as np

from text_recognizer import files
from text_recognizer.datasets.dataset import FULL, KERAS_URL, check_array
from text_recognizer.datasets.digits import Digits
from text_recognizer.datasets.idx import read_idx

_COUNT = {"train": 60_000, "test": 10_000}


class Mnist(Digits):
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

    title = "MNIST"
    _files = dict.fromkeys(  # of each part, by their places in the folder `datasets`, with their checksums
        _COUNT, {"mnist.npz": "sha256:731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"}
    )

    def describe(self):
        """Say in one line what the data are, and how many."""
        if self.source != FULL:
            return super().describe()
        return f"{FULL}: {self.title}, {_COUNT['train']:,} + {_COUNT['test']:,} images"

    def _load(self, part):
        if self.source != FULL:
            return super()._load(part)
        paths = [
            self._fetch(place, lambda path: files.download(f"{KERAS_URL}/{path.name}", path, checksum))
            for place, checksum in self._files[part].items()
        ]
        with self._reading(*paths):
            x, y = self._read(paths, part)
            check_array(f"x_{part}", x, (_COUNT[part], 28, 28), np.uint8)
            check_array(f"y_{part}", y, (_COUNT[part],), np.uint8)
            if (found := np.unique(y).tolist()) != list(range(10)):
                raise ValueError(f"y_{part} holds the labels {found}, not 0 to 9")
        return x, y

    def _read(self, paths, part):
        with np.load(*paths, allow_pickle=False) as file:
            return file[f"x_{part}"], file[f"y_{part}"]


class FashionMnist(Mnist):
    """60,000 + 10,000 grey images of clothes, in the form of `Mnist`; on `sample`, the 1,540 + 257 of `Digits`.

    The four files are downloaded once, into datasets/fashion-mnist in the Keras home, where
    `keras.datasets.fashion_mnist.load_data` keeps them too.

    Attributes:
        x_train, x_test: uint8 (n, 28, 28), 0 (paper) to 255 (ink).
        y_train, y_test: uint8 (n,), 0 to 9.
        class_names: "T-shirt/top" to "Ankle boot"; on `sample`, "0" to "9".
        input_shape, output_shape: (28, 28) and (10,).
        source: "sample" or "full".

    Args:
        source: see `Dataset`.

    Raises:
        ValueError: the source is neither "sample" nor "full".
        DatasetUnavailableError: when the arrays are loaded, on `full`, a file can be neither found
            nor downloaded, or it is broken.

    Example:
        >>> data = FashionMnist(source="full")
        >>> print(data.describe())
        full: Fashion-MNIST, 60,000 + 10,000 images
        >>> data.class_names[9]
        'Ankle boot'
    """

    title = "Fashion-MNIST"
    _files = {
        "train": {
            "fashion-mnist/train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
            "fashion-mnist/train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
        },
        "test": {
            "fashion-mnist/t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
            "fashion-mnist/t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
        },
    }

    def __init__(self, source=None):
        super().__init__(source)
        if self.source == FULL:
            names = "T-shirt/top, Trouser, Pullover, Dress, Coat, Sandal, Shirt, Sneaker, Bag, Ankle boot"
            self.class_names = tuple(names.split(", "))

    def _read(self, paths, part):
        return map(read_idx, paths)
