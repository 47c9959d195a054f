"""Tiny ImageNet: the layout, the labels, the sample, the archive, and images that are broken."""

import collections
import functools
import hashlib
import os
import shutil
import zipfile

import keras
import numpy as np
import pytest
from PIL import Image

from text_recognizer import files
from text_recognizer.datasets import DatasetUnavailableError, TinyImagenet, tiny_imagenet
from text_recognizer.datasets.synthetic import shapes
from text_recognizer.datasets.tiny_imagenet import LabeledFiles, find_broken_images, read_image

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(scope="module")
def whole_sample(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sample")
    tiny_imagenet.write_sample(folder)
    return folder


@pytest.fixture(scope="module")
def _small(tmp_path_factory):
    folder = tmp_path_factory.mktemp("small")
    tiny_imagenet.write_sample(folder, train=3, validation=2, test=1)
    return folder


@pytest.fixture
def small(_small, tmp_path):
    """A copy of a small sample, to damage."""
    return shutil.copytree(_small, tmp_path / "small")


# The sample


def test_the_sample_is_the_same_drawing_on_every_machine():
    """Where this fails on purpose, count SAMPLE_NAME on: the old images lie in people's caches."""
    digest = hashlib.sha256()
    for label in range(10):
        for number in range(3):
            image, box = shapes.draw_shape(label, seed=(0, label, number))
            digest.update(image.tobytes() + bytes(box))
    assert digest.hexdigest() == "3b1435500a40909e066fef3b9f479b599b3d9cdf6363e9f8eb5b553574a46341"
    assert tiny_imagenet.SAMPLE_NAME.endswith("-1")


def test_the_sample_has_the_same_labels_and_boxes_on_every_machine(whole_sample):
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in sorted(whole_sample.rglob("*.txt"))))
    assert digest.hexdigest() == "edfc0f4a61802772f67f6d758a6adecd7db2580888bb1e5913a2d65a516654d6"


@pytest.mark.parametrize("label, error", [(-1, ValueError), (10, ValueError), (0.5, TypeError), ("disc", TypeError)])
def test_a_shape_of_no_class_is_refused(label, error):
    with pytest.raises(error, match=f"label is {label!r}; give an integer"):
        shapes.draw_shape(label, seed=0)


def test_the_sample_has_the_layout_of_the_original(whole_sample):
    names = sorted(path.relative_to(whole_sample).as_posix() for path in whole_sample.rglob("*.txt"))
    boxes = [f"train/n9000000{label}/n9000000{label}_boxes.txt" for label in range(10)]
    assert names == [*boxes, "val/val_annotations.txt", "wnids.txt", "words.txt"]
    assert len(list(whole_sample.glob("train/*/images/n9*_*.JPEG"))) == 600
    assert len(list(whole_sample.glob("val/images/val_*.JPEG"))) == 200
    assert len(list(whole_sample.glob("test/images/test_*.JPEG"))) == 20
    rows = (whole_sample / boxes[3]).read_text().splitlines()
    assert len(rows) == 60
    name, *box = rows[0].split("\t")
    left, top, right, bottom = map(int, box)
    assert name == "n90000003_0.JPEG" and 0 <= left < right < 64 and 0 <= top < bottom < 64


def test_the_box_holds_the_shape():
    disc, (left, top, right, bottom) = shapes.draw_shape(0, seed=5)
    ring, box = shapes.draw_shape(6, seed=5)  # in the same place, on the same ground
    assert box == (left, top, right, bottom)
    rows, columns = np.nonzero((disc != ring).any(axis=2))
    differing = np.array([columns.min(), rows.min(), columns.max(), rows.max()])
    inwards = (differing - box) * [1, 1, -1, -1]
    assert 0 <= inwards.min() and inwards.max() <= 5  # at the very edge, both may be black


def test_some_images_are_grey(whole_sample):
    train = TinyImagenet(folder=whole_sample).train()
    modes = [Image.open(file).mode for file in train.files]
    assert set(modes) == {"RGB", "L"} and modes.count("L") == 20
    image = read_image(train.files[modes.index("L")])
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert (image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all()


def test_each_label_is_that_of_the_drawing(whole_sample):
    """Every label, recomputed from the pixels: an image lies near the drawing that it was made from, and no other."""

    @functools.cache
    def drawing(part, label, number):
        return shapes.draw_shape(label, seed=(part, label, number))[0].mean(axis=2)

    dataset = TinyImagenet(folder=whole_sample)
    for part, images in enumerate((dataset.train(), dataset.validation())):
        for file, label in zip(images.files, images.labels.tolist()):
            number, grey = int(file.stem.split("_")[1]), read_image(file).mean(axis=2)
            assert abs(drawing(part, label, number) - grey).mean() < 20, file
            if part == 0:  # whose other drawings are needed anyway
                assert abs(drawing(part, (label + 1) % 10, number) - grey).mean() > 20, file
    assert dataset.class_names[3] == "checked square" == shapes.CLASSES[3]


def test_colour_alone_does_not_solve_the_sample(whole_sample):
    from sklearn.neighbors import NearestCentroid

    dataset = TinyImagenet(folder=whole_sample)
    (x, y), (x_val, y_val) = (
        (np.stack([read_image(file).mean(axis=(0, 1)) for file in part.files]), part.labels)
        for part in (dataset.train(), dataset.validation())
    )
    assert NearestCentroid().fit(x, y).score(x_val, y_val) < 0.3


# The layout


def test_labels_count_the_sorted_classes_as_keras_does(small):
    dataset = TinyImagenet(folder=small)
    assert (small / "wnids.txt").read_text().split() != list(dataset.wnids) == sorted(dataset.wnids)
    theirs = keras.utils.image_dataset_from_directory(small / "train", shuffle=False, batch_size=30, verbose=False)
    ours = dataset.train()
    assert theirs.class_names == list(dataset.wnids)
    assert theirs.file_paths == list(map(str, ours.files))
    ((_, labels),) = theirs
    np.testing.assert_array_equal(labels, ours.labels)


def test_validation_labels_fit_the_order_in_which_keras_reads_the_files(small):
    validation = TinyImagenet(folder=small).validation()
    theirs = keras.utils.image_dataset_from_directory(
        small / "val" / "images", labels=validation.labels.tolist(), shuffle=False, batch_size=20, verbose=False
    )
    assert theirs.file_paths == list(map(str, validation.files))
    assert [file.stem for file in validation.files[:3]] == ["val_0", "val_1", "val_10"]
    ((_, labels),) = theirs
    np.testing.assert_array_equal(labels, validation.labels)


def test_fewer_classes_and_images(small):
    dataset = TinyImagenet(folder=small, classes=4)
    assert dataset.class_names == ("striped disc", "checked disc", "striped square", "checked square")
    assert dataset.output_shape == (4,)
    assert np.bincount(dataset.train().labels).tolist() == [3] * 4
    assert np.bincount(dataset.validation().labels).tolist() == [2] * 4
    two = dataset.train(per_class=2)
    assert [file.stem[-2:] for file in two.files] == ["_0", "_1"] * 4
    with pytest.raises(ValueError, match="per_class is 5, and class n90000000 has 3 images"):
        dataset.train(per_class=5)
    with pytest.raises(ValueError, match="per_class is 0; give an integer, 1 or more"):
        dataset.train(per_class=0)
    with pytest.raises(ValueError, match="classes is 11; .* has 10"):
        TinyImagenet(folder=small, classes=11)


@pytest.mark.parametrize(
    "arguments, message",
    [
        ({"classes": 0}, "classes is 0; give an integer, from 1 to 10"),
        ({"classes": 11}, "classes is 11; give an integer, from 1 to 10"),
        ({"classes": 201, "source": "full"}, "classes is 201; give an integer, from 1 to 200"),
        ({"source": "half"}, "source is 'half'"),
        ({"source": "full", "folder": "photographs"}, "source is 'full', and folder 'photographs': give one of them"),
    ],
)
def test_what_cannot_be_is_refused_at_once(arguments, message):
    with pytest.raises(ValueError, match=message):
        TinyImagenet(**arguments)
    with pytest.raises(TypeError, match="classes is 2.5; give an integer"):
        TinyImagenet(classes=2.5)


def test_the_arrays_are_the_decoded_files(small):
    dataset = TinyImagenet(folder=small, classes=3)
    for x, y, images in (
        (dataset.x_train, dataset.y_train, dataset.train()),
        (dataset.x_test, dataset.y_test, dataset.validation()),
    ):
        assert x.shape == (len(images), 64, 64, 3) and x.dtype == np.uint8
        np.testing.assert_array_equal(x, [read_image(file) for file in images.files])
        assert y.dtype == np.uint8 and y.tolist() == images.labels.tolist()
    assert dataset.x_train is dataset.x_train
    assert dataset.input_shape == (64, 64, 3) and dataset.source == "small"


def test_a_folder_is_listed_once(small, monkeypatch):
    expected = {str(path): 1 for path in (small / "val" / "images", *small.glob("train/*/images"))}
    listed = collections.Counter()

    def record(list_folder):
        def recording(path="."):
            listed[str(path)] += 1
            return list_folder(path)

        return recording

    monkeypatch.setattr(os, "listdir", record(os.listdir))
    monkeypatch.setattr(os, "scandir", record(os.scandir))
    dataset = TinyImagenet(folder=small)
    dataset.describe()
    dataset.train(), dataset.validation()
    assert listed == expected


def test_a_split_takes_the_same_share_of_every_class(whole_sample):
    train = TinyImagenet(folder=whole_sample).train()
    rest, part = train.split(0.2)
    assert np.bincount(rest.labels).tolist() == [48] * 10 and np.bincount(part.labels).tolist() == [12] * 10
    assert set(rest.files) | set(part.files) == set(train.files)
    label = dict(zip(train.files, train.labels))
    assert all(label[file] == own for half in (rest, part) for file, own in zip(half.files, half.labels))
    order = {file: i for i, file in enumerate(train.files)}
    assert all(list(half.files) == sorted(half.files, key=order.get) for half in (rest, part))
    assert train.split(0.2)[1].files == part.files != train.split(0.2, seed=1)[1].files


def test_a_split_is_as_even_as_whole_images_allow(tmp_path):
    labels = np.repeat([3, 5, 8], [7, 40, 13])
    images = LabeledFiles(tuple(tmp_path / str(i) for i in range(60)), labels)
    for percent in range(10, 90):
        rest, part = images.split(percent / 100)
        assert len(part) == round(percent / 100 * 60) and len(rest) == 60 - len(part)
        assert abs(np.bincount(part.labels)[[3, 5, 8]] - percent / 100 * np.array([7, 40, 13])).max() < 1


@pytest.mark.parametrize("fraction", [0.001, 0.02, 0.99, 0, 1, 3, -0.5, float("nan")])
def test_a_split_that_leaves_a_class_empty_is_refused(tmp_path, fraction):
    images = LabeledFiles(tuple(tmp_path / str(i) for i in range(110)), np.repeat([0, 1], [100, 10]))
    empty = f"a fraction of {fraction} sets .* of the 110 images aside"
    with pytest.raises(ValueError, match=empty if 0 <= fraction < 1 else f"fraction is {fraction}; give a number"):
        images.split(fraction)
    with pytest.raises(ValueError, match="seed is -1"):
        images.split(0.5, seed=-1)


def edit(name, change):
    def damage(folder):
        (folder / name).write_text(change((folder / name).read_text()))

    return damage


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: (folder / "wnids.txt").unlink(), "wnids.txt cannot be read .*not the layout"),
        (lambda folder: (folder / "val" / "val_annotations.txt").unlink(), "val_annotations.txt cannot be read"),
        (lambda folder: (folder / "words.txt").write_bytes(b"n90000000\tcaf\xe9"), "words.txt cannot be read .*utf-8"),
        (edit("wnids.txt", lambda text: text.replace("n90000003", "n90000004")), "not in wnids.txt: 'n90000003'"),
        (edit("words.txt", lambda text: text.replace("n90000004", "n90000040")), "has no name for 'n90000004'"),
        (edit("val/val_annotations.txt", lambda text: text + "?"), "not in wnids.txt: ''"),
        (lambda folder: shutil.rmtree(folder / "train" / "n90000006"), "<class>_<number>.JPEG of 'n90000006'"),
        (lambda folder: (folder / "val" / "images" / "val_3.JPEG").unlink(), "differ: 'val_3.JPEG'"),
        (edit("val/val_annotations.txt", lambda text: text.split("\n", 2)[2]), "differ: 'val_0.JPEG', 'val_1.JPEG'"),
        (edit("val/val_annotations.txt", lambda text: text + text.split("\n")[0]), "differ: 'val_0.JPEG'"),
        (
            edit("val/val_annotations.txt", lambda text: text.replace("n9", "n8")),
            "not in wnids.txt: 'n80000000', .*10 in",
        ),
    ],
)
def test_a_damaged_folder_is_reported_by_the_part_that_is_wrong(small, damage, message):
    damage(small)
    with pytest.raises(ValueError, match=message):
        TinyImagenet(folder=small)  # and not when it is used


def test_a_class_that_is_listed_twice_is_one(small):
    edit("wnids.txt", lambda text: text + "n90000003\n")(small)
    assert len(TinyImagenet(folder=small).class_names) == 10


# Broken images


def test_broken_images_are_found_by_name(small):
    files = TinyImagenet(folder=small).train().files
    assert find_broken_images(files) == {}
    files[4].write_bytes(files[4].read_bytes()[:-300])
    files[11].write_bytes(b"<html>please log in</html>")
    files[20].write_bytes(b"")
    Image.new("RGB", (32, 64)).save(files[25])
    broken = find_broken_images(files)
    assert find_broken_images(iter(files)) == find_broken_images(file for file in files) == broken
    assert list(broken) == [files[i] for i in (4, 11, 20, 25)]
    assert all(str(file) in reason for file, reason in broken.items())
    assert "truncated" in broken[files[4]] and "32x64 pixels, not 64x64" in broken[files[25]]


@pytest.mark.parametrize("side", [9_000, 65_000])
def test_an_image_that_says_it_is_huge_is_not_decoded(small, side):
    file = TinyImagenet(folder=small).train().files[0]
    content = bytearray(file.read_bytes())
    frame = content.index(b"\xff\xc0")  # marker, length, bits a sample, height, width
    content[frame + 5 : frame + 9] = side.to_bytes(2, "big") * 2
    file.write_bytes(content)
    (reason,) = find_broken_images([file]).values()
    assert str(file) in reason and ("9000x9000 pixels, not 64x64" in reason or "exceeds limit" in reason)


def test_a_broken_image_is_named_when_it_is_decoded(small):
    dataset = TinyImagenet(folder=small)
    file = dataset.validation().files[3]
    file.write_bytes(b"")
    assert len(dataset.x_train) == 30
    with pytest.raises(ValueError, match=f"{file} is no whole image"):
        dataset.x_test


def test_the_pixels_are_those_of_tensorflows_exact_decoder(small):
    import tensorflow as tf

    for file in TinyImagenet(folder=small).train().files:
        theirs = tf.io.decode_jpeg(file.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE")
        np.testing.assert_array_equal(read_image(file), theirs)


# Where it comes from


@pytest.fixture
def sample_home(keras_home, monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", "sample")
    return keras_home


@pytest.fixture
def sample_to_copy(whole_sample, monkeypatch):
    """Copy the sample where it would be drawn anew."""
    copy = functools.partial(shutil.copytree, whole_sample, dirs_exist_ok=True)
    monkeypatch.setattr(tiny_imagenet, "write_sample", copy)


def test_the_sample_is_drawn_once(sample_home, sample_to_copy, monkeypatch):
    dataset = TinyImagenet()
    assert list(sample_home.iterdir()) == []  # not before it is asked for
    assert dataset.describe() == "sample: patterned shapes, 10 classes, 600 + 200 images"
    assert dataset.folder == sample_home / "datasets" / tiny_imagenet.SAMPLE_NAME
    monkeypatch.setattr(tiny_imagenet, "write_sample", None)
    assert len(TinyImagenet(classes=3).train()) == 180


def test_a_disk_without_room_for_the_sample_leaves_nothing(sample_home, monkeypatch):
    def fail(label, seed):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(shapes, "draw_shape", fail)
    with pytest.raises(DatasetUnavailableError, match="could not be put into .*No space left.*KERAS_HOME") as caught:
        TinyImagenet().train()
    assert "take the sample" not in str(caught.value)  # which it is
    assert [path.name for path in (sample_home / "datasets").iterdir() if path.suffix != ".lock"] == []


def test_a_sample_that_somebody_damaged_is_reported_with_what_to_delete(sample_home, sample_to_copy):
    folder = TinyImagenet().folder
    (folder / "words.txt").unlink()
    with pytest.raises(DatasetUnavailableError, match=f"words.txt.*Delete {folder} and run this again") as caught:
        TinyImagenet().class_names
    assert "take the sample" not in str(caught.value)  # which it is


def test_what_it_is_can_be_said_without_reading_it(keras_home):
    dataset = TinyImagenet(classes=20)
    assert repr(dataset) == "TinyImagenet(classes=20, source='full')"
    assert dataset.describe() == "full: Tiny ImageNet, not downloaded yet"
    (keras_home / "datasets").mkdir()
    (keras_home / "datasets" / "tiny-imagenet-200.zip").touch()
    assert dataset.describe() == "full: Tiny ImageNet, not unpacked yet"
    assert dataset.source == "full" and len(list(keras_home.rglob("*"))) == 2


def test_a_folder_of_ones_own_is_called_by_its_name(small, keras_home):
    dataset = TinyImagenet(folder=small)
    assert dataset.describe() == f"{small}, 10 classes, 30 + 20 images" and dataset.source == "small"
    assert repr(dataset) == f"TinyImagenet(classes=None, folder={str(small)!r})"
    assert not (keras_home / "datasets").exists()


USE = """
data = TinyImagenet()
print(data.folder.parents[1] == Path(os.environ["KERAS_HOME"]), data.describe(), data.x_train.shape, data.y_test.sum())
"""
IMPORTS = """
import PIL.JpegImagePlugin
import tempfile
from pathlib import Path
from text_recognizer import files
from text_recognizer.datasets import TinyImagenet
"""


def test_a_folder_that_one_may_only_read_is_used(shared_home, _small):
    shutil.copytree(_small, shared_home.datasets / "tiny-imagenet-200")
    printed = shared_home.run(IMPORTS, USE, WORKBOOK_DATA="full")
    assert printed == "True full: Tiny ImageNet, 10 classes, 30 + 20 images (30, 64, 64, 3) 90\n"
    assert list(shared_home.elsewhere.iterdir()) == []


def test_a_sample_that_one_may_only_read_is_used(shared_home, whole_sample):
    shutil.copytree(whole_sample, shared_home.datasets / tiny_imagenet.SAMPLE_NAME)
    printed = shared_home.run(IMPORTS, USE)
    assert printed == "True sample: patterned shapes, 10 classes, 600 + 200 images (600, 64, 64, 3) 900\n"


def test_an_archive_that_one_may_only_read_is_unpacked_elsewhere(shared_home, _small):
    write_archive(shared_home.path, _small)
    turn = f"""
isdir = os.path.isdir
os.path.isdir = lambda path: path != "/tmp" and isdir(path)  # as on Windows; so gettempdir() counts
tempfile.tempdir = {str(shared_home.elsewhere)!r}
"""
    printed = shared_home.run(IMPORTS, turn + USE.replace("data.describe()", "data.source"), WORKBOOK_DATA="full")
    assert printed == "False full (30, 64, 64, 3) 90\n"
    assert (shared_home.elsewhere / ".keras" / "datasets" / "tiny-imagenet-200" / "words.txt").is_file()


def write_archive(home, folder, keep=lambda name: True, prefix="tiny-imagenet-200/"):
    path = home / "datasets" / "tiny-imagenet-200.zip"
    path.parent.mkdir(exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*")):
            name = file.relative_to(folder).as_posix()
            if keep(name):
                archive.write(file, prefix + name)
    return path


def test_an_archive_that_the_reader_put_there_is_used(keras_home, small):
    write_archive(keras_home, small, keep=lambda name: not name.startswith("test"))
    dataset = TinyImagenet()
    assert dataset.folder == keras_home / "datasets" / "tiny-imagenet-200"
    assert dataset.describe() == "full: Tiny ImageNet, 10 classes, 30 + 20 images"
    assert dataset.validation().labels.tolist() == TinyImagenet(folder=small).validation().labels.tolist()


def test_an_archive_that_the_reader_put_there_cannot_leave_its_folder(keras_home, small, tmp_path):
    archive = write_archive(keras_home, small)
    with zipfile.ZipFile(archive, "a") as opened:
        opened.writestr(f"tiny-imagenet-200/{tmp_path / 'evil.txt'}", b"evil")
    with pytest.raises(DatasetUnavailableError, match="evil.txt', which .*would lie outside of its folder"):
        TinyImagenet().train()
    assert not (tmp_path / "evil.txt").exists() and not archive.with_suffix("").exists()


def test_the_archive_is_downloaded_with_its_checksum(keras_home, small, monkeypatch):
    def download(url, path, checksum):
        assert url == "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
        assert checksum == "md5:90528d7ca1a48142e341f4ef8d21d0de"
        assert path == write_archive(keras_home, small)
        return path

    monkeypatch.setattr(files, "download", download)
    assert len(TinyImagenet().train()) == 30


def test_what_does_not_fit_together_is_reported_with_what_to_delete(keras_home, small):
    archive = write_archive(keras_home, small, keep=lambda name: name != "words.txt")
    with pytest.raises(DatasetUnavailableError) as caught:
        TinyImagenet().train()
    message = str(caught.value)
    assert "words.txt cannot be read" in message
    assert f"Delete {archive.with_suffix('')} and {archive} and run this again" in message


def test_a_broken_image_is_reported_with_what_to_delete(keras_home, small):
    file = TinyImagenet(folder=small).train().files[3]
    file.write_bytes(b"<html>please log in</html>")
    folder = write_archive(keras_home, small).with_suffix("")
    with pytest.raises(DatasetUnavailableError) as caught:
        TinyImagenet().x_train
    assert f"{folder / file.relative_to(small)} is no whole image" in str(caught.value)
    assert f"Delete {folder} and {folder}.zip and run this again" in str(caught.value)


@pytest.mark.parametrize("content", [b"<html>please log in</html>", b""])
def test_a_broken_archive_is_reported(keras_home, content):
    archive = keras_home / "datasets" / "tiny-imagenet-200.zip"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(DatasetUnavailableError, match=f"{archive} is damaged.*WORKBOOK_DATA=sample"):
        TinyImagenet().train()
    assert not archive.with_suffix("").exists()


def test_without_a_network_the_reader_is_told_what_to_do(keras_home):
    with pytest.raises(DatasetUnavailableError) as caught:
        TinyImagenet().train()
    message = str(caught.value)
    assert "no network in tests" in message and tiny_imagenet.URL in message
    assert f"could not be downloaded to {keras_home / 'datasets' / 'tiny-imagenet-200.zip'}" in message
    assert "You can also put it there yourself" in message
    assert "WORKBOOK_DATA=sample" in message


def test_too_many_classes_are_no_fault_of_the_data(keras_home, small):
    write_archive(keras_home, small)
    with pytest.raises(ValueError, match="classes is 20; .* has 10"):
        TinyImagenet(classes=20).train()


# The real data, where it exists


def nearest_means(train, validation):
    """For each validation image, the class whose mean training image is nearest, in 4x4 blocks of colour."""

    def blocks(part):
        return np.stack([read_image(file).reshape(4, 16, 4, 16, 3).mean(axis=(1, 3)).ravel() for file in part.files])

    x = blocks(train)
    means = np.stack([x[train.labels == label].mean(axis=0) for label in np.unique(train.labels)])
    return np.linalg.norm(blocks(validation)[:, None] - means, axis=2).argmin(axis=1)


def test_the_real_validation_labels_agree_with_the_training_images(real_home, tmp_path):
    """Chance is 0.05, with a standard deviation of 0.007."""
    home = real_home("tiny-imagenet-200.zip")
    folder = tmp_path / "twenty"
    with zipfile.ZipFile(home / "datasets" / "tiny-imagenet-200.zip") as archive:

        def read(name):
            return archive.read(f"tiny-imagenet-200/{name}").decode()

        wnids = sorted(read("wnids.txt").split())[:20]
        rows = [row for row in read("val/val_annotations.txt").splitlines() if row.split("\t")[1] in wnids]
        wanted = [f"train/{wnid}/images/{wnid}_{i}.JPEG" for wnid in wnids for i in range(100)]
        wanted += [f"val/images/{row.split()[0]}" for row in rows]
        for name in wanted:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(archive.read(f"tiny-imagenet-200/{name}"))
        (folder / "wnids.txt").write_text("\n".join(reversed(wnids)))
        (folder / "words.txt").write_text(read("words.txt"))
        (folder / "val" / "val_annotations.txt").write_text("\n".join(rows))

    dataset = TinyImagenet(folder=folder)
    assert dataset.class_names[0] == "goldfish"
    train, validation = dataset.train(per_class=100), dataset.validation()
    assert len(train) == 2000 and len(validation) == 1000
    assert find_broken_images(validation.files) == {}
    nearest = nearest_means(train, validation)
    assert np.mean(nearest == validation.labels) > 0.12
    for rotate in (1, 7):
        assert np.mean(nearest == (validation.labels + rotate) % 20) < 0.08
