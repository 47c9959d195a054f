"""Wrong answers that people give on page 14, and a word of what they are told."""

import numpy as np

from exercises import resnet as page

KERNELS = 256 * 64 + 9 * 64 * 64 + 64 * 256
GENERATOR = np.random.default_rng(0)


def fields(annotations):
    return dict(line.split("\t")[:2] for line in annotations.splitlines())


def in_file_order(annotations, wnids):
    return [sorted(wnids).index(wnid) for wnid in fields(annotations).values()]


def sorted_as_numbers(annotations, wnids):
    names = sorted(fields(annotations), key=lambda name: int(name[4:-5]))
    return [sorted(wnids).index(fields(annotations)[name]) for name in names]


def by_wnids(annotations, wnids):
    return [wnids.index(fields(annotations)[name]) for name in sorted(fields(annotations))]


def from_one(annotations, wnids):
    return [sorted(wnids).index(fields(annotations)[name]) + 1 for name in sorted(fields(annotations))]


def numbering_what_it_sees(annotations, wnids):
    wnids = sorted(set(fields(annotations).values()))
    return [wnids.index(fields(annotations)[name]) for name in sorted(fields(annotations))]


def past_all(jacobians, gradient):
    through = gradient
    for J in reversed(jacobians):
        through = J.T @ through
    return gradient + through


def through_all(jacobians, gradient):
    for J in reversed(jacobians):
        gradient = J.T @ gradient
    return gradient


def forwards(jacobians, gradient):
    for J in jacobians:
        gradient = gradient + J.T @ gradient
    return gradient


def not_transposed(jacobians, gradient):
    for J in reversed(jacobians):
        gradient = gradient + J @ gradient
    return gradient


def in_place(jacobians, gradient):
    for J in reversed(jacobians):
        gradient += J.T @ gradient
    return gradient


def emptying_the_list(jacobians, gradient):
    while jacobians:
        gradient = gradient + jacobians.pop().T @ gradient
    return gradient


def adding_the_identity_in_place(jacobians, gradient):
    for J in reversed(jacobians):
        J += np.eye(len(J))
        gradient = J.T @ gradient
    return gradient


def returning_too_soon(jacobians, gradient):
    for J in reversed(jacobians):
        return gradient + J.T @ gradient
    return gradient


def one_added_to_every_entry(jacobians, gradient):
    for J in reversed(jacobians):
        gradient = (1 + J).T @ gradient
    return gradient


def hashed(count, seed, epoch):
    return np.random.default_rng(abs(hash(f"{seed} {epoch}"))).permutation(count)


def hashed_within(count, seed, epoch):
    def number():
        return hash(("order", seed, epoch)) % 2**32

    return np.random.RandomState(number()).permutation(count)


def digits_side_by_side(count, seed, epoch):
    return np.random.default_rng(int(f"{seed}{epoch}")).permutation(count)


def shuffled_globally(count, seed, epoch):
    np.random.seed(seed)
    return np.random.permutation(count)


WRONG = [
    (page.parameters_of_a_bottleneck, KERNELS, "normalization"),
    (page.parameters_of_a_bottleneck, KERNELS + 2 * 384, "moving"),
    (page.parameters_of_a_bottleneck, KERNELS + 4 * 384 + 384, "bias"),
    (page.parameters_of_a_bottleneck, 256 * 64 + 64 * 64 + 64 * 256 + 4 * 384, "3x3"),
    (page.parameters_of_a_bottleneck, 3 * 9 * 256 * 256 + 4 * 3 * 256, "quarter"),
    (page.parameters_of_a_bottleneck, KERNELS + 4 * 384 + 256 * 256, "identity"),
    (page.parameters_of_a_bottleneck, 256, "is not it"),
    (page.parameters_of_a_bottleneck, 2 * 256 * 128 + 9 * 128 * 128 + 4 * 512, "not half"),
    (page.parameters_of_a_bottleneck, "71,168", "without quotes"),
    (page.parameters_of_a_bottleneck, (71, 168), "commas"),
    (page.rate_of_a_step, lambda step, images, batch_size: 0.01 if step // (images // batch_size) < 64 else 0.001, "smaller"),
    (page.rate_of_a_step, lambda step, images, batch_size: 0.01 if step < 64 else 0.001, "64th epoch"),
    (page.rate_of_a_step, lambda step, images, batch_size: 0.01 if step // -(-images // batch_size) <= 64 else 0.001, "first step after"),
    (page.rate_of_a_step, lambda step, images, batch_size: 0.01 * 0.1 ** (step * batch_size / images / 64), "64th epoch"),
    (page.rate_of_a_step, lambda step, images, batch_size: None, "return"),
    (page.rate_of_a_step, lambda step, images, batch_size: "0.01", "one number"),
    (page.rate_of_a_step, lambda step, images, batch_size: [0.01, 0.001], "one number"),
    (page.rate_of_a_step, lambda step, images, batch_size: np.array([0.01, 0.001]), "one number"),
    (page.labels_in_keras_order, in_file_order, "before val_2"),
    (page.labels_in_keras_order, sorted_as_numbers, "before val_2"),
    (page.labels_in_keras_order, by_wnids, "wnids.txt"),
    (page.labels_in_keras_order, lambda annotations, wnids: [wnids.index(w) for w in fields(annotations).values()], "Neither"),
    (page.labels_in_keras_order, lambda annotations, wnids: [fields(annotations)[n] for n in sorted(fields(annotations))], "integers"),
    (page.labels_in_keras_order, lambda annotations, wnids: sorted(range(len(wnids))), "3 labels"),
    (page.labels_in_keras_order, from_one, "from 0 to 2"),
    (page.labels_in_keras_order, numbering_what_it_sees, "those of wnids"),
    (page.labels_in_keras_order, lambda annotations, wnids: len(wnids), "integers"),
    (page.labels_in_keras_order, lambda annotations, wnids: ["2", "0", "0", "1", "2"], "integers"),
    (page.back_through_blocks, through_all, "past each"),
    (page.back_through_blocks, forwards, "wrong order"),
    (page.back_through_blocks, not_transposed, "transposed"),
    (page.back_through_blocks, past_all, "not one past all"),
    (page.back_through_blocks, in_place, "has changed the gradient"),
    (page.back_through_blocks, emptying_the_list, "has changed the Jacobians"),
    (page.back_through_blocks, adding_the_identity_in_place, "has changed the Jacobians"),
    (page.back_through_blocks, lambda jacobians, gradient: [jacobians, gradient], "array of shape (3,)"),
    (page.back_through_blocks, returning_too_soon, "within the loop"),
    (page.back_through_blocks, one_added_to_every_entry, "np.eye"),
    (page.back_through_blocks, lambda jacobians, gradient: gradient, "problem 1"),
    (page.order_of_an_epoch, lambda count, seed, epoch: GENERATOR.permutation(count), "cannot go on"),
    (page.order_of_an_epoch, lambda count, seed, epoch: np.random.permutation(count), "cannot go on"),
    (page.order_of_an_epoch, shuffled_globally, "Two epochs"),
    (page.order_of_an_epoch, lambda count, seed, epoch: np.random.default_rng(epoch).permutation(count), "Two seeds"),
    (page.order_of_an_epoch, lambda count, seed, epoch: np.random.default_rng(seed + epoch).permutation(count), "not be independent"),
    (page.order_of_an_epoch, lambda count, seed, epoch: np.random.default_rng([seed, epoch]).integers(count, size=count), "come once"),
    (page.order_of_an_epoch, lambda count, seed, epoch: np.arange(count), "Nothing"),
    (page.order_of_an_epoch, hashed, "another hash"),
    (page.order_of_an_epoch, hashed_within, "another hash"),
    (page.order_of_an_epoch, lambda count, seed, epoch: np.random.default_rng([seed, epoch]).random(count), "integers"),
    (page.order_of_an_epoch, lambda count, seed, epoch: np.random.default_rng([seed, epoch]).integers(count), "integers"),
    (page.order_of_an_epoch, digits_side_by_side, "not be independent"),
]  # fmt: skip
