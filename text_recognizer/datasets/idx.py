"""The IDX format, in which MNIST and EMNIST are published: http://yann.lecun.com/exdb/mnist."""

import gzip
import math

import numpy as np


def read_idx(path):
    """Read a gzipped IDX file of unsigned bytes.

    The file begins with two zero bytes, a byte for the type (8: unsigned byte), one for the number
    of dimensions, and the length of each as a big-endian 32-bit integer; the rest is data.

    Returns:
        A read-only uint8 array in the shape that the file states.

    Raises:
        ValueError: it is no such file, or has more or fewer bytes than its header says.
        OSError, EOFError, zlib.error: the file cannot be read, or its compression is damaged.
    """
    with gzip.open(path) as file:
        content = file.read()
    if len(content) < 4 or content[:3] != b"\0\0\x08":
        raise ValueError(f"{path} is no IDX file of unsigned bytes: it begins with {content[:4].hex(' ')}")
    header = 4 + 4 * content[3]
    shape = tuple(np.frombuffer(content[4:header], dtype=">u4").tolist())
    if len(content) != header + math.prod(shape):
        raise ValueError(f"{path} holds {len(content) - header:,} bytes behind its header, which announces {shape}")
    return np.frombuffer(content, dtype=np.uint8, offset=header).reshape(shape)
