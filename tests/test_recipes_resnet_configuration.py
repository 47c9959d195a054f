"""The constants of a training run: what is refused, and by what name."""

import dataclasses

import pytest

from text_recognizer.recipes.resnet_configuration import SAMPLE, TINY_IMAGENET


def test_the_constants_of_the_homework():
    assert dataclasses.asdict(TINY_IMAGENET) == {
        "classes": 200,
        "filters": 64,
        "levels": (4, 6, 3, 2),
        "batch_size": 128,
        "shuffle": 5000,
        "epochs": 72,
        "momentum": 0.9,
        "weight_decay": 1e-4,
        "initial_rate": 0.01,
        "rate_factor": 0.1,
        "rate_epochs": 64,
        "staircase": True,
        "validation_fraction": 0.2,
        "checkpoints_kept": 5,
        "checkpoint_format": "resnet_{epoch:02d}.weights.h5",
        "shards": 30,
        "shard_format": "shard_{shard:02d}.tfrecord",
        "seed": 0,
    }


def test_a_configuration_is_frozen_and_replaced():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SAMPLE.epochs = 3
    assert dataclasses.replace(SAMPLE, epochs=3).epochs == 3 != SAMPLE.epochs


def test_the_table_has_a_row_for_each_constant():
    rows = str(TINY_IMAGENET).splitlines()
    assert [row.split()[0] for row in rows] == [field.name for field in dataclasses.fields(TINY_IMAGENET)]
    assert rows[3].split() == ["batch_size", "128", "images", "in", "a", "step"]


@pytest.mark.parametrize(
    "change, error, message",
    [
        ({"classes": 0}, ValueError, "classes is 0; give an integer, from 1 to 2,147,483,647"),
        ({"batch_size": 12.5}, TypeError, "batch_size is 12.5"),
        ({"epochs": True}, TypeError, "epochs is True"),
        ({"filters": 30}, ValueError, "filters is 30; give a multiple of four"),
        ({"levels": ()}, ValueError, r"levels is \(\)"),
        ({"levels": [4, 6]}, ValueError, r"levels is \[4, 6\]; give a tuple"),
        ({"levels": (4, 0)}, ValueError, "an entry of levels is 0"),
        ({"momentum": 1}, ValueError, "momentum is 1; give less than 1"),
        ({"weight_decay": -1e-4}, ValueError, "weight_decay is -0.0001"),
        ({"initial_rate": 0}, ValueError, "initial_rate is 0; give more than 0"),
        ({"initial_rate": float("nan")}, ValueError, "initial_rate is nan"),
        ({"rate_factor": 1.5}, ValueError, "rate_factor is 1.5"),
        ({"validation_fraction": 1}, ValueError, "validation_fraction is 1"),
        (
            {"checkpoint_format": "resnet_{epoch:02d}.hdf5"},
            ValueError,
            "hdf5'; give a name that ends in .weights.h5, as Keras demands",
        ),
        ({"checkpoint_format": "resnet.weights.h5"}, ValueError, "a file name with {epoch:02d} in it"),
        ({"checkpoint_format": "{epoch}/resnet.weights.h5"}, ValueError, "a file name with {epoch:02d} in it"),
        (
            {"shard_format": "tin_train_%i.tfrecord"},
            ValueError,
            "shard_format is .*; give a file name with {shard:02d} in it",
        ),
        ({"shard_format": "{number}.tfrecord"}, ValueError, "shard_format"),
        ({"shard_format": "{shard:d}x.tfrecord}"}, ValueError, "shard_format"),
    ],
)
def test_a_constant_that_makes_no_sense_is_named(change, error, message):
    with pytest.raises(error, match=message):
        dataclasses.replace(TINY_IMAGENET, **change)
