"""Images decoded once and kept in a file that is an array: no more memory is taken than what is being read.

A file of an array is mapped into memory (https://numpy.org/doc/stable/reference/generated/numpy.memmap.html): the
operating system reads the parts that are asked for, and lets go of them when it needs the room. So the images may be
more than fit, each can be had at once, and every backend can be trained from them. `tfrecord_shards` keeps the same
images as files that are read from front to back, for `tf.data`.
"""

import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from text_recognizer.files import make_folder
from text_recognizer.pipelines.source import Source, sha256

IMAGES, CONTENTS = "images.npy", "contents.json"
AT_ONCE = 1000  # images that are decoded before they are written


def memory_mapped(folder, files, labels, read):
    """Return image files as an array, decoded into a folder by the first call, and opened by all others.

    Where the folder is there, a right to write is needed neither in it nor beside it. Its bytes are compared with
    their checksum, about a second a gigabyte.

    Args:
        folder: to keep the array in; made whole, or not at all.
        files: paths of images, or anything else that `read` takes, n of them, n at least 1.
        labels: an integer for each.
        read: a function that makes an image of an item of `files`, uint8 (height, width, channels), all of one shape.

    Returns:
        `(x, y)`: a read-only `np.memmap`, uint8 (n, height, width, channels), in the order of `files`, and int64 (n,).
        `DatasetSequence` and `batched_dataset` take them as any arrays.

    Raises:
        ValueError: an argument does not fit, an image cannot be read or has another shape than the first (nothing is
            left behind then), or the folder is damaged, or was made from other files, labels, or in another order.
            Images are compared by the bytes of their files, and by what `read` makes of one of them.
        OSError: a file cannot be read or written, e.g. because the disk is full. Nothing is left behind then.

    Example:
        >>> import tempfile
        >>> grey = lambda number: np.full((8, 6, 1), number, "uint8")
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     x, y = memory_mapped(Path(folder, "grey"), range(20), np.arange(20) % 5, grey)
        ...     type(x).__name__, x.shape, x.dtype, int(x[7].max()), int(y[7])
        ('memmap', (20, 8, 6, 1), dtype('uint8'), 7, 2)
    """
    folder, source = Path(folder), Source(files, labels, read)
    made_from = source.sha256(in_order=True)

    def fill(beside):
        # Written as a file, since a mapped one ends the process when the disk is full.
        with open(beside / IMAGES, "wb") as file, ThreadPoolExecutor() as threads:
            shape = (len(source), *source.shape)
            np.lib.format.write_array_header_1_0(file, {"descr": "|u1", "fortran_order": False, "shape": shape})
            for start in range(0, len(source), AT_ONCE):
                for pixels in threads.map(source.pixels, range(start, min(start + AT_ONCE, len(source)))):
                    file.write(pixels.tobytes())
        contents = {"source": made_from, "sha256": sha256(beside / IMAGES)}
        (beside / CONTENTS).write_text(json.dumps(contents), encoding="utf-8")

    make_folder(folder, fill)
    try:
        contents = json.loads((folder / CONTENTS).read_text(encoding="utf-8"))
        damaged = contents["sha256"] != sha256(folder / IMAGES)
    except (OSError, ValueError, LookupError, TypeError) as error:
        raise ValueError(f"{folder} is no folder of such an array ({error!r}). Delete it, or give another") from error
    if damaged or contents["source"] != made_from:
        what = "is damaged" if damaged else "was made from other files or labels, or in another order"
        raise ValueError(f"{folder} {what}. Delete it, and it is made anew, or give another folder")
    return np.load(folder / IMAGES, mmap_mode="r"), source.labels
