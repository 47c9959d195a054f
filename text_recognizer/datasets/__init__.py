"""One class a data set. An object of it has the arrays, says what the labels mean, and is of one source.

Each has two sources: `full`, the real data, downloaded once, and `sample`, which needs no network
and stands in for it. `TextLines` reads a folder of your own instead. See
`text_recognizer.datasets.dataset.Dataset` for what they have in common.

Example:
    >>> from text_recognizer.datasets import FashionMnist
    >>> data = FashionMnist(source="sample")
    >>> data.x_train.shape, data.x_train.dtype, data.y_train.dtype
    ((1540, 28, 28), dtype('uint8'), dtype('uint8'))
    >>> data.class_names[data.y_train[0]]
    '0'
"""

from text_recognizer.datasets.california_housing import CaliforniaHousing
from text_recognizer.datasets.dataset import Dataset, DatasetUnavailableError
from text_recognizer.datasets.digits import Digits
from text_recognizer.datasets.emnist import Emnist
from text_recognizer.datasets.emnist_lines import EmnistLines
from text_recognizer.datasets.mnist import FashionMnist, Mnist
from text_recognizer.datasets.text_lines import TextLines
from text_recognizer.datasets.tiny_imagenet import TinyImagenet

__all__ = [
    "CaliforniaHousing",
    "Dataset",
    "DatasetUnavailableError",
    "Digits",
    "Emnist",
    "EmnistLines",
    "FashionMnist",
    "Mnist",
    "TextLines",
    "TinyImagenet",
]
