"""How each recognizer of characters and lines is built and trained."""

import math
from dataclasses import dataclass, field
from pathlib import Path

from text_recognizer.arguments import real_number, whole_number

VALIDATION_FRACTION = 0.05  # of the training set, held out: it only shows the progress, nothing is chosen by it
TRAINING_LINES = 10_000  # to train on, where lines are drawn


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained.

    Attributes:
        epochs: passes over the training set.
        learning_rate: of Adam, at its highest; it falls to zero along half a cosine.
        batch_size: examples a step.
        augment: whether to change the training images at random.
        network_args: more arguments of the network's function.
        line: whether it reads lines, and not characters.
        warm_up: the share of all steps in which the learning rate rises from zero to its highest.
        weight_decay: of the kernels, decoupled from the gradient; None for none.
        clip: the longest that the gradient may be, all of it as one vector; None for any length.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 128
    augment: bool = False
    network_args: dict = field(default_factory=dict)
    line: bool = False
    warm_up: float = 0
    weight_decay: float | None = None
    clip: float | None = None


_CAREFUL = {"batch_size": 16, "line": True, "warm_up": 0.1, "weight_decay": 1e-2, "clip": 5.0}

RECIPES = {
    "mlp": Recipe(epochs=15, learning_rate=1e-3, network_args={"layer_size": 512}),
    "lenet": Recipe(epochs=8, learning_rate=1e-3),
    "vgg": Recipe(epochs=12, learning_rate=2e-3, augment=True),
    "line_cnn": Recipe(epochs=10, learning_rate=3e-3, batch_size=16, line=True),
    "line_convnext": Recipe(epochs=6, learning_rate=2e-3, **_CAREFUL),
}
"""A recipe for each function of `text_recognizer.networks`."""

OWN_LINES = {
    "line_cnn": Recipe(epochs=30, learning_rate=3e-3, augment=True, **_CAREFUL),
    "line_convnext": Recipe(epochs=50, learning_rate=2e-3, augment=True, **_CAREFUL),
}
"""A recipe for each network that learns lines of one's own, as in `text_recognizer.datasets.text_lines.TextLines`."""


def drawn_data(network, source=None, subsample=None):
    """Return what a network learns from: `Emnist` or `EmnistLines`.

    Args:
        network: a name in `RECIPES`.
        source: "sample" or "full"; see `text_recognizer.datasets.Dataset`.
        subsample: take only this part of each class of characters, or of the lines, above 0 and at most 1.

    Raises:
        ValueError: nothing would be left, or it is no such part.
    """
    from text_recognizer.datasets import Emnist, EmnistLines

    if subsample is not None and not 0 < subsample <= 1:  # nan is not, either
        raise ValueError(f"subsample is {subsample}; such a part is above 0 and at most 1")
    if RECIPES[network].line:
        return EmnistLines(num_train=int(TRAINING_LINES * (1 if subsample is None else subsample)), source=source)
    return Emnist(subsample_fraction=subsample, source=source)


def build(network, data, weights_dir=None):
    """Return a recognizer, not trained.

    Args:
        network: a name in `RECIPES`.
        data: from `drawn_data`, or `TextLines`.
        weights_dir: as for `text_recognizer.models.Recognizer`.

    Returns:
        A `CharacterModel` or a `LineModel`.
    """
    from text_recognizer.models import CharacterModel, LineModel

    model = LineModel if RECIPES[network].line else CharacterModel
    return model(data, _build_network(network, data.input_shape, data.output_shape), weights_dir)


def own_lines_weights(network, weights_dir=None):
    """Return the path of the weights of a network that has learned lines of one's own."""
    return Path(weights_dir or Path("weights", "lines"), f"LineModel_TextLines_{network}.weights.h5")


def load_own_lines(network, weights_dir=None, folder=None, on_error="refuse"):
    """Return the recognizer that `train` left of lines of one's own: alphabet and height are in the file of weights.

    Args:
        network: a name in `OWN_LINES`.
        weights_dir: as for `text_recognizer.models.Recognizer`.
        folder: None, or lines to judge it by: all of them are its training set.
        on_error: as for `TextLines`.

    Returns:
        A `LineModel`.

    Raises:
        FileNotFoundError: there are no such weights, or no such folder.
        ValueError: the weights are another network's, or damaged.
    """
    from text_recognizer.datasets.text_lines import TextLines

    shape, class_names = _read_description(own_lines_weights(network, weights_dir), network)
    alphabet = class_names[1:-1]
    data = TextLines(folder, validation_fraction=0, height=shape[0], alphabet=alphabet, on_error=on_error)
    model = build(network, data, weights_dir)
    model.load_weights()
    return model


def start_from(model, path):
    """Give a model the weights of a file, also of a network that has learned other classes.

    All layers but the last are taken as they are. Of the last, what belongs to a class that both have
    is taken, and the rest stays as it was drawn.

    Args:
        model: from `build`.
        path: the file, which `save_weights` wrote for a network of the same kind and height.

    Returns:
        How many classes of the model the file has, the blank of lines included.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the weights are another network's, or damaged.
    """
    from text_recognizer.training import weights

    network = model.network
    shape, theirs = _read_description(path, network.name)
    if shape[0] != network.input_shape[1]:
        raise ValueError(
            f"{path} is for images {shape[0]} pixels high, and these are {network.input_shape[1]}: with lines of your "
            f"own give height={shape[0]} (--height {shape[0]})"
        )
    old = _build_network(network.name, shape, (len(theirs),))
    weights.load(path, old, name=model.name, class_names=theirs)
    for layer, trained in zip(network.layers[:-1], old.layers[:-1]):
        layer.set_weights(trained.get_weights())
    known = [(theirs.index(name), label) for label, name in enumerate(model.data.class_names) if name in theirs]
    parameters = network.layers[-1].get_weights()
    for parameter, trained in zip(parameters, old.layers[-1].get_weights()):
        for there, here in known:
            parameter[..., here] = trained[..., there]
    network.layers[-1].set_weights(parameters)
    return len(known)


def train(model, recipe, *, epochs=None, batch_size=None, validation_fraction=None, seed=0, start=None, verbose="auto"):
    """Train a recognizer as its recipe says, and write its weights.

    The learning rate falls along half a cosine: I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient
    Descent with Warm Restarts", arXiv:1608.03983, without restarts. Before, it may rise (P. Goyal et
    al., arXiv:1706.02677). Weight decay is decoupled (I. Loshchilov, F. Hutter, arXiv:1711.05101).

    The state is kept after each epoch in a folder beside the weights, so that the same call goes on
    where it was stopped. When the weights are written, the folder goes.

    Args:
        model: from `build`.
        recipe: from `RECIPES`, or from `OWN_LINES`.
        epochs, batch_size: others than the recipe's.
        validation_fraction: as for `Recognizer.fit`. Default: `VALIDATION_FRACTION`, or so much that each
            class of characters has an image in it. `TextLines` has held out a part itself.
        seed: of the part that is held out, the order and the augmentation. The weights are drawn
            when the model is built.
        start: the file that the weights are from, if they are not as they were drawn, for the settings of the run.
        verbose: as in `keras.Model.fit`.

    Returns:
        The `keras.callbacks.History` of all epochs.

    Raises:
        TypeError, ValueError: a number is not what it must be, or as for `Recognizer.fit`.
    """
    import keras

    from text_recognizer.augmentation import RandomAffine
    from text_recognizer.pipelines.lines import distort_line
    from text_recognizer.training.checkpoints import Checkpoints

    data, own_lines = model.data, model.image_shape[1] is None
    epochs = whole_number("epochs", recipe.epochs if epochs is None else epochs)
    batch_size = whole_number("batch_size", recipe.batch_size if batch_size is None else batch_size)
    count = len(data.x_train)
    validation = (data.x_test, data.y_test) if own_lines and len(data.x_test) else None
    if own_lines:
        validation_fraction = 0
    elif validation_fraction is None:
        least = 0 if recipe.line else (len(data.class_names) + 1) / count
        validation_fraction = min(max(VALIDATION_FRACTION, least), 0.5)
    validation_fraction = real_number("validation_fraction", validation_fraction, least=0, below=1)
    if recipe.augment:
        model.augmentation = distort_line if own_lines else RandomAffine(seed=seed)

    steps = epochs * math.ceil((count - math.ceil(count * validation_fraction)) / batch_size)
    rising = int(recipe.warm_up * steps)
    peak = recipe.learning_rate
    rate = keras.optimizers.schedules.CosineDecay(
        0.0 if rising else peak, steps - rising, warmup_target=peak if rising else None, warmup_steps=rising
    )
    optimizer = keras.optimizers.Adam(rate, weight_decay=recipe.weight_decay, global_clipnorm=recipe.clip)
    optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
    # A step on wide lines takes so long that several at once save nothing, and the progress would stand still.
    model.compile(optimizer=optimizer, **({"steps_per_execution": 1} if own_lines else {}))
    settings = {
        "data": _contents(data) if own_lines else data.describe(),
        "epochs": epochs,
        "batch_size": batch_size,
        "validation_fraction": validation_fraction,
        "seed": seed,
        "start": start and str(Path(start).resolve()),
    }
    folder = Path(model.weights_dir, f"{model.name}.unfinished")
    names = {"name": model.name, "class_names": data.class_names}
    checkpoints = Checkpoints(folder, keep=1, settings=settings, layers=model.random_layers, **names)
    history = model.fit(
        validation=validation,
        batch_size=batch_size,
        epochs=epochs,
        validation_fraction=validation_fraction,
        checkpoints=checkpoints,
        verbose=verbose,
        seed=seed,
    )
    model.save_weights()
    checkpoints.remove()
    return history


def _contents(data):
    """Say what lines these are, wherever they lie."""
    from text_recognizer.training.checkpoints import checksum

    parts = {"x": data.x_train, "y": data.y_train}, {"x": data.x_test, "y": data.y_test}
    return f"{len(data.x_train):,} + {len(data.x_test):,} lines, {checksum(*parts)}"


def _build_network(network, input_shape, output_shape):
    from text_recognizer import networks

    return getattr(networks, network)(input_shape, output_shape, **RECIPES[network].network_args)


def _read_description(path, network):
    """Return the shape of the images and the names of the classes that a file of weights is for."""
    from text_recognizer.training import weights

    described = weights.description(path)
    if not described["name"].endswith(f"_{network}"):
        raise ValueError(f"{path} holds the weights of {described['name']}, and not of a network {network}")
    return tuple(described["config"]["layers"][0]["config"]["batch_shape"][1:]), described["class_names"]
