"""How much reading lines costs beside the network's own work, measured in turns in one run.

    python -m benchmarks.reading_lines

The network, not trained, looks at the lines in the batches that `LineModel.predict` makes. `read` does
that too, scales the pixels before, and decodes what the network says into texts behind.
"""

import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np

from text_recognizer.datasets import EmnistLines
from text_recognizer.models import LineModel
from text_recognizer.networks import line_cnn

LINES = 1_000
BATCH_SIZE = 256
ROUNDS = 7


def main():
    data = EmnistLines(num_train=1, num_test=LINES)
    keras.utils.set_random_seed(0)
    model = LineModel(data, line_cnn(data.input_shape, data.output_shape))
    scaled = keras.ops.convert_to_tensor(np.float32(data.x_test) / 255)
    height, width = data.input_shape
    steps = model.network.output_shape[1]
    print(f"{LINES:,} lines of {height}x{width} pixels, {steps} steps each, batches of {BATCH_SIZE}")
    print(f"Keras {keras.__version__}, {keras.backend.backend()}, {os.cpu_count()} cores; best of {ROUNDS}, in turns\n")

    def forward():
        for start in range(0, LINES, BATCH_SIZE):
            keras.ops.convert_to_numpy(model.network(scaled[start : start + BATCH_SIZE], training=False))

    ways = {
        "the network alone": forward,
        "predict": lambda: model.predict(data.x_test, BATCH_SIZE),
        "read": lambda: model.read(data.x_test, batch_size=BATCH_SIZE),
        "read by beam search": lambda: model.read(data.x_test, "beam_search", BATCH_SIZE),
    }
    print(f"{'':<22}{'seconds':>10}{'ratio':>8}{'of processors':>16}{'ratio':>8}")
    measured = best(ways.values())
    for name, seconds in zip(ways, measured):
        (wall, wall_alone), (processor, processor_alone) = zip(seconds, measured[0])
        ratios = wall / wall_alone, processor / processor_alone
        print(f"{name:<22}{wall:>10.3f}{ratios[0]:>8.2f}{processor:>16.3f}{ratios[1]:>8.2f}")


def best(ways):
    """Return the least (seconds, seconds of processors) that each way takes, after one round to warm up."""
    ways = list(ways)
    measured = [[] for _ in ways]
    for _ in range(ROUNDS + 1):
        for way, seconds in zip(ways, measured):
            start = time.perf_counter(), time.process_time()
            way()
            seconds.append((time.perf_counter() - start[0], time.process_time() - start[1]))
    return [tuple(map(min, zip(*seconds[1:]))) for seconds in measured]


if __name__ == "__main__":
    main()
