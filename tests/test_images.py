"""Images of every kind become the same ink on paper, and what is none is refused by name."""

import sys

import numpy as np
import pytest
from PIL import Image

from tests.python import run_python
from text_recognizer.datasets.synthetic.characters import draw_text
from text_recognizer.images import ImageError, center, read_ink

SEVEN = np.zeros((20, 16), np.uint8)  # ink on paper
SEVEN[4:6, 4:12] = 255
SEVEN[6:16, 9:11] = 255
SEVEN[6:16, 8] = 102  # the soft edge of a stroke

ON_WHITE = 255 - SEVEN


def rgb(*background_and_ink):
    """The seven in two colours."""
    background, ink = np.array(background_and_ink, float)
    weight = SEVEN[..., None] / 255
    return np.rint(background * (1 - weight) + ink * weight).astype(np.uint8)


def transparent(grey):
    """The seven in one grey, on nothing."""
    return np.stack([np.full_like(SEVEN, grey)] * 3 + [SEVEN], axis=-1)


ARRAYS = {
    "white on black": SEVEN,
    "black on white": ON_WHITE,
    "bool": (None, ON_WHITE > 127),
    "int8": (None, (SEVEN // 128).astype(np.int8)),
    "int64": ON_WHITE.astype(np.int64),
    "uint16": ON_WHITE.astype(np.uint16) * 257,
    "uint16 up to 255": ON_WHITE.astype(np.uint16),
    "uint16, the other byte first": (ON_WHITE.astype(np.uint16) * 257).astype(">u2"),
    "float16 to 1": (ON_WHITE / 255).astype(np.float16),
    "float32 to 1": (ON_WHITE / 255).astype(np.float32),
    "float64 to 255": ON_WHITE.astype(np.float64),
    "floats a little above 1": np.where(ON_WHITE == 255, 1.25, ON_WHITE / 255),
    "floats a little below 0": np.where(ON_WHITE == 0, -0.25, ON_WHITE / 255),
    "floats a little above 255": np.where(ON_WHITE == 255, 260.0, ON_WHITE),
    "floats a little below 0, to 255": np.where(ON_WHITE == 0, -5.0, ON_WHITE),
    "one channel": ON_WHITE[..., None],
    "grey and alpha": transparent(0)[..., 2:],
    "RGB": np.stack([ON_WHITE] * 3, axis=-1),
    "RGBA": np.stack([ON_WHITE] * 3 + [np.full_like(SEVEN, 255)], axis=-1),
    "black on nothing": transparent(0),
    "white on nothing": transparent(255),
    "red on blue": rgb((0, 0, 255), (255, 0, 0)),
    "red on green of the same brightness": rgb((0, 130, 0), (255, 0, 0)),
    "dark grey on light grey": rgb((200, 200, 200), (50, 50, 50)),
    "a list": ON_WHITE.tolist(),
    "a read-only array": np.frombuffer(ON_WHITE.tobytes(), np.uint8).reshape(ON_WHITE.shape),
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_every_kind_of_array_gives_the_same_ink(kind):
    image = ARRAYS[kind]
    expected = SEVEN
    if isinstance(image, tuple):  # two values only: no soft edge
        image, expected = image[1], np.where(SEVEN > 127, 255, 0)
    ink = read_ink(image)
    assert ink.dtype == np.uint8 and ink.max() == 255
    np.testing.assert_allclose(ink, expected, atol=1)


@pytest.mark.parametrize(
    "suffix, mode",
    [("png", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")] + [("tif", "CMYK"), ("tif", "F")],
)
def test_every_kind_of_file_gives_the_same_ink(suffix, mode, tmp_path):
    sharp = np.where(SEVEN > 127, np.uint8(0), np.uint8(255))
    if mode == "I;16":
        image = Image.fromarray(sharp.astype(np.uint16) * 257)
    else:
        image = Image.fromarray(sharp).convert(mode)
    assert image.mode == mode
    image.save(path := tmp_path / f"seven.{suffix}")
    np.testing.assert_array_equal(read_ink(path), 255 - sharp)
    np.testing.assert_array_equal(read_ink(str(path)), 255 - sharp)
    np.testing.assert_array_equal(read_ink(image), 255 - sharp)


def test_a_transparent_png(tmp_path):
    Image.fromarray(transparent(0)).save(tmp_path / "seven.png")
    np.testing.assert_allclose(read_ink(tmp_path / "seven.png"), SEVEN, atol=1)
    grey = Image.fromarray(np.where(SEVEN > 127, 0, 200).astype(np.uint8))
    grey.save(tmp_path / "seven.png", transparency=200)  # one grey means nothing is there
    np.testing.assert_array_equal(read_ink(tmp_path / "seven.png"), np.where(SEVEN > 127, 255, 0))


@pytest.mark.parametrize("mode", ["I;16B", "I"])
def test_16_bits_in_other_forms(mode, tmp_path):
    """Pillow reads 16 bits of a PGM file into 32, and those of some TIFF files with the high byte first."""
    greys = ON_WHITE.astype(int) * 257
    image = Image.frombytes(mode, SEVEN.shape[::-1], greys.astype({"I;16B": ">u2", "I": "<i4"}[mode]).tobytes())
    np.testing.assert_array_equal(read_ink(image), SEVEN)
    if mode == "I":
        (tmp_path / "seven.pgm").write_bytes(b"P5 16 20 65535 " + greys.astype(">u2").tobytes())
        np.testing.assert_array_equal(read_ink(tmp_path / "seven.pgm"), SEVEN)


def test_the_first_of_several_images_is_read(tmp_path):
    first, *others = (Image.fromarray(array).convert("P") for array in (ON_WHITE, SEVEN, SEVEN.T))
    first.save(tmp_path / "seven.gif", save_all=True, append_images=others)
    np.testing.assert_allclose(read_ink(tmp_path / "seven.gif"), SEVEN, atol=1)


def test_a_jpeg_and_its_orientation(tmp_path):
    large = np.kron(ON_WHITE, np.ones((16, 16), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # as a camera held upright writes it: turn clockwise by 90 degrees to see it
    Image.fromarray(np.rot90(large)).save(tmp_path / "seven.jpg", quality=90, exif=exif)
    ink = read_ink(tmp_path / "seven.jpg")
    assert ink.shape == large.shape
    assert np.abs(ink.astype(int) - (255 - large)).mean() < 3


@pytest.mark.parametrize("noise", [3, 10, 20])
def test_the_grain_of_a_photograph_is_paper(noise):
    rng = np.random.default_rng(0)
    clean = 200 - np.kron(SEVEN, np.ones((8, 8))) * 0.6
    ink = read_ink(np.clip(clean + rng.normal(0, noise, clean.shape), 0, 255))
    assert ink[clean == 200].max() == 0
    assert np.median(ink[clean < 100]) > 150
    assert box(ink) == box(255 - clean)
    with pytest.raises(ImageError, match="empty"):
        read_ink(np.clip(200 + rng.normal(0, noise, clean.shape), 0, 255))


def test_the_image_is_left_as_it_was():
    image = ON_WHITE.copy()
    read_ink(image)
    np.testing.assert_array_equal(image, ON_WHITE)


def with_one(value):
    image = np.zeros((8, 8), np.float32)
    image[4, 4] = value
    return image


@pytest.mark.parametrize(
    "image, message",
    [
        (with_one(np.nan), "NaN or infinity"),
        (with_one(np.inf), "NaN or infinity"),
        (with_one(-0.26), "values from -0.26 to 0:"),
        (with_one(-64), "values from -64 to 0:"),
        (with_one(319), "values from 0 to 319: give values from 0 to 1 or from 0 to 255"),
        (with_one(256).astype(np.int32), "values from 0 to 256"),
        (with_one(-1).astype(np.int32), "values from -1 to 0"),
        (with_one(1.3), "empty: .* from 0 to 1.3 where 255 is white"),
        (np.zeros((8, 8), np.uint8), "empty"),
        (np.full((8, 8, 3), 255, np.uint8), "empty"),
        (np.zeros((8, 8, 4), np.uint8), "empty"),
        (np.full((8, 8), 250, np.uint8) + with_one(5).astype(np.uint8), "empty"),  # a shade of white
        (np.zeros((8,)), r"shape \(8,\)"),
        (np.zeros((1, 28, 28)), r"shape \(1, 28, 28\).*one image at a time"),
        (np.zeros((2, 28, 28, 1)), r"shape \(2, 28, 28, 1\)"),
        (np.zeros((0, 0)), r"shape \(0, 0\): .*4 pixels or more each way"),
        (np.zeros((3, 28)), r"shape \(3, 28\): .*4 pixels or more each way"),
        (np.zeros((8, 8, 5)), r"shape \(8, 8, 5\): .*with 1 to 4 channels"),
    ],
)
def test_arrays_are_refused_by_name(image, message):
    with pytest.raises(ImageError, match=message):
        read_ink(image)


@pytest.mark.parametrize(
    "image", [None, 7 + 1j, np.zeros((8, 8), complex), np.full((8, 8), "x"), [[1, "a"]], [[1, 2], [3]], b"seven.png"]
)
def test_what_holds_no_numbers_is_refused(image):
    with pytest.raises(TypeError, match="(?i)give a path, or an array of numbers"):
        read_ink(image)


def test_files_are_refused_by_name(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere.png: there is no such file"):
        read_ink(tmp_path / "nowhere.png")
    for no_path in (tmp_path, "", "\0", "data:image/png;base64," + "a" * 5000):
        with pytest.raises(FileNotFoundError, match="no such file"):
            read_ink(no_path)
    for content in ("no image", ""):
        (tmp_path / "text.png").write_text(content)
        with pytest.raises(ImageError, match="text.png cannot be read as an image"):
            read_ink(tmp_path / "text.png")


@pytest.mark.parametrize("suffix", ["png", "jpg", "gif", "tif", "webp"])
def test_a_file_that_ends_too_early_is_refused_however_it_is_given(suffix, tmp_path):
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(ImageError, match=f"cut.{suffix} cannot be read as an image"):
        read_ink(path)
    if suffix != "webp":  # which Pillow does not even open
        with Image.open(path) as image, pytest.raises(ImageError, match="the image cannot be read"):
            read_ink(image)


def test_a_file_that_leads_its_decoder_astray_is_refused(tmp_path):
    path = tmp_path / "seven.tif"
    Image.fromarray(ON_WHITE).save(path)
    number, text = b"\x11\x01\x04\x00", b"\x11\x01\x02\x00"  # the type of the place where the pixels begin
    content = path.read_bytes()
    assert number in content
    path.write_bytes(content.replace(number, text))
    with pytest.raises(ImageError, match="seven.tif cannot be read as an image"):
        read_ink(path)


# Large photographs


def test_a_line_that_is_written_large_reads_as_it_does_when_small():
    line = draw_text("Some words 42", "cmr10")
    large = np.pad(np.kron(255 - line, np.ones((24, 24), np.uint8)), 300, constant_values=255)
    assert large.size > 4_000_000
    shape = (28, 16 * 13)
    small = center(line, shape).astype(int)
    assert np.abs(center(read_ink(large), shape) - small).mean() < 4
    grey = np.stack([large // 2 + 90, large // 2 + 100, large // 2 + 80], axis=-1)
    assert np.abs(center(read_ink(grey), shape) - small).mean() < 4


MEMORY = """
import os, resource, sys
import numpy as np
from PIL import Image
from text_recognizer.images import read_ink

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024 ** (2 if sys.platform == "darwin" else 1)

folder = sys.argv[1]
pixels = np.full((3000, 4000, 3), 200, np.uint8)
pixels[1000:1200, 500:3500] = 40
image = Image.fromarray(pixels)
image.save(f"{folder}/photo.png", compress_level=1)
exif = Image.Exif()
exif[0x0112] = 6  # to be turned
image.save(f"{folder}/photo.jpg", exif=exif)
files = {"PNG": f"{folder}/photo.png", "JPEG": f"{folder}/photo.jpg"}
for kind, given in ({"array": pixels, "Pillow": image} | files).items():
    sys.stdout.flush()
    if not os.fork():
        before = peak()
        ink = read_ink(given)
        print(kind, round(peak() - before), *ink.shape)
        sys.stdout.flush()
        os._exit(0)
    assert os.wait()[1] == 0
"""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor getrusage")
def test_a_photograph_of_12_megapixels_takes_less_than_300_megabytes(tmp_path):
    """What is measured is by how much the most memory that a process ever had grows while it reads.

    Each kind is read in a process of its own, forked, so that its most is not that of another; and
    forked from a small one, since a process begins with the memory of the one that starts it.
    """
    measured = run_python(MEMORY.replace("sys.argv[1]", repr(str(tmp_path))), fresh=True).splitlines()
    assert [line.split()[0] for line in measured] == ["array", "Pillow", "PNG", "JPEG"]
    for line in measured:
        kind, megabytes, *shape = line.split()
        assert 12 <= int(megabytes) < 300, measured  # the result alone has 12
        assert shape == (["4000", "3000"] if kind == "JPEG" else ["3000", "4000"])


# In the middle


def box(image):
    rows, columns = (np.flatnonzero((image > 64).any(axis)) for axis in (1, 0))
    return rows[0], rows[-1], columns[0], columns[-1]


@pytest.mark.parametrize("height, width", [(5, 3), (12, 40), (300, 100), (64, 64)])
def test_ink_is_centered_and_keeps_its_proportions(height, width):
    ink = np.zeros((height + 50, width + 31), np.uint8)
    ink[7 : 7 + height, 20 : 20 + width] = 255
    centered = center(ink)
    assert centered.shape == (28, 28) and centered.dtype == np.uint8 and centered.max() == 255
    top, bottom, left, right = box(centered)
    assert max(bottom - top, right - left) + 1 == 24  # two pixels free on each side
    assert abs(top + bottom - 27) <= 1 and abs(left + right - 27) <= 1
    assert (bottom - top + 1) / (right - left + 1) == pytest.approx(height / width, rel=0.1)


def test_a_faint_speck_does_not_move_the_character():
    ink = np.zeros((60, 60), np.uint8)
    ink[20:40, 25:30] = 255
    expected = center(ink)
    ink[2, 2] = 20
    np.testing.assert_array_equal(center(ink), expected)


def test_the_thinnest_line_stays_visible():
    ink = np.zeros((500, 500), np.uint8)
    ink[100:400, 250] = 255
    centered = center(ink, shape=(28, 28), margin=4)
    assert centered.max() == 255
    assert box(centered)[:2] == (4, 23)


def test_another_shape():
    assert center(SEVEN, shape=(32, 20), margin=1).shape == (32, 20)


def blank(value, height=50, width=60):
    return np.full((height, width), value, np.uint8)


def specks(size, value=255):
    ink = blank(0, size, size)
    ink[3, 3] = ink[-3, -3] = value
    return ink


@pytest.mark.parametrize(
    "ink, message",
    [
        (blank(0), "empty: no ink is as strong as 24 of 255"),
        (blank(23), "empty"),
        (blank(0, 0, 9), "empty"),
        (specks(3000), "vanishes where 2995 x 2995 pixels become 24 x 24"),
    ],
)
def test_where_there_is_no_ink_there_is_nothing_to_center(ink, message):
    with pytest.raises(ImageError, match=message):
        center(ink)


@pytest.mark.parametrize("size, value", [(10, 255), (10, 24), (200, 255), (60, 24)])
def test_what_is_centered_has_ink(size, value):
    assert center(specks(size, value)).max() == 255


@pytest.mark.parametrize("shape", [(1, 1), (1, 900), (900, 1)])
def test_ink_of_one_pixel_each_way(shape):
    centered = center(np.full(shape, 255, np.uint8))
    rows, columns = (length / max(shape) * 24 for length in shape)
    assert (centered > 0).sum() == max(1, round(rows)) * max(1, round(columns))


@pytest.mark.parametrize("ink", [blank(9) / 255, blank(9)[..., None], blank(9).tolist(), blank(9) > 0, None])
def test_what_is_no_ink_is_refused(ink):
    with pytest.raises(TypeError, match="give uint8 \\(height, width\\), as read_ink returns it"):
        center(ink)


def test_a_margin_that_leaves_nothing_is_refused():
    with pytest.raises(ValueError, match=r"a margin of 2 leaves nothing of an image of shape \(28, 4\)"):
        center(SEVEN, shape=(28, 4))


@pytest.fixture(scope="module")
def noise():
    return np.random.default_rng(0).normal(size=(2000, 2000))


@pytest.mark.parametrize("sigma, quality", [(3, 75), (3, 95), (6, 75), (6, None), (10, 75)])
def test_the_noise_of_a_photograph_is_no_ink(noise, sigma, quality, tmp_path):
    """Grey paper of four million pixels, as a camera sees it, with a bar on it and without."""
    path = tmp_path / ("page.png" if quality is None else "page.jpg")
    for bar in (False, True):
        page = np.full((2000, 2000), 210.0)
        page[800:1200, 900:940] -= 180 * bar
        image = Image.fromarray(np.clip(np.rint(page + sigma * noise), 0, 255).astype(np.uint8))
        image.save(path, **{"compress_level": 1} if quality is None else {"quality": quality})
        if not bar:
            with pytest.raises(ImageError, match="empty"):
                read_ink(path)
            continue
        rows, columns = (np.flatnonzero((read_ink(path) >= 24).any(axis)) for axis in (1, 0))
        assert abs(rows[[0, -1]] - (800, 1199)).max() < 12 and abs(columns[[0, -1]] - (900, 939)).max() < 12
