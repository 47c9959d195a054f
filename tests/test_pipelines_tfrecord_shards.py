"""TFRecord shards: what is written is what is read, whole or not at all, in an order that can be had again."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from text_recognizer.datasets import tiny_imagenet
from text_recognizer.datasets.tiny_imagenet import TinyImagenet, read_image
from text_recognizer.models import image_model
from text_recognizer.pipelines import tfrecord_shards
from text_recognizer.pipelines.source import sha256
from text_recognizer.pipelines.tfrecord_shards import CONTENTS, open_shards, random_flip, standardize, write_shards
from workbook.pages import ROOT

# Of a shape that no data set has.
ARRAY = np.random.default_rng(0).integers(0, 256, (30, 7, 5, 2), dtype=np.uint8)
LABELS = np.arange(30) % 4


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    tiny_imagenet.write_sample(folder, train=5, validation=1, test=1)
    return TinyImagenet(folder=folder).train()


def write(folder, images, labels, **arguments):
    """`write_shards`, with what most of the tests want."""
    return write_shards(folder, images, labels, **{"count": 4, "read": read_image, "progress": False} | arguments)


@pytest.fixture(scope="module")
def written(train, tmp_path_factory):
    return write(tmp_path_factory.mktemp("shards") / "train", train.files, train.labels)


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
    train = TinyImagenet(source="sample").train()
    shards = write(tmp_path / "shards", train.files, train.labels, count=7)
    assert len(shards) == 600 and shards.steps(128) == 5 and shards.image_shape == (64, 64, 3)
    assert [shard["images"] for shard in shards.contents["shards"].values()] == [86] * 5 + [85] * 2
    shards.verify(train.files, train.labels, read=read_image)

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


@pytest.mark.parametrize("images", [ARRAY, list(ARRAY)], ids=["an array", "a list"])
def test_arrays_of_any_shape_are_read_back_identical(tmp_path, images):
    shards = write(tmp_path / "shards", images, LABELS, read=None)
    assert shards.image_shape == (7, 5, 2) and len(shards) == 30
    shards.verify(images, LABELS)
    batches = list(shards.batches(8, standardize=False).as_numpy_iterator())
    found = {(image.tobytes(), label) for images, labels in batches for image, label in zip(images, labels.tolist())}
    assert found == {(image.tobytes(), label) for image, label in zip(ARRAY, LABELS.tolist())}
    assert batches[0][0].shape == (8, 7, 5, 2) and batches[0][0].dtype == np.uint8
    for (images, labels), _ in zip(shards.training_batches(8, 30), range(1)):
        assert images.shape == (8, 7, 5, 2) and images.dtype == tf.float32 and labels.shape == (8,)


def test_a_list_of_anything_is_read_by_a_function(tmp_path):
    def read(row):
        return ARRAY[row]

    shards = write(tmp_path / "shards", range(30), LABELS, read=read)
    assert shards.contents["shards"] == write(tmp_path / "others", ARRAY, LABELS, read=None).contents["shards"]
    shards.verify(ARRAY, LABELS)


def test_files_of_the_same_name_are_different_images(tmp_path):
    files = []
    for folder in ("cats", "dogs"):
        for number in range(3):
            files.append(tmp_path / folder / f"{number}.png")
            files[-1].parent.mkdir(exist_ok=True)
            Image.fromarray(ARRAY[len(files), :, :, 0]).save(files[-1])
    arguments = {"read": lambda file: np.array(Image.open(file))[..., None], "count": 2}
    shards = write(tmp_path / "shards", files, [0, 0, 0, 1, 1, 1], **arguments)
    shards.verify(files, [0, 0, 0, 1, 1, 1], read=arguments["read"])
    with pytest.raises(ValueError, match="differs from 3 of the images, the first is 0.png"):
        shards.verify(files[::-1], [0, 0, 0, 1, 1, 1], read=arguments["read"])
    with pytest.raises(ValueError, match="other images or labels"):
        write(shards.folder, files[::-1], [0, 0, 0, 1, 1, 1], **arguments)


def test_shards_are_shuffled_before_they_are_dealt_out(written):
    labels = [[label for _, label, _ in written._examples(file)] for file in written.files]
    assert all(own != sorted(own) and len(set(own)) >= 5 for own in labels)


@pytest.mark.parametrize("cores", [1, 3])
def test_any_number_of_threads_writes_the_same_shards(written, train, tmp_path, capsys, monkeypatch, cores):
    monkeypatch.setattr(os, "cpu_count", lambda: cores)
    shards = write(tmp_path / "train", train.files, train.labels, progress=True)
    assert shards.contents == written.contents  # checksums included
    assert "4/4" in capsys.readouterr().out


def test_shards_that_are_there_are_not_written_again(shards, train, monkeypatch):
    monkeypatch.setattr(tfrecord_shards, "_write_shard", None)
    assert write(shards.folder, train.files, train.labels).contents == shards.contents
    # wherever the files are, and in whatever order
    assert write(shards.folder, train.files[::-1], train.labels[::-1]).contents == shards.contents


@pytest.mark.parametrize(
    "change, message",
    [
        ({"count": 5}, "count 4, not 5"),
        ({"seed": 1}, "seed 0, not 1"),
        ({"file_format": "{shard}.tfrecord"}, "file_format 'shard_{shard:02d}.tfrecord', not '{shard}.tfrecord'"),
        ({"labels": lambda labels: (labels + 1) % 10}, "other images or labels"),
        ({"images": lambda files: files[:-1], "labels": lambda labels: labels[:-1]}, "other images or labels"),
        ({"read": lambda file: read_image(file)[:, ::-1]}, "other images or labels"),
        ({"read": lambda file: read_image(file)[:32]}, "other images or labels"),
    ],
)
def test_shards_of_something_else_are_refused(written, train, change, message):
    arguments = {"images": train.files, "labels": train.labels}
    for key, value in change.items():
        arguments[key] = value(arguments[key]) if callable(value) and key != "read" else value
    with pytest.raises(ValueError, match=f"holds shards made with {message}. Delete it, or give another folder"):
        write(written.folder, **arguments)


def test_shards_of_files_that_have_changed_since_are_refused(train, tmp_path):
    """Even if they have kept their names and their sizes."""
    folder = shutil.copytree(train.files[0].parents[2], tmp_path / "images")
    files = sorted(folder.glob("*/images/*.JPEG"))
    write(tmp_path / "shards", files, train.labels)
    content = files[7].read_bytes()
    files[7].write_bytes(content[:-2] + b"\0\0")
    assert len(files[7].read_bytes()) == len(content)
    with pytest.raises(ValueError, match="holds shards made with other images or labels"):
        write(tmp_path / "shards", files, train.labels)


def test_shards_of_an_array_that_has_changed_since_are_refused(tmp_path):
    write(tmp_path / "shards", ARRAY, LABELS, read=None)
    changed = ARRAY.copy()
    changed[17, 3, 3, 1] ^= 1
    with pytest.raises(ValueError, match="holds shards made with other images or labels"):
        write(tmp_path / "shards", changed, LABELS, read=None)


@pytest.mark.parametrize(
    "change, message",
    [
        ({"count": 0}, "count is 0; give an integer, from 1 to 30"),
        ({"count": 31}, "count is 31; give an integer, from 1 to 30"),
        ({"images": ARRAY[:0], "labels": LABELS[:0]}, "labels is .*for each of the 0 images, and at least one image"),
        ({"seed": -1}, "seed is -1"),
        ({"labels": [1, 2]}, r"labels is int64 \(2,\); give an integer for each of the 30 images"),
        ({"labels": [0.5] * 30}, "labels is float64"),
        ({"images": ARRAY[0]}, "labels is .*for each of the 7 images"),
        ({"images": ARRAY / 255}, r"image 0 is read as float64 \(7, 5, 2\)"),
        ({"images": ["a.png"] * 30}, r"a.png is read as <U5 \(\); `read` must give uint8"),
        ({"read": lambda image: image / 255}, r"image 0 is read as float64 \(7, 5, 2\); `read` must give uint8"),
        ({"read": lambda image: image[..., 0]}, r"image 0 is read as uint8 \(7, 5\)"),
    ],
)
def test_arguments_that_do_not_fit_are_named(tmp_path, change, message):
    arguments = {"images": ARRAY, "labels": LABELS, "read": None} | change
    with pytest.raises(ValueError, match=message):
        write(tmp_path / "train", **arguments)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    "file_format",
    [
        *("shard.tfrecord", "../x{shard}", "x/{shard}", "/x{shard}", "..\\x{shard}", "C:{shard}"),
        *("{epoch}", "{shard", "{}", "{shard.x}", "{shard[0]}", "{shard:s}", None),
    ],
)
def test_a_format_of_names_must_give_names_in_the_folder(tmp_path, file_format):
    message = f"file_format is {file_format!r}; give the name of a file with {{shard}} in it"
    with pytest.raises(ValueError, match=re.escape(message)):
        write(tmp_path / "train", ARRAY, LABELS, read=None, file_format=file_format)
    assert not any(tmp_path.iterdir())


def test_a_format_may_have_brackets(tmp_path):
    shards = write(tmp_path / "train", ARRAY, LABELS, read=None, file_format="[train]{shard:+d}.tfrecord")
    assert [file.name for file in shards.files] == [f"[train]+{number}.tfrecord" for number in range(4)]
    (shards.folder / "[train]+9.tfrecord").touch()
    with pytest.raises(ValueError, match="differ in the files"):
        open_shards(shards.folder)


def test_a_broken_image_stops_the_writing_and_is_named(train, tmp_path):
    broken = tmp_path / "z.JPEG"
    broken.write_bytes(train.files[0].read_bytes()[:-300])
    with pytest.raises(ValueError, match=f"{broken} is no whole image"):
        write(tmp_path / "train", [*train.files, broken], [*train.labels, 0])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.lock", "z.JPEG"]


def test_an_image_of_another_shape_is_named(tmp_path):
    def read(row):
        return ARRAY[row] if row != 20 else ARRAY[row, :6]

    with pytest.raises(ValueError, match=r"image 20 is read as uint8 \(6, 5, 2\); `read` must give uint8 \(7, 5, 2\)"):
        write(tmp_path / "shards", range(30), LABELS, read=read)
    assert not (tmp_path / "shards").exists() and not (tmp_path / "shards.part").exists()


def test_a_full_disk_leaves_nothing(tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (30, 100, 100, 3), dtype=np.uint8)
    resource = pytest.importorskip("resource", reason="Windows sets no limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match=r"shard_0.\.tfrecord cannot be written: .*File too large"):
            write(tmp_path / "shards", images, LABELS, read=None)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["shards.lock"]
    write(tmp_path / "shards", images, LABELS, read=None).verify(images, LABELS)


SCRIPT = """
import signal, sys, time
import numpy as np
from text_recognizer.pipelines.tfrecord_shards import write_shards

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it

def read(number):
    if number:
        print("reading", flush=True)
        time.sleep(0.2)
    return np.zeros((4, 4, 1), "uint8")

write_shards(sys.argv[1], np.arange(100), np.arange(100), read=read, count=4, progress=False)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signals")
@pytest.mark.parametrize("ending", ["SIGKILL", "SIGINT"])
def test_what_ends_the_writing_leaves_no_shards(tmp_path, ending):
    """A script needs no guard around the call: no new Python imports it."""
    (tmp_path / "script.py").write_text(SCRIPT)
    writing = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", tmp_path / "train"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    try:
        writing.stdout.readline()
        writing.send_signal(signal.Signals[ending])
        writing.communicate(timeout=60)
    finally:
        writing.kill()
    assert writing.returncode == -signal.Signals[ending] and not (tmp_path / "train").exists()
    write(tmp_path / "train", ARRAY, LABELS, read=None).verify(ARRAY, LABELS)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["script.py", "train", "train.lock"]


def test_two_who_write_at_once_write_once(train, tmp_path, monkeypatch):
    calls, write_shard = [], tfrecord_shards._write_shard
    monkeypatch.setattr(tfrecord_shards, "_write_shard", lambda *job: (calls.append(job), write_shard(*job))[1])
    both = [threading.Thread(target=write, args=(tmp_path / "train", train.files, train.labels)) for _ in range(2)]
    for thread in both:
        thread.start()
    for thread in both:
        thread.join()
    assert len(calls) == 4
    open_shards(tmp_path / "train").verify(train.files, train.labels, read=read_image)


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
        (write_foreign, "cannot be read after record 0: not enough values"),
        (write_other, "can be read, but it is not the one that shards.json was written with"),
        (os.unlink, "differ in the files shard_02.tfrecord"),
        (lambda file: shutil.copy(file, file.with_name("shard_99.tfrecord")), "differ in the files shard_99.tfrecord"),
    ],
)
def test_a_damaged_shard_is_named(shards, damage, message):
    damage(shards.files[2])
    for look in (lambda: open_shards(shards.folder), shards.check):
        with pytest.raises(ValueError, match=message) as caught:
            look()
    assert str(shards.folder) in str(caught.value) and "write it anew" in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        *([], {}, "text", 5, None),
        *({"shards": []}, {"shards": {}}, {"shards": {"shard_00.tfrecord": 5}}),
        *({"image_shape": 5}, {"image_shape": [64, 64]}, {"image_shape": [64, 64, 0]}, {"image_shape": [64, 64, "3"]}),
        *({"source": ...}, {"image_shape": ...}),
    ],
)
def test_a_table_of_contents_that_makes_no_sense_is_no_folder_of_shards(shards, change):
    contents = change
    if change and isinstance(change, dict):
        contents = {key: value for key, value in (shards.contents | change).items() if value is not ...}
    (shards.folder / CONTENTS).write_text(json.dumps(contents))
    with pytest.raises(ValueError, match="no folder of shards: shards.json cannot be read .*write it anew"):
        open_shards(shards.folder)


def test_names_that_lead_elsewhere_are_not_followed(shards):
    """Someone else may have written the folder."""
    (shards.folder.parent / "x0").write_text("private")
    entry = {"images": 1, "sha256": sha256(shards.folder.parent / "x0")}
    (shards.folder / CONTENTS).write_text(json.dumps(shards.contents | {"shards": {"../x0": entry}}))
    with pytest.raises(ValueError, match="no folder of shards"):
        open_shards(shards.folder)


def test_a_folder_of_something_else_is_no_folder_of_shards(tmp_path):
    for content in (None, b"", b"{", b"\xff"):
        if content is not None:
            (tmp_path / CONTENTS).write_bytes(content)
        with pytest.raises(ValueError, match=f"{tmp_path} is no folder of shards: shards.json cannot be read"):
            open_shards(tmp_path)


def test_who_may_only_read_opens_them(shared_home):
    (shared_home.path / "keras.json").write_text("{}")  # else Keras would
    write(shared_home.path / "shards", ARRAY, LABELS, read=None)
    printed = shared_home.run(
        "import tensorflow as tf, numpy as np\n"
        "from text_recognizer.pipelines.tfrecord_shards import open_shards, write_shards\n"
        "images = np.random.default_rng(0).integers(0, 256, (30, 7, 5, 2), dtype=np.uint8)\n",
        f"folder = {str(shared_home.path / 'shards')!r}\n"
        "shards = write_shards(folder, images, np.arange(30) % 4, count=4, progress=False)\n"
        "print(len(shards), len(open_shards(folder)), len(next(iter(shards.training_batches(8, 30)))[1]))",
    )
    assert printed.split() == ["30", "30", "8"]


def test_a_record_that_was_damaged_since_is_found_by_check(shards):
    content = bytearray(shards.files[2].read_bytes())
    content[20_000] ^= 1
    shards.files[2].write_bytes(content)
    with pytest.raises(tf.errors.DataLossError):
        for _ in shards.training_batches(16, 20).take(8):
            pass
    with pytest.raises(ValueError, match=f"{shards.files[2]} cannot be read after record 1: corrupted record"):
        shards.check()


def rewrite(shards, change):
    """Write the records of a shard again, changed, and put its new checksum into the table of contents."""
    file = shards.files[1]
    records = [record.numpy() for record in tf.data.TFRecordDataset(str(file))]
    with tf.io.TFRecordWriter(str(file)) as writer:
        for record in change(records):
            writer.write(record)
    contents = json.loads((shards.folder / CONTENTS).read_text())
    contents["shards"][file.name]["sha256"] = sha256(file)
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
    "change",
    [
        edit_first(change_label),
        edit_first(change_pixel),
        lambda records: [records[0], *records],
        lambda records: records[:-1],
    ],
    ids=["label", "pixel", "twice", "missing"],
)
def test_verify_notices_what_differs_from_the_files(shards, train, change):
    shards.verify(train.files, train.labels, read=read_image)
    with pytest.raises(ValueError, match=r"copy differs from 1 of the images, the first is n\d+_\d.JPEG. Delete"):
        rewrite(shards, change).verify(train.files, train.labels, read=read_image)


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


@pytest.fixture(scope="module")
def through(written):
    """Three epochs."""
    keras.utils.set_random_seed(0)
    return pixels(written.training_batches(16, shuffle=20, seed=3), 12)


def test_the_order_and_the_flips_can_be_had_again(written, through):
    """From any epoch on, as after a crash, whatever was read before."""
    keras.utils.set_random_seed(1)
    again = written.training_batches(16, shuffle=20, seed=3)
    assert pixels(again, 12) == through == pixels(again, 12)
    assert pixels(written.training_batches(16, shuffle=20, seed=3, first_epoch=2), 4) == through[8:]
    assert pixels(written.training_batches(16, shuffle=20, seed=4), 12) != through
    assert through[:4] != through[4:8] != through[8:]


def test_a_larger_buffer_mixes_more(written):
    def labels(shuffle):
        return [label for _, batch in pixels(written.training_batches(10, shuffle, flip=False), 5) for label in batch]

    one, all_of_them = labels(1), labels(50)
    assert sorted(one) == sorted(all_of_them) and one != all_of_them


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


def test_standardization_is_that_of_tensorflow_and_of_the_models():
    images = np.concatenate([ARRAY, ARRAY // 64, np.full_like(ARRAY[:1], 200)])
    result = standardize(images).numpy()
    np.testing.assert_allclose(result, tf.image.per_image_standardization(images), atol=1e-5)
    np.testing.assert_allclose(result, image_model.standardize(images, None)[0], atol=1e-5)
    assert not result[-1].any()


@pytest.mark.parametrize("images", [ARRAY, np.float32(ARRAY[:, :, :3, :1])], ids=["uint8", "float32"])
def test_flips_differ_from_image_to_image_and_repeat_with_their_seeds(images):
    images = np.repeat(images, 10, axis=0)
    flipped = random_flip(images, (1, 2)).numpy()
    mirrored = (flipped == images[:, :, ::-1]).all(axis=(1, 2, 3))
    assert (mirrored | (flipped == images).all(axis=(1, 2, 3))).all() and 100 < mirrored.sum() < 200
    np.testing.assert_array_equal(flipped, random_flip(images, (1, 2)))
    assert (flipped != random_flip(images, (1, 3)).numpy()).any()


@pytest.mark.parametrize("threads", [1, 5])
def test_it_matters_not_how_many_threads_read(written, through, threads):
    options = tf.data.Options()
    options.threading.private_threadpool_size = threads
    assert pixels(written.training_batches(16, shuffle=20, seed=3).with_options(options), 12) == through


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
    in_order = [label for file in written.files for _, label, _ in written._examples(file)]
    assert [label for _, labels in first for label in labels] == in_order


def test_the_number_of_batches_of_one_pass_is_known(written):
    assert len(written.batches(16)) == 4


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"batch_size": 0}, "batch_size is 0"),
        ({"shuffle": 0}, "shuffle is 0; give an integer, 1 or more"),
        ({"seed": -1}, "seed is -1"),
        ({"first_epoch": -1}, "first_epoch is -1"),
    ],
)
def test_numbers_that_make_no_sense_are_named(written, arguments, message):
    with pytest.raises(ValueError, match=message):
        written.training_batches(**{"batch_size": 16, "shuffle": 20} | arguments)


def test_the_buffer_holds_records_not_floats(written):
    assert 64 * 64 * 3 < written.buffer_bytes(1) < 64 * 64 * 3 + 150
    assert written.buffer_bytes(20) == pytest.approx(20 * written.buffer_bytes(1), abs=20)
    assert written.buffer_bytes(5000) == sum(file.stat().st_size for file in written.files)
