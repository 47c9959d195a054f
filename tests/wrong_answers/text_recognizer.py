"""Wrong answers that people give on page 12, and a word of what they are told."""

import difflib
import re

import numpy as np

from exercises import text_recognizer as page


def merged(path):
    return [b for a, b in zip([None, *path], path) if a != b]


def by_digits(path):
    text = re.sub(r"(.)\1+", r"\1", "".join(map(str, path)))
    return [int(digit) for digit in text if digit != "0"]


def of_sorted_labels(labels, fraction):
    labels.sort()
    return np.concatenate(of_each_class(labels, fraction, lambda share: max(1, int(share))))


def appended(labels, fraction):
    rows = np.array([])
    for of_class in of_each_class(labels, fraction, lambda share: max(1, int(share))):
        rows = np.append(rows, of_class)
    return rows


def differences(a, b):
    return sum(x != y for x, y in zip(a, b)) + abs(len(a) - len(b))


def by_difflib(a, b):
    steps = difflib.SequenceMatcher(None, a, b).get_opcodes()
    return sum(max(i2 - i1, j2 - j1) for tag, i1, i2, j1, j2 in steps if tag != "equal")


def of_each_class(labels, fraction, size):
    return [np.flatnonzero(labels == label)[: size(sum(labels == label) * fraction)] for label in np.unique(labels)]


def from_sets(a, b):
    return len(set(a) - set(b))


def one_in_so_many(labels, fraction):
    rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return np.concatenate([of_class[: max(1, len(of_class) // int(1 / fraction))] for of_class in rows])


WRONG = [
    (page.parameters_of_mlp, 784 * 256 + 256 * 256 + 256 * 62, "bias"),
    (page.parameters_of_mlp, 784 * 256 + 256 + 256 * 62 + 62, "hidden layers"),
    (page.parameters_of_mlp, 784 * 256 + 256 + 256 * 256 + 256, "one more"),
    (page.parameters_of_mlp, 784 * 256 + 256 + 2 * (256 * 256 + 256) + 256 * 62 + 62, "too many"),
    (page.parameters_of_mlp, 28 * 256 + 256 + 256 * 256 + 256 + 256 * 62 + 62, "28 * 28"),
    (page.parameters_of_mlp, 1, "inputs * outputs"),
    (page.parameters_of_mlp, "282,686", "without quotes"),
    (page.format_batch, lambda x, y: (x.astype("float32") / 255, y), "With tensors"),
    (page.format_batch, lambda x, y: (np.asarray(x, "float32") / 255, y), "pipeline"),
    (page.format_batch, lambda x, y: (x / 255, y), "float64"),
    (page.format_batch, lambda x, y: (np.asarray(x, "float32"), y), "not 0.2"),
    (page.format_batch, lambda x, y: np.asarray(x, "float32") / 255, "two things"),
    (page.format_batch, lambda x, y: (np.asarray(x, "float32") / 255, np.asarray(y) / 255), "stay as they are"),
    (page.format_batch, lambda x, y: (y, np.asarray(x, "float32") / 255), "the images first"),
    (page.format_batch, lambda x, y: (np.asarray(x, "float32")[..., None] / 255, y), "have shape (1, 2, 2)"),
    (page.format_batch, lambda x, y: (np.asarray(x, "float32") / 255, np.asarray(y, int)), "stay as they are"),
    (page.format_batch, lambda x, y: [np.asarray(x, "float32") / 255, y], "as a tuple"),
    (page.format_batch, lambda x, y: None, "two things"),
    (page.read_a_path, lambda path: [label for label in path if label], "one label"),
    (page.read_a_path, by_digits, "two digits"),
    (page.read_a_path, lambda path: [label + 0.5 for label in path], "whole numbers"),
    (page.read_a_path, len, "whole numbers"),
    (page.read_a_path, merged, "dropped"),
    (page.read_a_path, lambda path: merged([label for label in path if label]), "comes first"),
    (page.read_a_path, lambda path: sorted(set(path) - {0}), "comes first"),
    (page.read_a_path, lambda path: None, "return"),
    (page.read_a_path, lambda path: "".join(map(str, merged(path))).replace("0", ""), "two digits"),
    (page.read_a_path, lambda path: [label for label in merged(path) if label][1:], "not [1, 2]"),
    (page.keep_every_class, lambda labels, fraction: np.arange(int(len(labels) * fraction)), "is lost"),
    (page.keep_every_class, lambda labels, fraction: np.concatenate(
        [np.flatnonzero(labels == i)[: int((labels == i).sum() * fraction)] for i in range(5)]), "class 4 is lost"),
    (page.keep_every_class, lambda labels, fraction: np.concatenate(
        [np.flatnonzero(labels == i)[:5] for i in range(5)]), "a quarter each"),
    (page.keep_every_class, lambda labels, fraction: labels < 2, "a mask"),
    (page.keep_every_class, lambda labels, fraction: fraction, "integers"),
    (page.keep_every_class, lambda labels, fraction: dict(enumerate(of_each_class(labels, fraction, int))), "a dict of 5"),
    (page.keep_every_class, lambda labels, fraction: np.arange(1, len(labels) + 1), "0 to 75"),
    (page.keep_every_class, of_sorted_labels, "shuffled"),
    (page.keep_every_class, appended, "floats"),
    (page.keep_every_class, lambda labels, fraction: np.zeros(19, int), "twice"),
    (page.keep_every_class, lambda labels, fraction: None, "return"),
    (page.keep_every_class, lambda labels, fraction: of_each_class(labels, fraction, int), "np.concatenate"),
    (page.keep_every_class, lambda labels, fraction: np.concatenate(
        of_each_class(labels, fraction, lambda share: max(1, round(share)))), "rounded down"),
    (page.keep_every_class, one_in_so_many, "A quarter is right"),
    (page.edits, differences, "place by place"),
    (page.edits, from_sets, "replaced"),
    (page.edits, lambda a, b: abs(len(a) - len(b)), "replaced"),
    (page.edits, lambda a, b: None, "whole number"),
    (page.edits, lambda a, b: differences(a, b) + 0.5, "whole number"),
    (page.edits, lambda a, b: np.zeros((len(a), len(b))), "whole number"),
    (page.edits, by_difflib, "replace the other four"),
]  # fmt: skip
