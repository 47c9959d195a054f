"""Lines of one's own: images, each beside a text of the same stem, as kraken and OCR-D keep them."""

import functools
import math
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from text_recognizer.arguments import real_number, whole_number
from text_recognizer.datasets.dataset import LineDataset
from text_recognizer.images import STEP, read_ink

SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff", ".bmp", ".webp")  # of images, also in capitals
TEXT = ".gt.txt"  # of the text beside an image: "gt" is the ground truth
UNKNOWN = "\ufffd"  # stands for a character that no training text has
LEAST_HEIGHT = 16  # pixels; the networks need them
VALIDATION_FRACTION = 0.1
NAMED = 3  # problems in a message


class TextLines(LineDataset):
    """Lines of text in a folder: images of any width, and beside `STEM.png` its text in `STEM.gt.txt`.

    The texts are UTF-8, in any script that is written from left to right, as CTC aligns them with their
    images. (Texts of Hebrew or Arabic are stored in the order in which they are spoken, so they are not
    learned as they are.) They are brought into Unicode's form NFC, and white space at their ends is
    dropped. A character is a code point: a combining mark that NFC leaves alone is one of its own. The
    alphabet is what the training texts consist of. Another character in the lines that are held out is
    encoded as `UNKNOWN`, the last label. A network never learns to say that, so it counts as an error.

    An image shows one line, from edge to edge, in whatever colours (see `images.read_ink`). It is
    resized to one height, in its proportions, and its ink made as strong in each line: a hundredth of
    the pixels get 255.

    What cannot be learned from is refused, in one message with the number of such lines and the first
    three of them, or it is skipped: an image without a text, a text without an image, an empty text or
    one of several lines, or in a script that is written from right to left, an image that cannot be
    read, and a text that CTC cannot spell in the width of its image, of which every four pixels make a
    step (see `ctc.required_steps`). Files whose names begin with a dot are left alone.

    Everything is read when it is first asked for, some hundred lines a second, and stays in memory: a
    byte a pixel.

    Attributes:
        x_train, x_test: one-dimensional object arrays of images, uint8 (height, width of the line), 0
            (paper) to 255 (ink); those to train on, and those that are held out.
        y_train, y_test: int32 (n, longest text of both), labels from 1 on, filled up with 0.
        class_names: "" (label 0, CTC's blank), the characters in the order of their code points, and
            `UNKNOWN`.
        input_shape: (height, None).
        output_shape: (number of classes,).
        source: "lines".
        skipped: dict of what was skipped, the name of a file to the reason, also where nothing was left.

    Args:
        folder: the lines to train on. None, with an `alphabet`, for a model that is only to read.
        validation: None, or another folder, of the lines to hold out.
        validation_fraction: without such a folder, the share of the lines to hold out, at least 0 and
            below 1; of whole groups as many as come near to it.
        group_by: None, or what separates a group from the rest of a stem, such as "-": `ann-01` and
            `ann-02` are then held out together, or not at all. Where a group is a writer, that says
            how hands are read that the network has not seen. It does not go with `validation`.
        height: of the images, in pixels, at least 16, as the networks need.
        alphabet: None, or the characters, in this order, for a network that has learned already.
        on_error: "refuse" or "skip".
        seed: of what is held out, an integer, 0 or more.

    Raises:
        TypeError, ValueError: an argument is not what it must be. When the lines are read, a
            `ValueError` says which of them cannot be used, or that there are none.
        FileNotFoundError: there is no such folder.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     for stem, text in (("a", "été"), ("b", "tôt")):
        ...         pixels = np.full((60, 200), 255, "uint8")
        ...         pixels[20:40, 20:180:9] = 0
        ...         Image.fromarray(pixels).save(Path(folder, f"{stem}.png"))
        ...         _ = Path(folder, f"{stem}.gt.txt").write_text(text, "utf-8")
        ...     data = TextLines(folder, validation_fraction=0)
        ...     data.class_names[1:-1], data.x_train[0].shape, data.decode(data.y_train)
        (('t', 'é', 'ô'), (48, 160), ['été', 'tôt'])
    """

    def __init__(
        self,
        folder,
        validation=None,
        *,
        validation_fraction=VALIDATION_FRACTION,
        group_by=None,
        height=48,
        alphabet=None,
        on_error="refuse",
        seed=0,
    ):
        if folder is None and alphabet is None:
            raise ValueError("there is neither a folder nor an alphabet: give one of them")
        for path in (folder, validation):
            if path is not None and not Path(path).is_dir():
                raise FileNotFoundError(f"no lines in {path}: there is no such folder")
        if folder is not None and validation is not None and Path(folder).samefile(validation):
            raise ValueError(f"the lines to train on and those to hold out are both in {folder}: give two folders")
        if group_by is not None and not (isinstance(group_by, str) and group_by):
            raise ValueError(f"group_by is {group_by!r}; give what separates a group from the rest, such as '-'")
        if group_by is not None and validation is not None:
            raise ValueError(f"the lines in {validation} are held out as they are: leave group_by away, or validation")
        if on_error not in ("refuse", "skip"):
            raise ValueError(f"on_error is {on_error!r}; give 'refuse' or 'skip'")
        self.source = "lines"
        self.folder, self.validation, self.group_by = folder, validation, group_by
        self.validation_fraction = real_number("validation_fraction", validation_fraction, least=0, below=1)
        self.height, self.seed = whole_number("height", height, least=LEAST_HEIGHT), whole_number("seed", seed, least=0)
        self.alphabet = None if alphabet is None else tuple(alphabet)
        self.on_error = on_error
        self.skipped = {}
        self.input_shape = (self.height, None)

    @functools.cached_property
    def class_names(self):
        texts = [] if self.alphabet else [text for _, text, _ in self._lines["train"]]
        return ("", *(self.alphabet or sorted(set().union(*texts) - {UNKNOWN})), UNKNOWN)

    @property
    def output_shape(self):
        return (len(self.class_names),)

    def describe(self):
        """Say in one line where the lines are, how many there are, and of how many characters. Reads them."""
        train, test = (len(self._lines[part]) for part in ("train", "test"))
        skipped = f", {len(self.skipped):,} skipped" if self.skipped else ""
        return f"{self.folder}: {train:,} + {test:,} lines, {len(self.class_names) - 2} characters{skipped}"

    def encode(self, texts):
        """Return the labels of texts, int32 (n, longest), filled up with 0; of other characters, the last one."""
        labels = {name: label for label, name in enumerate(self.class_names)}
        encoded = np.zeros((len(texts), max(map(len, texts), default=0)), np.int32)
        for row, text in zip(encoded, texts):
            row[: len(text)] = [labels.get(character, len(labels) - 1) for character in text]
        return encoded

    def read_line(self, image):
        """Return the image of a line as those of this data set are.

        Args:
            image: a path or an array, of whatever colours; see `text_recognizer.images.read_ink`.

        Returns:
            uint8 (height, width), 0 (paper) to 255 (ink).

        Raises:
            FileNotFoundError, TypeError, text_recognizer.images.ImageError: as `read_ink` says.
        """
        ink = read_ink(image)
        size = max(1, round(ink.shape[1] * self.height / ink.shape[0])), self.height
        resized = np.asarray(Image.fromarray(ink).resize(size, Image.Resampling.BILINEAR), np.float32)
        strongest = max(np.quantile(resized, 0.99), 64)  # a blot is no measure for the strokes
        return np.rint(np.minimum(resized * (255 / strongest), 255)).astype(np.uint8)

    def _load(self, part):
        lines = self._lines[part]
        x = np.empty(len(lines), object)
        for row, (_, _, pixels) in enumerate(lines):
            x[row] = pixels
        longest = max(len(text) for lines in self._lines.values() for _, text, _ in lines)
        y = self.encode([text for _, text, _ in lines])
        return x, np.pad(y, ((0, 0), (0, longest - y.shape[1])))  # one shape for both parts

    @functools.cached_property
    def _lines(self):
        """The lines of both parts, each a list of (path of the image, text, image)."""
        problems = {}
        lines = self._read(self.folder, problems)
        held_out = self._read(self.validation, problems) if self.validation is not None else []
        self._report(problems)
        if lines and self.validation is None and self.validation_fraction:
            lines, held_out = self._split(lines)
        held_out = self._spellable(held_out, set(self.alphabet or "".join(text for _, text, _ in lines)), problems)
        self._report(problems)
        for folder, found in ((self.folder, lines), (self.validation, held_out)):
            if folder is not None and not found:
                bad = _named({name: why for name, why in self.skipped.items() if Path(name).parent == Path(folder)})
                advice = f"give a folder of images, each with its text in STEM{TEXT}"
                raise ValueError(f"no lines in {folder}: {f'{bad}. Mend them, or ' if bad else ''}{advice}")
        return {"train": lines, "test": held_out}

    def _report(self, problems):
        """Refuse the lines that have problems, or keep them as those that are skipped."""
        if problems and self.on_error == "refuse":
            raise ValueError(
                f"{len(problems):,} of the lines cannot be used: {_named(problems)}. Mend them, or have such lines "
                "skipped (on_error='skip', --on-error skip)"
            )
        self.skipped = dict(sorted(problems.items()))

    def _split(self, lines):
        """Return the lines to train on and those to hold out: groups in random order that make up about the share."""
        stems = [path.stem for path, _, _ in lines]
        if self.group_by and not any(self.group_by in stem for stem in stems):
            raise ValueError(f"group_by is {self.group_by!r}, which is in none of the stems, such as {stems[0]}")
        groups = [stem.partition(self.group_by)[0] if self.group_by else stem for stem in stems]
        sizes = Counter(groups)
        if len(sizes) < 2:
            raise ValueError(
                f"{len(lines)} lines of {len(sizes)} groups are too few to hold {self.validation_fraction} of them "
                "out: give more, or another validation_fraction (0 for none)"
            )
        names = np.random.default_rng(self.seed).permutation(sorted(sizes)).tolist()
        missing, held_out = self.validation_fraction * len(lines), set()
        for name in names:
            if sizes[name] <= missing:
                held_out.add(name)
                missing -= sizes[name]
        others = [name for name in names if name not in held_out]
        nearest = min(others, key=lambda name: abs(sizes[name] - missing))
        if not held_out or len(others) > 1 and sizes[nearest] < 2 * missing:  # with it, the share comes nearer
            held_out.add(nearest)
        test = [group in held_out for group in groups]
        return [[line for line, out in zip(lines, test) if out == part] for part in (False, True)]

    def _spellable(self, lines, known, problems):
        """Return the lines that CTC can spell where all unknown characters are one, and add the others to problems."""
        spellable = []
        for path, text, pixels in lines:
            try:
                _check_width("".join(c if c in known else UNKNOWN for c in text), pixels)
                spellable.append((path, text, pixels))
            except ValueError as error:
                problems[str(path)] = f"{error} (characters that no training text has count as one and the same)"
        return spellable

    def _read(self, folder, problems):
        """Return the lines of a folder, a list of (path, text, image), and add what is wrong with others to a dict."""
        images, texts = {}, {}
        for path in visible(folder):
            if path.name.endswith(TEXT):
                texts[path.name.removesuffix(TEXT)] = path
            elif path.suffix.lower() in SUFFIXES:
                images.setdefault(path.stem, []).append(path)

        def read(stem):
            try:
                return self._read_pair(images.get(stem, []), texts.get(stem))
            except (OSError, ValueError) as error:
                problems[str(images[stem][0] if stem in images else texts[stem])] = str(error)

        # A photograph of 12 megapixels takes 200 MB while it is read, and in as many threads as by default, 1 GB.
        with ThreadPoolExecutor(max_workers=2) as threads:
            return list(filter(None, threads.map(read, sorted(images.keys() | texts.keys()))))

    def _read_pair(self, images, path):
        if path is None:
            raise ValueError(f"there is no text {images[0].stem}{TEXT}")
        if len(images) != 1:
            found = f"are {len(images)} images" if images else "is no image"
            raise ValueError(f"there {found} of this stem")
        try:
            text = unicodedata.normalize("NFC", path.read_text("utf-8-sig")).strip()
        except UnicodeDecodeError as error:
            raise ValueError(f"the text is no UTF-8 ({error.reason} at byte {error.start})") from error
        if not text:
            raise ValueError("the text is empty")
        if len(text.splitlines()) > 1:
            raise ValueError("the text has several lines")
        for character in text:
            if unicodedata.bidirectional(character) in ("R", "AL"):
                name = unicodedata.name(character, f"U+{ord(character):04X}")
                raise ValueError(f"the text has {name}, which is written from right to left: CTC cannot align it")
        pixels = self.read_line(images[0])
        _check_width(text, pixels)
        return images[0], text, pixels


def visible(folder):
    """Return the paths in a folder, in order, without those that begin with a dot, as `._a.png` of macOS."""
    return sorted(path for path in Path(folder).iterdir() if not path.name.startswith("."))


def _check_width(text, pixels):
    """Refuse a text that CTC cannot spell in the steps that an image makes."""
    steps = math.ceil(pixels.shape[1] / STEP)
    required = len(text) + sum(a == b for a, b in zip(text, text[1:]))  # as in ctc.required_steps
    if required > steps:
        raise ValueError(f"CTC needs {required} steps for the text, and the width of the image makes {steps}")


def _named(problems):
    """Name the first problems of a dict, the name of a file to the reason, in the order of the names."""
    named = [f"{name}: {reason}" for name, reason in sorted(problems.items())[:NAMED]]
    return "; ".join(named + ["and so on"] * (len(problems) > NAMED))
