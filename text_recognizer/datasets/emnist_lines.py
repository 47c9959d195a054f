"""Lines of text as training data for a network that reads lines: printed ones, or ones of handwritten characters."""

from text_recognizer.arguments import whole_number
from text_recognizer.datasets.dataset import FULL, LineDataset, check_seed
from text_recognizer.datasets.emnist import Emnist
from text_recognizer.datasets.synthetic import lines
from text_recognizer.datasets.synthetic.characters import FONTS


class EmnistLines(LineDataset):
    """Lines of letters, digits and spaces: images of one size, and the labels of their characters.

    The texts are words of one to eight random characters, in lower case, capitalised, in capitals,
    or digits; an eighth of them is of small letters without ascenders alone. So no language helps
    to guess them, and whatever can be written can be learned. What helps is the neighbours: o, O
    and 0 look alike alone, but among others size and the kind of word tell. Where they do not, as
    between l and I at the beginning of a word, in a sans serif, some errors are nobody's fault.

    A line fills its image: its ink is cut out, centred and resized to 24 pixels of height, or less
    if it would be too wide then. `LineModel` does the same with an image that it is to read.

    Test lines are other texts than training lines. On the sample they are in the same fonts; for
    fonts that are not in the training set, see `synthetic.lines.draw_lines`. On the real data they
    are composed from the test images of `Emnist`.

    The lines are drawn when they are first asked for, about 2,000 a second, and follow from the
    seed; see `synthetic.lines` for what that promises.

    Attributes:
        x_train, x_test: uint8 (n, 28, 16 * max_length), 0 (paper) to 255 (ink).
        y_train, y_test: int32 (n, max_length), labels from 1 to 63, filled up with 0 at the end.
        class_names: the 62 characters and the space, each at its label. The first is "": label 0
            stands for no character. It is CTC's blank, too. So
            `"".join(class_names[label] for label in row)` is the text of a row.
        input_shape: (28, 16 * max_length).
        output_shape: (64,), the classes of one window of a line.
        source: "sample" or "full".

    Args:
        max_length: the longest text, in characters, at least 4. It sets the width of the images,
            16 pixels a character; wide letters may fill a line before that.
        num_train: number of training lines, at least 1.
        num_test: number of test lines, at least 1.
        seed: of the random choices, an integer, 0 or more.
        source: see `Dataset`.

    Raises:
        TypeError: a number is no integer.
        ValueError: a number is out of range, or the source is neither "sample" nor "full".
        DatasetUnavailableError: when the lines are drawn, on `full`, EMNIST can be neither found nor
            downloaded, or it is broken.

    Example:
        >>> data = EmnistLines(max_length=8, num_train=20, num_test=5, source="sample")
        >>> data.x_test.shape, data.y_test.shape
        ((5, 28, 128), (5, 8))
        >>> data.encode(["Keras 3"]).tolist()
        [[21, 41, 54, 37, 55, 63, 4, 0]]
        >>> data.decode(data.encode(["Keras 3"]))
        ['Keras 3']
    """

    class_names = ("", *lines.ALPHABET)
    output_shape = (len(class_names),)

    def __init__(self, max_length=16, num_train=10_000, num_test=1_000, seed=0, source=None):
        super().__init__(source)
        self.max_length = whole_number("max_length", max_length, least=lines.SHORTEST)
        self.num_train = whole_number("num_train", num_train)
        self.num_test = whole_number("num_test", num_test)
        self.seed = check_seed(seed)
        self.input_shape = (lines.SIZE, lines.WIDTH_PER_CHARACTER * self.max_length)

    def describe(self):
        """Say in one line what the lines are made of, and how many there are. Draws none."""
        written = "EMNIST ByClass characters" if self.source == FULL else f"{len(FONTS)} fonts"
        return f"{self.source}: lines in {written}, {self.num_train:,} + {self.num_test:,} images"

    def encode(self, texts):
        """Return the labels of texts, int32 (n, max_length), filled up with 0.

        Raises:
            ValueError: a text is longer than `max_length`, or holds another character.
        """
        return lines.encode(texts, self.max_length)

    def _load(self, part):
        train = part == "train"
        count = self.num_train if train else self.num_test
        seed = [self.seed, 0 if train else 1]  # another one for each part: other texts
        if self.source != FULL:
            return lines.draw_lines(count, FONTS, self.max_length, seed)
        characters = Emnist(source=self.source)
        x, y = (characters.x_train, characters.y_train) if train else (characters.x_test, characters.y_test)
        return lines.compose_lines(count, x, y, self.max_length, seed)
