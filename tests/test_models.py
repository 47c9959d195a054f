"""Recognizers: what they train on, what they keep, what they read, how they go on, and what they hand out."""

import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import keras
import numpy as np
import pytest
from PIL import Image

from tests.python import python_command, run_python
from text_recognizer.augmentation import RandomAffine
from text_recognizer.datasets import Digits
from text_recognizer.images import ImageError
from text_recognizer.models import CharacterModel, ImageModel, Recognizer
from text_recognizer.models.image_model import standardize
from text_recognizer.networks import Resnet, mlp, vgg
from text_recognizer.networks.batch_normalization import BatchNormalization
from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset
from text_recognizer.training.weights import WeightsError
from workbook.pages import ROOT

DATA = Digits(source="sample")
X_TRAIN, Y_TRAIN, X_TEST, Y_TEST = DATA.x_train, DATA.y_train, DATA.x_test, DATA.y_test
FEW = X_TRAIN[:100], Y_TRAIN[:100]  # for a training that need not learn: 90 of them, and 10 to validate on


class Unseen(Digits):
    """Digits whose test part nobody may look at: whoever trains does not."""

    def _load(self, part):
        assert part == "train", "the test set was looked at"
        return super()._load(part)


def network(**arguments):
    return mlp((28, 28), (10,), **{"layer_size": 32, "num_layers": 1, "dropout_amount": 0} | arguments)


@pytest.fixture
def build(tmp_path):
    """Build a `CharacterModel` on digits, with its weights in a folder of the test's own."""

    def build(cls=CharacterModel, **arguments):
        return cls(Unseen(source="sample"), network(**arguments), weights_dir=tmp_path / "weights")

    return build


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    """A model that knows the digits of the training set, and what `fit` returned."""
    keras.utils.set_random_seed(0)
    model = CharacterModel(DATA, network(), weights_dir=tmp_path_factory.mktemp("weights"))
    return model, model.fit(epochs=15, verbose=0)


@pytest.fixture(scope="module")
def trained(training):
    return training[0]


# What a model is


def test_the_name_and_the_shape(build):
    model = build()
    assert model.name == "CharacterModel_Unseen_mlp"
    assert model.image_shape == (28, 28)
    assert model.weights_filename.name == "CharacterModel_Unseen_mlp.weights.h5"


def test_two_models_share_one_data_set():
    data = Digits(source="sample")
    assert CharacterModel(data, network()).data is CharacterModel(data, network()).data is data


def test_building_a_model_prints_nothing_and_loads_nothing(build, capsys):
    model = build()
    assert capsys.readouterr() == ("", "") and "_train" not in vars(model.data)


@pytest.mark.parametrize("source", ["sample", "full"])
def test_weights_of_sample_and_full_lie_apart_in_the_working_directory(source, monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", "full" if source == "sample" else "sample")  # the data's source counts
    assert CharacterModel(Digits(source=source), network()).weights_filename.parts[:-1] == ("weights", source)


# Training


def test_fit_learns_and_returns_its_history(training):
    trained, history = training
    assert set(history.history) == {"accuracy", "loss", "val_accuracy", "val_loss"}
    assert len(history.history["loss"]) == 15
    assert trained.evaluate(X_TEST, Y_TEST) > 0.8


def fitted_on(model, **arguments):
    """Return the images and the labels that `fit` trains on and validates on."""
    seen = {}

    def fit(training, validation_data, **_):
        seen.update(training=training, validation=validation_data)
        return SimpleNamespace(epoch=[])

    model.network.fit = fit
    model.fit(**arguments)
    return [
        tuple(np.concatenate(arrays) for arrays in zip(*((x.numpy(), y.numpy()) for x, y, *_ in part)))
        for part in (seen["training"], seen["validation"])
    ]


def test_the_validation_part_is_held_out_of_the_training_set(build):
    model = build()
    model.format_fn = None
    (x, _), (x_val, y_val) = fitted_on(model, validation_fraction=0.2)
    assert len(x_val) == 308 and len(x) + len(x_val) == 1540
    images = {image.tobytes() for image in X_TRAIN}
    assert len(images) == 1540
    assert {image.tobytes() for image in x} | {image.tobytes() for image in x_val} == images
    for label in range(10):  # stratified
        assert (y_val == label).sum() == pytest.approx(0.2 * (Y_TRAIN == label).sum(), abs=1)


def test_a_second_fit_holds_out_the_same_part(build):
    first, again, other = (fitted_on(build(), seed=seed)[1][0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_no_validation(build, eagerly):
    history = build().fit(FEW, epochs=1, validation_fraction=0, verbose=0)
    assert set(history.history) == {"accuracy", "loss"}


@pytest.mark.parametrize("fraction", [3, 1, -0.1, float("nan")])
def test_a_fraction_that_is_none(build, fraction):
    with pytest.raises(ValueError, match=f"validation_fraction is {fraction}; give a number, at least 0 and below 1"):
        build().fit(validation_fraction=fraction)


def test_too_few_images_to_hold_some_out(build):
    with pytest.raises(ValueError, match="^20 training images, 0.1 of them to validate on.*validation_fraction"):
        build().fit((X_TRAIN[:20], Y_TRAIN[:20]))


@pytest.mark.parametrize("seed, error", [(-1, ValueError), (2**32, ValueError), (0.5, TypeError)])
def test_a_seed_that_is_none_is_named(build, seed, error):
    with pytest.raises(error, match=f"seed is {seed}; give an integer"):
        build().fit(seed=seed)


def test_fit_takes_other_arrays(build):
    (x, _), (x_val, _) = fitted_on(build(), training=(X_TRAIN[:200], Y_TRAIN[:200]))
    assert len(x) + len(x_val) == 200
    (x, _), (x_val, _) = fitted_on(build(), training=(X_TRAIN[:200], Y_TRAIN[:200]), validation=(X_TEST, Y_TEST))
    assert len(x) == 200 and len(x_val) == len(X_TEST)


@pytest.mark.parametrize("make", [DatasetSequence, batched_dataset])
def test_fit_takes_batches_as_they_are(build, make, eagerly):
    model = build()
    batches = make(X_TRAIN[:64] / np.float32(255), Y_TRAIN[:64], 16)
    history = model.fit(batches, batches, epochs=2, verbose=0)
    assert int(model.network.optimizer.iterations) == 8 and len(history.history["val_loss"]) == 2


@pytest.mark.parametrize("steps", [10, 40, 7])
def test_an_epoch_has_as_many_steps_as_it_was_given(build, steps):
    model = build()
    batches = batched_dataset(X_TRAIN[:100] / np.float32(255), Y_TRAIN[:100], 10).repeat()
    model.fit(batches, epochs=2, steps_per_epoch=steps, verbose=0)
    assert int(model.network.optimizer.iterations) == 2 * steps
    if steps == 40:
        with pytest.raises(ValueError, match=r"8 steps at once.*makes 7: compile\(steps_per_execution=1\)"):
            model.fit(batches, steps_per_epoch=7)


@pytest.mark.parametrize(
    "training, error, message",
    [
        (X_TRAIN, TypeError, r"one array; give \(x, y\)"),
        ((X_TRAIN, Y_TRAIN[:5]), ValueError, "x 1540, y 5. Each example needs one of each"),
        ((X_TRAIN, Y_TRAIN, np.ones(3)), ValueError, "sample_weight 3"),
        ((X_TRAIN,), ValueError, r"give the training arrays as \(x, y\)"),
    ],
)
def test_training_data_that_are_none(build, training, error, message):
    with pytest.raises(error, match=message):
        build().fit(training)


def test_an_image_without_weight_is_not_learned(build):
    """Half of the images have wrong labels, and the weight 0."""
    right = np.arange(1540) % 2 == 0
    labels = np.where(right, Y_TRAIN, (Y_TRAIN + 1) % 10).astype(np.uint8)
    model = build()
    model.fit((X_TRAIN, labels, right.astype("float32")), validation_fraction=0, epochs=12, verbose=0)
    assert model.evaluate(X_TRAIN[~right], Y_TRAIN[~right]) > 0.85


@pytest.mark.parametrize(
    "labels, message",
    [
        (np.eye(10)[Y_TRAIN], r"float64 \(1540, 10\).*y.argmax"),
        (Y_TRAIN + 1, "labels run from 1 to 10, and the data set has 10 classes"),
        (Y_TRAIN.astype(np.int64) - 1, "labels run from -1 to 8"),
    ],
)
def test_labels_are_refused_before_the_training(build, labels, message):
    with pytest.raises(ValueError, match=message):
        build().fit((X_TRAIN, labels), validation_fraction=0)


def test_a_network_that_cannot_be_saved_is_refused_before_the_training():
    class Plain(keras.Model):
        def __init__(self, units):
            super().__init__(name="plain")
            self.dense = keras.layers.Dense(units)

        def call(self, x):
            return self.dense(keras.ops.reshape(x, (-1, 784)))

    plain = Plain(10)
    plain.fit = None  # whoever calls it fails
    with pytest.raises(WeightsError, match="Plain"):
        CharacterModel(DATA, plain).fit()


def test_the_step_is_traced_once(build, monkeypatch):
    model, traced = build(), []
    step = model.network.train_step
    monkeypatch.setattr(model.network, "train_step", lambda data: traced.append(data) or step(data))
    model.network.compile("adam", model.loss())  # without metrics, which make variables of their own in the step
    model.fit((X_TRAIN[:64], Y_TRAIN[:64]), epochs=2, validation_fraction=0, batch_size=32, verbose=0)
    assert len(traced) == 1


@pytest.mark.parametrize("by_function", [False, True])
def test_a_training_on_batches_goes_on_from_its_checkpoints(build, tmp_path, by_function, eagerly):
    def batches(first_epoch=0):
        return batched_dataset(X_TRAIN[:64], Y_TRAIN[:64], 32, format_fn=build().format_fn, shuffle=False)

    def fit(epochs, folder):
        keras.utils.set_random_seed(0)
        model = build()
        given = batches if by_function else batches()
        history = model.fit(given, epochs=epochs, checkpoints=tmp_path / folder, steps_per_epoch=2, verbose=0)
        return history.history["loss"], model.network.get_weights()

    fit(1, "stopped")
    (losses, weights), (whole_losses, whole_weights) = fit(2, "stopped"), fit(2, "whole")
    assert losses == whole_losses and all(map(np.array_equal, weights, whole_weights))


def test_a_second_fit_goes_on_where_the_first_stopped(build, eagerly):
    model = build()
    model.fit(FEW, epochs=1, verbose=0)
    optimizer = model.network.optimizer
    assert int(optimizer.iterations) == 3
    model.fit(FEW, epochs=1, verbose=0)
    assert model.network.optimizer is optimizer and int(optimizer.iterations) == 6


def test_a_second_fit_has_another_order_and_the_same_validation_part(build, eagerly):
    """Two epochs of one call, and two calls of an epoch each, are the same training."""
    weights = []
    for calls in ([2], [1, 1]):
        keras.utils.set_random_seed(0)
        model = build()
        model.augmentation = RandomAffine(seed=0)
        for epochs in calls:
            model.fit(FEW, epochs=epochs, verbose=0)
        weights.append(model.network.get_weights())
    for one, other in zip(*weights):
        np.testing.assert_array_equal(one, other)


def test_callbacks_and_hooks(build, eagerly):
    class Hooked(CharacterModel):
        def loss(self):
            return keras.losses.SparseCategoricalCrossentropy(from_logits=True, name="hooked")

        def optimizer(self):
            return keras.optimizers.SGD(0.25)

        def metrics(self):
            return [keras.metrics.SparseTopKCategoricalAccuracy(3, name="top3")]

    model = build(Hooked)
    epochs = []
    callback = keras.callbacks.LambdaCallback(on_epoch_end=lambda epoch, logs: epochs.append(epoch))
    history = model.fit(FEW, epochs=2, callbacks=[callback], verbose=0)
    assert epochs == [0, 1]
    assert set(history.history) == {"top3", "loss", "val_top3", "val_loss"}
    assert model.network.loss.name == "hooked" and isinstance(model.network.optimizer, keras.optimizers.SGD)


def test_compile_takes_other_arguments(build):
    model = build()
    model.compile(optimizer=keras.optimizers.SGD(0.5), jit_compile=True)
    assert model.network.jit_compile and float(model.network.optimizer.learning_rate) == 0.5
    fitted_on(model)
    assert model.network.jit_compile and isinstance(model.network.optimizer, keras.optimizers.SGD)


class Blank(keras.layers.Layer):
    """Not an augmentation that one would want: white paper, if it trains."""

    def call(self, images, training=False):
        return keras.ops.zeros_like(images) if training else images


@pytest.mark.parametrize(
    "settings, blank_in_training, blank_in_validation",
    [
        ({}, True, False),
        ({"augment_val": True}, True, True),
        ({"augment": False}, False, False),
        ({"augment": False, "augment_val": True}, False, True),
    ],
)
def test_training_and_validation_are_augmented_apart(build, settings, blank_in_training, blank_in_validation):
    model = build()
    model.augmentation = Blank()
    (x, _), (x_val, _) = fitted_on(model, **settings)
    assert (x == 0).all() == blank_in_training
    assert (x_val == 0).all() == blank_in_validation


# Going on


TRAINING = """
import os, signal, sys
import keras
import tensorflow as tf
from tests.test_models import DATA, FEW, network
from text_recognizer.augmentation import RandomAffine
from text_recognizer.models import CharacterModel

def kill(epoch, logs):
    if epoch == int(sys.argv[2]):
        os.kill(os.getpid(), signal.SIGKILL)

def train(folder, epochs=3, callbacks=(), **arguments):
    keras.utils.set_random_seed(0)
    model = CharacterModel(DATA, network(dropout_amount=0.2))
    model.augmentation = RandomAffine(seed=5)
    history = model.fit(FEW, epochs=epochs, checkpoints=folder, callbacks=callbacks, verbose=0, **arguments)
    return model, history

if __name__ == "__main__":
    tf.config.run_functions_eagerly(True)
    train(sys.argv[1], callbacks=[keras.callbacks.LambdaCallback(on_epoch_begin=kill)])
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGKILL")
def test_a_training_that_was_killed_goes_on_to_the_same_weights(tmp_path, eagerly):
    """Dropout and augmentation are random, and the order is shuffled; the process is killed in its second epoch."""
    killed = subprocess.run(
        python_command("-c", TRAINING, tmp_path / "killed", "1"),
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr.decode()
    namespace = {"__name__": "training"}
    exec(TRAINING, namespace)
    whole, expected = namespace["train"](tmp_path / "whole")
    resumed, history = namespace["train"](tmp_path / "killed")
    assert history.epoch == expected.epoch == [0, 1, 2] and history.history == expected.history
    for one, other in zip(whole.network.get_weights(), resumed.network.get_weights()):
        np.testing.assert_array_equal(one, other)
    with pytest.raises(ValueError, match="has batch_size 32, not 16. Give another folder, or delete this one"):
        namespace["train"](tmp_path / "whole", batch_size=16)


def test_a_training_does_not_go_on_with_other_data(build, tmp_path, eagerly):
    arguments = {"checkpoints": tmp_path / "run", "verbose": 0}
    training, validation = (X_TRAIN[:60], Y_TRAIN[:60]), (X_TEST[:20], Y_TEST[:20])
    build().fit(training, validation, epochs=1, **arguments)
    for others in (((X_TRAIN[60:120], Y_TRAIN[:60]), validation), (training, (X_TEST[:20], Y_TEST[:20][::-1]))):
        with pytest.raises(ValueError, match="has data sha256 .*, not sha256 .*or delete this one to begin anew"):
            build().fit(*others, epochs=2, **arguments)
    history = build().fit((X_TRAIN[:60].copy(), Y_TRAIN[:60]), validation, epochs=2, **arguments)
    assert history.epoch == [0, 1]


def test_a_training_that_is_done_is_not_repeated(build, tmp_path, eagerly):
    first = build().fit(FEW, epochs=2, checkpoints=tmp_path / "run", verbose=0)
    model = build()
    again = model.fit(FEW, epochs=2, checkpoints=tmp_path / "run", verbose=0)
    assert again.history == first.history and int(model.network.optimizer.iterations) == 2 * 3


def test_two_processes_do_not_train_in_one_folder(build, tmp_path, eagerly):
    code = "import sys, filelock; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print(1, flush=True); sys.stdin.read()"
    (tmp_path / "run").mkdir()
    other = subprocess.Popen(
        [sys.executable, "-c", code, tmp_path / "run" / ".lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    other.stdout.readline()
    with pytest.raises(ValueError, match="another process trains in"):
        build().fit(FEW, epochs=1, checkpoints=tmp_path / "run", verbose=0)
    other.communicate()
    build().fit(FEW, epochs=1, checkpoints=tmp_path / "run", verbose=0)


# Judging


def test_evaluate_is_the_share_of_right_answers(trained):
    accuracy = trained.evaluate(X_TEST, Y_TEST)
    assert accuracy == np.mean(trained.predict(X_TEST).argmax(-1) == Y_TEST)
    assert trained.evaluate(X_TEST, (Y_TEST + 1) % 10) < 0.1


def test_predict_gives_logits(trained):
    logits = trained.predict(X_TEST[:9])
    assert logits.dtype == np.float32 and logits.shape == (9, 10) and logits.min() < 0 < logits.max()


def test_evaluate_formats_as_fit_does(trained, monkeypatch):
    def inverted(x, y):
        return 1 - keras.ops.cast(x, "float32") / 255, y

    accuracy = trained.evaluate(X_TEST, Y_TEST)
    monkeypatch.setattr(trained, "format_fn", inverted)
    assert trained.evaluate(255 - X_TEST, Y_TEST) == pytest.approx(accuracy, abs=0.01)


def test_the_size_of_a_batch_changes_nothing(trained):
    np.testing.assert_allclose(trained.predict(X_TEST, batch_size=100), trained.predict(X_TEST), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "labels, message",
    [
        (Y_TEST[:, None], r"uint8 \(257, 1\)"),
        (Y_TEST.astype(float), r"float64 \(257,\)"),
        (np.eye(10)[Y_TEST], r"\(257, 10\).*y.argmax\(axis=-1\)"),
        (Y_TEST[:5], "257 images and 5 labels"),
    ],
)
def test_labels_are_refused_by_name(trained, labels, message):
    with pytest.raises(ValueError, match=message):
        trained.evaluate(X_TEST, labels)


# Weights


def test_saved_weights_loaded_again_predict_the_same(trained):
    path = trained.save_weights()
    assert path == trained.weights_filename
    assert os.listdir(path.parent) == [path.name]  # nothing half-written beside it
    again = CharacterModel(DATA, network(), weights_dir=path.parent)
    assert (again.predict(X_TEST[:9]) != trained.predict(X_TEST[:9])).any()
    again.load_weights()
    np.testing.assert_array_equal(again.predict(X_TEST), trained.predict(X_TEST))


def test_weights_of_another_alphabet_are_refused(trained):
    class Letters(Digits):
        class_names = tuple("ABCDEFGHIJ")

    path = trained.save_weights()
    other = CharacterModel(Letters(source="sample"), network(), weights_dir=path.parent)
    before = other.network.get_weights()
    path.rename(other.weights_filename)
    with pytest.raises(WeightsError, match="class_names.0 is '0' in the file, 'A' here"):
        other.load_weights()
    for old, new in zip(before, other.network.get_weights()):
        np.testing.assert_array_equal(old, new)


def test_missing_weights(build):
    with pytest.raises(FileNotFoundError, match="no weights in .*CharacterModel_Unseen_mlp.weights.h5: train"):
        build().load_weights()


# Export


class Photographs(Digits):
    """Data of which only the shape and the number of classes count."""

    input_shape = (8, 8, 3)


def photographs(network):
    return ImageModel(Photographs(source="sample"), network)


def untrained(network):
    """Return a network with weights of its own, the moving statistics too."""
    random = np.random.default_rng(0)
    network.build(network.input_shape if isinstance(network, keras.Sequential) else (None, 8, 8, 3))
    shapes = [weight.shape for weight in network.weights]
    network.set_weights([random.uniform(0.5, 1.5, shape) - (len(shape) > 1) for shape in shapes])
    return network


EXPORTED = {
    "mlp": lambda: CharacterModel(DATA, network()),
    "vgg": lambda: CharacterModel(DATA, untrained(vgg((28, 28), (10,), blocks=((4,), (8,)), layer_size=8))),
    "Resnet": lambda: photographs(untrained(Resnet(10, 4, [1]))),
    "Resnet, half": lambda: photographs(untrained(Resnet(10, 4, [1], dtype="mixed_bfloat16"))),
    "Resnet in a network": lambda: photographs(
        untrained(keras.Sequential([keras.Input((8, 8, 3)), Resnet(8, 4, [1]), keras.layers.Dense(10)]))
    ),
    "a layer of ours in a wrapper": lambda: photographs(
        untrained(
            keras.Sequential(
                [
                    keras.Input((8, 8, 3)),
                    keras.layers.TimeDistributed(BatchNormalization()),
                    keras.layers.Flatten(),
                    keras.layers.Dense(10),
                ]
            )
        )
    ),
}


def test_exported_models_need_keras_alone(trained, tmp_path):
    """They take raw images and give probabilities, in a process that knows nothing of this library."""
    expected = {}
    for name, make in EXPORTED.items():
        model = trained if name == "mlp" else make()
        if name == "vgg":
            model.compile(run_eagerly=True)
            model.fit((X_TRAIN[:32], Y_TRAIN[:32]), epochs=1, validation_fraction=0, verbose=0)
        shape = model.image_shape
        images = X_TEST[:9] if shape == (28, 28) else np.random.default_rng(1).integers(0, 256, (9, *shape), np.uint8)
        expected[name] = keras.ops.convert_to_numpy(keras.ops.softmax(model.predict(images)))
        compiled = model.network.compiled
        model.export(tmp_path / f"{name}.keras")
        assert model.network.compiled == compiled
        np.save(tmp_path / f"{name}.npy", images)
    code = f"""
import sys, keras, numpy as np, tensorflow as tf
tf.config.run_functions_eagerly(True)  # to trace each would take longer
for name in {list(EXPORTED)}:
    model = keras.saving.load_model(f"{{name}}.keras")
    assert model.inputs[0].dtype == "uint8"
    np.save(f"{{name}}.probabilities.npy", model.predict(np.load(f"{{name}}.npy"), verbose=0))
assert "text_recognizer" not in sys.modules
"""
    run_python(f"import os; os.chdir({str(tmp_path)!r})\n{code}")
    for name, probabilities in expected.items():
        found = np.load(tmp_path / f"{name}.probabilities.npy")
        assert found.dtype == np.float32 and np.ptp(found, axis=0).max() > 0.001
        np.testing.assert_allclose(found, probabilities, atol=1e-5, err_msg=name)


def test_a_network_of_ones_own_is_exported_as_it_is(tmp_path):
    """A subclassed one, and a layer of code, which asks for trust when it is loaded."""

    @keras.saving.register_keras_serializable("tests")
    class Own(keras.Model):
        def __init__(self, units, **kwargs):
            super().__init__(**kwargs)
            self.units, self.flat, self.dense = units, keras.layers.Flatten(), keras.layers.Dense(units)

        def call(self, x):
            return self.dense(self.flat(x))

        def get_config(self):
            return super().get_config() | {"units": self.units}

    own = Own(10)
    own(np.zeros((1, 28, 28)))
    doubled = keras.Sequential([keras.Input((28, 28)), keras.layers.Lambda(lambda x: 2 * x), *network().layers])
    for model in (CharacterModel(DATA, own), CharacterModel(DATA, doubled)):
        model.compile()
        model.export(tmp_path / "own.keras")
        loaded = keras.saving.load_model(tmp_path / "own.keras", safe_mode=False)
        expected = keras.ops.convert_to_numpy(keras.ops.softmax(model.predict(X_TEST)))
        np.testing.assert_allclose(loaded.predict(X_TEST, verbose=0), expected, atol=1e-5)


def test_a_name_that_keras_does_not_take_is_refused_before_anything_is_written(trained, tmp_path):
    with pytest.raises(ValueError, match=r"digits.h5.*end it in .keras"):
        trained.export(tmp_path / "digits.h5")
    assert os.listdir(tmp_path) == []


def test_photographs_are_standardized_in_the_exported_model(tmp_path):
    small = keras.Sequential([keras.Input((8, 8, 3)), keras.layers.Flatten(), keras.layers.Dense(10)], name="small")
    model = photographs(small)
    model.export(tmp_path / "small.keras")
    x = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    loaded = keras.saving.load_model(tmp_path / "small.keras")
    expected = keras.ops.convert_to_numpy(keras.ops.softmax(model.predict(x)))
    np.testing.assert_allclose(loaded.predict(x, verbose=0), expected, atol=1e-5)


def test_standardize_agrees_with_tensorflow():
    import tensorflow as tf

    x = np.random.default_rng(0).integers(0, 256, (5, 8, 8, 3), dtype=np.uint8)
    x[0] = 7  # of one colour
    np.testing.assert_allclose(standardize(x, None)[0], tf.image.per_image_standardization(x), atol=1e-4)


def test_standardize_takes_images_without_channels():
    x = np.random.default_rng(0).integers(0, 256, (3, 4, 5)).astype("uint8")
    np.testing.assert_allclose(standardize(x, None)[0], standardize(x[..., None], None)[0][..., 0], atol=1e-6)


# Reading an image


def digit_on_page():
    """A digit that the model has learned, larger, and off the middle of a white page."""
    large = Image.fromarray(X_TRAIN[0]).resize((112, 112), Image.Resampling.BICUBIC)
    page = np.full((200, 240), 255, np.uint8)
    page[60:172, 20:132] = 255 - np.asarray(large)
    return page


def test_a_character_is_read_wherever_it_stands_and_in_whatever_colours(trained, tmp_path):
    page = digit_on_page()
    Image.fromarray(page).save(tmp_path / "page.png")
    Image.fromarray(page).convert("RGB").save(tmp_path / "page.jpg", quality=90)
    prediction = trained.predict_on_image(page)
    assert prediction.character == "0" and 0.5 < prediction.confidence <= 1
    assert type(prediction.character) is str and type(prediction.confidence) is float
    character, confidence = prediction
    images = [255 - page, page / 255, page.astype(np.int64), np.stack([page] * 3, -1), page[20:, 5:]]
    for image in (*images, tmp_path / "page.png", tmp_path / "page.jpg"):
        read = trained.predict_on_image(image)
        assert read.character == character and read.confidence == pytest.approx(confidence, abs=0.02)


def test_what_is_in_the_training_set_is_read(trained):
    # the digits fill a box of 20 pixels, and what is read one of 24
    read = [trained.predict_on_image(image).character for image in X_TRAIN[:30]]
    assert np.mean([int(character) == label for character, label in zip(read, Y_TRAIN)]) > 0.7


def test_bad_images_are_refused_by_name(trained, tmp_path):
    with pytest.raises(ImageError, match="empty"):
        trained.predict_on_image(np.zeros((28, 28)))
    with pytest.raises(FileNotFoundError, match="nowhere.png"):
        trained.predict_on_image(tmp_path / "nowhere.png")


def test_the_base_class_classifies_by_itself():
    linear = keras.Sequential([keras.Input((28, 28)), keras.layers.Flatten(), keras.layers.Dense(10)], name="linear")
    model = Recognizer(DATA, linear)
    assert model.name == "Recognizer_Digits_linear" and model.predict(X_TEST[:3]).shape == (3, 10)


def test_augmentation_is_a_layer_that_a_model_may_hold_too():
    layer = RandomAffine(seed=0)
    np.testing.assert_array_equal(layer(X_TEST[:4].astype("float32"), training=False), X_TEST[:4])
