"""Batches of lines of different widths: each line once, little paper, the same again for the same seed and epoch."""

import numpy as np
import pytest

from text_recognizer import ctc
from text_recognizer.images import STEP
from text_recognizer.pipelines.lines import MARGIN, ROUND, LineSequence, batched_lines, by_width, distort_line

COUNT, HEIGHT = 45, 48
RNG = np.random.default_rng(0)
X = np.empty(COUNT, object)
X[:] = [np.full((HEIGHT, width), 1 + i, np.uint8) for i, width in enumerate(RNG.integers(40, 900, COUNT))]
Y = np.arange(COUNT)[:, None]


def rows(batches):
    return [np.asarray(y)[:, 0].tolist() for _, y in batches]


@pytest.mark.parametrize("make", [LineSequence, batched_lines])
@pytest.mark.parametrize("shuffle", [True, False])
def test_each_line_is_there_once_whole_and_with_little_paper(make, shuffle):
    batches = make(X, Y, 8, shuffle=shuffle, seed=0)
    assert len(batches) == 6
    seen, paper = [], []
    for x, y in batches:
        x, y = np.asarray(x), np.asarray(y)[:, 0]
        assert x.dtype == np.uint8 and x.shape[1] == HEIGHT and x.shape[2] % ROUND == 0
        for line, row in zip(x, y):
            assert (line[:, MARGIN : MARGIN + X[row].shape[1]] == X[row]).all()
            assert (line > 0).sum() == X[row].size
        seen += y.tolist()
        paper.append((x == 0).mean())
    assert sorted(seen) == list(range(COUNT)) and np.mean(paper) < 0.4


def test_the_order_follows_from_seed_and_epoch():
    first, second = (rows(LineSequence(X, Y, 8, shuffle=True, seed=3)) for _ in range(2))
    sequence = LineSequence(X, Y, 8, shuffle=True, seed=3)
    epochs = [rows(sequence) for _ in range(3)]
    assert first == second == epochs[0] and epochs[0] != epochs[1] != epochs[2]
    assert rows(LineSequence(X, Y, 8, shuffle=True, seed=3, first_epoch=2)) == epochs[2]
    assert rows(LineSequence(X, Y, 8, shuffle=True, seed=4)) != first
    dataset = batched_lines(X, Y, 8, shuffle=True, seed=3)
    assert [rows(dataset) for _ in range(3)] == epochs
    assert rows(batched_lines(X, Y, 8, shuffle=True, seed=3, first_epoch=1)) == epochs[1]
    assert {frozenset(batch) for batch in epochs[0]} != {frozenset(batch) for batch in epochs[1]}  # other neighbours


def test_what_is_distorted_is_the_same_again_and_another_in_the_next_epoch():
    def pixels(first_epoch):
        sequence = LineSequence(X, Y, 8, distort=distort_line, shuffle=True, seed=3, first_epoch=first_epoch)
        return [x for x, _ in sequence]

    one, again, other = pixels(0), pixels(0), pixels(1)
    assert all(np.array_equal(*pair) for pair in zip(one, again))
    assert any(a.shape != b.shape or (a != b).any() for a, b in zip(one, other))


def test_no_line_is_made_too_narrow_for_its_text():
    """As narrow as it may be, a line counted up to a fifth narrower, and a later epoch failed."""
    y = np.array([1 + np.arange(40) % 3, np.full(40, 7), [*range(1, 21), *[0] * 20]])
    x = np.empty(3, object)
    x[:] = [np.zeros((HEIGHT, STEP * steps), np.uint8) for steps in ctc.required_steps(y)]
    widths = []

    def distort(line, width, rng):
        widths.append(width)
        return np.zeros((HEIGHT, width), np.uint8)

    sequence = LineSequence(x, y, 1, distort=distort, shuffle=True, seed=0)
    for _ in range(20):
        for _, labels in sequence:
            assert widths[-1] // STEP >= ctc.required_steps(labels)
    assert len(set(widths)) > 20  # and still they are stretched


def test_a_distorted_line_keeps_its_ink():
    line = np.zeros((HEIGHT, 300 + 2 * MARGIN), np.uint8)
    line[8:40, MARGIN : MARGIN + 4] = line[8:40, -MARGIN - 4 : -MARGIN] = 255  # its first and its last stroke
    for seed in range(50):
        changed = distort_line(line, 260, np.random.default_rng(seed)).astype(float)
        assert changed.shape == (HEIGHT, 260)
        for end in (changed[:, :40], changed[:, -40:]):
            assert end.max() > 100 and (end > 60).sum() > 50


def test_weights_and_formats_go_along():
    sequence = LineSequence(X, Y, 8, sample_weight=np.arange(COUNT), format_fn=lambda x, y: (x / np.float32(255), y))
    for x, y, weight in sequence:
        assert x.dtype == np.float32 and x.max() <= 1 and (weight == y[:, 0]).all()


def test_the_width_of_a_line_does_not_depend_on_the_others():
    for row, line in enumerate(X):
        ((_, alone),) = by_width([line])
        ((together,),) = [lines[rows == row] for rows, lines in by_width(X) if row in rows]
        assert np.array_equal(alone[0], together)
