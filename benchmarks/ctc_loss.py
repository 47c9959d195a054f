"""How long the CTC loss of a batch of lines and its gradient take, by one operation and by Keras' loop, in one run.

    python -m benchmarks.ctc_loss

`text_recognizer.ctc.loss` is `tf.nn.ctc_loss` of sparse labels; `keras.losses.ctc` gives that the labels as they are,
and then it computes in another way. Both are compiled by `tf.function`, the last one by XLA too.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf

from text_recognizer import ctc
from text_recognizer.training.profile import measure


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=16, help="in the batch (default: 16)")
    parser.add_argument("--steps", type=int, default=144, help="along a line (default: 144)")
    parser.add_argument("--classes", type=int, default=102, help="with the blank (default: 102)")
    parser.add_argument("--characters", type=int, default=75, help="in the longest text (default: 75)")
    parser.add_argument("--rounds", type=int, default=9, help="of which the median counts (default: 9)")
    options = parser.parse_args()
    rng = np.random.default_rng(0)
    logits = tf.constant(rng.normal(size=(options.lines, options.steps, options.classes)), "float32")
    labels = rng.integers(1, options.classes, (options.lines, options.characters))
    lengths = rng.integers(1, options.characters, options.lines, endpoint=True)
    labels = tf.constant(np.where(np.arange(options.characters) < lengths[:, None], labels, ctc.BLANK))

    def with_gradient(loss, **compiled):
        @tf.function(**compiled)
        def run():
            with tf.GradientTape() as tape:
                tape.watch(logits)
                losses = loss(labels, logits)
            return losses, tape.gradient(losses, logits)

        return lambda: [tensor.numpy() for tensor in run()]

    sides = {
        "ctc.loss": with_gradient(ctc.loss),
        "keras.losses.ctc": with_gradient(keras.losses.ctc),
        "keras.losses.ctc, XLA": with_gradient(keras.losses.ctc, jit_compile=True),
    }
    one, other = sides["ctc.loss"](), sides["keras.losses.ctc"]()
    apart = [np.abs(a - b).max() / np.abs(b).max() for a, b in zip(one, other)]
    seconds = measure(sides, options.rounds)
    print(f"{options.lines} lines, {options.steps} steps, {options.classes} classes; {os.cpu_count()} cores")
    print("losses and gradients differ by {:.0e} and {:.0e} of the largest\n".format(*apart))
    print(f"{'':<22}{'ms':>8}{'ratio':>8}")
    for name, second in seconds.items():
        print(f"{name:<22}{1e3 * second:>8.1f}{second / seconds['ctc.loss']:>8.1f}")


if __name__ == "__main__":
    main()
