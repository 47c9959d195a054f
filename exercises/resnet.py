"""The exercises of page 14, the ResNet homework."""

from __future__ import annotations

import builtins
from collections.abc import Callable, Sequence
from unittest import mock

import numpy as np

from exercises.answers import WrongAnswer, described, integers, number
from exercises.exercise import Exercise

# --- 1 ------------------------------------------------------------------------------------------


def _check_parameters(answer: int) -> str:
    kernels = 256 * 64 + 9 * 64 * 64 + 64 * 256
    normalized = 256 + 64 + 64
    said = {
        kernels: "Those are the kernels. Each convolution has a normalization before it.",
        kernels + 2 * normalized: "Those are the trained ones. Normalization keeps two moving ones a channel as well.",
        kernels + 4 * normalized + 64 + 64 + 256: "These convolutions have no bias.",
        kernels + 4 * normalized + 256 * 256: "The skip is the identity, and has no weights.",
        256 * 64 + 64 * 64 + 64 * 256 + 4 * normalized: "The middle kernel is 3x3.",
        3 * 9 * 256 * 256 + 4 * 3 * 256: "A bottleneck computes with a quarter of its channels inside.",
        2 * 256 * 128 + 9 * 128 * 128 + 4 * (256 + 128 + 128): "Inside it has a quarter of the channels, not half.",
    }
    if answer in said:
        raise WrongAnswer(said[answer])
    if answer != _solve_parameters():
        raise WrongAnswer(
            f"{answer} is not it. Three convolutions, k * k * inputs * outputs each, and four numbers a channel before "
            "them."
        )
    return "Most of them stand in the 3x3 convolution, although it has a quarter of the channels on both sides."


def _solve_parameters():
    def basic(inputs, outputs, kernel):
        return 4 * inputs + kernel * kernel * inputs * outputs

    return basic(256, 64, 1) + basic(64, 64, 3) + basic(64, 256, 1)


parameters_of_a_bottleneck = Exercise(
    title="count the parameters of a bottleneck",
    difficulty="easy",
    minutes=6,
    checker=_check_parameters,
    hints=(
        "It has three basic blocks: 256 to 64 channels, 64 to 64, 64 to 256. Which kernels?",
        "A basic block has 4 * inputs numbers for the normalization, and k * k * inputs * outputs weights.",
    ),
    solution_source=_solve_parameters,
)

# --- 2 ------------------------------------------------------------------------------------------


def _check_rate(rate: Callable[[int, int, int], float]) -> str:
    cases = (
        (0, 1280, 128, 0.01, "The first step has the first rate."),
        (64 * 10 - 1, 1280, 128, 0.01, "That is the last step of the 64th epoch."),
        (64 * 10, 1280, 128, 0.001, "That is the first step after 64 epochs of 10 steps."),
        (64 * 10 - 1, 1200, 128, 0.01, "1200 images in batches of 128 make 10 steps: the last batch is smaller."),
        (64 * 10, 1200, 128, 0.001, "1200 images in batches of 128 make 10 steps: the last batch is smaller."),
        (71 * 10, 1280, 128, 0.001, "Within the 72 epochs, the rate falls once."),
        (64 * 782 - 1, 100_000, 128, 0.01, "100,000 images make 782 steps."),
        (64 * 782, 100_000, 128, 0.001, "100,000 images make 782 steps."),
    )
    for step, images, batch_size, right, why in cases:
        answer = rate(step, images, batch_size)
        if answer is None:
            raise WrongAnswer("It returns nothing: is a return missing?")
        found = number(answer)
        if found is None:
            raise WrongAnswer(f"Give the rate in this step, one number, not {described(answer)}.")
        if not np.isclose(found, right, rtol=1e-6):
            raise WrongAnswer(
                f"In step {step:,} with {images:,} images in batches of {batch_size} it is {found:.3g}. {why}"
            )
    return "The optimizer counts steps. A schedule in epochs is your arithmetic."


def _solve_rate():
    import math

    def rate(step, images, batch_size):
        epoch = step // math.ceil(images / batch_size)
        return 0.01 if epoch < 64 else 0.001

    return rate


rate_of_a_step = Exercise(
    title="the rate of a step",
    difficulty="easy",
    minutes=6,
    checker=_check_rate,
    hints=(
        "How many steps has an epoch, the smaller last batch included?",
        "The epoch is step // steps_per_epoch, counted from 0. Epochs 0 to 63 are the first 64.",
    ),
    solution_source=_solve_rate,
)

# --- 3 ------------------------------------------------------------------------------------------

_ANNOTATIONS = """\
val_0.JPEG\tn03\t0\t32\t44\t62
val_1.JPEG\tn01\t52\t55\t57\t59
val_2.JPEG\tn02\t4\t0\t60\t55
val_10.JPEG\tn01\t3\t3\t63\t63
val_11.JPEG\tn03\t9\t27\t63\t48
"""
_WITHOUT_N02 = "".join(line for line in _ANNOTATIONS.splitlines(keepends=True) if "n02" not in line)
_WNIDS = ["n02", "n03", "n01"]


def _check_labels(validation_labels: Callable[[str, Sequence[str]], Sequence[int]]) -> str:
    answer = validation_labels(_ANNOTATIONS, list(_WNIDS))
    if answer is None:
        raise WrongAnswer("It returns nothing: is a return missing?")
    found = integers(answer)
    if found is None:
        raise WrongAnswer(f"Give a list of labels, integers from 0 to 2. It returns {described(answer)}.")
    if len(found) != 5:
        raise WrongAnswer(f"There are 5 images, and it gives {len(found)} labels.")
    if not all(0 <= label < 3 for label in found):
        raise WrongAnswer(f"Labels of three classes go from 0 to 2, and it gives {found}.")
    class_of = dict(line.split("\t")[:2] for line in _ANNOTATIONS.splitlines())
    by_text, as_listed = sorted(class_of), list(class_of)
    said = {
        (True, False): "The classes are numbered in the order of wnids.txt. Keras numbers them in sorted order.",
        (False, True): "The images come in the order of the annotations, or sorted as numbers. As text, val_10 comes "
        "before val_2.",
        (False, False): "Neither the images nor the classes are sorted.",
    }
    for (files_sorted, classes_sorted), why in said.items():
        names = by_text if files_sorted else as_listed
        wnids = sorted(_WNIDS) if classes_sorted else _WNIDS
        if found == [wnids.index(class_of[name]) for name in names]:
            raise WrongAnswer(why)
    if found != _solve_labels()(_ANNOTATIONS, _WNIDS):
        raise WrongAnswer(f"For the images {by_text} it gives {found}.")
    if integers(validation_labels(_WITHOUT_N02, list(_WNIDS))) != _solve_labels()(_WITHOUT_N02, _WNIDS):
        raise WrongAnswer("Where a class has no image, the others must keep their numbers. Number those of wnids.")
    return "Files sorted as text, classes sorted: as Keras does it."


def _solve_labels():
    def validation_labels(annotations, wnids):
        class_of = dict(line.split("\t")[:2] for line in annotations.splitlines())
        number = {wnid: label for label, wnid in enumerate(sorted(wnids))}
        return [number[class_of[name]] for name in sorted(class_of)]

    return validation_labels


labels_in_keras_order = Exercise(
    title="validation labels in the order of the files",
    difficulty="medium",
    minutes=8,
    checker=_check_labels,
    hints=(
        "Two orders must be right: that of the files, and that of the classes.",
        "A line is split at its tabs: the file, the class, and four numbers.",
        "Make a dictionary from file to class, and go through sorted(dictionary).",
    ),
    solution_source=_solve_labels,
)

# --- 4 ------------------------------------------------------------------------------------------


def _check_backward(backward: Callable[[Sequence[np.ndarray], np.ndarray], np.ndarray]) -> str:
    rng = np.random.default_rng(0)
    jacobians = [rng.normal(size=(3, 3)) for _ in range(3)]
    gradient = rng.normal(size=3)
    given, start = [J.copy() for J in jacobians], gradient.copy()
    answer = backward(given, start)
    if answer is None:
        raise WrongAnswer("It returns nothing: is a return missing?")
    if not np.array_equal(start, gradient):
        raise WrongAnswer("It has changed the gradient that it was given: write gradient = gradient + ..., not +=.")
    if not (len(given) == len(jacobians) and all(map(np.array_equal, given, jacobians))):
        raise WrongAnswer("It has changed the Jacobians that it was given. Leave them as they are.")
    try:
        answer = np.asarray(answer, float)
    except Exception:  # a text, a dictionary, a symbolic tensor
        raise WrongAnswer(f"Give the gradient, an array of shape (3,), not {described(answer)}.") from None
    if answer.shape != (3,):
        raise WrongAnswer(f"The gradient by the input has one number for each input, shape (3,), not {answer.shape}.")

    def same(expected):
        return np.allclose(answer, expected, rtol=0, atol=1e-5 * np.abs(expected).max())  # as in float32

    def through(order, skip, transpose):
        result = gradient
        for J in order:
            result = skip * result + (J.T if transpose else J) @ result
        return result

    last_first = jacobians[::-1]
    plus_one = gradient
    for J in last_first:
        plus_one = (1 + J).T @ plus_one
    said = (
        (through(last_first, 0, True), "That is the way through all the f. The gradient also goes past each of them."),
        (through(jacobians, 1, True), "The blocks are in the wrong order: the gradient meets the last one first."),
        (through(last_first, 1, False), "The Jacobian must be transposed: J[i, j] is how y_i moves with x_j."),
        (through(last_first[:1], 1, True), "Only one block is passed. Does the return stand within the loop?"),
        (plus_one, "In NumPy 1 + J adds 1 to every entry of J. The skip adds the identity, np.eye(len(J))."),
        (through(jacobians, 1, False), "The Jacobian must be transposed, and the gradient meets the last block first."),
        (through(jacobians, 0, True), "The gradient also goes past each f, and it meets the last block first."),
        (gradient + through(last_first, 0, True), "There is a skip past each block, not one past all of them."),
        (gradient + sum(J.T @ gradient for J in jacobians), "What one block gives is what the one before it takes."),
    )
    for wrong, why in said:
        if same(wrong):
            raise WrongAnswer(why)
    if not same(through(last_first, 1, True)):
        raise WrongAnswer("It is another vector. Compare it with the formula of problem 1, for a single block.")
    return "From the last block to the first, and past each f as well as through it."


def _solve_backward():
    def backward(jacobians, gradient):
        for J in reversed(jacobians):
            gradient = gradient + J.T @ gradient
        return gradient

    return backward


back_through_blocks = Exercise(
    title="the gradient through residual blocks",
    difficulty="medium",
    minutes=8,
    checker=_check_backward,
    hints=(
        "Which block does the gradient meet first?",
        "Through one block, the gradient g becomes g + J.T @ g.",
    ),
    solution_source=_solve_backward,
)

# --- 5 ------------------------------------------------------------------------------------------


def _check_order(order: Callable[[int, int, int], Sequence[int]]) -> str:
    random_state = np.random.get_state()
    try:
        np.random.seed(0)
        asked = [(seed, epoch) for seed in (0, 1, 2, 3, 11) for epoch in (0, 1, 2, 3, 10, 11)]
        orders = {(seed, epoch): _numbers_in_order(order, seed, epoch) for seed, epoch in asked}
        np.random.seed(1)
        again = {(seed, epoch): _numbers_in_order(order, seed, epoch) for seed, epoch in ((2, 3), (0, 3))}
        with mock.patch.object(builtins, "hash", _hash_of_another_process):
            elsewhere = _numbers_in_order(order, 2, 3)
    finally:
        np.random.set_state(random_state)
    for found in orders.values():
        if sorted(found) != list(range(50)):
            raise WrongAnswer("Each image must come once: some are missing, or come twice.")
    if any(again[asked] != orders[asked] for asked in again):
        raise WrongAnswer("Asked again for the same seed and epoch, it gives another order: a run cannot go on so.")
    if elsewhere != orders[2, 3]:
        raise WrongAnswer(
            "Python gives a text another hash in each process: a killed run would not find its order again. "
            "Take the numbers, not a hash of them."
        )
    if orders[0, 0] == tuple(range(50)) and orders[1, 1] == tuple(range(50)):
        raise WrongAnswer("Nothing is shuffled.")
    if len({orders[0, epoch] for epoch in range(4)}) < 4:
        raise WrongAnswer("Two epochs have the same order.")
    if len({orders[seed, 1] for seed in range(4)}) < 4:
        raise WrongAnswer("Two seeds give the same order.")
    for (seed, epoch), found in orders.items():
        for other, same in orders.items():
            if found == same and other != (seed, epoch):
                raise WrongAnswer(
                    f"Seed {seed} in epoch {epoch} and seed {other[0]} in epoch {other[1]} give the same order: "
                    "two runs would not be independent."
                )
    return "It depends on the seed and on the number of the epoch, and on nothing that came before."


def _numbers_in_order(order: Callable, seed: int, epoch: int) -> tuple[int, ...]:
    answer = order(50, seed, epoch)
    if answer is None:
        raise WrongAnswer("It returns nothing: is a return missing?")
    found = integers(answer)
    if found is None:
        raise WrongAnswer(f"Give an order of the integers from 0 to 49. It returns {described(answer)}.")
    return tuple(found)


def _hash_of_another_process(value, _hash=hash):
    """The hash as another process computes it: the same of numbers, another one of texts."""
    return _hash((value, "another process")) if _has_text(value) else _hash(value)


def _has_text(value) -> bool:
    return isinstance(value, (str, bytes)) or (isinstance(value, tuple) and any(map(_has_text, value)))


def _solve_order():
    def order(count, seed, epoch):
        return np.random.default_rng([seed, epoch]).permutation(count)

    return order


order_of_an_epoch = Exercise(
    title="an order that a killed run can have again",
    difficulty="hard",
    minutes=12,
    checker=_check_order,
    hints=(
        "A generator that is made once and drawn from in each epoch remembers how often. What does a new process know?",
        "Make a new generator in each call, from the seed and the epoch.",
        "The sum seed + epoch is the same for (0, 1) and (1, 0). default_rng takes a list of numbers too.",
    ),
    solution_source=_solve_order,
)
