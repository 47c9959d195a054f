"""EMNIST and its sample: upright, every class in both parts, and a cache that cannot be half built."""

import functools
import gzip
import hashlib
import os
import socket
import subprocess
import sys
import tracemalloc
import zipfile
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from loopback import Server
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from text_recognizer import files
from text_recognizer.datasets import DatasetUnavailableError, Emnist, emnist
from text_recognizer.datasets.synthetic import characters
from text_recognizer.datasets.synthetic.characters import CHARACTERS, FONTS, UNSEEN_FONTS, draw_characters, draw_text

ROOT = Path(__file__).resolve().parents[1]
FONT_FILES = Path(matplotlib.get_data_path(), "fonts", "ttf")
TRAIN_FILES = ("emnist-byclass-train-images-idx3-ubyte.gz", "emnist-byclass-train-labels-idx1-ubyte.gz")
TEST_FILES = ("emnist-byclass-test-images-idx3-ubyte.gz", "emnist-byclass-test-labels-idx1-ubyte.gz")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """An empty Keras home, on the default source, without a network but this machine's own."""
    connect = socket.create_connection

    def connect_here(address, *args, **kwargs):
        if address[0] != "127.0.0.1":
            raise socket.gaierror("no network in tests")
        return connect(address, *args, **kwargs)

    monkeypatch.delenv("WORKBOOK_DATA", raising=False)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setattr(socket, "create_connection", connect_here)
    monkeypatch.setattr(files, "BACKOFF", 0)
    return tmp_path


@functools.cache
def drawn():
    return draw_characters(emnist.SAMPLE_COUNT)


def load(**arguments):
    return Emnist(**arguments).x_train


def counts(labels):
    assert labels.dtype == np.uint8 and labels.ndim == 1
    return np.bincount(labels, minlength=62)


def digests(data):
    arrays = (data.x_train, data.y_train, data.x_test, data.y_test)
    return [hashlib.sha256(array.tobytes()).hexdigest() for array in arrays]


def as_set(images):
    return {image.tobytes() for image in images}


# Characters


@pytest.mark.parametrize("name", FONTS + UNSEEN_FONTS)
def test_a_font_has_every_character_under_its_own_name(name):
    font = FT2Font(str(FONT_FILES / f"{name}.ttf"))
    digits = ["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    names = [font.get_glyph_name(font.get_char_index(ord(character))) for character in CHARACTERS]
    assert names == digits + list(CHARACTERS[10:])


@pytest.mark.parametrize("name", FONTS + UNSEEN_FONTS)
def test_a_drawn_character_is_whole(name):
    """It has the ink that it has on a large canvas."""
    font = ImageFont.truetype(FONT_FILES / f"{name}.ttf", 1000, layout_engine=ImageFont.Layout.BASIC)
    _, top, _, bottom = font.getbbox("H")
    font = font.font_variant(size=1000 * characters.CAPITAL / (bottom - top))
    for character in CHARACTERS:
        canvas = Image.new("L", (100, 100))
        ImageDraw.Draw(canvas).text((50, 50), character, fill=255, font=font, anchor="ls")
        image = draw_text(character, name)
        assert image.dtype == np.uint8 and len(image) == 28
        assert image.sum() == np.asarray(canvas).sum()


def test_the_same_bytes_on_every_machine():
    x, y = drawn()
    assert x.shape == (14_880, 28, 28) and x.dtype == y.dtype == np.uint8
    assert y.tolist() == np.repeat(np.arange(62), 240).tolist()
    assert hashlib.sha256(x.tobytes()).hexdigest() == "6b5fd1161b3c0b610b4036169f779b2a0aaf57a27de817ccc5ccc98f40054e5d"


def test_no_two_characters_are_alike():
    x, _ = drawn()
    assert len(as_set(x)) == len(x)
    assert (x.max(axis=(1, 2)) > 150).all()


@pytest.mark.parametrize("character", "LJF7")
def test_drawn_characters_are_upright(character):
    x, y = drawn()
    printed = np.mean([centred(draw_text(character, font)) for font in FONTS], axis=0)
    assert best_view(x[y == CHARACTERS.index(character)].mean(axis=0), printed) == "as it is"


def best_view(image, printed):
    """Return in which of the eight ways of laying it down an image agrees best with a printed character."""
    views = {"as it is": image, "transposed": image.T}
    for turns in (1, 2, 3):
        views |= {f"turned {turns}": np.rot90(image, turns), f"turned {turns}, transposed": np.rot90(image, turns).T}
    return max(views, key=lambda view: np.corrcoef(views[view].ravel(), printed.ravel())[0, 1])


def centred(line):
    rows, columns = line.any(axis=1).nonzero()[0], line.any(axis=0).nonzero()[0]
    ink = line[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    canvas = np.zeros((28, 28), np.uint8)
    top, left = ((28 - side) // 2 for side in ink.shape)
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return canvas


def test_characters_follow_fonts_and_seed():
    one, _ = draw_characters(2, fonts=["cmr10"], seed=0)
    np.testing.assert_array_equal(one, draw_characters(2, fonts=["cmr10"], seed=0)[0])
    assert (one != draw_characters(2, fonts=["cmr10"], seed=1)[0]).any()
    assert (one != draw_characters(2, fonts=["cmtt10"], seed=0)[0]).any()
    assert one.shape == (124, 28, 28)
    assert not set(FONTS) & set(UNSEEN_FONTS)


def test_a_word_is_drawn_in_one_line():
    word, letters = draw_text("Hex", "cmss10"), [draw_text(letter, "cmss10") for letter in "Hex"]
    assert word.any(axis=1).nonzero()[0][-1] == characters.BASELINE - 1
    assert word.shape[1] < sum(letter.shape[1] for letter in letters)
    assert not word[:, : characters.MARGIN].any() and not word[:, -characters.MARGIN :].any()


@pytest.mark.parametrize("name", FONTS + UNSEEN_FONTS)
def test_a_space_is_paper(name):
    gap = longest_gap(draw_text("no no", name))
    assert 6 <= gap <= 14 and longest_gap(draw_text("nono", name)) < 5
    assert longest_gap(draw_text("no  no", name)) > gap + 5


def longest_gap(line):
    ink = line.any(axis=0).nonzero()[0]
    return np.diff(ink).max() - 1


@pytest.mark.parametrize(
    "draw, message",
    [
        (lambda: draw_text("", "cmr10"), "the text is '': give letters"),
        (lambda: draw_text("  ", "cmr10"), "the text is '  ': give letters"),
        (lambda: draw_text("naïve?", "cmr10"), "the text is 'naïve\\?': give letters A-Z and a-z and digits"),
        (lambda: draw_text("word", "Arial"), r"fonts are \['Arial'\]: give one or more of DejaVuSans, .*, cmtt10"),
        (lambda: draw_characters(1, fonts=["cmr10", "cmmi10"]), "fonts are .*'cmmi10'"),
        (lambda: draw_characters(1, fonts=[]), r"fonts are \[\]: give one or more"),
        (lambda: draw_characters(0), "count is 0; give an integer, 1 or more"),
    ],
)
def test_what_cannot_be_drawn(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# The sample


def test_the_sample():
    data = Emnist()
    assert data.source == "sample"
    assert data.x_train.shape == (11_904, 28, 28) and data.x_test.shape == (2_976, 28, 28)
    assert data.x_train.dtype == data.x_test.dtype == np.uint8
    assert counts(data.y_train).tolist() == [192] * 62 and counts(data.y_test).tolist() == [48] * 62
    assert data.describe() == "sample: characters drawn from fonts, 11,904 + 2,976 images"


def test_images_and_labels_belong_together():
    of = {image.tobytes(): label for image, label in zip(*drawn())}
    data = Emnist()
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert [of[image.tobytes()] for image in x] == y.tolist()
    assert as_set(data.x_train) | as_set(data.x_test) == of.keys()
    assert len(np.unique(data.y_train[:200])) > 50  # not sorted by class


def test_the_parts_are_the_same_bytes_as_ever():
    """Stored results rest on them, and NumPy does not promise the stream that divides and orders them."""
    assert digests(Emnist()) == [
        "0d39f365305578d5703e204282b738abf3ad2b76f5d40871f0c1cd85e4710b70",
        "88c422f6e6f6f7091c60353c9ab0aec5a5256663f7844562897e45e0be53c528",
        "09c5e82fe0aaca2cf7baac91a802382fce3908ac25a52b8686c69a870c957ba6",
        "953c25aa50b9c641814a7ec74ff6ad05086d03acf7036d22631bdc8271e909fb",
    ]
    assert digests(Emnist(subsample_fraction=0.1, balance=True, seed=3)) == [
        "7bd9083738a7d49f8ee11c8675f51d1e6f0ac31b76b313283f8b37a3fcb313e5",
        "ec274dd685b018958efb84761dece9292f41ab69aa7e0429910aaedc3f99bf2e",
        "dfa5cb2b19bc4121bb7cb50ca1a6ef919442e4a59d2ef51ed4686a7a0985ef43",
        "301c0f05a0c998f24d69ef8fbd51ab359980e2be95141d5f6eec7ee42e98bd5f",
    ]


def test_the_seed_orders_and_does_not_divide():
    one, again, other = Emnist(), Emnist(), Emnist(seed=1)
    np.testing.assert_array_equal(one.x_train, again.x_train)
    assert (one.x_train != other.x_train).any()
    assert as_set(one.x_test) == as_set(other.x_test)


def test_what_it_is_is_known_before_anything_is_drawn(monkeypatch):
    monkeypatch.setattr(emnist, "_drawn", lambda: pytest.fail("it was drawn"))
    data = Emnist(subsample_fraction=0.5)
    assert data.input_shape == (28, 28) and data.output_shape == (62,)
    assert [data.class_names[i] for i in (0, 9, 10, 35, 36, 61)] == list("09AZaz") and len(data.class_names) == 62
    assert data.describe() == "sample: characters drawn from fonts, 5,952 + 1,488 images"


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5])
def test_a_fraction_that_is_none(fraction):
    with pytest.raises(ValueError, match=f"subsample_fraction is {fraction}; it must be above 0, and at most 1"):
        Emnist(subsample_fraction=fraction)


def test_the_sample_is_drawn_once_in_a_process_and_nothing_is_written(home):
    one = Emnist().x_train
    one[:] = 7
    assert Emnist().x_train.std() > 50 and not list(home.iterdir())
    assert emnist._drawn.cache_info().misses == 1


def run_together(code, *arguments):
    """Run `code` in two processes at once; return what they print."""
    code = (
        "import sys\n"
        "from text_recognizer.datasets import emnist\n" + code + "\n"
        "data = emnist.Emnist(seed=3)\n"
        "print(len(data.x_train), len(data.x_test))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for _ in range(2)
    ]
    return [process.communicate(timeout=60)[0] for process in processes]


# The real data set, in its form


def write_idx(path, array):
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes()
    path.write_bytes(gzip.compress(header + array.tobytes(), compresslevel=1))


def part(per_class):
    """Return images with their number in the upper right corner, and labels: `per_class(i)` of class i, mixed."""
    y = np.random.default_rng(0).permutation(np.repeat(np.arange(62), [per_class(i) for i in range(62)]))
    x = np.zeros((len(y), 28, 28), np.uint8)
    x[:, 0, 27], x[:, 0, 26] = np.arange(len(y)) % 256, np.arange(len(y)) // 256
    x[:, 0, 25] = y
    return x, y.astype(np.uint8)


def write_part(folder, names, x, y):
    """Write as EMNIST is published, each image column by column."""
    folder.mkdir(parents=True, exist_ok=True)
    write_idx(folder / names[0], x.transpose(0, 2, 1))
    write_idx(folder / names[1], y)


@pytest.fixture
def full(home, monkeypatch):
    """The folder of EMNIST, on `full`, without any file."""
    monkeypatch.setenv("WORKBOOK_DATA", "full")
    monkeypatch.setattr(emnist, "URL", "http://127.0.0.1:9/gzip.zip")  # nobody listens there
    return home / "datasets" / "emnist"


def test_both_published_parts(full):
    train, test = part(lambda i: 10 + i), part(lambda i: 6)
    write_part(full, TRAIN_FILES, *train)
    write_part(full, TEST_FILES, *test)
    data = Emnist()
    assert data.describe() == "full: EMNIST ByClass, 2,511 + 372 images" and not {"_train", "_test"} & vars(data).keys()
    for x, y, (given, given_labels) in ((data.x_train, data.y_train, train), (data.x_test, data.y_test, test)):
        assert x.dtype == np.uint8 and x.flags.c_contiguous and x.flags.writeable
        assert as_set(x) == as_set(given)  # upright again
        assert x[:, 0, 25].tolist() == y.tolist()
        assert counts(y).tolist() == np.bincount(given_labels).tolist()


def test_the_test_split_alone_is_divided_and_says_so(full):
    x, y = part(lambda i: 10 + i)
    write_part(full, TEST_FILES, x, y)
    data, other = Emnist(), Emnist(seed=1)
    assert data.describe() == (
        "full: EMNIST ByClass, the test split only (the cache has no other) divided 4 : 1, "
        f"{len(data.x_train):,} + {len(data.x_test):,} images"
    )
    assert as_set(data.x_train) | as_set(data.x_test) == as_set(x)
    assert not as_set(data.x_train) & as_set(data.x_test)
    assert counts(data.y_test).tolist() == [n // 5 for n in np.bincount(y)]
    assert as_set(data.x_test) == as_set(other.x_test)


def test_balance_reduces_frequent_classes_of_the_training_part(full):
    write_part(full, TRAIN_FILES, *part(lambda i: 5 + 2 * i))
    write_part(full, TEST_FILES, *part(lambda i: 5 + i))
    data = Emnist(balance=True)
    assert counts(data.y_train).tolist() == [min(5 + 2 * i, 66) for i in range(62)]  # 66 on average
    assert counts(data.y_test).tolist() == [5 + i for i in range(62)]
    assert data.x_train[:, 0, 25].tolist() == data.y_train.tolist()


@pytest.mark.parametrize("balance", [False, True])
def test_a_fraction_keeps_every_class_in_both_parts(full, balance):
    write_part(full, TRAIN_FILES, *part(lambda i: 20 + 2 * i))
    write_part(full, TEST_FILES, *part(lambda i: 10 + i))
    data = Emnist(subsample_fraction=0.1, balance=balance)
    assert counts(data.y_train).tolist() == [(20 + 2 * (min(i, 30.5) if balance else i)) // 10 for i in range(62)]
    assert counts(data.y_test).tolist() == [(10 + i) // 10 for i in range(62)]
    assert counts(data.y_train).min() >= 1 and counts(data.y_test).min() >= 1


def test_a_fraction_that_would_lose_a_class(full):
    write_part(full, TRAIN_FILES, *part(lambda i: 40))
    write_part(full, TEST_FILES, *part(lambda i: 12 + i))
    for ask in (lambda data: data.x_train, lambda data: data.x_test, Emnist.describe):
        with pytest.raises(ValueError, match=r"of the rarest character a part has 12 images: take at least 0\.084"):
            ask(Emnist(subsample_fraction=0.08))
    assert counts(Emnist(subsample_fraction=0.084).y_test).min() == 1


def damage_images(folder):
    path = folder / TEST_FILES[0]
    path.write_bytes(path.read_bytes()[:-100])


def replace_by_a_login_page(folder):
    (folder / TEST_FILES[1]).write_text("<html>Please log in to the wireless</html>", encoding="utf-8")


def empty(folder):
    (folder / TEST_FILES[0]).write_bytes(b"")


def lose_a_class(folder):
    write_part(folder, TEST_FILES, *part(lambda i: 6 if i < 61 else 0))


def add_a_class(folder):
    write_idx(folder / TEST_FILES[1], (np.arange(372) % 63).astype(np.uint8))


def lose_a_label(folder):
    write_idx(folder / TEST_FILES[1], np.arange(371, dtype=np.uint8) % 62)


def swap(folder):
    write_idx(folder / TEST_FILES[0], np.zeros((372, 32, 32), np.uint8))


@pytest.mark.parametrize(
    "damage, what",
    [
        (damage_images, "EOFError"),
        (replace_by_a_login_page, "no IDX file of unsigned bytes: it begins with 3c 68 74 6d"),
        (empty, "no IDX file of unsigned bytes: it is empty"),
        (lose_a_class, "holds 62 labels, 0 of the rarest, not 62 of 5 or more"),
        (add_a_class, "holds 63 labels"),
        (lose_a_label, r"images-idx3-ubyte.gz holds \(372, 28, 28\), and .*labels-idx1-ubyte.gz \(371,\)"),
        (swap, r"holds \(372, 32, 32\)"),
    ],
)
def test_broken_files_are_reported_with_the_files_to_delete(full, damage, what):
    write_part(full, TEST_FILES, *part(lambda i: 6))
    damage(full)
    with pytest.raises(DatasetUnavailableError, match=what) as caught:
        load()
    message = str(caught.value)
    images, labels = (full / name for name in TEST_FILES)
    assert f"Delete {images} and {labels} and run this again" in message and "WORKBOOK_DATA=sample" in message


def test_without_a_network_the_reader_is_told_what_to_do(full, home):
    with pytest.raises(DatasetUnavailableError) as caught:
        load()
    message = str(caught.value)
    assert f"EMNIST ByClass is not in {full / 'byclass'}" in message and "http://127.0.0.1:9/gzip.zip" in message
    assert "Connect to the network" in message
    assert "KERAS_HOME set to a Keras home that has datasets/emnist" in message
    assert "WORKBOOK_DATA=sample" in message


def test_to_describe_it_downloads_nothing(full, home, monkeypatch):
    monkeypatch.setattr(files, "download", lambda *_: pytest.fail("it was downloaded"))
    for data in (Emnist(), Emnist(subsample_fraction=0.1)):
        assert data.describe() == "full: EMNIST ByClass, not downloaded yet"
        assert repr(data).startswith("Emnist(")
    assert not list(home.iterdir())
    write_part(full, TEST_FILES, *part(lambda i: 6))
    assert data.source == "full" and "372" not in repr(data)


@pytest.mark.parametrize("folder", ["", "gzip"])
@pytest.mark.parametrize("compressed", [True, False])
def test_files_that_were_unpacked_by_hand_are_used(full, folder, compressed):
    """As the publisher packs them, or as some programs unpack them: without the folder, without the compression."""
    write_part(full / folder, TRAIN_FILES, *part(lambda i: 7))
    write_part(full / folder, TEST_FILES, *part(lambda i: 6))
    if not compressed:
        for path in (full / folder).glob("*.gz"):
            path.with_suffix("").write_bytes(gzip.decompress(path.read_bytes()))
            path.unlink()
    data = Emnist()
    assert data.describe() == "full: EMNIST ByClass, 434 + 372 images"
    assert data.x_train[:, 0, 25].tolist() == data.y_train.tolist() and len(data.x_test) == 372


def test_a_shared_folder_can_be_read_without_a_right_to_write(shared_home):
    write_part(shared_home.datasets / "emnist", TEST_FILES, *part(lambda i: 10))
    printed = shared_home.run(
        "from text_recognizer.datasets import Emnist", "print(Emnist(source='full').x_test.shape)"
    )
    assert printed == "(124, 28, 28)\n"


def test_one_part_is_read_without_the_other(full):
    write_part(full, TRAIN_FILES, *part(lambda i: 7))
    write_part(full, TEST_FILES, *part(lambda i: 6))
    path = full / TRAIN_FILES[0]
    content = bytearray(path.read_bytes())
    content[-6] ^= 1  # of the checksum: whoever reads it to the end must notice
    path.write_bytes(content)
    data = Emnist()
    assert data.x_test.shape == (372, 28, 28) and data.y_test.shape == (372,)
    with pytest.raises(DatasetUnavailableError, match="CRC check failed"):
        data.x_train


def test_loading_takes_little_more_memory_than_the_images_have(full):
    """EMNIST has half a gigabyte of them."""
    y = np.arange(62 * 500, dtype=np.uint8) % 62
    write_part(full, TEST_FILES, np.zeros((len(y), 28, 28), np.uint8), y)
    write_part(full, TRAIN_FILES, np.zeros((len(y), 28, 28), np.uint8), y)
    data = Emnist()
    tracemalloc.start()
    try:
        size = data.x_train.nbytes
        _, peak = tracemalloc.get_traced_memory()
        assert size == len(y) * 784 and peak < 1.5 * size
        tracemalloc.reset_peak()
        Emnist(subsample_fraction=0.01).x_train
        _, peak = tracemalloc.get_traced_memory()
        assert peak < 1.5 * size  # of which `data` has the most
    finally:
        tracemalloc.stop()


@pytest.fixture
def published(tmp_path):
    """An archive in the form of the published one, with other files in it, as bytes."""
    folder = tmp_path / "publisher"
    write_part(folder, TRAIN_FILES, *part(lambda i: 7))
    write_part(folder, TEST_FILES, *part(lambda i: 6))
    path = folder / "gzip.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name in TRAIN_FILES + TEST_FILES:
            archive.write(folder / name, f"gzip/{name}")
        archive.writestr("gzip/emnist-mnist-train-images-idx3-ubyte.gz", b"not needed")
    return path.read_bytes()


def names(folder):
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


@pytest.fixture
def server(published, monkeypatch):
    with Server(published) as server:
        monkeypatch.setattr(emnist, "URL", server.url)
        monkeypatch.setattr(emnist, "MD5", hashlib.md5(published).hexdigest())
        yield server


def test_the_archive_is_downloaded_once_and_what_is_needed_kept(full, server):
    server.breaks = [1000]
    for _ in range(2):
        data = Emnist()
        assert data.x_train.shape == (434, 28, 28) and data.x_test.shape == (372, 28, 28)
        assert data.describe() == "full: EMNIST ByClass, 434 + 372 images"
    assert server.requests == ["", "bytes=1000-"]
    assert names(full) == ["byclass"] and names(full / "byclass") == sorted(TRAIN_FILES + TEST_FILES)


def test_two_processes_build_one_cache(full, server):
    printed = run_together("emnist.URL, emnist.MD5 = sys.argv[1:]", emnist.URL, emnist.MD5)
    assert printed == ["434 372\n"] * 2
    assert server.requests == [""]
    assert names(full) == ["byclass"] and names(full / "byclass") == sorted(TRAIN_FILES + TEST_FILES)


def test_an_archive_that_the_reader_put_there_is_unpacked_and_left(full, published):
    full.mkdir(parents=True)
    (full / "gzip.zip").write_bytes(published)
    assert Emnist().x_test.shape == (372, 28, 28)
    assert names(full) == ["byclass", "gzip.zip"]


def test_an_archive_in_a_shared_home_is_unpacked_elsewhere(shared_home, published):
    (shared_home.datasets / "emnist").mkdir()
    (shared_home.datasets / "emnist" / "gzip.zip").write_bytes(published)
    printed = shared_home.run(
        "import pathlib\n"
        "from text_recognizer import files\n"
        "from text_recognizer.datasets import Emnist\n"
        f"files.place = lambda name: pathlib.Path({str(shared_home.elsewhere)!r}, name)",
        "print(Emnist(source='full').x_test.shape)",
    )
    assert printed == "(372, 28, 28)\n"
    assert names(shared_home.elsewhere / "emnist" / "byclass") == sorted(TRAIN_FILES + TEST_FILES)


# The real data, where it exists


@pytest.fixture(scope="module")
def real_emnist():
    homes = [ROOT.parent / "shared" / "keras"]
    if "KERAS_HOME" in os.environ:
        homes.append(Path(os.environ["KERAS_HOME"]))
    for home in homes:
        folder = home / "datasets" / "emnist"
        if all((folder / name).exists() for name in TEST_FILES):
            return folder
    pytest.skip(f"no EMNIST in {' or '.join(map(str, homes))}")


def test_the_real_emnist(real_emnist, full):
    full.mkdir(parents=True)
    for name in TEST_FILES:
        (full / name).symlink_to(real_emnist / name)
    lines = (real_emnist / "emnist-byclass-mapping.txt").read_text(encoding="ascii").splitlines()
    mapping = dict(map(int, line.split()) for line in lines)
    data = Emnist()
    assert tuple(chr(mapping[i]) for i in range(62)) == data.class_names
    assert len(data.x_train) + len(data.x_test) == 116_323
    assert counts(data.y_train).min() == 254 and counts(data.y_test).min() == 63
    assert digests(data) == [  # what README's results on it rest on
        "d3bfb7aac9314ffa042bcacbdacd1b4878a01499040b61df9a90e2ec445db504",
        "b9b1e3f06d6a151437b2fe3f5c53370cd1690e824dfc7a96363122c2a974268b",
        "96b8aacd0a9acb8aeb35871bf1795aa7a4f1cef50cf76e78dfd40ba82ccf9d56",
        "8d8deed8277ea6e7ac881a890b23e5bca62bcb8a6d1da6fe43c0a9121b36025c",
    ]

    # Upright: they look like printed characters, and their transposes less so.
    x, y = data.x_test, data.y_test
    written = np.stack([x[y == i].mean(axis=0) for i in range(62)])
    drawings, drawn_labels = drawn()
    printed = np.stack([drawings[drawn_labels == i].mean(axis=0) for i in range(62)])
    for character in "LJF7":
        i = CHARACTERS.index(character)
        assert best_view(written[i], printed[i]) == "as it is"
        images = unit(x[y == i])
        assert (images @ unit(printed[[i]]).T > images @ unit(printed[[i]].transpose(0, 2, 1)).T).mean() > 0.85
    upright = (unit(written) * unit(printed)).sum(axis=1)
    transposed = (unit(written.transpose(0, 2, 1)) * unit(printed)).sum(axis=1)
    assert (upright > transposed).sum() > 55  # not 62: o and O are the same either way


def unit(images):
    """Flatten images; bring each to mean 0 and length 1, so that their products are correlations."""
    flat = images.reshape(len(images), -1).astype(np.float32)
    flat -= flat.mean(axis=1, keepdims=True)
    return flat / np.linalg.norm(flat, axis=1, keepdims=True)
