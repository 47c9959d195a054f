"""Every model fits, predicts and evaluates compiled by XLA too: Keras chooses it wherever it sees a GPU."""

import keras
import numpy as np
import pytest

from text_recognizer.augmentation import RandomAffine
from text_recognizer.datasets import Dataset
from text_recognizer.models import CharacterModel, ImageModel, LineModel
from text_recognizer.networks import Resnet, lenet, line_cnn, line_convnext, mlp, vgg

BATCH = 8  # in all that is computed: XLA compiles for each size anew, which takes seconds


class Small(Dataset):
    """A few images of noise, with labels."""

    def __init__(self, image_shape, classes, length=None):
        super().__init__("sample")
        self.input_shape, self.output_shape = image_shape, (classes,)
        self.class_names = ("", *"abcdefghij"[: classes - 1])
        self._length = length

    def describe(self):
        return "noise"

    def _load(self, part):
        rng = np.random.default_rng(0)
        count = BATCH if part == "test" else 3 * BATCH
        x = rng.integers(0, 256, (count, *self.input_shape), dtype=np.uint8)
        y = rng.integers(1, self.output_shape[0], (count, self._length) if self._length else count)
        return x, y

    def decode(self, labels):
        return ["".join(self.class_names[label] for label in row) for row in np.asarray(labels)]


def characters(network_fn, **arguments):
    data = Small((28, 28), 5)
    return CharacterModel(data, network_fn(data.input_shape, data.output_shape, **arguments))


def lines(network_fn, **arguments):
    data = Small((28, 64), 5, length=3)
    return LineModel(data, network_fn(data.input_shape, data.output_shape, **arguments))


def photographs():
    data = Small((32, 32, 3), 6)
    network = Resnet(6, 8, (1,))
    network.build((None, *data.input_shape))
    return ImageModel(data, network)


MODELS = {
    "mlp": lambda: characters(mlp, layer_size=16),
    "lenet": lambda: characters(lenet),
    "vgg": lambda: characters(vgg, blocks=((4,),), layer_size=8),
    "line_cnn": lambda: lines(line_cnn, filters=4),
    "line_convnext": lambda: lines(line_convnext, filters=(4, 4, 4, 8, 8), units=16, blocks=1),
    "Resnet": photographs,
}


@pytest.mark.parametrize("jit_compile", [True, False])
@pytest.mark.parametrize("name", MODELS)
def test_fit_predict_and_evaluate(name, jit_compile):
    keras.utils.set_random_seed(0)
    model = MODELS[name]()
    if name == "lenet":
        model.augmentation = RandomAffine(seed=0)
    at_once = 2 if name == "mlp" else 1  # XLA compiles each step of a call, which takes seconds
    model.compile(jit_compile=jit_compile, steps_per_execution=at_once)
    history = model.fit(epochs=1, batch_size=BATCH, validation_fraction=1 / 3, verbose=0)
    assert model.network.jit_compile == jit_compile and np.isfinite(history.history["val_loss"]).all()
    x, y = model.data.x_test, model.data.y_test
    formatted, _ = model.format_fn(x, y)
    np.testing.assert_allclose(model.network.predict(formatted, verbose=0), model.predict(x), rtol=1e-3, atol=1e-4)
    logs = model.network.evaluate(formatted, y, verbose=0, return_dict=True)
    assert np.isfinite(list(logs.values())).all()
    score = logs.get("accuracy", logs.get("top1", logs.get("character_error_rate")))
    assert model.evaluate(x, y) == pytest.approx(score, abs=1e-5)
