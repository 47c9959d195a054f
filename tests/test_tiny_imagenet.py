"""Tiny ImageNet: the layout, the labels, the sample, the archive, and images that are broken."""

import functools
import hashlib
import shutil
import zipfile
from concurrent.futures import ThreadPoolExecutor

import keras
import numpy as np
import pytest
from PIL import Image
from python import run_python

from text_recognizer.datasets import folders, tiny_imagenet
from text_recognizer.datasets.synthetic import shapes
from text_recognizer.datasets.source import DatasetUnavailableError
from text_recognizer.datasets.tiny_imagenet import TinyImagenet, find_broken_images, read_image

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
    train = TinyImagenet(whole_sample).train()
    modes = [Image.open(file).mode for file in train.files]
    assert set(modes) == {"RGB", "L"} and modes.count("L") == 20
    image = read_image(train.files[modes.index("L")])
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert (image[..., 0] == image[..., 1]).all() and (image[..., 0] == image[..., 2]).all()


def test_each_label_is_that_of_the_drawing(whole_sample):
    """Every label, recomputed from the pixels: an image is nearest to the drawing that it was made from."""

    @functools.cache
    def drawings(part, number):
        return np.stack([shapes.draw_shape(label, seed=(part, label, number))[0].mean(axis=2) for label in range(10)])

    dataset = TinyImagenet(whole_sample)
    for part, images in enumerate((dataset.train(), dataset.validation())):
        for file, label in zip(images.files, images.labels):
            difference = abs(drawings(part, int(file.stem.split("_")[1])) - read_image(file).mean(axis=2))
            assert difference.mean(axis=(1, 2)).argmin() == label, file
    assert dataset.class_names[3] == "checked square" == shapes.CLASSES[3]


def test_colour_alone_does_not_solve_the_sample(whole_sample):
    from sklearn.neighbors import NearestCentroid

    dataset = TinyImagenet(whole_sample)
    (x, y), (x_val, y_val) = (
        (np.stack([read_image(file).mean(axis=(0, 1)) for file in part.files]), part.labels)
        for part in (dataset.train(), dataset.validation())
    )
    assert NearestCentroid().fit(x, y).score(x_val, y_val) < 0.3


# The layout


def test_labels_count_the_sorted_classes_as_keras_does(small):
    dataset = TinyImagenet(small)
    assert (small / "wnids.txt").read_text().split() != dataset.wnids == sorted(dataset.wnids)
    theirs = keras.utils.image_dataset_from_directory(small / "train", shuffle=False, batch_size=30, verbose=False)
    ours = dataset.train()
    assert theirs.class_names == dataset.wnids
    assert theirs.file_paths == list(map(str, ours.files))
    ((_, labels),) = theirs
    np.testing.assert_array_equal(labels, ours.labels)


def test_validation_labels_fit_the_order_in_which_keras_reads_the_files(small):
    validation = TinyImagenet(small).validation()
    theirs = keras.utils.image_dataset_from_directory(
        small / "val" / "images", labels=validation.labels.tolist(), shuffle=False, batch_size=20, verbose=False
    )
    assert theirs.file_paths == list(map(str, validation.files))
    assert [file.stem for file in validation.files[:3]] == ["val_0", "val_1", "val_10"]
    ((_, labels),) = theirs
    np.testing.assert_array_equal(labels, validation.labels)


def test_fewer_classes_and_images(small):
    dataset = TinyImagenet(small, classes=4)
    assert dataset.class_names == ["striped disc", "checked disc", "striped square", "checked square"]
    assert np.bincount(dataset.train().labels).tolist() == [3] * 4
    assert np.bincount(dataset.validation().labels).tolist() == [2] * 4
    two = dataset.train(per_class=2)
    assert [file.stem[-2:] for file in two.files] == ["_0", "_1"] * 4
    with pytest.raises(ValueError, match="per_class is 5, and class n90000000 has 3 images"):
        dataset.train(per_class=5)
    for classes in (0, 11):
        with pytest.raises(ValueError, match=f"classes is {classes}; .* has 10"):
            TinyImagenet(small, classes=classes)


def test_a_split_takes_the_same_share_of_every_class(whole_sample):
    train = TinyImagenet(whole_sample).train()
    rest, part = train.split(0.2)
    assert np.bincount(rest.labels).tolist() == [48] * 10 and np.bincount(part.labels).tolist() == [12] * 10
    assert set(rest.files) | set(part.files) == set(train.files)
    label = dict(zip(train.files, train.labels))
    assert all(label[file] == own for half in (rest, part) for file, own in zip(half.files, half.labels))
    assert train.split(0.2)[1].files == part.files != train.split(0.2, seed=1)[1].files
    with pytest.raises(ValueError, match="0.001 sets 0 of the 60 images of class 0 aside"):
        train.split(0.001)


def edit(name, change):
    def damage(folder):
        (folder / name).write_text(change((folder / name).read_text()))

    return damage


@pytest.mark.parametrize(
    "damage, message",
    [
        (lambda folder: (folder / "wnids.txt").unlink(), "has no wnids.txt"),
        (lambda folder: (folder / "val" / "val_annotations.txt").unlink(), "has no val/val_annotations.txt"),
        (edit("words.txt", lambda text: text.replace("n90000004", "n90000040")), "has no name for 'n90000004'"),
        (edit("val/val_annotations.txt", lambda text: text + "?"), "not in wnids.txt: ''"),
        (lambda folder: shutil.rmtree(folder / "train" / "n90000006"), "n90000006.*has no n90000006_<number>.JPEG"),
        (lambda folder: (folder / "val" / "images" / "val_3.JPEG").unlink(), "differ: 'val_3.JPEG'"),
        (edit("val/val_annotations.txt", lambda text: text.split("\n", 2)[2]), "differ: 'val_0.JPEG', 'val_1.JPEG'"),
        (edit("val/val_annotations.txt", lambda text: text + text.split("\n")[0]), "names an image twice"),
        (
            edit("val/val_annotations.txt", lambda text: text.replace("n9", "n8")),
            "not in wnids.txt: 'n80000000', .*10 in",
        ),
    ],
)
def test_a_damaged_folder_is_reported_by_the_part_that_is_wrong(small, damage, message):
    damage(small)
    with pytest.raises(ValueError, match=message):
        TinyImagenet(small)


# Broken images


def test_broken_images_are_found_by_name(small):
    files = TinyImagenet(small).train().files
    assert find_broken_images(files) == {}
    files[4].write_bytes(files[4].read_bytes()[:-300])
    files[11].write_bytes(b"<html>please log in</html>")
    files[20].write_bytes(b"")
    Image.new("RGB", (32, 64)).save(files[25])
    broken = find_broken_images(files)
    assert list(broken) == [files[i] for i in (4, 11, 20, 25)]
    assert all(str(file) in reason for file, reason in broken.items())
    assert "truncated" in broken[files[4]] and "32x64 pixels, not 64x64" in broken[files[25]]


def test_the_pixels_are_those_of_tensorflows_exact_decoder(small):
    import tensorflow as tf

    for file in TinyImagenet(small).train().files:
        theirs = tf.io.decode_jpeg(file.read_bytes(), channels=3, dct_method="INTEGER_ACCURATE")
        np.testing.assert_array_equal(read_image(file), theirs)


# Where it comes from


@pytest.fixture
def sample_home(keras_home, monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", "sample")
    return keras_home


def test_the_sample_is_drawn_once(sample_home, monkeypatch):
    dataset = tiny_imagenet.load()
    assert dataset.folder == sample_home / "datasets" / tiny_imagenet.SAMPLE_NAME
    assert dataset.describe() == "sample: patterned shapes, 10 classes, 600 + 200 images"
    monkeypatch.setattr(tiny_imagenet, "write_sample", None)
    assert len(tiny_imagenet.load(classes=3).train()) == 180


def test_two_processes_make_one_folder(tmp_path):
    code = f"""
import time
from text_recognizer.datasets.folders import make_folder
def fill(folder):
    (folder / "first").touch()
    time.sleep(0.5)
    (folder / "second").touch()
    print("filled")
print(sorted(path.name for path in make_folder({str(tmp_path / "folder")!r}, fill).iterdir()))
"""
    with ThreadPoolExecutor() as threads:
        printed = sorted(threads.map(run_python, [code, code]))
    assert printed == ["['first', 'second']\n", "filled\n['first', 'second']\n"]


def test_a_folder_is_made_whole_or_not_at_all(tmp_path):
    def fill(folder, fails=False):
        (folder / "first").touch()
        if fails:
            raise KeyboardInterrupt
        (folder / "second").touch()

    with pytest.raises(KeyboardInterrupt):
        folders.make_folder(tmp_path / "a" / "folder", lambda folder: fill(folder, fails=True))
    assert [path.name for path in (tmp_path / "a").iterdir()] in ([], ["folder.lock"])
    killed = tmp_path / "a" / "folder.part"
    killed.mkdir()
    (killed / "left by kill -9").touch()
    made = folders.make_folder(tmp_path / "a" / "folder", fill)
    assert sorted(path.name for path in made.iterdir()) == ["first", "second"]
    assert not killed.exists()


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
    dataset = tiny_imagenet.load()
    assert dataset.folder == keras_home / "datasets" / "tiny-imagenet-200"
    assert dataset.describe() == "full: Tiny ImageNet, 10 classes, 30 + 20 images"
    assert dataset.validation().labels.tolist() == TinyImagenet(small).validation().labels.tolist()


def test_the_archive_is_downloaded_with_its_checksum(keras_home, small, monkeypatch):
    def download(url, path, md5):
        assert url == "http://cs231n.stanford.edu/tiny-imagenet-200.zip"
        assert md5 == "90528d7ca1a48142e341f4ef8d21d0de"
        assert path == write_archive(keras_home, small)

    monkeypatch.setattr(tiny_imagenet, "download", download)
    assert len(tiny_imagenet.load().train()) == 30


def test_what_does_not_fit_together_is_reported_with_what_to_delete(keras_home, small):
    archive = write_archive(keras_home, small, keep=lambda name: name != "words.txt")
    with pytest.raises(DatasetUnavailableError) as caught:
        tiny_imagenet.load()
    message = str(caught.value)
    assert "has no words.txt" in message and f"Delete {archive.with_suffix('')} and {archive}" in message


@pytest.mark.parametrize("content", [b"<html>please log in</html>", b""])
def test_a_broken_archive_is_reported(keras_home, content):
    archive = keras_home / "datasets" / "tiny-imagenet-200.zip"
    archive.parent.mkdir()
    archive.write_bytes(content)
    with pytest.raises(DatasetUnavailableError, match=f"{archive} is damaged.*WORKBOOK_DATA=sample"):
        tiny_imagenet.load()
    assert not archive.with_suffix("").exists()


def test_without_a_network_the_reader_is_told_what_to_do(keras_home):
    with pytest.raises(DatasetUnavailableError) as caught:
        tiny_imagenet.load()
    message = str(caught.value)
    assert "no network in tests" in message and tiny_imagenet.URL in message
    assert f"put the archive at {keras_home / 'datasets' / 'tiny-imagenet-200.zip'}" in message
    assert "WORKBOOK_DATA=sample" in message


def test_too_many_classes_are_no_fault_of_the_data(keras_home, small):
    write_archive(keras_home, small)
    with pytest.raises(ValueError, match="classes is 300"):
        tiny_imagenet.load(classes=300)


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

    dataset = TinyImagenet(folder)
    assert dataset.class_names[0] == "goldfish"
    train, validation = dataset.train(per_class=100), dataset.validation()
    assert len(train) == 2000 and len(validation) == 1000
    assert find_broken_images(validation.files) == {}
    nearest = nearest_means(train, validation)
    assert np.mean(nearest == validation.labels) > 0.12
    for rotate in (1, 7):
        assert np.mean(nearest == (validation.labels + rotate) % 20) < 0.08
