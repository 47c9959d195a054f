"""Fashion-MNIST, 28x28 grey images of clothes in ten classes; the digits stand in on `sample`.

H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for Benchmarking Machine
Learning Algorithms", arXiv:1708.07747, 2017.
"""

from text_recognizer.datasets.keras_images import KerasImages

_FASHION_MNIST = KerasImages(
    name="Fashion-MNIST",
    module="fashion_mnist",
    folder="fashion-mnist",
    files=(
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "t10k-images-idx3-ubyte.gz",
        "t10k-labels-idx1-ubyte.gz",
    ),
    names=(
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
    ),
)


def load_data():
    """Load the images and labels, with the signature of `keras.datasets.fashion_mnist.load_data`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, new arrays on every call. Images are uint8 of shape
        (n, 28, 28), 0 to 255; labels are uint8 of shape (n,), 0 to 9. On `full`, n is 60,000 and
        10,000; on `sample`, 1,540 and 257 (see `text_recognizer.datasets.digits`).

    Raises:
        DatasetUnavailableError: on `full`, the files can be neither found nor downloaded, or they
            are broken.
        ValueError: `WORKBOOK_DATA` is neither `sample` nor `full`.
    """
    return _FASHION_MNIST.load_data()


def class_names():
    """Return the names of the ten classes of whichever source is on, in the order of the labels."""
    return _FASHION_MNIST.class_names()


def describe():
    """Say in one line which source is on, e.g. "full: Fashion-MNIST, 60,000 + 10,000 images"."""
    return _FASHION_MNIST.describe()
