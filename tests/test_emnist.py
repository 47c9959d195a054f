"""EMNIST and its sample: upright, every class in both parts, and a cache that cannot be half built."""

import functools
import gzip
import hashlib
import os
import socket
import subprocess
import sys
import zipfile
from pathlib import Path

import matplotlib
import numpy as np
import pytest
from loopback import Server
from matplotlib.ft2font import FT2Font
from PIL import Image, ImageDraw, ImageFont

from text_recognizer.datasets import emnist as emnist_dataset
from text_recognizer.datasets.synthetic import characters
from text_recognizer.datasets.synthetic.characters import CHARACTERS, FONTS, UNSEEN_FONTS, draw_characters, draw_text
from text_recognizer.datasets.emnist import TEST_FILES, TRAIN_FILES, EmnistDataset
from text_recognizer.datasets.idx import read_idx
from text_recognizer.datasets.source import DatasetUnavailableError

ROOT = Path(__file__).resolve().parents[1]
FONT_FILES = Path(matplotlib.get_data_path(), "fonts", "ttf")


@pytest.fixture(autouse=True)
def home(monkeypatch, tmp_path):
    """An empty Keras home, on the default source, without a network but this machine's own."""
    connect = socket.create_connection

    def connect_here(address, *args, **kwargs):
        if address[0] != "127.0.0.1":
            raise socket.gaierror("no network in tests")
        return connect(address, *args, **kwargs)

    monkeypatch.delenv("WORKBOOK_DATA", raising=False)
    monkeypatch.setattr(socket, "create_connection", connect_here)
    monkeypatch.setattr(emnist_dataset, "keras_home", lambda: (tmp_path, ""))
    return tmp_path


@functools.cache
def drawn():
    return draw_characters(emnist_dataset.SAMPLE_COUNT)


@pytest.fixture
def drawings(monkeypatch):
    """Draw once for all tests; the result counts how often the sample asks for it."""
    calls = []

    def draw(count):
        calls.append(count)
        return drawn()

    monkeypatch.setattr(characters, "draw_characters", draw)
    return calls


def load(**arguments):
    return EmnistDataset(**arguments).x_train


def labels(one_hot):
    assert one_hot.dtype == np.float32 and one_hot.shape[1:] == (62,)
    assert set(np.unique(one_hot)) == {0, 1} and (one_hot.sum(axis=1) == 1).all()
    return one_hot.argmax(axis=1)


def counts(one_hot):
    return np.bincount(labels(one_hot), minlength=62)


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
        (lambda: draw_text("", "cmr10"), "the text is empty"),
        (lambda: draw_text("  ", "cmr10"), "the text is empty"),
        (lambda: draw_text("naïve?", "cmr10"), r"the text holds \['\?', 'ï'\]"),
        (lambda: draw_text("word", "Arial"), "no font 'Arial': take one of DejaVuSans, .*, cmtt10"),
        (lambda: draw_characters(1, fonts=["cmr10", "cmmi10"]), "no font 'cmmi10'"),
        (lambda: draw_characters(1, fonts=[]), "no fonts"),
        (lambda: draw_characters(0), "count is 0"),
    ],
)
def test_what_cannot_be_drawn(draw, message):
    with pytest.raises(ValueError, match=message):
        draw()


# The sample


def test_the_sample(drawings):
    data = EmnistDataset()
    assert data.source == "sample"
    assert data.x_train.shape == (11_904, 28, 28) and data.x_test.shape == (2_976, 28, 28)
    assert data.x_train.dtype == data.x_test.dtype == np.uint8
    assert counts(data.y_train).tolist() == [192] * 62 and counts(data.y_test).tolist() == [48] * 62
    assert data.describe() == "sample: characters drawn from fonts, 11,904 + 2,976 images"
    assert repr(data).splitlines() == [
        "EmnistDataset(subsample_fraction=None, balance=False, seed=0)",
        "sample: characters drawn from fonts, 11,904 + 2,976 images",
        "62 classes: 0-9, A-Z, a-z",
        "x_train uint8 (11904, 28, 28), 0 to 255; y_train float32 (11904, 62), 192 to 192 of a class",
        "x_test uint8 (2976, 28, 28), 0 to 255; y_test float32 (2976, 62), 48 to 48 of a class",
    ]


def test_images_and_labels_belong_together(drawings):
    of = {image.tobytes(): label for image, label in zip(*drawn())}
    data = EmnistDataset()
    for x, y in ((data.x_train, data.y_train), (data.x_test, data.y_test)):
        assert [of[image.tobytes()] for image in x] == labels(y).tolist()
    assert as_set(data.x_train) | as_set(data.x_test) == of.keys()
    assert len(np.unique(labels(data.y_train)[:200])) > 50  # not sorted by class


def test_the_seed_orders_and_does_not_divide(drawings):
    one, again, other = EmnistDataset(), EmnistDataset(), EmnistDataset(seed=1)
    np.testing.assert_array_equal(one.x_train, again.x_train)
    assert (one.x_train != other.x_train).any()
    assert as_set(one.x_test) == as_set(other.x_test)


def test_nothing_is_loaded_before_it_is_asked_for(drawings, monkeypatch):
    monkeypatch.setenv("WORKBOOK_DATA", "full")
    data = EmnistDataset()
    monkeypatch.delenv("WORKBOOK_DATA")
    assert data.input_shape == (28, 28) and data.output_shape == (62,) and data.source == "full"
    assert [data.mapping[i] for i in (0, 9, 10, 35, 36, 61)] == list("09AZaz") and len(data.mapping) == 62
    EmnistDataset(subsample_fraction=0.5)
    assert drawings == []


@pytest.mark.parametrize("fraction", [0, -0.5, 1.5])
def test_a_fraction_that_is_none(fraction):
    with pytest.raises(ValueError, match=f"subsample_fraction is {fraction}; it must be above 0, and at most 1"):
        EmnistDataset(subsample_fraction=fraction)


# The cache of the sample


def cached(home):
    (path,) = (home / "datasets").iterdir()
    return path


def test_the_sample_is_drawn_once(home, drawings):
    first, second = EmnistDataset(), EmnistDataset()
    np.testing.assert_array_equal(first.x_train, second.x_train)
    assert drawings == [240]
    assert cached(home).name.startswith("characters-")


def flip_a_bit(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]


@pytest.mark.parametrize(
    "damage",
    [flip_a_bit, lambda content: content[:-1000], lambda content: b"", lambda content: b"something else", None],
    ids=["a flipped bit", "truncated", "empty", "something else", "other arrays"],
)
def test_a_damaged_cache_is_made_anew(home, drawings, damage):
    expected = EmnistDataset().x_train
    path = cached(home)
    if damage:
        path.write_bytes(damage(path.read_bytes()))
    else:
        np.savez(path, something=np.zeros(3))
    np.testing.assert_array_equal(EmnistDataset().x_train, expected)
    assert len(drawings) == 2
    load()
    assert len(drawings) == 2 and cached(home) == path


def test_a_home_that_cannot_be_written_to(home, drawings, monkeypatch):
    (home / "file").write_bytes(b"")
    monkeypatch.setattr(emnist_dataset, "keras_home", lambda: (home / "file", ""))
    assert len(EmnistDataset().x_train) == len(EmnistDataset().x_train) == 11_904
    assert len(drawings) == 2


def test_a_full_disk_leaves_nothing(home, drawings, monkeypatch):
    def fail(file, **arrays):
        file.write(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", fail)
    assert len(EmnistDataset().x_train) == 11_904
    assert list((home / "datasets").iterdir()) == []


def test_what_is_drawn_otherwise_has_another_cache(home, drawings, monkeypatch):
    load()
    changed = home / "characters.py"
    changed.write_bytes(Path(characters.__file__).read_bytes() + b"# another pen\n")
    monkeypatch.setattr(characters, "__file__", str(changed))
    load()
    assert len(drawings) == 2 and len(list((home / "datasets").iterdir())) == 2


def run_together(code, *arguments):
    """Run `code` in two processes at once; return what they print."""
    code = (
        "import sys, pathlib\n"
        "from text_recognizer.datasets import emnist as emnist_dataset\n"
        "emnist_dataset.keras_home = lambda: (pathlib.Path(sys.argv[1]), '')\n" + code + "\n"
        "print(emnist_dataset.EmnistDataset(seed=3).describe())"
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


def test_two_processes_draw_one_cache(home, drawings):
    printed = run_together("emnist_dataset.SAMPLE_COUNT = 10", home)
    assert printed == ["sample: characters drawn from fonts, 496 + 124 images\n"] * 2
    with np.load(cached(home)) as file:
        np.testing.assert_array_equal(file["x"], draw_characters(10)[0])


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
    monkeypatch.setattr(emnist_dataset, "URL", "http://127.0.0.1:9/gzip.zip")  # nobody listens there
    return home / "datasets" / "emnist"


def test_both_published_parts(full):
    train, test = part(lambda i: 10 + i), part(lambda i: 6)
    write_part(full, TRAIN_FILES, *train)
    write_part(full, TEST_FILES, *test)
    data = EmnistDataset()
    assert data.describe() == "full: EMNIST ByClass, 2,511 + 372 images"
    for x, y, (given, given_labels) in ((data.x_train, data.y_train, train), (data.x_test, data.y_test, test)):
        assert x.dtype == np.uint8 and x.flags.c_contiguous and x.flags.writeable
        assert as_set(x) == as_set(given)  # upright again
        assert x[:, 0, 25].tolist() == labels(y).tolist()
        assert counts(y).tolist() == np.bincount(given_labels).tolist()


def test_the_test_split_alone_is_divided_and_says_so(full):
    x, y = part(lambda i: 10 + i)
    write_part(full, TEST_FILES, x, y)
    data, other = EmnistDataset(), EmnistDataset(seed=1)
    assert data.describe() == "full: EMNIST ByClass, the test split only (the cache has no other) divided 4 : 1, " + (
        f"{len(data.x_train):,} + {len(data.x_test):,} images"
    )
    assert as_set(data.x_train) | as_set(data.x_test) == as_set(x)
    assert not as_set(data.x_train) & as_set(data.x_test)
    assert counts(data.y_test).tolist() == [n // 5 for n in np.bincount(y)]
    assert as_set(data.x_test) == as_set(other.x_test)


def test_balance_reduces_frequent_classes_of_the_training_part(full):
    write_part(full, TRAIN_FILES, *part(lambda i: 5 + 2 * i))
    write_part(full, TEST_FILES, *part(lambda i: 5 + i))
    data = EmnistDataset(balance=True)
    assert counts(data.y_train).tolist() == [min(5 + 2 * i, 66) for i in range(62)]  # 66 on average
    assert counts(data.y_test).tolist() == [5 + i for i in range(62)]
    assert data.x_train[:, 0, 25].tolist() == labels(data.y_train).tolist()


@pytest.mark.parametrize("balance", [False, True])
def test_a_fraction_keeps_every_class_in_both_parts(full, balance):
    write_part(full, TRAIN_FILES, *part(lambda i: 20 + 2 * i))
    write_part(full, TEST_FILES, *part(lambda i: 10 + i))
    data = EmnistDataset(subsample_fraction=0.1, balance=balance)
    assert counts(data.y_train).tolist() == [(20 + 2 * (min(i, 30.5) if balance else i)) // 10 for i in range(62)]
    assert counts(data.y_test).tolist() == [(10 + i) // 10 for i in range(62)]
    assert counts(data.y_train).min() >= 1 and counts(data.y_test).min() >= 1


def test_a_fraction_that_would_lose_a_class(full):
    write_part(full, TRAIN_FILES, *part(lambda i: 40))
    write_part(full, TEST_FILES, *part(lambda i: 12 + i))
    with pytest.raises(ValueError, match=r"of the rarest character a part has 12 images: take at least 0\.084"):
        load(subsample_fraction=0.08)
    assert counts(EmnistDataset(subsample_fraction=0.084).y_test).min() == 1


def damage_images(folder):
    path = folder / TEST_FILES[0]
    path.write_bytes(path.read_bytes()[:-100])


def replace_by_a_login_page(folder):
    (folder / TEST_FILES[1]).write_text("<html>Please log in to the wireless</html>")


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
        (replace_by_a_login_page, "BadGzipFile"),
        (lose_a_class, "holds 62 labels, 0 of the rarest, not 62 of 5 or more"),
        (add_a_class, "holds 63 labels"),
        (lose_a_label, r"images-idx3-ubyte.gz holds \(372, 28, 28\), and .*labels-idx1-ubyte.gz \(371,\)"),
        (swap, r"holds \(372, 32, 32\)"),
    ],
)
def test_broken_files_are_reported_with_the_folder_to_delete(full, damage, what):
    write_part(full, TEST_FILES, *part(lambda i: 6))
    damage(full)
    with pytest.raises(DatasetUnavailableError, match=what) as caught:
        load()
    message = str(caught.value)
    assert f"Delete {full} and run this again" in message and "WORKBOOK_DATA=sample" in message


def test_without_a_network_the_reader_is_told_what_to_do(full, home):
    with pytest.raises(DatasetUnavailableError) as caught:
        load()
    message = str(caught.value)
    assert f"EMNIST ByClass is not in {full}" in message and "http://127.0.0.1:9/gzip.zip" in message
    assert "Connect to the network and run this again" in message
    assert "KERAS_HOME set to a Keras home that has datasets/emnist" in message
    assert "WORKBOOK_DATA=sample" in message


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


def test_the_archive_is_downloaded_once_and_what_is_needed_kept(full, published, monkeypatch):
    with Server(published) as server:
        server.breaks = [1000]
        monkeypatch.setattr(emnist_dataset, "URL", server.url)
        monkeypatch.setattr(emnist_dataset, "MD5", hashlib.md5(published).hexdigest())
        assert EmnistDataset().describe() == "full: EMNIST ByClass, 434 + 372 images"
        assert EmnistDataset().describe() == "full: EMNIST ByClass, 434 + 372 images"
        assert server.requests == ["", "bytes=1000-"]
    assert names(full) == sorted(TRAIN_FILES + TEST_FILES)


def test_two_processes_build_one_cache(full, home, published):
    with Server(published) as server:
        printed = run_together(
            "emnist_dataset.URL, emnist_dataset.MD5 = sys.argv[2:]",
            home,
            server.url,
            hashlib.md5(published).hexdigest(),
        )
        assert printed == ["full: EMNIST ByClass, 434 + 372 images\n"] * 2
        assert server.requests == [""]
    assert names(full) == sorted(TRAIN_FILES + TEST_FILES)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"\0\0\x0d\x01" + bytes(8), "no IDX file of unsigned bytes: it begins with 00 00 0d 01"),
        (b"", "no IDX file"),
        (b"\0\0\x08\x01\0\0\0\x03" + bytes(2), r"holds 2 bytes behind its header, which announces \(3,\)"),
        (b"\0\0\x08\x01\0\0\0\x03" + bytes(4), "holds 4 bytes"),
        (b"\0\0\x08\x02\0\0\0\x03", "no IDX|holds"),
    ],
)
def test_what_is_no_idx_file(tmp_path, content, message):
    path = tmp_path / "file.gz"
    path.write_bytes(gzip.compress(content))
    with pytest.raises(ValueError, match=message):
        read_idx(path)


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
    mapping = dict(map(int, line.split()) for line in (real_emnist / "emnist-byclass-mapping.txt").open())
    data = EmnistDataset()
    assert {i: chr(code) for i, code in mapping.items()} == data.mapping
    assert len(data.x_train) + len(data.x_test) == 116_323
    assert counts(data.y_train).min() == 254 and counts(data.y_test).min() == 63

    # Upright: they look like printed characters, and their transposes less so.
    x, y = data.x_test, labels(data.y_test)
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
