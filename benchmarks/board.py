"""Seconds to a stated validation accuracy: Keras on TensorFlow beside PyTorch, and beside Keras on JAX.

    python -m benchmarks.board --torch PYTHON --jax PYTHON     # on EMNIST, and the ResNet on its sample
    python -m benchmarks.board --source sample --networks mlp  # a try of a minute

Every contestant trains the same network from the same weights on the same images, in the same order and the same
batches, with the same optimizer, learning rate and kinds of augmentation: those of `text_recognizer.recipes`. What
dropout and augmentation draw at random is each one's own. The learning rate falls to zero within the epochs of the
board, fewer than the recipe's; `--whole` takes all of the recipe's. Where the network is trained with TensorFlow or
JAX, `Recognizer.fit` does it; PyTorch has a loop, its fused optimizers and channels last in memory.

The contestants run one after the other, each in a process of its own. Its clock starts with the training, which the
compiling of the network is part of, and stands still while the network is judged after each epoch.
"""

import argparse
import json
import math
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from benchmarks.contestants import add_options, interpreters, peak_memory, run

SIDES = {"keras": "Keras, TensorFlow", "torch": "PyTorch", "jax": "Keras, JAX"}
ROUNDS = {  # the epochs of each network, and the accuracy on the validation images to reach in them
    "mlp": (5, 0.82),
    "lenet": (3, 0.82),
    "vgg": (3, 0.85),
    "resnet": (12, 0.72),
}
PARTS = ("training", "validation", "test")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    add_options(parser, "torch", "jax")
    parser.add_argument("--networks", nargs="+", choices=ROUNDS, default=list(ROUNDS))
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES))
    parser.add_argument("--source", choices=["sample", "full"], default="full", help="of the characters")
    parser.add_argument("--subsample", type=float, help="take only this part of each class of characters")
    parser.add_argument("--epochs", type=int, help="others than the board's")
    parser.add_argument("--whole", action="store_true", help="all epochs of the recipe")
    parser.add_argument("--target", type=float, help="another accuracy than the board's")
    parser.add_argument("--seed", type=int, default=0, help="of the weights, the order, dropout and augmentation")
    parser.add_argument("--contestant", nargs=2, metavar=("SIDE", "FOLDER"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()

    if arguments.contestant:
        side, folder = arguments.contestant
        print(json.dumps((torch_contestant if side == "torch" else keras_contestant)(Contest(folder))))
        return
    found = interpreters(arguments, *(side for side in arguments.sides if side != "keras"))
    sides = {side: found[side] for side in arguments.sides if side in found}
    for name in arguments.networks:
        with tempfile.TemporaryDirectory() as folder:
            compare(name, Path(folder), sides, arguments)


def compare(name, folder, sides, arguments):
    epochs, target = ROUNDS[name]
    target = arguments.target or target
    contest = prepare(name, folder, arguments.epochs or (None if arguments.whole else epochs), arguments)
    counts = ", ".join(f"{len(contest.x(part)):,} for {part}" for part in PARTS)
    print(f"\n{name}. {contest.description}: {counts}. {contest.how} Seed {contest.seed}.")
    print(f"Seconds to a validation accuracy of {target}:\n")
    columns = ("seconds", "ratio", "epoch", "1st epoch", "others", "judging", "test", "peak MB", "validation by epoch")
    print("{:20}{:>9}{:>7}{:>7}{:>11}{:>9}{:>9}{:>8}{:>9}  {}".format("", *columns))
    first = None
    for side, python in sides.items():
        backend = "jax" if side == "jax" else "tensorflow"
        told = run(python, "benchmarks.board", "--contestant", side, folder, KERAS_BACKEND=backend)
        seconds, validation = told["seconds"], told["validation"]  # both after each epoch
        reached = next((i for i, accuracy in enumerate(validation) if accuracy >= target), None)
        needed = None if reached is None else seconds[reached]
        first = first or needed
        others = (seconds[-1] - seconds[0]) / max(len(seconds) - 1, 1)
        print(
            f"{SIDES[side]:20}{shown(needed, '.1f', 'never'):>9}{shown(needed and needed / first, '.2f'):>7}"
            f"{shown(reached is not None and reached + 1, 'd'):>7}{seconds[0]:>11.1f}{others:>9.1f}"
            f"{told['judging']:>9.1f}{told['test']:>8.4f}{told['memory'] / 1e6:>9,.0f}  "
            + " ".join(f"{accuracy:.3f}" for accuracy in validation),
            flush=True,
        )


def shown(number, form, otherwise="-"):
    return format(number, form) if number else otherwise


# What all contestants get: a folder


class Contest:
    """A folder: the images and labels of each part, the weights to start from, and what `prepare` has settled."""

    def __init__(self, folder):
        self.folder = Path(folder)
        vars(self).update(json.loads((self.folder / "settings.json").read_text()))

    def x(self, part):
        return np.load(self.folder / f"{part}-x.npy", mmap_mode="r")

    def arrays(self, part):
        return tuple(np.load(self.folder / f"{part}-{name}.npy") for name in "xy")

    def weights(self):
        with np.load(self.folder / "weights.npz") as file:
            return [file[name] for name in file.files]

    def rate(self, step):
        """Return the learning rate of a step, as Keras' schedules compute it."""
        if self.network == "resnet":
            return self.learning_rate * self.factor ** (step // self.falls_after)
        return self.learning_rate * (1 + math.cos(math.pi * min(step / self.steps, 1))) / 2


def prepare(name, folder, epochs, arguments):
    """Fill the folder of a contest, and return the contest."""
    import keras

    settings = {"network": name, "seed": arguments.seed}
    if name == "resnet":
        data, parts, more = prepare_images(epochs)
    else:
        data, parts, more = prepare_characters(name, epochs, arguments)
    settings |= more | {"classes": list(data.class_names), "description": data.describe()}
    settings["steps"] = settings["epochs"] * math.ceil(len(parts["training"][0]) / settings["batch_size"])
    if name == "resnet":
        settings["falls_after"] = settings.pop("rate_epochs") * settings["steps"] // settings["epochs"]
    for part, arrays in parts.items():
        for kind, array in zip("xy", arrays):
            np.save(folder / f"{part}-{kind}.npy", array)
    (folder / "settings.json").write_text(json.dumps(settings))

    contest = Contest(folder)
    keras.utils.set_random_seed(contest.seed)
    np.savez(folder / "weights.npz", *keras_model(contest).network.get_weights())
    return contest


def prepare_characters(name, epochs, arguments):
    from sklearn.model_selection import train_test_split

    from text_recognizer.augmentation import RandomAffine
    from text_recognizer.datasets import Emnist
    from text_recognizer.recipes.recognizers import RECIPES, VALIDATION_FRACTION

    recipe = RECIPES[name]
    data = Emnist(subsample_fraction=arguments.subsample, source=arguments.source)
    x, y = data.x_train, data.y_train
    fraction = max(VALIDATION_FRACTION, (len(data.class_names) + 1) / len(x))
    rows = train_test_split(np.arange(len(x)), test_size=fraction, random_state=arguments.seed, stratify=y)
    parts = {"training": (x[rows[0]], y[rows[0]]), "validation": (x[rows[1]], y[rows[1]])}
    epochs = epochs or recipe.epochs
    how = f"Batches of {recipe.batch_size}, Adam, {recipe.learning_rate} falling along a cosine in {epochs} epochs"
    settings = {
        "epochs": epochs,
        "batch_size": recipe.batch_size,
        "learning_rate": recipe.learning_rate,
        "network_args": recipe.network_args,
        "augmentation": RandomAffine(seed=arguments.seed).get_config() if recipe.augment else None,
        "how": f"{how}, {'turned, slanted, shifted and scaled' if recipe.augment else 'not augmented'}.",
    }
    return data, parts | {"test": (data.x_test, data.y_test)}, settings


def prepare_images(epochs):
    from text_recognizer.datasets import TinyImagenet
    from text_recognizer.recipes.resnet_configuration import SAMPLE

    data = TinyImagenet(classes=SAMPLE.classes, source="sample")
    parts = dict(zip(PARTS, (*data.train().split(SAMPLE.validation_fraction), data.validation())))
    epochs = epochs or SAMPLE.epochs
    how = f"Batches of {SAMPLE.batch_size}, SGD with momentum and weight decay, {SAMPLE.initial_rate} times"
    settings = {
        "epochs": epochs,
        "batch_size": SAMPLE.batch_size,
        "learning_rate": SAMPLE.initial_rate,
        "factor": SAMPLE.rate_factor,
        "rate_epochs": SAMPLE.rate_epochs,
        "momentum": SAMPLE.momentum,
        "decay": SAMPLE.weight_decay / (1 - SAMPLE.momentum),
        "network_args": {"filters": SAMPLE.filters, "levels": SAMPLE.levels},
        "how": f"{how} {SAMPLE.rate_factor} after {SAMPLE.rate_epochs} of {epochs} epochs, mirrored at random.",
    }
    return data, {part: (images.decode(), images.labels) for part, images in parts.items()}, settings


class Watch:
    """Seconds of training and of judging, apart."""

    def __init__(self):
        self.started, self.judging = time.perf_counter(), 0

    @property
    def training(self):
        return time.perf_counter() - self.started - self.judging

    @contextmanager
    def judged(self):
        started = time.perf_counter()
        yield
        self.judging += time.perf_counter() - started


def result(watch, seconds, validation, test):
    return {
        "seconds": seconds,
        "validation": validation,
        "judging": watch.judging,
        "test": test,
        "memory": peak_memory(),
    }


# Keras


def keras_model(contest):
    """Return the model of a contest, compiled."""
    import keras

    from text_recognizer import networks
    from text_recognizer.augmentation import RandomAffine
    from text_recognizer.models import CharacterModel, ImageModel
    from text_recognizer.recipes import resnet
    from text_recognizer.recipes.resnet_configuration import SAMPLE

    classes, shape = tuple(contest.classes), contest.x("training").shape[1:]
    data = SimpleNamespace(class_names=classes, input_shape=shape, output_shape=(len(classes),), source="sample")
    if contest.network == "resnet":
        model = ImageModel(data, resnet.build_network(SAMPLE, contest.steps // contest.epochs))
        model.augmentation = keras.layers.RandomFlip("horizontal", seed=contest.seed, data_format="channels_last")
        return model
    network = getattr(networks, contest.network)(shape, data.output_shape, **contest.network_args)
    model = CharacterModel(data, network)
    rate = keras.optimizers.schedules.CosineDecay(contest.learning_rate, contest.steps)
    model.compile(optimizer=keras.optimizers.Adam(rate))
    if contest.augmentation:
        model.augmentation = RandomAffine.from_config(contest.augmentation)
    return model


def keras_contestant(contest):
    import keras

    keras.utils.set_random_seed(contest.seed)
    model = keras_model(contest)
    model.network.set_weights(contest.weights())
    judged, seconds, accuracies = contest.arrays("validation"), [], []

    def judge(*_):
        seconds.append(watch.training)
        with watch.judged():
            accuracies.append(model.evaluate(*judged))

    training = contest.arrays("training")
    watch = Watch()
    model.fit(
        training,
        validation_fraction=0,
        batch_size=contest.batch_size,
        epochs=contest.epochs,
        callbacks=[keras.callbacks.LambdaCallback(on_epoch_end=judge)],
        verbose=0,
        seed=contest.seed,
    )
    return result(watch, seconds, accuracies, model.evaluate(*contest.arrays("test")))


# PyTorch


def torch_contestant(contest):
    import torch

    torch.manual_seed(contest.seed)
    network = torch_network(contest)
    optimizer, decaying = torch_optimizer(contest, network)
    x, y = torch_arrays(contest, "training")
    judged, seconds, accuracies = torch_arrays(contest, "validation"), [], []

    step, watch = 0, Watch()
    for epoch in range(contest.epochs):
        network.train()
        order = torch.from_numpy(np.random.default_rng([contest.seed, epoch]).permutation(len(x)))
        for rows in order.split(contest.batch_size):
            rate = optimizer.param_groups[0]["lr"] = contest.rate(step)
            loss = torch.nn.functional.cross_entropy(network(torch_images(contest, x[rows], training=True)), y[rows])
            optimizer.zero_grad()
            loss.backward()
            if decaying:
                with torch.no_grad():
                    torch._foreach_mul_(decaying, 1 - rate * contest.decay)
            optimizer.step()
            step += 1
        seconds.append(watch.training)
        with watch.judged():
            accuracies.append(torch_accuracy(contest, network, *judged))
    return result(watch, seconds, accuracies, torch_accuracy(contest, network, *torch_arrays(contest, "test")))


def torch_arrays(contest, part):
    import torch

    x, y = map(torch.from_numpy, contest.arrays(part))
    return x, y.long()


def torch_accuracy(contest, network, x, y):
    import torch

    network.eval()
    with torch.inference_mode():
        right = [(network(torch_images(contest, x)).argmax(-1) == y).sum() for x, y in zip(x.split(256), y.split(256))]
    return float(sum(right) / len(y))


def torch_network(contest):
    """Return the network that the tests compare ours with, with dropout, and with the weights of the contest."""
    import torch
    from torch import nn

    from tests.pytorch import networks

    shape, classes = contest.x("training").shape[1:], len(contest.classes)
    shape = (*shape, 1) if len(shape) == 2 else shape
    if contest.network == "mlp":
        network = networks.mlp(shape, classes, **{"num_layers": 3} | contest.network_args)
        shares = {i: 0.2 for i, layer in enumerate(network) if isinstance(layer, nn.ReLU)}
    elif contest.network == "lenet":
        network = networks.lenet(shape, classes)
        pool = next(i for i, layer in enumerate(network) if isinstance(layer, nn.MaxPool2d))
        shares = {pool: 0.2, len(network) - 2: 0.2}
    elif contest.network == "vgg":
        network = networks.vgg(shape, classes, ((32,), (64,), (128, 128)), 256)
        pools = [i for i, layer in enumerate(network) if isinstance(layer, nn.MaxPool2d)]
        shares = {i + 2: 0.2 for i in pools} | {len(network) - 2: 0.4}  # behind the normalization and ReLU of each pool
    else:
        network, shares = networks.resnet(shape, classes, **contest.network_args), {}
    chain = [[layer, nn.Dropout(shares[i])] if i in shares else [layer] for i, layer in enumerate(network)]
    network = nn.Sequential(*sum(chain, []))
    networks.set_weights(network, contest.weights())
    return network.to(memory_format=torch.channels_last)


def torch_optimizer(contest, network):
    """Return the optimizer, and the weights that decay beside it."""
    import torch

    if contest.network != "resnet":
        return torch.optim.Adam(network.parameters(), eps=1e-7, fused=True), []  # Keras' epsilon
    optimizer = torch.optim.SGD(network.parameters(), lr=0, momentum=contest.momentum, fused=True)
    return optimizer, [weight for weight in network.parameters() if weight.ndim > 1]


def torch_images(contest, x, training=False):
    """Return a batch as the network takes it, float32, channels last."""
    import torch

    x = x.float()
    if contest.network == "resnet":
        if training:
            x = torch.where(torch.rand(len(x), 1, 1, 1) < 0.5, x.flip(2), x)
        deviation, mean = torch.std_mean(x, (1, 2, 3), correction=0, keepdim=True)
        return (x - mean) / deviation.clamp(min=x[0].numel() ** -0.5)
    if training and contest.augmentation:
        x = torch_affine(x, torch_maps(contest.augmentation, *x.shape))
    return x[..., None] / 255


def torch_maps(limits, count, height, width):
    """Return an affine map for each image, (count, 2, 3), drawn as `text_recognizer.augmentation.RandomAffine` does."""
    import torch

    limits = [math.radians(limits["rotation"]), *(limits[name] for name in ("shear", "shift", "shift", "zoom", "zoom"))]
    angle, slant, right, down, wide, high = (2 * torch.rand(6, count) - 1) * torch.tensor(limits)[:, None]
    wide, high, cos, sin = 1 / (1 + wide), 1 / (1 + high), angle.cos(), angle.sin()
    x_x, x_y, y_x, y_y = wide * cos, slant * cos - high * sin, wide * sin, slant * sin + high * cos
    center_x, center_y = (width - 1) / 2, (height - 1) / 2
    x_0 = center_x * (1 - x_x) - center_y * x_y + right * width
    y_0 = center_y * (1 - y_y) - center_x * y_x + down * height
    return torch.stack([x_x, x_y, x_0, y_x, y_y, y_0], dim=1).reshape(count, 2, 3)


def torch_affine(images, maps):
    """Return images (count, height, width), each pixel taken from where its map says, in pixels."""
    import torch

    height, width = images.shape[1:]
    y, x = torch.meshgrid(torch.arange(height), torch.arange(width), indexing="ij")
    places = torch.stack([x, y, torch.ones_like(x)], dim=-1).float() @ maps[:, None].mT  # (count, height, width, 2)
    places = places / torch.tensor([width - 1, height - 1]) * 2 - 1
    return torch.nn.functional.grid_sample(images[:, None], places, align_corners=True)[:, 0]


if __name__ == "__main__":
    main()
