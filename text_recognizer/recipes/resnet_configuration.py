"""What a training run of the ResNet on Tiny ImageNet is made with: every constant, its meaning, its source."""

import dataclasses
import re
from dataclasses import dataclass

from text_recognizer.arguments import real_number, whole_number


def _constant(default, unit, meaning):
    return dataclasses.field(default=default, metadata={"unit": unit, "meaning": meaning})


@dataclass(frozen=True)
class Configuration:
    """The constants of a training run. The defaults train the full-width network on all of Tiny ImageNet.

    Change some with `dataclasses.replace(configuration, epochs=10)`; `print(configuration)` shows
    all, with unit and meaning.

    `weight_decay` is that of K. He, X. Zhang, S. Ren, J. Sun, "Deep Residual Learning for Image
    Recognition", CVPR 2016 (arXiv:1512.03385), section 3.4.

    Raises:
        TypeError: a constant that is a number is given as something else; the message names it.
        ValueError: a constant makes no sense; the message names it.
    """

    classes: int = _constant(200, "classes", "the network tells apart")
    filters: int = _constant(64, "channels", "of the network's first level; 32 is half width")
    levels: tuple[int, ...] = _constant((4, 6, 3, 2), "blocks", "in each level of the network")
    batch_size: int = _constant(128, "images", "in a step")
    shuffle: int = _constant(5000, "images", "in the shuffle buffer")
    epochs: int = _constant(72, "epochs", "in all")
    momentum: float = _constant(0.9, "", "share of the last step in the next one")
    weight_decay: float = _constant(1e-4, "", "c of the penalty c/2 * sum of squared weights")
    initial_rate: float = _constant(0.01, "", "learning rate at the start")
    rate_factor: float = _constant(0.1, "", "multiplies the rate ...")
    rate_epochs: int = _constant(64, "epochs", "... each time these have passed")
    staircase: bool = _constant(True, "", "all at once; False: bit by bit, in every step")
    validation_fraction: float = _constant(0.2, "", "of the training images, set aside to validate with")
    checkpoints_kept: int = _constant(5, "files", "kept, the newest")
    checkpoint_format: str = _constant("resnet_{epoch:02d}.weights.h5", "", "file name; the first epoch is 1")
    shards: int = _constant(30, "files", "for the training images")
    shard_format: str = _constant("shard_{shard:02d}.tfrecord", "", "file name; the first shard is 0")
    seed: int = _constant(0, "", "of the weights, the order and the flips")

    def __post_init__(self):
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            if field.type is int:
                whole_number(field.name, value, least=0 if field.name == "seed" else 1, most=2**31 - 1)
            elif field.type is float:
                real_number(field.name, value, least=0)
        for name in ("momentum", "weight_decay", "validation_fraction"):
            self._require(getattr(self, name) < 1, name, "less than 1")
        for name in ("initial_rate", "rate_factor", "validation_fraction"):
            self._require(getattr(self, name) > 0, name, "more than 0")
        self._require(self.rate_factor <= 1, "rate_factor", "at most 1")
        self._require(self.filters % 4 == 0, "filters", "a multiple of four: a bottleneck has a quarter of it inside")
        self._require(isinstance(self.levels, tuple) and self.levels, "levels", "a tuple of integers")
        for blocks in self.levels:
            whole_number("an entry of levels", blocks)
        ending = str(self.checkpoint_format).endswith(".weights.h5")
        self._require(ending, "checkpoint_format", "a name that ends in .weights.h5, as Keras demands")
        for name, number in (("checkpoint_format", "epoch"), ("shard_format", "shard")):
            tells_apart = re.fullmatch(rf"[^/\\:{{}}]*{{{number}(:\d*d)?}}[^/\\:{{}}]*", getattr(self, name))
            self._require(tells_apart, name, f"a file name with {{{number}:02d}} in it")

    def __str__(self):
        """The table of the constants: name, value, unit, meaning."""
        rows = [
            (field.name, str(getattr(self, field.name)), field.metadata["unit"], field.metadata["meaning"])
            for field in dataclasses.fields(self)
        ]
        widths = [max(map(len, column)) for column in zip(*rows)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)

    def _require(self, condition, name, what):
        if not condition:
            raise ValueError(f"{name} is {getattr(self, name)!r}; give {what}")


DTYPE_POLICIES = ("float32", "mixed_bfloat16", "mixed_float16")

TINY_IMAGENET = Configuration()
"""For all of Tiny ImageNet: a GPU, or a few days."""

SAMPLE = dataclasses.replace(
    TINY_IMAGENET,
    classes=10,
    filters=16,
    levels=(1, 1),
    batch_size=16,
    shuffle=600,
    epochs=12,
    initial_rate=0.03,
    rate_epochs=10,
    shards=4,
)
"""For the sample's 600 images, on a laptop's CPU."""
