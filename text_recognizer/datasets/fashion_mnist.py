"""Fashion-MNIST, 28x28 grey images of clothes in ten classes; scikit-learn's digits stand in on `sample`.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", arXiv:1708.07747, 2017.
"""

from text_recognizer.datasets.dataset import FULL, KERAS_URL, fetch, reading
from text_recognizer.datasets.idx import read_idx
from text_recognizer.datasets.mnist import Mnist, checked

_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)
_FILES = {  # images and labels, with their checksums
    "train": {
        "train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        "train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
    },
    "test": {
        "t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
        "t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
    },
}


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

    def __init__(self, source=None):
        super().__init__(source)
        if self.source == FULL:
            self.class_names = _NAMES

    def _read(self, part):
        paths = [
            fetch(self.title, f"fashion-mnist/{name}", f"{KERAS_URL}/{name}", checksum)
            for name, checksum in _FILES[part].items()
        ]
        with reading(self.title, paths[0].parent):
            images, labels = map(read_idx, paths)
            return checked(images, labels, part)
