"""Batches of lines of text, whose images are of different widths, changed at random line by line."""

import numpy as np
from PIL import Image, ImageFilter

from text_recognizer import ctc
from text_recognizer.images import STEP
from text_recognizer.pipelines.arrays import DatasetSequence

MARGIN = 8  # pixels of paper before and behind a line: the room into which a slanted letter leans
ROUND = 64  # pixels; widths are rounded up to multiples of it, so that there are few to compile for
STRETCH = 0.2  # up to this share narrower or wider


class LineSequence(DatasetSequence):
    """Batches of lines of similar width, each filled up with paper to the width of its widest line.

    With `shuffle`, the lines are sorted by widths that are drawn anew in each epoch, up to a fifth
    narrower or wider than they are. So each epoch has other batches, with little paper in them. Then
    the batches are shuffled, and the rest comes last. With `distort`, a line is also stretched to the
    width that was drawn, which is never narrower than CTC needs for its labels (see `ctc.required_steps`;
    every four pixels make a step). Without `shuffle`, the lines are sorted by their own widths.

    All that follows from the seed and the number of the epoch, as in `DatasetSequence`.

    On TensorFlow train with `batched_lines`: Keras looks at two batches of a sequence, and where these
    happen to have one width, it takes that for the width of all.

    Args:
        x: a one-dimensional object array of n images, uint8 (height, width of the line), 0 (paper) to
            255 (ink), all of one height.
        y: their labels, int (n, longest), filled up with 0.
        batch_size: lines in a batch.
        distort: None, or a function of a line, the width that it is to have and a
            `numpy.random.Generator`, that returns the changed line, such as `distort_line`.
        **kwargs: as for `DatasetSequence`: `format_fn`, `shuffle`, `seed`, ... Batches go through
            `format_fn` as uint8 (batch, height, width), all lines of a batch of one width.

    Raises:
        TypeError, ValueError: as for `DatasetSequence`; or the labels are not as `ctc.required_steps` takes them.

    Example:
        >>> x = np.empty(4, object)
        >>> x[:] = [np.full((48, width), 255, "uint8") for width in (100, 300, 90, 280)]
        >>> y = np.array([[1, 0], [1, 2], [2, 0], [2, 1]])
        >>> [(x.shape, y.tolist()) for x, y in LineSequence(x, y, batch_size=2)]
        [((2, 48, 128), [[2, 0], [1, 0]]), ((2, 48, 320), [[2, 1], [1, 2]])]
    """

    def __init__(self, x, y, batch_size=16, *, distort=None, **kwargs):
        self.distort = distort
        self.widths = np.array([line.shape[1] for line in x])
        self.least_widths = STEP * ctc.required_steps(y) - 2 * MARGIN
        super().__init__(x, y, batch_size, **kwargs)

    def deal(self, epoch):
        """Return the order of an epoch's lines, int64 (n,), and the seeds of its batches, int64 (batches, 2)."""
        order, seeds = super().deal(epoch)
        order = order[np.argsort(self._widths(epoch)[order], kind="stable")]
        if self.shuffle:
            full = len(order) // self.batch_size * self.batch_size
            batches = order[:full].reshape(-1, self.batch_size)
            batches = np.random.default_rng([self.seed, epoch, 1]).permutation(batches)
            order = np.concatenate([batches.ravel(), order[full:]])
        return order, seeds

    def take(self, rows):
        """Return these lines, side by side in uint8 (batch, height, width), and what belongs to them."""
        lines, *others = super().take(rows)
        lines = [_with_margin(line) for line in lines]
        if self.distort:
            widths = self._widths(self.epoch)[rows] + 2 * MARGIN
            rngs = [np.random.default_rng([self.seed, self.epoch, row]) for row in rows]
            lines = list(map(self.distort, lines, widths, rngs))
        return _stacked(lines), *others

    def _widths(self, epoch):
        """Return how wide each line counts, or is made, in an epoch, in pixels."""
        if not self.shuffle:
            return self.widths
        factors = np.random.default_rng([self.seed, epoch, 2]).uniform(1 - STRETCH, 1 + STRETCH, len(self.widths))
        return np.maximum(np.rint(factors * self.widths).astype(int), self.least_widths)


def batched_lines(x, y, batch_size=16, **kwargs):
    """Return the batches of a `LineSequence` as a `tf.data.Dataset`, which prepares them ahead.

    What belongs together stays so: each time the dataset is iterated over is the next epoch. Its
    width is unknown to TensorFlow, so that a network is traced once for all widths.

    Args:
        x, y, batch_size, **kwargs: as for `LineSequence`.

    Returns:
        A `tf.data.Dataset` of `(x, y)`, or `(x, y, sample_weight)`, one epoch of known length.

    Example:
        >>> x = np.empty(2, object)
        >>> x[:] = [np.full((48, width), 255, "uint8") for width in (100, 300)]
        >>> batches = batched_lines(x, np.array([[1], [2]]), batch_size=1)
        >>> batches.element_spec[0].shape, [x.shape[2] for x, y in batches]
        (TensorShape([None, 48, None]), [128, 320])
    """
    import tensorflow as tf

    sequence = LineSequence(x, y, batch_size, **kwargs)
    (lines, *others) = sequence[0]
    signature = [tf.TensorSpec((None, lines.shape[1], None), lines.dtype)]
    signature += [tf.TensorSpec((None, *array.shape[1:]), array.dtype) for array in others]
    dataset = tf.data.Dataset.from_generator(lambda: iter(sequence), output_signature=tuple(signature))
    return dataset.apply(tf.data.experimental.assert_cardinality(len(sequence))).prefetch(tf.data.AUTOTUNE)


def by_width(x):
    """Group lines by the width that they are filled up to, so that how one is read depends on no other.

    Args:
        x: as for `LineSequence`.

    Yields:
        The rows of a group, int (n,), and its lines side by side, uint8 (n, height, width).

    Example:
        >>> x = np.empty(3, object)
        >>> x[:] = [np.full((48, width), 255, "uint8") for width in (100, 300, 90)]
        >>> [(rows.tolist(), lines.shape) for rows, lines in by_width(x)]
        [([0, 2], (2, 48, 128)), ([1], (1, 48, 320))]
    """
    widths = np.array([_rounded(line.shape[1] + 2 * MARGIN) for line in x])
    for width in np.unique(widths):
        (rows,) = np.nonzero(widths == width)
        yield rows, _stacked([_with_margin(x[row]) for row in rows])


def distort_line(line, width, rng):
    """Write a line once more, as another hand, pen and camera might have done.

    It is stretched, slanted, turned, made higher or lower and moved up or down, in one interpolation,
    which is bilinear; then made fainter or stronger, sometimes blurred, and laid on noisy paper.

    Args:
        line: uint8 (height, any width), 0 (paper) to 255 (ink).
        width: of the result, in pixels.
        rng: a `numpy.random.Generator`.

    Returns:
        uint8 (height, width).

    Example:
        >>> line = np.zeros((48, 100), "uint8")
        >>> line[16:32, 40:60] = 255
        >>> distort_line(line, 120, np.random.default_rng(0)).shape
        (48, 120)
    """
    height = len(line)
    slant, turn, down = rng.uniform(-1, 1, 3) * (0.5, 0.015, height / 16)
    wide, high = width / line.shape[1], rng.uniform(0.8, 1.15)
    # From a place in the result to one in the line, both from the centre.
    x_x, x_y, y_x, y_y = 1 / wide, slant / wide, turn, 1 / high
    x_0 = (line.shape[1] - x_x * width - x_y * height) / 2
    y_0 = (height - y_x * width - y_y * height) / 2 + down
    image = Image.fromarray(line).transform(
        (width, height), Image.Transform.AFFINE, (x_x, x_y, x_0, y_x, y_y, y_0), Image.Resampling.BILINEAR
    )
    strength = rng.uniform(0.6, 1.2)
    if rng.random() < 0.3:
        image, strength = image.filter(ImageFilter.BoxBlur(1)), 1.2 * strength
    noise = rng.standard_normal((height, width), np.float32) * rng.uniform(0, 0.08 * 255)
    return np.clip(np.asarray(image) * strength + noise, 0, 255).astype(np.uint8)


def _with_margin(line):
    return np.pad(line, ((0, 0), (MARGIN, MARGIN)))


def _rounded(width):
    return -(-width // ROUND) * ROUND


def _stacked(lines):
    """Return lines as one array, each filled up with paper on the right."""
    width = _rounded(max(line.shape[1] for line in lines))
    stacked = np.zeros((len(lines), len(lines[0]), width), np.uint8)
    for place, line in zip(stacked, lines):
        place[:, : line.shape[1]] = line
    return stacked
