"""A memory-mapped array: written once, whole or not at all, and opened only for what it was made from."""

import keras
import numpy as np
import pytest

from text_recognizer.datasets import tiny_imagenet
from text_recognizer.datasets.tiny_imagenet import TinyImagenet, read_image
from text_recognizer.pipelines.arrays import DatasetSequence, batched_dataset
from text_recognizer.pipelines.memory_mapped import memory_mapped

ARRAY = np.random.default_rng(0).integers(0, 256, (30, 7, 5, 2), dtype=np.uint8)
LABELS = np.arange(30) % 4


def read(number):
    return ARRAY[number]


@pytest.fixture(scope="module")
def train(tmp_path_factory):
    folder = tmp_path_factory.mktemp("images")
    tiny_imagenet.write_sample(folder, train=5, validation=1, test=1)
    return TinyImagenet(folder=folder).train()


def test_images_are_decoded_once_and_then_opened(train, tmp_path):
    decoded = []

    def count(file):
        decoded.append(file)
        return read_image(file)

    x, y = memory_mapped(tmp_path / "train", train.files, train.labels, count)
    assert isinstance(x, np.memmap) and x.dtype == np.uint8 and not x.flags.writeable
    assert y.dtype == np.int64 and y.tolist() == train.labels.tolist()
    np.testing.assert_array_equal(x, train.decode())
    assert len(decoded) > len(train)
    decoded.clear()
    again, _ = memory_mapped(tmp_path / "train", train.files, train.labels, count)
    np.testing.assert_array_equal(again, x)
    assert len(decoded) < 5


@pytest.mark.parametrize("make", [DatasetSequence, batched_dataset])
def test_batches_are_made_of_it(tmp_path, make):
    x, y = memory_mapped(tmp_path / "array", range(30), LABELS, read)
    batches = [tuple(map(keras.ops.convert_to_numpy, batch)) for batch in make(x, y, 8, shuffle=True, seed=0)]
    order = np.random.default_rng([0, 0]).permutation(30)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in batches]), ARRAY[order])
    np.testing.assert_array_equal(np.concatenate([y for _, y in batches]), LABELS[order])


@pytest.mark.parametrize(
    "change",
    [
        {"labels": (LABELS + 1) % 4},
        {"files": range(29), "labels": LABELS[:29]},
        {"files": range(29, -1, -1), "labels": LABELS[::-1]},
        {"read": lambda number: ARRAY[number, ::-1]},
    ],
    ids=["labels", "fewer", "order", "read"],
)
def test_a_folder_of_something_else_is_refused(tmp_path, change):
    arguments = {"folder": tmp_path / "array", "files": range(30), "labels": LABELS, "read": read}
    memory_mapped(**arguments)
    with pytest.raises(ValueError, match="array was made from other files or labels, or in another order. Delete it"):
        memory_mapped(**arguments | change)


def test_files_that_have_changed_since_are_noticed(tmp_path):
    files = [tmp_path / f"{number}.raw" for number in range(30)]
    for file, pixels in zip(files, ARRAY):
        file.write_bytes(pixels.tobytes())

    def read(file):
        return np.frombuffer(file.read_bytes(), np.uint8).reshape(7, 5, 2)

    memory_mapped(tmp_path / "array", files, LABELS, read)
    files[17].write_bytes(ARRAY[0].tobytes())
    with pytest.raises(ValueError, match="was made from other files"):
        memory_mapped(tmp_path / "array", files, LABELS, read)


@pytest.mark.parametrize("name", ["images.npy", "contents.json"])
def test_a_damaged_folder_is_refused(tmp_path, name):
    memory_mapped(tmp_path / "array", range(30), LABELS, read)
    content = (tmp_path / "array" / name).read_bytes()
    for damaged in (content[:-9], content[:-9] + bytes([content[-9] ^ 1]) + content[-8:], b"[]", None):
        (tmp_path / "array" / name).write_bytes(damaged) if damaged else (tmp_path / "array" / name).unlink()
        with pytest.raises(ValueError, match="array (is|was) .*Delete it"):
            memory_mapped(tmp_path / "array", range(30), LABELS, read)


def test_an_image_that_does_not_fit_leaves_nothing(tmp_path):
    with pytest.raises(ValueError, match=r"image 20 is read as uint8 \(6, 5, 2\); `read` must give uint8 \(7, 5, 2\)"):
        memory_mapped(tmp_path / "array", range(30), LABELS, lambda row: ARRAY[row] if row != 20 else ARRAY[row, :6])
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_full_disk_leaves_nothing(tmp_path):
    resource = pytest.importorskip("resource", reason="Windows sets no limits")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
    try:
        with pytest.raises(OSError, match="File too large"):
            memory_mapped(tmp_path / "array", range(30), LABELS, lambda row: np.zeros((100, 100, 3), "uint8"))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [path.name for path in tmp_path.iterdir()] == ["array.lock"]


def test_it_needs_no_framework_and_no_right_to_write(shared_home):
    memory_mapped(shared_home.path / "array", range(30), np.arange(30), lambda row: np.full((4, 4, 1), row, "uint8"))
    printed = shared_home.run(
        "import mmap, sys\nimport numpy as np\nfrom text_recognizer.pipelines.memory_mapped import memory_mapped\n",
        f"folder = {str(shared_home.path / 'array')!r}\n"
        "x, y = memory_mapped(folder, range(30), np.arange(30), lambda row: np.full((4, 4, 1), row, 'uint8'))\n"
        "print(x.sum(), len(y), {'keras', 'tensorflow'} & set(sys.modules))",
        fresh=True,
    )
    assert printed.split(maxsplit=2) == ["6960", "30", "set()\n"]
