"""How much memory training takes: EMNIST by its bytes, and a step of the ResNet beside PyTorch.

    python -m benchmarks.memory --torch PYTHON
    python -m benchmarks.memory --only characters --drawn   # as many images as EMNIST publishes, drawn at random

Each contestant is a process of its own, and what counts is its peak, all that the system gave it at once. For EMNIST
`full` it is given as multiples of the bytes of the images in the training set, from the end of the imports on:

- the library: `Emnist`, and an epoch of the mlp by `CharacterModel.fit`.
- the library, a part: the same with a fiftieth of the images, which tells what TensorFlow and the network take by
  themselves, however many images there are.
- float32: the images divided by 255 as an array, and the network's own `fit`, as one would write it first.
"""

import argparse
import json
import tempfile
from contextlib import nullcontext
from pathlib import Path

import numpy as np

from benchmarks import resnet_step
from benchmarks.contestants import add_options, interpreters, peak_memory, run

PUBLISHED = {"train": 697_932, "test": 116_323}  # images of EMNIST ByClass
PART = 0.02
BATCH = 128


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, "torch")
    parser.add_argument("--source", choices=["sample", "full"], default="full", help="of the characters")
    parser.add_argument("--drawn", action="store_true", help="as many characters as are published, drawn at random")
    parser.add_argument("--width", type=int, default=64, help="channels of the ResNet's first level (default: 64)")
    parser.add_argument("--batch", type=int, nargs="+", default=[32, 128], help="the ResNet's images in a step")
    parser.add_argument("--steps", type=int, default=3, help="of the ResNet (default: 3)")
    parser.add_argument("--only", choices=["characters", "resnet"], help="one of the two tables")
    parser.add_argument("--contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    if arguments.contestant:
        print(json.dumps(CONTESTANTS[arguments.contestant](arguments.source)))
        return
    pythons = interpreters(arguments, "torch")
    if arguments.only != "resnet":
        with drawn_home() if arguments.drawn else nullcontext() as home:
            show_characters(arguments, pythons["keras"], {"KERAS_HOME": home} if home else {})
    if arguments.only != "characters":
        show_resnet(arguments, pythons)


def show_characters(arguments, python, environment):
    print(f"\nAn epoch of the mlp, batches of {BATCH}, seed 0.")
    print(f"\n{'':26}{'images MB':>10}{'imported MB':>12}{'loaded MB':>11}{'trained MB':>12}{'x images':>10}")
    for name in CONTESTANTS:
        options = ["--contestant", name, "--source", arguments.source]
        told = run(python, "benchmarks.memory", *options, **environment)
        images, imported, loaded, trained = (told[key] for key in ("images", "imported", "loaded", "trained"))
        print(
            f"{name:26}{images / 1e6:>10,.1f}{imported / 1e6:>12,.0f}{(loaded - imported) / 1e6:>+11,.0f}"
            f"{(trained - imported) / 1e6:>+12,.0f}{(trained - imported) / images:>10.2f}   {told['data']}",
            flush=True,
        )


def show_resnet(arguments, pythons):
    for batch in arguments.batch:
        print(f"\nA step of the ResNet, width {arguments.width}, batch {batch}, {arguments.steps} steps.")
        print(f"\n{'':26}{'imported MB':>12}{'peak MB':>10}{'ratio':>8}")
        first = None
        for name in resnet_step.RIVALS:
            if "torch" in pythons or not name.startswith("PyTorch"):
                told = resnet_step.ask(arguments, pythons, name, batch)
                peak = told["memory"]
                first = first or peak
                print(f"{name:26}{told['imported'] / 1e6:>12,.0f}{peak / 1e6:>10,.0f}{peak / first:>8.2f}", flush=True)


class drawn_home(tempfile.TemporaryDirectory):
    """A Keras home that holds as many characters as EMNIST publishes, random bytes, while it is in use."""

    def __enter__(self):
        folder = Path(super().__enter__(), "datasets", "emnist")
        folder.mkdir(parents=True)
        generator = np.random.default_rng(0)
        for part, count in PUBLISHED.items():
            for kind, shape in (("images-idx3", (count, 28, 28)), ("labels-idx1", (count,))):
                header = bytes([0, 0, 8, len(shape)]) + np.array(shape, ">u4").tobytes()
                values = generator.integers(62 if len(shape) == 1 else 256, size=shape, dtype="uint8")
                (folder / f"emnist-byclass-{part}-{kind}-ubyte").write_bytes(header + values.tobytes())
        return self.name


# In processes of their own


def by_library(source, part=None):
    import keras

    from text_recognizer.datasets import Emnist
    from text_recognizer.models import CharacterModel

    imported = peak_memory()
    data = Emnist(subsample_fraction=part, source=source)
    images, loaded = data.x_train.nbytes, peak_memory()
    keras.utils.set_random_seed(0)
    model = CharacterModel(data, network_of(data))
    model.fit(epochs=1, batch_size=BATCH, validation_fraction=0.05, verbose=0)
    return told(data, images, imported, loaded)


def by_float32(source):
    import keras

    from text_recognizer.datasets import Emnist

    imported = peak_memory()
    data = Emnist(source=source)
    images, x = data.x_train.nbytes, data.x_train.astype("float32") / 255
    loaded = peak_memory()
    keras.utils.set_random_seed(0)
    network = network_of(data)
    network.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True), steps_per_execution=32)
    network.fit(x, data.y_train, epochs=1, batch_size=BATCH, validation_split=0.05, verbose=0)
    return told(data, images, imported, loaded)


def network_of(data):
    from text_recognizer.networks import mlp

    return mlp(data.input_shape, data.output_shape, layer_size=512)


def told(data, images, imported, loaded):
    return {
        "data": data.describe(),
        "images": images,
        "imported": imported,
        "loaded": loaded,
        "trained": peak_memory(),
    }


CONTESTANTS = {
    "the library": by_library,
    "the library, a part": lambda source: by_library(source, PART),
    "float32": by_float32,
}


if __name__ == "__main__":
    main()
