"""The exercises of page 12, the text recognizer."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from exercises.answers import WrongAnswer, described, integers, number, plain
from exercises.exercise import Exercise
from text_recognizer.pipelines.arrays import batched_dataset

# --- 1 ------------------------------------------------------------------------------------------


def _check_parameters(answer: int) -> str:
    hidden, last = 784 * 256 + 256, 256 * 62 + 62
    said = {
        784 * 256 + 256 * 256 + 256 * 62: "You counted the matrices. Each unit also adds a bias.",
        hidden + last: "num_layers counts the hidden layers. There are two.",
        hidden + 256 * 256 + 256: "Those are the hidden layers. The output is one more.",
        hidden + 2 * (256 * 256 + 256) + last: "That is one layer too many: num_layers counts the hidden ones.",
        28 * 256 + 256 + 256 * 256 + 256 + last: "Flatten gives 28 * 28 numbers, not 28.",
    }
    if answer in said:
        raise WrongAnswer(said[answer])
    if answer != _solve_parameters():
        raise WrongAnswer(
            f"{answer} is not it. Count inputs * outputs + outputs for each Dense layer; Dropout has none."
        )
    return "Two hidden layers and the output; Flatten and Dropout have no parameters."


def _solve_parameters():
    first = 784 * 256 + 256
    second = 256 * 256 + 256
    output = 256 * 62 + 62
    return first + second + output


parameters_of_mlp = Exercise(
    title="count the parameters of an mlp",
    difficulty="easy",
    minutes=4,
    checker=_check_parameters,
    hints=(
        "How many Dense layers has it, the output included?",
        "The second hidden layer sees the 256 outputs of the first.",
    ),
    solution_source=_solve_parameters,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_format(scale: Callable) -> str:
    x = np.array([[[0, 51], [102, 255]]], np.uint8)
    y = np.array([[0.0, 1.0]], np.float32)
    ways = {
        "NumPy arrays": lambda: scale(x, y),
        "tensors": lambda: scale(tf.constant(x), tf.constant(y)),
        "the tensors of a tf.data pipeline": lambda: next(iter(batched_dataset(x, y, 1, format_fn=scale))),
    }
    for kind, run in ways.items():
        try:
            result = run()
        except Exception as error:
            first_line = plain(error).partition("\n")[0]
            raise WrongAnswer(f"With {kind} it ends in {type(error).__name__}: {first_line}") from error
        if not isinstance(result, tuple) or len(result) != 2:
            raise WrongAnswer("It must return two things as a tuple, the images and the labels: return x, y.")
        for name, given, original in zip(("images", "labels"), result, (x, y)):
            if getattr(given, "shape", None) != original.shape:
                raise WrongAnswer(
                    f"With {kind} the {name} have shape {original.shape}, and it returns {described(given)}. "
                    "Return an array or a tensor of that shape, the images first."
                )
        images, labels = map(np.asarray, result)
        if labels.dtype != y.dtype or not np.array_equal(labels, y):
            raise WrongAnswer("The labels must stay as they are.")
        if images.dtype != np.float32:
            raise WrongAnswer(
                f"With {kind} the images are {images.dtype}, not float32: what is the type of what you divide by?"
            )
        if not np.allclose(images, x / 255, atol=1e-6):
            raise WrongAnswer(f"With {kind} the byte 51 becomes {images[0, 0, 1]:.4g}, not 0.2.")
    return "It serves the sequence and the pipeline."


def _solve_format():
    import keras

    def scale(x, y):
        return keras.ops.cast(x, "float32") / 255, y

    return scale


format_batch = Exercise(
    title="format a batch, of arrays or of tensors",
    difficulty="easy",
    minutes=5,
    checker=_check_format,
    hints=(
        "A tensor has no astype, and bytes divided by 255 need not be float32. Change the type first.",
        "keras.ops takes both kinds: keras.ops.cast(x, 'float32').",
    ),
    solution_source=_solve_format,
)

# --- 3 ------------------------------------------------------------------------------------------


def _check_path(read_path: Callable[[Sequence[int]], list[int]]) -> str:
    cases = (
        ([1, 1, 2, 2], [1, 2], "Labels that repeat are one label."),
        ([0, 0, 3, 0, 0], [3], "Blanks, label 0, are dropped."),
        ([1, 0, 1], [1, 1], "A blank stands between the two: they are two. Which of the two rules comes first?"),
        ([1, 2, 1], [1, 2, 1], "Only neighbours are merged."),
        ([10, 10, 0, 1, 12], [10, 1, 12], "A label may have two digits."),
        ([5], [5], "One step is a path too."),
        ([0, 0], [], "A path of blanks reads nothing."),
        ([], [], "A path without steps reads nothing."),
    )
    for path, right, why in cases:
        answer = read_path(list(path))
        if answer is None:
            raise WrongAnswer("It returns nothing: is a return missing?")
        if isinstance(answer, str):
            raise WrongAnswer(f"Give a list of labels, not the text {answer!r}: a label may have two digits.")
        found = integers(answer)
        if found is None:
            raise WrongAnswer(f"Give a list of labels, which are whole numbers. It returns {described(answer)}.")
        if found != right:
            raise WrongAnswer(f"The path {path} gave {found}, not {right}. {why}")
    if integers(read_path(np.array([4, 4, 0, 4]))) != [4, 4]:
        raise WrongAnswer("With a NumPy array in place of a list it gives something else.")
    return "Merged first, dropped then."


def _solve_path():
    from itertools import groupby

    def read_path(best_path):
        return [int(label) for label, _ in groupby(best_path) if label != 0]

    return read_path


read_a_path = Exercise(
    title="read the best path",
    difficulty="medium",
    minutes=8,
    checker=_check_path,
    hints=(
        "Two rules: merge what repeats, then drop the blanks. The other order makes one l of hello.",
        "Keep a label if it differs from the one before it. Then drop the zeros.",
        "itertools.groupby gives each run of equal labels once.",
    ),
    solution_source=_solve_path,
)

# --- 4 ------------------------------------------------------------------------------------------


def _check_subsample(subsample: Callable[[np.ndarray, float], np.ndarray]) -> str:
    labels = np.repeat(np.arange(5), [40, 20, 11, 4, 1])
    for given, order in ((labels, "sorted"), (np.random.default_rng(0).permutation(labels), "shuffled")):
        answer = subsample(given.copy(), 0.25)
        if answer is None:
            raise WrongAnswer("It returns nothing: is a return missing?")
        if isinstance(answer, tuple) and len(answer) == 1:  # as np.nonzero gives them, and as an array takes them
            (answer,) = answer
        rows = integers(answer)
        if rows is None:
            if isinstance(answer, (list, tuple)) and any(hasattr(row, "__len__") for row in answer):
                raise WrongAnswer("It gives a list for each class. Join them to one: np.concatenate.")
            raise WrongAnswer(
                f"Give the places of the images, integers in one dimension. It returns {described(answer)}"
                f"{', which is a mask' if getattr(answer, 'dtype', None) == np.bool_ else ''}."
            )
        if rows and np.asarray(answer).dtype.kind == "f":
            raise WrongAnswer("The places are floats, which cannot index an array. np.append to [] makes such ones.")
        if not all(0 <= row < len(given) for row in rows):
            raise WrongAnswer(
                f"The {len(given)} images have the places 0 to {len(given) - 1}. It gives others as well."
            )
        if len(set(rows)) != len(rows):
            raise WrongAnswer("Some image is taken twice. Give places in `labels`, not the labels that stand there.")
        kept = np.bincount(given[np.array(rows, int)], minlength=5)
        if not kept.all():
            raise WrongAnswer(f"Labels {order}: class {int(np.argmin(kept))} is lost. Choose from each class apart.")
        if kept[:4].tolist() != [10, 5, 2, 1]:
            raise WrongAnswer(
                f"Labels {order}: of classes with 40, 20, 11 and 4 images it keeps {kept[:4].tolist()}, not a quarter "
                "each, rounded down."
            )
    kept = np.bincount(labels[np.ravel(subsample(labels.copy(), 0.6)).astype(int)], minlength=5)
    if kept.tolist() != [24, 12, 6, 2, 1]:
        raise WrongAnswer(
            f"A quarter is right. Of classes with 40, 20, 11, 4 and 1 images 0.6 are 24, 12, 6, 2 and at least 1. "
            f"It keeps {kept.tolist()}."
        )
    return "Each class gave its share, and none is lost."


def _solve_subsample():
    def subsample(labels, fraction):
        rows = [np.flatnonzero(labels == label) for label in np.unique(labels)]
        return np.concatenate([of_class[: max(1, int(len(of_class) * fraction))] for of_class in rows])

    return subsample


keep_every_class = Exercise(
    title="a fraction of each class",
    difficulty="medium",
    minutes=8,
    checker=_check_subsample,
    hints=(
        "The first rows of a sorted data set are one class. Go through the classes, one at a time.",
        "np.flatnonzero(labels == label) gives the places of one class. max(1, ...) keeps at least one.",
    ),
    solution_source=_solve_subsample,
)

# --- 5 ------------------------------------------------------------------------------------------


def _check_edits(edit_distance: Callable[[str, str], int]) -> str:
    cases = (
        ("hello", "hello", 0, "Equal words need no edit."),
        ("hello", "he1lo", 1, "One character is replaced."),
        ("abcd", "bcde", 2, "Delete the a, insert the e. Compared place by place, all four differ."),
        ("hello", "helo", 1, "One character is deleted."),
        ("helo", "hello", 1, "One character is inserted."),
        ("", "abc", 3, "From nothing, every character is inserted."),
        ("abc", "", 3, "To nothing, every character is deleted."),
        ("ab", "ba", 2, "Two that change places are two edits here."),
        ("kitten", "sitting", 3, "Replace k and e, insert g."),
        ("Saturday", "Sunday", 3, "Delete a and t, replace r."),
        ("tensor", "neuron", 4, "Keep e and o where they are, replace the other four."),
    )
    for a, b, right, why in cases:
        answer = edit_distance(a, b)
        counted = number(answer)
        if counted is None or not float(counted).is_integer():
            raise WrongAnswer(f"Give a whole number of edits. For {a!r} and {b!r} it gives {described(answer)}.")
        if counted != right:
            raise WrongAnswer(f"From {a!r} to {b!r} it counts {counted:g}. {why}")
    return "Eleven pairs, all right. Divided by the characters of the true text, this is the character error rate."


def _solve_edits():
    def edit_distance(a, b):
        row = list(range(len(b) + 1))  # from nothing to each beginning of b
        for i, letter in enumerate(a, start=1):
            above, row = row, [i]
            for j, other in enumerate(b, start=1):
                row.append(min(above[j] + 1, row[j - 1] + 1, above[j - 1] + (letter != other)))
        return row[-1]

    return edit_distance


edits = Exercise(
    title="the edit distance",
    difficulty="hard",
    minutes=20,
    checker=_check_edits,
    hints=(
        "Think of the last characters. Equal: the rest decides. Otherwise one was inserted, deleted or replaced.",
        "Three smaller questions, one edit each: a without its last, b without its last, both without. Take the least.",
        "Answer the questions for all beginnings of a and b in a table, row by row; recursion asks each far too often.",
    ),
    solution_source=_solve_edits,
)
