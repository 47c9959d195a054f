"""A model that reads a line of text."""

from typing import NamedTuple

import keras
import numpy as np

from text_recognizer import ctc
from text_recognizer.images import ImageError, center, read_ink
from text_recognizer.metrics import CharacterErrorRate, character_error_rate
from text_recognizer.models.character_model import scale
from text_recognizer.models.recognizer import Recognizer
from text_recognizer.pipelines.lines import LineSequence, batched_lines, by_width

MIN_HEIGHT = 10  # pixels that a line keeps of its height, or its letters run together


class LinePrediction(NamedTuple):
    """What was read, and how sure the network is of all of it: the probability of the text, from 0 to 1."""

    text: str
    confidence: float


class LineModel(Recognizer):
    """A network that reads a line of text, and the data set of lines that it learns from.

    The network gives logits at each step along the line, first the blank's, and learns by CTC: it
    is told what a line says, not where each character stands. The images of the data set are uint8,
    0 (paper) to 255 (ink); its labels are sequences of integers from 1, filled up with 0; and it has
    `decode`.

    Lines are of one size, as those of `text_recognizer.datasets.EmnistLines`, and their network is
    built for it. Or they are of any width, in an object array, as those of `TextLines`; then the
    network takes (height, None), the data set has `read_line`, and `augmentation` is a function of one
    line, as `text_recognizer.pipelines.lines.distort_line`. See `Recognizer` for the arguments.

    Before it trains, `fit` reads all labels once, of arrays and of batches whose number is known, and
    refuses a text that CTC cannot spell in the steps that the network makes of its image (see
    `text_recognizer.ctc.required_steps`).

    Raises:
        ValueError: the network gives something else than logits at each step.

    Example:
        >>> from text_recognizer.datasets import EmnistLines
        >>> from text_recognizer.models import LineModel
        >>> from text_recognizer.networks import line_cnn
        >>> lines = EmnistLines(max_length=4, num_train=8, num_test=2, source="sample")
        >>> model = LineModel(lines, line_cnn(lines.input_shape, lines.output_shape, filters=4))
        >>> history = model.fit(epochs=1, validation_fraction=0, verbose=0)
        >>> len(model.read(lines.x_test))
        2
    """

    format_fn = staticmethod(scale)

    def __init__(self, data, network, weights_dir=None):
        super().__init__(data, network, weights_dir)
        output, classes = network.output_shape[1:], len(data.class_names)
        if len(output) != 2 or output[1] != classes:
            raise ValueError(
                f"{network.name} gives {output} for a line; to read its {classes - 1} characters it must give "
                f"(steps, {classes}), logits at each step, the blank's first, as line_cnn does"
            )

    def predict(self, x, batch_size=256):
        """Return the network's outputs for raw lines of one width, as `Recognizer.predict` does.

        Args:
            x: as `data.x_test`, where its lines are of one width.
            batch_size: lines at a time.

        Returns:
            Logits, float32 (n, steps, classes).

        Raises:
            ValueError: the lines are of different widths, in an object array.
        """
        if np.asarray(x).dtype == object:
            raise ValueError(
                "the lines are of different widths, so the network makes different numbers of steps of them, which are "
                "no one array. read(x) gives the texts; for logits call predict for each width: [(rows, "
                "model.predict(lines)) for rows, lines in text_recognizer.pipelines.lines.by_width(x)]"
            )
        return super().predict(x, batch_size)

    def read(self, x, strategy="greedy", batch_size=32):
        """Read lines as they are in the data set.

        Lines of different widths are read together with those that are filled up to the same width. So
        what is read on a line does not depend on the others.

        Args:
            x: as `data.x_test`.
            strategy: "greedy" or "beam_search"; see `text_recognizer.ctc.decode`.
            batch_size: lines at a time.

        Returns:
            A list of n strings.
        """
        texts = [""] * len(x)
        for rows, labels, _ in self._decoded(x, strategy, batch_size):
            for row, text in zip(rows, self.data.decode(labels)):
                texts[row] = text
        return texts

    def evaluate(self, x, y, batch_size=32, strategy="greedy", metric=character_error_rate):
        """Return the character error rate on lines as they are in the data set.

        Args:
            x: as `data.x_test`.
            y: their labels, as `data.y_test`.
            batch_size: lines at a time.
            strategy: as for `read`.
            metric: another function of the texts and of what was read, as `metrics.word_error_rate`.

        Returns:
            Edits per character, 0 where all is right; see `metrics.character_error_rate`.

        Raises:
            ValueError: the labels are no sequences, or not as many as the lines.
        """
        if np.ndim(y) != 2 or len(y) != len(x):
            raise ValueError(f"labels have the shape {np.shape(y)}; give ({len(x)}, length), a sequence for each line")
        return metric(self.data.decode(y), self.read(x, strategy, batch_size))

    def predict_on_image(self, image, strategy="greedy"):
        """Read the one line of text on an image.

        For a network of one size, the line is cut out, centred and resized to fill `image_shape` as
        those of the data set are, so it may be of any size and anywhere. A short one leaves paper at
        both ends. For a network of any width, the image is the line from edge to edge.

        Args:
            image: a path or an array, of whatever colours; see `text_recognizer.images.read_ink`.
            strategy: as for `read`.

        Returns:
            A `LinePrediction`: the text, and its probability.

        Raises:
            FileNotFoundError, TypeError, text_recognizer.images.ImageError: as `read_ink` and `center` say.
            text_recognizer.images.ImageError: the line is too long to be resized to that shape.
        """
        return self.predict_on_lines([self.line_on(image)], strategy)[0]

    def predict_on_lines(self, lines, strategy="greedy", batch_size=32):
        """Read lines of text that are cut out already, many in a fraction of the time of one by one.

        Args:
            lines: a list of n lines, each from `line_on`.
            strategy, batch_size: as for `read`.

        Returns:
            A list of n `LinePrediction`, each what `predict_on_image` says.
        """
        predictions = [None] * len(lines)
        for rows, labels, logits in self._decoded(lines, strategy, batch_size):
            for row, *prediction in zip(rows, self.data.decode(labels), ctc.probability(labels, logits).tolist()):
                predictions[row] = LinePrediction(*prediction)
        return predictions

    def line_on(self, image):
        """Return the line on an image as those of the data set are.

        Args:
            image: as for `predict_on_image`, which says how the line is found.

        Returns:
            uint8 of the shape `image_shape`, whose width may be None: any width.

        Raises:
            As `predict_on_image`.
        """
        height, width, *_ = self.image_shape
        if width is None:
            return self.data.read_line(image)
        line = center(read_ink(image), (height, width))
        if (tall := np.count_nonzero(line.any(axis=1))) < MIN_HEIGHT:
            raise ImageError(
                f"the line is too long: to fit into {width} pixels it would shrink to {tall} pixels in height. Cut it "
                "in two, or build the model with a greater max_length"
            )
        return line.reshape(self.image_shape)

    def loss(self):
        """Return the CTC loss by the characters of a text, so that a long line counts as a short one."""

        def ctc_per_character(labels, logits):
            characters = keras.ops.cast(keras.ops.count_nonzero(labels, axis=1), "float32")
            return ctc.loss(labels, logits, self.network.jit_compile) / keras.ops.maximum(characters, 1)

        return ctc_per_character

    def optimizer(self):
        """Return Adam with three times its usual rate, which batch normalization allows."""
        return keras.optimizers.Adam(3e-3)

    def metrics(self):
        """Return the character error rate of greedy decoding."""
        return [CharacterErrorRate()]

    def strata(self, y):
        """Return None: lines cannot be stratified."""

    def check_labels(self, y, x=None):
        """Refuse, before the training, texts that CTC cannot spell in the steps of the network.

        Args:
            y: as `data.y_train`.
            x: the images that they are of. A network for lines of any width makes more steps of a wider one.

        Returns:
            The labels, an array.

        Raises:
            ValueError: a label is of no class, or a text needs more steps; the message gives the rule.
        """
        y, classes = np.asarray(y), len(self.data.class_names)
        if y.size and not 0 <= y.min() <= y.max() < classes:
            raise ValueError(f"labels run from {y.min()} to {y.max()}, and the data set has {classes} classes")
        steps = np.broadcast_to(self.network.output_shape[1] or self._steps(x), len(y))
        for number in np.unique(steps):
            ctc.check_spelling(y[steps == number], number, self.data.decode)
        return y

    def make_batches(self, x, y, batch_size, augment, **order):
        """Return batches for the network of arrays as the data set has them, as `Recognizer.make_batches` does."""
        if x.dtype != object:
            return super().make_batches(x, y, batch_size, augment, **order)
        make = batched_lines if keras.backend.backend() == "tensorflow" else LineSequence
        return make(x, y, batch_size, distort=self.augmentation if augment else None, format_fn=self.format_fn, **order)

    def _decoded(self, x, strategy, batch_size):
        """Yield rows of x that are read together, and their labels and logits."""
        for rows, lines in by_width(x) if self.image_shape[1] is None else [(range(len(x)), np.asarray(x))]:
            logits = self.predict(lines, batch_size)
            yield rows, ctc.decode(logits, strategy), logits

    def _steps(self, x):
        """Return how many steps a network for any width makes of each image, without the paper that fills it up."""
        wide = 1024
        per_step = wide / self.network.compute_output_shape((1, self.image_shape[0], wide))[1]
        return np.ceil([line.shape[1] / per_step for line in x]).astype(int)

    def _check_batches(self, batches):
        if isinstance(batches, keras.utils.PyDataset):
            read = (batches[index] for index in range(batches.num_batches or 0))
        else:  # of one without an end, or where nobody knows the end, nothing is read
            read = batches if int(batches.cardinality()) >= 0 else ()
        for x, y, *_ in read:
            self.check_labels(keras.ops.convert_to_numpy(y), x)
