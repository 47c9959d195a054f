"""Images that are to be written into a folder, checked, each with its label, and a checksum of them all."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np


class Source:
    """Images, wherever they are from, and their labels.

    Args:
        images: an array, uint8 (n, height, width, channels), n at least 1. Or, with `read`, a list of what that takes,
            e.g. of paths.
        labels: an integer for each.
        read: a function that makes an image of an item of `images`, uint8 (height, width, channels).

    Attributes:
        names: of the images, a list of n strings: the name of the file, or else the number.
        labels: int64 (n,).
        shape: of the first image, and so of all, (height, width, channels).

    Raises:
        ValueError: an argument does not fit, or the first image cannot be read.

    Example:
        >>> source = Source(["ab", "cd"], [0, 1], read=lambda text: np.array([[[ord(text[0])]]], "uint8"))
        >>> len(source), source.shape, source.pixels(1).item()
        (2, (1, 1, 1), 99)
    """

    def __init__(self, images, labels, read=None):
        self._images, self._read = list(images), read or np.asarray
        labels = np.asarray(labels)
        if labels.shape != (len(self),) or labels.dtype.kind not in "iu" or len(self) == 0:
            raise ValueError(
                f"labels is {labels.dtype} {labels.shape}; give an integer for each of the {len(self)} images, and at "
                "least one image"
            )
        self.labels = labels.astype(np.int64)
        self.names = [Path(image).name if _is_path(image) else str(i) for i, image in enumerate(self._images)]
        self.shape = None
        self.shape = self.pixels(0).shape

    def __len__(self):
        return len(self._images)

    def pixels(self, number):
        """Return an image, uint8 `shape`.

        Raises:
            ValueError: it is read as something else; the message names it.
        """
        image = self._images[number]
        pixels = np.asarray(self._read(image))
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or self.shape not in (None, pixels.shape):
            what = image if _is_path(image) else f"image {number}"
            wanted = f"{self.shape}, as the first image" if self.shape else "(height, width, channels)"
            raise ValueError(f"{what} is read as {pixels.dtype} {pixels.shape}; `read` must give uint8 {wanted}")
        return pixels

    def sha256(self, in_order=False):
        """Return a checksum of images, file names and labels, wherever the files are; of their order too if wanted.

        Files are not decoded for it, but one, so that it changes with what `read` makes of them.
        """
        numbers = range(len(self))
        with ThreadPoolExecutor() as threads:
            sums = threads.map(self._sha256, numbers)
            rows = list(zip(self.names, self.labels.tolist(), sums, numbers))
        rows = rows if in_order else sorted(rows)
        decoded = hashlib.sha256(self.pixels(min(rows)[-1]).tobytes()).hexdigest()
        return hashlib.sha256(json.dumps([*(row[:-1] for row in rows), decoded]).encode()).hexdigest()

    def _sha256(self, number):
        image = self._images[number]
        return sha256(image) if _is_path(image) else hashlib.sha256(self.pixels(number).tobytes()).hexdigest()


def sha256(path):
    """Return the checksum of a file, hexadecimal.

    Example:
        >>> import tempfile
        >>> with tempfile.NamedTemporaryFile() as file:
        ...     sha256(file.name)[:8]
        'e3b0c442'
    """
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_path(image):
    return isinstance(image, (str, os.PathLike))
