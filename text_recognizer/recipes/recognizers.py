"""How each recognizer of characters and lines is built and trained."""

from dataclasses import dataclass, field
from pathlib import Path

VALIDATION_FRACTION = 0.05  # of the training set, held out: it only shows the progress, nothing is chosen by it
TRAINING_LINES = 10_000  # to train on


@dataclass(frozen=True)
class Recipe:
    """How a network is built and trained.

    Attributes:
        epochs: passes over the training set.
        batch_size: examples a step.
        learning_rate: of Adam, at the start; it falls to zero along half a cosine.
        augment: whether to turn, slant, shift and scale the training images.
        network_args: more arguments of the network's function.
        line: whether it reads lines, and not characters.
    """

    epochs: int
    learning_rate: float
    batch_size: int = 128
    augment: bool = False
    network_args: dict = field(default_factory=dict)
    line: bool = False


RECIPES = {
    "mlp": Recipe(epochs=15, learning_rate=1e-3, network_args={"layer_size": 512}),
    "lenet": Recipe(epochs=8, learning_rate=1e-3),
    "vgg": Recipe(epochs=12, learning_rate=2e-3, augment=True),
    "line_cnn": Recipe(epochs=10, learning_rate=3e-3, batch_size=16, line=True),
}
"""A recipe for each function of `text_recognizer.networks`."""


def build(network, source=None, subsample=None, weights_dir=None):
    """Return a recognizer, not trained.

    Args:
        network: a name in `RECIPES`.
        source: "sample" or "full"; see `text_recognizer.datasets.Dataset`.
        subsample: take only this part of each class of characters, or of the lines.
        weights_dir: as for `text_recognizer.models.Recognizer`.

    Returns:
        A `CharacterModel` or a `LineModel`.
    """
    from text_recognizer import networks
    from text_recognizer.datasets import Emnist, EmnistLines
    from text_recognizer.models import CharacterModel, LineModel

    recipe = RECIPES[network]
    if recipe.line:
        data = EmnistLines(num_train=max(1, int(TRAINING_LINES * (subsample or 1))), source=source)
    else:
        data = Emnist(subsample_fraction=subsample, source=source)
    built = getattr(networks, network)(data.input_shape, data.output_shape, **recipe.network_args)
    return (LineModel if recipe.line else CharacterModel)(data, built, weights_dir)


def train(model, recipe, *, epochs=None, batch_size=None, validation_fraction=None, seed=0, verbose="auto"):
    """Train a recognizer as its recipe says, and write its weights.

    The learning rate falls along half a cosine: I. Loshchilov, F. Hutter, "SGDR: Stochastic Gradient
    Descent with Warm Restarts", arXiv:1608.03983, without restarts.

    The state is kept after each epoch in a folder beside the weights, so that the same call goes on
    where it was stopped. When the weights are written, the folder goes.

    Args:
        model: from `build`.
        recipe: from `RECIPES`.
        epochs, batch_size: others than the recipe's.
        validation_fraction: as for `Recognizer.fit`. Default: `VALIDATION_FRACTION`, or so much that each
            class of characters has an image in it.
        seed: of the part that is held out, the order and the augmentation. The weights are drawn
            when the model is built.
        verbose: as in `keras.Model.fit`.

    Returns:
        The `keras.callbacks.History` of all epochs.
    """
    import keras

    from text_recognizer.augmentation import RandomAffine
    from text_recognizer.models.recognizer import steps_per_epoch
    from text_recognizer.training.checkpoints import Checkpoints

    epochs, batch_size = epochs or recipe.epochs, batch_size or recipe.batch_size
    if validation_fraction is None:
        least = 0 if recipe.line else (len(model.data.class_names) + 1) / len(model.data.x_train)
        validation_fraction = min(max(VALIDATION_FRACTION, least), 0.5)
    if recipe.augment:
        model.augmentation = RandomAffine(seed=seed)
    steps = epochs * steps_per_epoch(len(model.data.x_train), batch_size, validation_fraction)
    model.compile(optimizer=keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(recipe.learning_rate, steps)))
    settings = {
        "data": model.data.describe(),
        "epochs": epochs,
        "batch_size": batch_size,
        "validation_fraction": validation_fraction,
        "seed": seed,
    }
    checkpoints = Checkpoints(checkpoint_folder(model), keep=1, settings=settings, layers=[model.augmentation])
    history = model.fit(
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


def checkpoint_folder(model):
    """Return the folder of the checkpoints of a training that has not come to its end."""
    return Path(model.weights_dir, f"{model.name}.unfinished")
