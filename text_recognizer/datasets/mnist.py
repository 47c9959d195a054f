"""MNIST, 28x28 grey images of handwritten digits; scikit-learn's digits stand in on `sample`.

Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document
Recognition", Proceedings of the IEEE 86(11), 1998.
"""

from text_recognizer.datasets import digits
from text_recognizer.datasets.keras_images import KerasImages

_MNIST = KerasImages(
    name="MNIST",
    module="mnist",
    folder="",
    files=("mnist.npz",),
    names=tuple(digits.class_names()),
)


def load_data():
    """Load the images and labels, with the signature of `keras.datasets.mnist.load_data`.

    Returns:
        `(x_train, y_train), (x_test, y_test)`, new arrays on every call. Images are uint8 of shape
        (n, 28, 28), 0 to 255; labels are uint8 of shape (n,), 0 to 9. On `full`, n is 60,000 and
        10,000; on `sample`, 1,540 and 257 (see `text_recognizer.datasets.digits`).

    Raises:
        DatasetUnavailableError: on `full`, the file can be neither found nor downloaded, or it is
            broken.
        ValueError: `WORKBOOK_DATA` is neither `sample` nor `full`.
    """
    return _MNIST.load_data()


def class_names():
    """Return the names of the ten classes, "0" to "9"."""
    return _MNIST.class_names()


def describe():
    """Say in one line which source is on, e.g. "full: MNIST, 60,000 + 10,000 images"."""
    return _MNIST.describe()
