"""How much reading lines costs beside the network's own work, measured in turns in one run.

    python -m benchmarks.reading_lines

The network, not trained, looks at the lines in the batches that `LineModel.predict` makes. `read` does
that too, scales the pixels before, and decodes what the network says into texts behind.
"""

import argparse
import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from text_recognizer.datasets import EmnistLines
from text_recognizer.models import LineModel
from text_recognizer.networks import line_cnn
from text_recognizer.training.profile import measure

BATCH_SIZE = 256


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lines", type=int, default=1_000, help="to read (default: 1000)")
    parser.add_argument("--rounds", type=int, default=7, help="of which the median counts (default: 7)")
    arguments = parser.parse_args()
    data = EmnistLines(num_train=1, num_test=arguments.lines)
    keras.utils.set_random_seed(0)
    model = LineModel(data, line_cnn(data.input_shape, data.output_shape))
    scaled = keras.ops.convert_to_tensor(np.float32(data.x_test) / 255)
    batches = [scaled[start : start + BATCH_SIZE] for start in range(0, arguments.lines, BATCH_SIZE)]
    seconds = measure(
        {
            "the network alone": lambda: [
                keras.ops.convert_to_numpy(model.network(batch, training=False)) for batch in batches
            ],
            "predict": lambda: model.predict(data.x_test, BATCH_SIZE),
            "read": lambda: model.read(data.x_test, batch_size=BATCH_SIZE),
            "read by beam search": lambda: model.read(data.x_test, "beam_search", BATCH_SIZE),
        },
        arguments.rounds,
    )
    height, width = data.input_shape
    steps = model.network.output_shape[1]
    print(f"{arguments.lines:,} lines of {height}x{width} pixels, {steps} steps each, batches of {BATCH_SIZE}")
    backend, rounds = keras.backend.backend(), arguments.rounds
    print(f"Keras {keras.__version__}, {backend}, {os.cpu_count()} cores, {rounds} rounds in turns\n")
    print(f"{'':<22}{'seconds':>10}{'ratio':>8}")
    for name, second in seconds.items():
        print(f"{name:<22}{second:>10.3f}{second / seconds['the network alone']:>8.2f}")


if __name__ == "__main__":
    main()
