"""Weights in a file that says which network they belong to, and is read only if it is sound."""

import json
import os
import random
import warnings

import h5py
import keras
import numpy as np
import pytest

from text_recognizer.training import weights
from text_recognizer.training.weights import WeightsError

X = np.arange(12.0).reshape(3, 4) / 12
Y = np.ones((3, 2))


def mlp(units=3, layers=1, activation="relu"):
    hidden = [keras.layers.Dense(units, activation) for _ in range(layers)]
    return keras.Sequential([keras.Input((4,)), *hidden, keras.layers.Dense(2)])


def residual(skip=0):
    """Two layers of equal shapes, and a shortcut from one place or another."""
    inputs = keras.Input((4,))
    flat = keras.layers.Dense(8)(inputs)
    first = keras.layers.Dense(8)(flat)
    second = keras.layers.Dense(8)(first)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Add()([(flat, first)[skip], second])))


def with_an_elu(activation="elu"):
    """An activation by name, and a layer of the same name, which Keras gives it if nothing has been counted before."""
    inputs = keras.Input((4,))
    x = keras.layers.Dense(2, activation)(inputs)
    return keras.Model(inputs, keras.layers.Add()([x, keras.layers.ELU(name="elu")(x)]))


def nested():
    """A network in a network, each with a layer `dense`, if nothing has been counted before."""
    inner = keras.Sequential([keras.Input((3,)), keras.layers.Dense(3), keras.layers.Dropout(0.5)])
    inputs = keras.Input((4,))
    x = keras.layers.Dense(3)(inputs)
    return keras.Model(inputs, keras.layers.Dense(2)(keras.layers.Add()([x, inner(x)])))


@keras.saving.register_keras_serializable("tests")
class Scaled(keras.layers.Layer):
    """A layer with a setting that has a name."""

    def __init__(self, function="double", **kwargs):
        super().__init__(**kwargs)
        self.function = function

    def call(self, x):
        return 2 * x if self.function == "double" else x

    def get_config(self):
        return super().get_config() | {"function": {"name": self.function}}


def scaled(function):
    return keras.Sequential([keras.Input((4,)), Scaled(function), keras.layers.Dense(2)])


class Subclassed(keras.Model):
    def __init__(self, units, activation="relu", **kwargs):
        super().__init__(**kwargs)
        self.units, self.activation = units, activation
        self.hidden, self.last = keras.layers.Dense(units, activation), keras.layers.Dense(2)

    def call(self, x):
        return self.last(self.hidden(x))


class Described(Subclassed):
    def get_config(self):
        return super().get_config() | {"units": self.units, "activation": self.activation}


def built(network, columns=4):
    network(np.zeros((1, columns)))
    return network


def compiled(optimizer, network=None, steps=2):
    network = network or mlp()
    network.compile(optimizer, "mse", run_eagerly=True)  # to trace a graph takes longer than two steps
    for _ in range(steps):
        network.train_on_batch(X, Y)
    return network


def optimizer_state(network):
    return [keras.ops.convert_to_numpy(variable) for variable in network.optimizer.variables]


def assert_equal(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other):
        np.testing.assert_array_equal(a, b)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "folder" / "net.weights.h5"


# What is saved is found again


@pytest.mark.parametrize("make", [mlp, residual, with_an_elu, nested, lambda: built(Described(3))])
def test_saved_weights_are_found_again_however_keras_counts_names(make, path):
    network = make()
    weights.save(path, network, name="A", class_names=["no", "yes"], run={"epochs": [1, 2]})
    assert os.listdir(path.parent) == [path.name]  # nothing half-written beside it
    keras.layers.Dense(1), keras.layers.ELU(), keras.layers.Add()  # another count in the next one
    again = make()
    assert weights.load(path, again, name="B", class_names=("no", "yes")) == {"epochs": [1, 2]}
    assert_equal(network.get_weights(), again.get_weights())


def test_names_are_told_apart_in_each_network(path):
    """In one session the inner and the outer layer are dense and dense_1, in another one both are dense."""
    inner = keras.Sequential([keras.Input((4,)), keras.layers.Dense(4, name="dense")])
    networks = []
    for name in ("dense", "dense_1"):
        inputs = keras.Input((4,))
        x = keras.layers.Dense(4, name=name)(inputs)
        networks.append(keras.Model(inputs, keras.layers.Add()([x, inner(x)])))
    weights.save(path, networks[0], name="A")
    weights.load(path, networks[1], name="A")
    assert_equal(networks[0].get_weights(), networks[1].get_weights())


def test_keras_reads_the_file_too(path):
    network, again = compiled("adam"), compiled("adam", steps=1)
    weights.save(path, network, name="A")
    again.load_weights(path)
    assert_equal(network.get_weights() + optimizer_state(network), again.get_weights() + optimizer_state(again))
    with h5py.File(path) as file:
        assert json.loads(file["text_recognizer"].asstr()[()])["name"] == "A"


# What does not belong together


@pytest.mark.parametrize(
    "theirs, ours, difference",
    [
        (mlp, lambda: mlp(units=5), "units is 3 in the file, 5 here"),
        (mlp, lambda: mlp(layers=2), "layers has 3 entries in the file, 4 here"),
        (mlp, residual, "class is 'Sequential' in the file, 'Functional' here"),
        (lambda: mlp(activation="tanh"), mlp, "activation is 'tanh' in the file, 'relu' here"),
        (with_an_elu, lambda: with_an_elu("relu"), "activation is 'elu' in the file, 'relu' here"),
        (lambda: residual(0), lambda: residual(1), "keras_history.0 is 1 in the file, 2 here"),
        (lambda: scaled("double"), lambda: scaled("nothing"), "function.name is 'double' in the file, 'nothing' here"),
        (lambda: built(Described(3)), lambda: built(Described(3, "tanh")), "config.activation is 'relu' in the file"),
    ],
)
def test_weights_of_another_network_are_refused(theirs, ours, difference, path):
    weights.save(path, theirs(), name="theirs")
    network = ours()
    before = network.get_weights()
    with pytest.raises(WeightsError) as caught:
        weights.load(path, network, name="ours")
    for part in ("do not fit ours", "saved from theirs", difference):
        assert part in str(caught.value)
    assert_equal(before, network.get_weights())


@pytest.mark.parametrize(
    "theirs, ours, difference",
    [
        ("01", "0A", "class_names.1 is '1' in the file, 'A' here"),
        ("01", "012", "class_names has 2 entries in the file, 3 here"),
        ("01", None, r"class_names is \['0', '1'\] in the file, None here"),
        (None, "01", r"class_names is None in the file, \['0', '1'\] here"),
    ],
)
def test_weights_for_other_classes_are_refused(theirs, ours, difference, path):
    weights.save(path, mlp(), name="A", class_names=theirs)
    with pytest.raises(WeightsError, match=difference):
        weights.load(path, mlp(), name="A", class_names=ours)


def test_a_network_built_for_another_shape_is_refused_before_it_is_touched(path):
    weights.save(path, built(Described(3)), name="A")
    with pytest.raises(WeightsError, match="shapes.0.1 is 4 in the file, 5 here"):
        weights.load(path, built(Described(3), columns=5), name="A")


def test_a_run_is_checked_first(path):
    weights.save(path, mlp(), name="A", run={"rate": 1})

    def check(run):
        raise ValueError(f"the rate is {run['rate']}")

    with pytest.raises(ValueError, match="the rate is 1"):
        weights.load(path, mlp(units=5), name="A", check_run=check)


LAMBDA = """
def build(scale):
    shifted = lambda x, shift=1.0: [(lambda y: y * scale + shift)(z) for z in (x,)][0]
    return keras.Sequential(
        [keras.Input((4,)), keras.layers.Lambda(shifted), keras.layers.Dense(2)]
    )
"""


def test_code_is_compared_by_what_it_does_and_not_by_where_it_stands(path):
    """As in the same notebook in another kernel, with a remark above, and inside of another function."""

    def build(code, filename="first.py", scale=3.0):
        names = {"keras": keras}
        exec(compile(code, filename, "exec"), names)
        return (names.get("build") or names["outer"]())(scale)

    elsewhere = "\n# A remark.\n" + LAMBDA
    inner = "def outer():" + LAMBDA.replace("\n", "\n    ") + "\n    return build"
    weights.save(path, build(LAMBDA), name="A")
    for network in (build(elsewhere, "second.py"), build(inner)):
        weights.load(path, network, name="A")
    for network in (build(LAMBDA.replace("y * scale", "y - scale")), build(LAMBDA.replace("shift=1.0", "shift=2.0"))):
        with pytest.raises(WeightsError, match="function.config.(code|defaults)"):
            weights.load(path, network, name="A")
    with pytest.raises(WeightsError, match="closure.0 is 3.0 in the file, 2.0 here"):
        weights.load(path, build(LAMBDA, scale=2.0), name="A")


# Damage


def test_missing_weights(path):
    with pytest.raises(FileNotFoundError, match="no weights in .*net.weights.h5: train"):
        weights.load(path, mlp(), name="A")


def test_no_flipped_byte_is_loaded(path):
    """At each place of the file by turns, and 64 at once. HDF5 alone would end the process at some of them."""
    network = compiled("sgd")
    weights.save(path, network, name="A", run={"epochs": 3})
    sound, before, chance = path.read_bytes(), network.get_weights(), random.Random(0)
    every = range(0, len(sound), len(sound) // 500)
    for places in [*([place] for place in every), *(chance.sample(range(len(sound)), 64) for _ in range(50))]:
        damaged = bytearray(sound)
        for place in places:
            damaged[place] ^= chance.randrange(1, 256)
        path.write_bytes(damaged)
        with pytest.raises(WeightsError, match="damaged"):
            weights.load(path, network, name="A")
    assert_equal(before, network.get_weights())


@pytest.mark.parametrize("length", [0, 1, 100, 512, 600, -1])
def test_no_part_of_a_file_is_loaded(path, length):
    weights.save(path, mlp(), name="A")
    path.write_bytes(path.read_bytes()[:length])
    with pytest.raises(WeightsError, match="damaged"):
        weights.load(path, mlp(), name="A")


def described_as(path, description):
    """Write the weights of an `mlp` with a sound checksum and another description."""
    weights.save(path, mlp(), name="A")
    memory = weights._Memory(path.read_bytes()[weights.USER_BLOCK :])
    with h5py.File(memory, "a") as file:
        file["text_recognizer"][()] = description
    content = memory.getvalue()
    path.write_bytes(weights._user_block(content) + content)


@pytest.mark.parametrize("description", ["{", "{}", "[]", "null", json.dumps({"name": "x"})])
def test_a_description_that_is_none_is_refused(description, path):
    described_as(path, description)
    with pytest.raises(WeightsError, match="not written by this version of text_recognizer"):
        weights.load(path, mlp(), name="A", class_names="01")


@pytest.mark.parametrize("key", ["name", "class", "class_names", "config", "shapes", "optimizer", "run"])
def test_no_key_may_be_missing(key, path):
    weights.save(path, mlp(), name="A")
    with h5py.File(path) as file:
        description = json.loads(file["text_recognizer"].asstr()[()])
    del description[key]
    described_as(path, json.dumps(description))
    with pytest.raises(WeightsError, match=f"not written by this version .*'{key}'"):
        weights.load(path, mlp(), name="A")


def test_files_of_keras_alone_and_of_the_older_form_are_refused(path):
    path.parent.mkdir()
    mlp().save_weights(path)
    with pytest.raises(WeightsError, match="does not say which network .*older form.*Train again"):
        weights.load(path, mlp(), name="A")
    with h5py.File(path, "a") as file:
        file["text_recognizer"] = json.dumps({"name": "A", "mapping": [], "class": "Sequential", "config": {}})
    with pytest.raises(WeightsError, match="does not say which network .*older form.*Train again"):
        weights.load(path, mlp(), name="A")


# What cannot be saved


@pytest.mark.parametrize(
    "make", [lambda: built(Subclassed(3)), lambda: keras.Sequential([keras.Input((4,)), Subclassed(3)])]
)
def test_a_network_that_cannot_say_what_it_is_made_of_is_refused_before_the_training(make, path):
    network = make()
    message = f"{type(network).__name__} does not say .*Subclassed .*Write its get_config"
    with pytest.raises(WeightsError, match=message):
        weights.check_saveable(network)
    with pytest.raises(WeightsError, match="Write its get_config"):
        weights.save(path, network, name="A")
    assert not path.parent.exists()


def test_a_network_that_can_is_not():
    for network in (mlp(), residual(), Described(3), keras.Sequential([keras.layers.Dense(2)])):
        weights.check_saveable(network)


def test_what_json_does_not_know_is_described_as_keras_describes_it(path):
    """A configuration with an array and a layer in it."""

    class Odd(Subclassed):
        def get_config(self):
            return {"units": np.int64(3), "table": np.arange(2), "layer": keras.layers.Dense(2)}

    weights.save(path, built(Odd(3)), name="A")
    weights.load(path, built(Odd(3)), name="A")


@pytest.mark.filterwarnings("ignore:`build\\(\\)` was called")
@pytest.mark.parametrize("build", [lambda network: None, lambda network: network.build((None, 4))])
def test_a_network_without_weights_is_named(build, path):
    """Keras marks a subclassed network as built by `build`, which makes no weights in it."""
    network = Described(3)
    build(network)
    with pytest.raises(ValueError, match="A has no weights yet: call its network with a batch first"):
        weights.save(path, network, name="A")
    assert not path.parent.exists()
    weights.save(path, built(Described(3)), name="A")
    with pytest.raises(ValueError, match="B has no weights yet"):
        weights.load(path, network, name="B")


def test_the_ending_is_the_one_that_keras_demands(tmp_path):
    with pytest.raises(ValueError, match="does not end in .weights.h5"):
        weights.save(tmp_path / "net.h5", mlp(), name="A")
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("room", [0, 600, 5000])
def test_a_full_disk_leaves_the_old_weights(room, path):
    """A limit on the size of a file stands for the disk. With HDF5 on the disk, the process would end here."""
    resource = pytest.importorskip("resource")
    network = mlp()
    weights.save(path, network, name="A")
    before = path.read_bytes()
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            weights.save(path, network, name="A")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == before and os.listdir(path.parent) == [path.name]


# The optimizer's state


def adam_for_float16():
    return keras.optimizers.LossScaleOptimizer(keras.optimizers.Adam())


@pytest.mark.parametrize("optimizer", [keras.optimizers.Adam, adam_for_float16])
def test_the_state_of_the_optimizer_is_restored_into_one_that_was_never_used(optimizer, path):
    network = compiled(optimizer())
    weights.save(path, network, name="A")
    again = compiled(optimizer(), steps=0)
    assert not again.optimizer.built
    weights.load(path, again, name="A", check_run=lambda run: None)
    assert_equal(optimizer_state(network), optimizer_state(again))
    assert int(again.optimizer.iterations) == 2


@pytest.mark.parametrize("theirs", [None, "rmsprop", "adam", lambda: keras.optimizers.SGD(momentum=0.9)])
@pytest.mark.parametrize("ours", [None, "sgd", lambda: keras.optimizers.SGD(momentum=0.9)])
def test_an_optimizer_of_another_kind_stays_as_it_is(theirs, ours, path):
    """RMSprop and SGD with momentum have states of the same shapes."""
    theirs, ours = (optimizer() if callable(optimizer) else optimizer for optimizer in (theirs, ours))
    network, again = (compiled(optimizer, steps=1) if optimizer else mlp() for optimizer in (theirs, ours))
    before = optimizer_state(again) if ours else None
    weights.save(path, network, name="A", run={})
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        weights.load(path, again, name="A")
    assert_equal(network.get_weights(), again.get_weights())
    if ours:
        same = theirs and type(network.optimizer) is type(again.optimizer) and ours != "sgd"
        assert_equal(optimizer_state(again), optimizer_state(network) if same else before)


@pytest.mark.parametrize(
    "ours, difference",
    [
        (lambda: compiled("adam"), "optimizer.class is 'SGD' in the file, 'Adam' here"),
        (lambda: compiled(keras.optimizers.SGD(momentum=0.9)), "optimizer.shapes has 2 entries in the file, 6 here"),
        (mlp, "optimizer is .* in the file, None here"),
    ],
)
def test_a_run_goes_on_with_its_own_optimizer_alone(ours, difference, path):
    weights.save(path, compiled("sgd"), name="A", run={})
    network = ours()
    before = network.get_weights()
    with pytest.raises(WeightsError, match=difference):
        weights.load(path, network, name="A", check_run=lambda run: None)
    assert_equal(before, network.get_weights())
