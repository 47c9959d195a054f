"""TFRecord shards: what is written is what is read, whole or not at all, in an order that can be had again."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from text_recognizer.datasets import tiny_imagenet
from text_recognizer.pipelines import tfrecord_shards
from text_recognizer.pipelines.tfrecord_shards import CONTENTS, open_shards, write_shards
from text_recognizer.datasets.tiny_imagenet import TinyImagenet, read_image
from workbook.pages import ROOT


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    tiny_imagenet.write_sample(folder, train=5, validation=1, test=1)
    return TinyImagenet(folder).train()


@pytest.fixture(scope="module")
def written(train, tmp_path_factory):
    return write_shards(
        tmp_path_factory.mktemp("shards") / "train", train.files, train.labels, count=4, processes=1, progress=False
    )


@pytest.fixture
def shards(written, tmp_path):
    """A copy, to damage."""
    return open_shards(shutil.copytree(written.folder, tmp_path / "copy"))


def pixels(dataset, batches=None):
    """The first pixels and the labels of a dataset, of which no two images of the tests have the same."""
    return [
        (images.numpy()[:, :4, :4].tolist(), labels.numpy().tolist()) for images, labels in dataset.take(batches or -1)
    ]


# Writing


def test_every_image_of_the_sample_is_read_back_identical(tmp_path):
    tiny_imagenet.write_sample(tmp_path)
    train = TinyImagenet(tmp_path).train()
    shards = write_shards(tmp_path / "shards", train.files, train.labels, count=7, processes=1, progress=False)
    assert len(shards) == 600 and shards.steps(128) == 5
    assert [shard["images"] for shard in shards.contents["shards"].values()] == [86] * 5 + [85] * 2
    shards.verify(train.files, train.labels)

    images, labels = (
        np.concatenate(parts) for parts in zip(*shards.batches(128, standardize=False).as_numpy_iterator())
    )
    expected = {(read_image(file).tobytes(), label) for file, label in zip(train.files, train.labels.tolist())}
    assert images.dtype == np.uint8 and labels.dtype == np.int64
    assert {(image.tobytes(), label) for image, label in zip(images, labels.tolist())} == expected
    assert len(images) == len(expected) == 600


def test_a_record_is_an_example_of_an_image_a_label_and_a_name(written, train):
    record = next(iter(tf.data.TFRecordDataset(str(written.files[0])))).numpy()
    feature = tf.train.Example.FromString(record).features.feature
    assert sorted(feature) == ["image", "label", "name"]
    i = [file.name for file in train.files].index(feature["name"].bytes_list.value[0].decode())
    assert feature["label"].int64_list.value == [train.labels[i]]
    assert feature["image"].bytes_list.value == [read_image(train.files[i]).tobytes()]


def test_shards_are_shuffled_before_they_are_dealt_out(written):
    labels = [[label for _, _, label in tfrecord_shards._examples(file)] for file in written.files]
    assert all(own != sorted(own) and len(set(own)) >= 5 for own in labels)


def test_several_processes_write_the_same_shards(written, train, tmp_path, capsys):
    shards = write_shards(tmp_path / "train", train.files, train.labels, count=4, processes=2)
    assert shards.contents == written.contents  # checksums included
    assert "4/4" in capsys.readouterr().out


def test_shards_that_are_there_are_not_written_again(shards, train, monkeypatch):
    monkeypatch.setattr(tfrecord_shards, "_write_all", None)
    assert write_shards(shards.folder, train.files, train.labels, count=4).contents == shards.contents


@pytest.mark.parametrize(
    "change, message",
    [
        ({"count": 5}, "count 4, not 5"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"file_format": "{shard}.tfrecord"}, "file_format 'shard_{shard:02d}.tfrecord', not '{shard}.tfrecord'"),
        ({"labels": lambda labels: (labels + 1) % 10}, "other images or labels"),
        ({"files": lambda files: files[:-1], "labels": lambda labels: labels[:-1]}, "other images or labels"),
    ],
)
def test_shards_of_something_else_are_refused(written, train, change, message):
    arguments = {"files": train.files, "labels": train.labels, "count": 4}
    for key, value in change.items():
        arguments[key] = value(arguments[key]) if callable(value) else value
    with pytest.raises(ValueError, match=message):
        write_shards(written.folder, **arguments)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"count": 0}, "count is 0; 50 images fill 1 to 50 shards"),
        ({"count": 51}, "count is 51"),
        ({"labels": [1, 2]}, r"labels is int64 \(2,\); give an integer for each of the 50 files"),
        ({"labels": [0.5] * 50}, "labels is float64"),
        ({"file_format": "shard.tfrecord"}, "no place for the number: write 'shard_{shard:02d}.tfrecord'"),
    ],
)
def test_arguments_that_do_not_fit_are_named(train, tmp_path, change, message):
    arguments = {"files": train.files, "labels": train.labels, "count": 4} | change
    with pytest.raises(ValueError, match=message):
        write_shards(tmp_path / "train", **arguments)
    assert not any(tmp_path.iterdir())


def test_two_files_of_one_name_are_refused(train, tmp_path):
    with pytest.raises(ValueError, match="two files have the same name"):
        write_shards(tmp_path / "train", train.files[:1] * 2, [0, 0], count=1)


def test_a_broken_image_stops_the_writing_and_is_named(train, tmp_path):
    broken = tmp_path / "broken.JPEG"
    broken.write_bytes(train.files[0].read_bytes()[:-300])
    with pytest.raises(ValueError, match=f"{broken} is no whole image"):
        write_shards(
            tmp_path / "train", [*train.files, broken], [*train.labels, 0], count=2, processes=1, progress=False
        )
    assert not (tmp_path / "train").exists() and not (tmp_path / "train.part").exists()


SCRIPT = """
import time
from text_recognizer.pipelines import tfrecord_shards

def write_slowly(path, files, labels):
    path.touch()
    time.sleep(60)

{guard}
    tfrecord_shards._write_shard = write_slowly
    tfrecord_shards.write_shards({folder!r}, {files!r}, {labels!r}, count=4, processes=2, progress=False)
"""


def start_script(tmp_path, train, guard):
    script = tmp_path / "script.py"
    files = list(map(str, train.files))
    script.write_text(
        SCRIPT.format(guard=guard, folder=str(tmp_path / "train"), files=files, labels=train.labels.tolist())
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen([sys.executable, str(script)], env=environment, stderr=subprocess.PIPE, text=True)


def test_kill_leaves_no_shards_and_no_processes(train, tmp_path):
    writing = start_script(tmp_path, train, "if __name__ == '__main__':")
    try:
        while len(list((tmp_path / "train.part").glob("shard_*"))) < 2:
            assert writing.poll() is None, writing.stderr.read()
            time.sleep(0.01)
        writing.send_signal(signal.SIGKILL)
        # The pipe ends when the last process that was started with it has ended.
        writing.communicate(timeout=20)
    finally:
        writing.kill()
    assert not (tmp_path / "train").exists()
    shards = write_shards(tmp_path / "train", train.files, train.labels, count=3, processes=1, progress=False)
    shards.verify(train.files, train.labels)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py", "train", "train.lock"]


def test_a_script_without_a_guard_is_told_so(train, tmp_path):
    writing = start_script(tmp_path, train, "if True:")
    _, errors = writing.communicate(timeout=60)
    assert writing.returncode == 1
    assert (
        "RuntimeError: a process that wrote shards ended: in a script, call write_shards below `if __name__" in errors
    )
    assert not (tmp_path / "train").exists()


# Opening


def truncate(file):
    file.write_bytes(file.read_bytes()[:-100])


def flip_a_bit(file):
    content = bytearray(file.read_bytes())
    content[20_000] ^= 1
    file.write_bytes(content)


def write_page(file):
    file.write_text("<html>please log in</html>" * 10)


def write_foreign(file):
    with tf.io.TFRecordWriter(str(file)) as writer:
        writer.write(tf.train.Example().SerializeToString())


def write_other(file):
    shutil.copy(file.with_name("shard_00.tfrecord"), file)


@pytest.mark.parametrize(
    "damage, message",
    [
        (truncate, "cannot be read after record 11: truncated record"),
        (flip_a_bit, "cannot be read after record 1: corrupted record"),
        (write_page, "cannot be read after record 0: corrupted record"),
        (write_foreign, "holds a foreign record, number 1, "),
        (write_other, "can be read, but it is not the one that shards.json was written with"),
        (os.unlink, "differ in the files shard_02.tfrecord"),
        (lambda file: shutil.copy(file, file.with_name("shard_99.tfrecord")), "differ in the files shard_99.tfrecord"),
    ],
)
def test_a_damaged_shard_is_named(shards, damage, message):
    damage(shards.files[2])
    with pytest.raises(ValueError, match=message) as caught:
        open_shards(shards.folder)
    assert str(shards.folder) in str(caught.value) and "write it anew" in str(caught.value)


def test_a_folder_of_something_else_is_no_folder_of_shards(tmp_path):
    with pytest.raises(ValueError, match=f"{tmp_path} is no folder of shards"):
        open_shards(tmp_path)
    (tmp_path / CONTENTS).write_text("{}")
    with pytest.raises(ValueError, match="no folder of shards: shards.json cannot be read"):
        open_shards(tmp_path)


def rewrite(shards, change):
    """Write the records of a shard again, changed, and put its new checksum into the table of contents."""
    file = shards.files[1]
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in change(records):
            writer.write(record)
    contents = json.loads((shards.folder / CONTENTS).read_text())
    contents["shards"][file.name]["sha256"] = tfrecord_shards._sha256(file)
    (shards.folder / CONTENTS).write_text(json.dumps(contents))
    return open_shards(shards.folder)


def edit_first(change):
    def edit(records):
        example = tf.train.Example.FromString(records[0])
        change(example.features.feature)
        return [example.SerializeToString(), *records[1:]]

    return edit


def change_label(feature):
    feature["label"].int64_list.value[0] += 1


def change_pixel(feature):
    image = bytearray(feature["image"].bytes_list.value[0])
    image[5000] ^= 1
    feature["image"].bytes_list.value[0] = bytes(image)


@pytest.mark.parametrize(
    "change, message",
    [
        (edit_first(change_label), r"shard_01.tfrecord holds n\d+_\d.JPEG with label \d+, not \d"),
        (edit_first(change_pixel), r"shard_01.tfrecord holds n\d+_\d.JPEG with other pixels than .*JPEG"),
        (lambda records: [records[0], *records], r"shard_01.tfrecord holds n\d+_\d.JPEG, which .* is there twice"),
        (lambda records: records[:-1], r"lacks 1 images, the first is n\d+_\d.JPEG"),
    ],
)
def test_verify_notices_what_differs_from_the_files(shards, train, change, message):
    shards.verify(train.files, train.labels)
    with pytest.raises(ValueError, match=message):
        rewrite(shards, change).verify(train.files, train.labels)


# Reading


def test_an_epoch_gives_every_image_once(written, train):
    dataset = written.training_batches(16, shuffle=20, flip=False, standardize=False).take(2 * written.steps(16))
    sizes, seen = [], [[], []]
    for step, (images, labels) in enumerate(dataset):
        sizes.append(len(labels))
        seen[step // 4] += [(image.tobytes(), int(label)) for image, label in zip(images.numpy(), labels)]
    assert sizes == [16, 16, 16, 2] * 2
    expected = {(read_image(file).tobytes(), label) for file, label in zip(train.files, train.labels.tolist())}
    for epoch in seen:
        assert len(epoch) == 50 and set(epoch) == expected
    assert seen[0] != seen[1]


def test_the_order_and_the_flips_can_be_had_again(written):
    """From any epoch on, as after a crash, whatever was read before."""
    keras.utils.set_random_seed(0)
    through = pixels(written.training_batches(16, shuffle=20, seed=3), 12)
    keras.utils.set_random_seed(1)
    again = written.training_batches(16, shuffle=20, seed=3)
    assert pixels(again, 12) == through == pixels(again, 12)
    assert pixels(written.training_batches(16, shuffle=20, seed=3, first_epoch=2), 4) == through[8:]
    assert pixels(written.training_batches(16, shuffle=20, seed=4), 12) != through
    assert through[:4] != through[4:8] != through[8:]


def test_a_larger_buffer_mixes_more(written):
    def labels(shuffle):
        return [label for _, batch in pixels(written.training_batches(10, shuffle, flip=False), 5) for label in batch]

    assert sorted(labels(1)) == sorted(labels(50)) and labels(1) != labels(50)


def test_about_half_of_the_images_are_mirrored_others_in_each_epoch(written):
    steps = written.steps(16)
    straight = written.training_batches(16, shuffle=20, flip=False, standardize=False)
    mirrored = []
    for (images, _), (flipped, _) in zip(straight.take(2 * steps), written.training_batches(16, 20, standardize=False)):
        for image, other in zip(images.numpy(), flipped.numpy()):
            same, reverse = (image == other).all(), (image[:, ::-1] == other).all()
            assert same != reverse
            mirrored.append(reverse)
    assert 30 <= sum(mirrored) <= 70
    assert mirrored[:50] != mirrored[50:]


def test_standardized_images_have_mean_0_and_deviation_1(written):
    (images, _) = next(iter(written.training_batches(16, 20)))
    np.testing.assert_allclose(images.numpy().mean(axis=(1, 2, 3)), 0, atol=1e-4)
    np.testing.assert_allclose(images.numpy().std(axis=(1, 2, 3)), 1, rtol=1e-4)


def test_layers_do_what_the_pipeline_does(written):
    standardize = keras.layers.LayerNormalization(axis=(1, 2, 3), center=False, scale=False)
    flip = keras.layers.RandomFlip("horizontal", seed=0)
    raw, _ = next(iter(written.batches(50, standardize=False)))
    standardized, _ = next(iter(written.batches(50)))
    np.testing.assert_allclose(standardize(tf.cast(raw, tf.float32)), standardized, atol=1e-5)
    mirrored = []
    for image, other in zip(standardized.numpy(), flip(standardized, training=True).numpy()):
        same, reverse = (image == other).all(), (image[:, ::-1] == other).all()
        assert same != reverse
        mirrored.append(reverse)
    assert 10 <= sum(mirrored) <= 40


def test_validation_is_one_pass_in_order(written):
    (first, again) = (pixels(written.batches(16)) for _ in range(2))
    assert first == again and [len(labels) for _, labels in first] == [16, 16, 16, 2]
    names = [label for file in written.files for _, _, label in tfrecord_shards._examples(file)]
    assert [label for _, labels in first for label in labels] == names


def test_the_buffer_holds_records_not_floats(written):
    assert 64 * 64 * 3 < written.buffer_bytes(1) < 64 * 64 * 3 + 150
    assert written.buffer_bytes(20) == pytest.approx(20 * written.buffer_bytes(1), abs=20)
    assert written.buffer_bytes(5000) == sum(file.stat().st_size for file in written.files)
