"""What both sides of the comparison with PyTorch start from, drawn by NumPy, so that nothing but results is stored.

`RandomState` is NumPy's old generator, whose numbers are frozen: https://numpy.org/neps/nep-0019-rng-policy.html.
"""

import math

import numpy as np

BATCH = 4

# Shapes are those of one example. Odd sizes, so that halving has to round.
CASES = {
    "mlp": {"input_shape": (3, 4), "classes": 3, "layer_size": 5, "num_layers": 2},
    "lenet": {"input_shape": (7, 8, 2), "classes": 3},
    "vgg": {"input_shape": (9, 8, 2), "classes": 3, "blocks": ((3,), (4, 5)), "layer_size": 6},
    "line_cnn": {"input_shape": (13, 21, 2), "classes": 4, "filters": 2},
    "Bottleneck": {"input_shape": (5, 6, 8), "filters": 8},
    "Bottleneck, linear": {"input_shape": (5, 6, 8), "filters": 12, "projection": "linear"},
    "Bottleneck, linear, strided": {"input_shape": (5, 6, 8), "filters": 8, "strides": 2, "projection": "linear"},
    "Bottleneck, preactivated": {"input_shape": (5, 6, 8), "filters": 16, "strides": 2, "projection": "preactivated"},
    "Resnet": {"input_shape": (9, 10, 3), "classes": 3, "filters": 8, "levels": [1, 2]},
}

# Six steps for each line. Repeated letters need a blank between them; one line is full, and one is empty.
CTC_STEPS, CTC_CLASSES = 6, 4
CTC_LABELS = [[1, 2, 3, 0], [1, 1, 2, 0], [2, 2, 1, 1], [3, 0, 0, 0], [0, 0, 0, 0]]
LINE_LABELS = [[1, 2, 0], [3, 3, 0], [2, 0, 0], [1, 2, 1]]  # of line_cnn, which has six steps too


def inputs(shape, count=BATCH):
    return np.random.RandomState(1).standard_normal((count, *shape))


def weights(shapes):
    """Kernels of about the size that keeps a signal's, and vectors (biases, statistics, ...) from 0.5 to 1.5."""
    random = np.random.RandomState(2)
    return [
        random.uniform(0.5, 1.5, shape)
        if len(shape) == 1
        else random.standard_normal(shape) * math.sqrt(2 / math.prod(shape[:-1]))
        for shape in map(tuple, shapes)
    ]


def weighting(shape):
    """What a block's outputs are multiplied by, so that their sum is a loss."""
    return np.random.RandomState(3).standard_normal(shape)


def labels(classes):
    return np.arange(BATCH) % classes


def digest(values, kept=64):
    """All numbers of a small array; of a larger one, its products with `kept` random arrays, which depend on all."""
    values = np.asarray(values, "float64").ravel()
    if values.size <= kept:
        return values
    return np.random.RandomState(4).standard_normal((kept, values.size)) @ values / math.sqrt(values.size)
