"""Wrong answers that people give on page 03, and a word of what they are told."""

import keras
import numpy as np
from keras import layers

from exercises import preprocessing as page


def scaled_by(mean, deviation):
    return lambda train, test: tuple((part - mean(train, test)) / deviation(train, test) for part in (train, test))


def safe(deviation):
    return np.where(deviation == 0, 1, deviation)


def both(train, test):
    return np.concatenate([train, test])


def in_place(train, test):
    mean, deviation = train.mean(axis=0), safe(train.std(axis=0))
    for part in (train, test):
        part -= mean
        part /= deviation
    return train, test


def raw_input(layer):
    def with_raw_input(core, mean, deviation):
        inputs = keras.Input(core.input_shape[1:])
        return keras.Model(inputs, core(layer(mean, deviation)(inputs)))

    return with_raw_input


def constant_as_it_was(train, test):
    mean, deviation = train.mean(axis=0), train.std(axis=0)
    return tuple(np.divide(p - mean, deviation, out=p.copy(), where=deviation > 0) for p in (train, test))


def into_core_itself(core, mean, deviation):
    kernel, bias = core.layers[0].get_weights()
    core.layers[0].set_weights([kernel / deviation[:, None], bias - mean / deviation @ kernel])
    return keras.Model(core.inputs, core.outputs)


def without_core(core, mean, deviation):
    inputs = keras.Input(core.input_shape[1:])
    return keras.Model(inputs, layers.Normalization(mean=mean, variance=deviation**2)(inputs))


def gaps(fill, indicate=np.isnan):
    return lambda train, test: tuple(np.hstack([fill(part, train, test), indicate(part)]) for part in (train, test))


def filled(part, values):
    return np.where(np.isnan(part), values, part)


def right(part, train, test):
    return filled(part, np.nanmedian(train, axis=0))


def gaps_in_place(train, test):
    known = np.isnan(train), np.isnan(test)
    for part in (test, train):
        part[:] = filled(part, np.nanmedian(train, axis=0))
    return tuple(np.hstack(pair) for pair in zip((train, test), known))


WRONG = [
    (page.indices_of_words, [2, 0, 1], "counted from 0"),
    (page.indices_of_words, [4, 2, 0, 3], "0 is for padding"),
    (page.indices_of_words, [4, 2, 3], "not left out"),
    (page.indices_of_words, [1, 1, 1, 3], "Capitals"),
    (page.indices_of_words, [2, 4, 1, 3], "keeps its order"),
    (page.indices_of_words, [1, 2, 3, 4, 5], "Four words"),
    (page.indices_of_words, [4, 3, 1, 2], "from 0"),
    (page.indices_of_words, ["blue", "red", "[UNK]", "green"], "without quotes"),
    (page.standardize, scaled_by(lambda a, b: a.mean(axis=0), lambda a, b: a.std(axis=0)), "constant"),
    (page.standardize, scaled_by(lambda a, b: both(a, b).mean(0), lambda a, b: safe(both(a, b).std(0))), "leak"),
    (page.standardize, scaled_by(lambda a, b: a.mean(), lambda a, b: a.std()), "axis"),
    (page.standardize, scaled_by(lambda a, b: a.mean(axis=0), lambda a, b: safe(a.var(axis=0))), "square root"),
    (page.standardize, lambda a, b: tuple((p - p.mean(0)) / safe(p.std(0)) for p in (a, b)), "by itself"),
    (page.standardize, lambda a, b: ((a - a.mean(0)) / safe(a.std(0)), b), "same two numbers"),
    (page.standardize, lambda a, b: (a - a.mean(0), b - a.mean(0)), "deviation 1"),
    (page.standardize, constant_as_it_was, "constant column should get mean 0"),
    (page.standardize, in_place, "were changed"),
    (page.standardize, lambda train, test: None, "It returns None"),
    (page.standardize, lambda train, test: (train.mean(0), train.std(0)), "shapes are (4,)"),
    (page.with_raw_input, raw_input(lambda m, d: layers.Normalization(mean=m, variance=d)), "variance"),
    (page.with_raw_input, raw_input(lambda m, d: layers.Normalization()), "given its state"),
    (page.with_raw_input, raw_input(lambda m, d: layers.Lambda(lambda x: (x - m) / d)), "Lambda"),
    (page.with_raw_input, lambda core, mean, deviation: core, "core itself"),
    (page.with_raw_input, into_core_itself, "core itself was changed"),
    (page.with_raw_input, without_core, "core must come last"),
    (page.with_raw_input, lambda core, mean, deviation: core(mean / deviation), "It returns a"),
    (page.with_raw_input, raw_input(lambda m, d: layers.Rescaling(1 / d, -m)), "does not give"),
    (page.fill_gaps, gaps(lambda p, a, b: filled(p, np.median(a, axis=0))), "still a nan"),
    (page.fill_gaps, gaps(lambda p, a, b: filled(p, np.nanmedian(p, axis=0))), "own medians"),
    (page.fill_gaps, gaps(lambda p, a, b: filled(p, np.nanmedian(np.concatenate([a, b]), axis=0))), "leak"),
    (page.fill_gaps, gaps(lambda p, a, b: filled(p, np.nanmean(a, axis=0))), "means"),
    (page.fill_gaps, gaps(lambda p, a, b: filled(p, np.nanmedian(a))), "axis"),
    (page.fill_gaps, gaps(lambda p, a, b: filled(p, 0)), "filled with 0"),
    (page.fill_gaps, gaps(lambda p, a, b: filled(p, np.nanmax(a, axis=0))), "not filled with the median"),
    (page.fill_gaps, gaps(right, lambda part: ~np.isnan(part)), "wrong way round"),
    (page.fill_gaps, gaps(right, lambda part: np.isnan(part).any(axis=1, keepdims=True)), "shapes are (5, 4)"),
    (page.fill_gaps, lambda a, b: (right(a, a, b), right(b, a, b)), "indicators are missing"),
    (page.fill_gaps, lambda a, b: tuple(np.hstack([np.isnan(p), right(p, a, b)]) for p in (a, b)), "stand before"),
    (page.fill_gaps, gaps_in_place, "were changed"),
    (page.fill_gaps, lambda a, b: right(a, a, b), "Return two arrays"),
]  # fmt: skip
