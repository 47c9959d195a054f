"""Lines of one's own: what belongs together, what is refused by name or skipped, what is held out."""

import threading
import time
import unicodedata

import numpy as np
import pytest
from PIL import Image

from tests.drawn_lines import TEXTS, write_lines
from text_recognizer.datasets import text_lines
from text_recognizer.datasets.text_lines import UNKNOWN, TextLines
from text_recognizer.images import ImageError
from workbook.pages import ROOT

SHARED = ROOT.parent / "shared" / "lines"


@pytest.fixture
def folder(tmp_path):
    return write_lines(tmp_path / "lines")


def write_text(folder, stem, text):
    (folder / f"{stem}.gt.txt").write_bytes(text if isinstance(text, bytes) else text.encode())


def test_images_and_texts_of_one_stem_belong_together(folder):
    data = TextLines(folder, validation_fraction=0)
    assert data.decode(data.y_train) == list(TEXTS)
    assert data.class_names == ("", *sorted(set("".join(TEXTS))), UNKNOWN)
    assert data.output_shape == (len(data.class_names),) and data.input_shape == (48, None)
    assert data.x_train.dtype == object and data.x_train.shape == (10,) and data.y_train.dtype == np.int32
    assert {(line.dtype, len(line)) for line in data.x_train} == {(np.dtype("uint8"), 48)}
    assert data.describe() == f"{folder}: 10 + 0 lines, {len(data.class_names) - 2} characters"
    widths = {text: line.shape[1] for text, line in zip(TEXTS, data.x_train)}
    assert widths["so"] < widths["tea"] < widths["the hat"] < widths["on the shelf"]


def test_lines_of_one_width_are_still_an_array_of_images(tmp_path):
    data = TextLines(write_lines(tmp_path / "same", ["tea", "tea"]), validation_fraction=0, height=32)
    assert data.x_train.shape == (2,) and data.x_train[0].shape[0] == 32


def test_building_it_reads_nothing(folder, monkeypatch):
    monkeypatch.setattr(TextLines, "_lines", property(lambda self: pytest.fail("it reads")))
    assert repr(TextLines(folder, height=40)).startswith(f"TextLines(folder={folder!r}, validation=None")
    assert TextLines(None, alphabet="ab").class_names == ("", "a", "b", UNKNOWN)


def test_texts_are_brought_into_one_form(folder):
    write_text(folder, "ann-0", b"\xef\xbb\xbf" + unicodedata.normalize("NFD", "  \u00e9t\u00e9 ").encode() + b"\r\n")
    write_text(folder, "ann-1", "q\u0323")  # there is no such letter in one: the dot is a character of its own
    data = TextLines(folder, validation_fraction=0)
    assert data.decode(data.y_train[:2]) == ["\u00e9t\u00e9", "q\u0323"]
    assert {"\u00e9", "q", "\u0323"} < set(data.class_names) and "\ufeff" not in data.class_names


BROKEN = {
    "no text": "there is no text ann-1.gt.txt",
    "empty": "the text is empty",
    "two lines": "the text has several lines",
    "latin": "the text is no UTF-8 .* at byte 1",
    "no image": "there is no image of this stem",
    "two images": "there are 2 images of this stem",
    "damaged": "cannot be read as an image",
    "blank": "the image is empty",
    "Hebrew": "the text has HEBREW LETTER SHIN, which is written from right to left",
    "Arabic": "the text has ARABIC LETTER SEEN, which is written from right to left",
    "too long": r"CTC needs 399 steps for the text, and the width of the image makes \d\d",
}


def spoil(folder, how):
    image, text = folder / "ann-1.png", folder / "ann-1.gt.txt"
    if how == "no text":
        text.unlink()
    elif how == "no image":
        image.unlink()
    elif how == "two images":
        Image.open(image).convert("RGB").save(folder / "ann-1.JPG", format="JPEG")
    elif how == "damaged":
        image.write_bytes(image.read_bytes()[:200])
    elif how == "blank":
        Image.new("L", (200, 50), 255).save(image)
    else:
        texts = {"empty": " \n", "two lines": "tea\nfor two\n", "latin": b"t\xe9\xe0", "too long": 200 * "t"}
        texts |= {"Hebrew": "tea \u05e9\u05dc", "Arabic": "\u0633\u0644"}
        write_text(folder, "ann-1", texts[how])


@pytest.mark.parametrize("how", BROKEN)
def test_a_line_that_cannot_be_used_is_refused_by_name_or_skipped(folder, how):
    spoil(folder, how)
    with pytest.raises(ValueError, match=f"^1 of the lines cannot be used: .*ann-1.*: .*{BROKEN[how]}.*--on-error"):
        TextLines(folder).x_train
    data = TextLines(folder, validation_fraction=0, on_error="skip")
    assert data.describe() == f"{folder}: 9 + 0 lines, {len(data.class_names) - 2} characters, 1 skipped"
    ((name, reason),) = data.skipped.items()
    assert "ann-1" in name and data.decode(data.y_train) == [text for text in TEXTS if text != "tea"] and reason


def test_where_every_line_is_bad_the_first_are_named(folder, tmp_path):
    other = write_lines(tmp_path / "other", ["tea", "so"])
    for path in folder.glob("*.gt.txt"):
        path.unlink()
    data = TextLines(folder, other, on_error="skip")
    for _ in range(2):
        with pytest.raises(ValueError, match="^no lines in .*: .*ann-0.png: there is no text .*; and so on"):
            data.x_train
        assert len(data.skipped) == 10
    with pytest.raises(ValueError, match="^no lines in .*lines: .*ann-0.png: there is no text"):
        TextLines(other, folder, on_error="skip").x_test


def test_what_begins_with_a_dot_is_left_alone(folder):
    """macOS leaves such a file beside each on a disk of another system."""
    (folder / "._ann-1.png").write_bytes(b"no image")
    (folder / "._ann-1.gt.txt").write_bytes(b"\x00\x05\xff")
    assert len(TextLines(folder, validation_fraction=0).x_train) == 10


def test_few_images_are_decoded_at_once(folder, monkeypatch):
    """A photograph takes 200 MB while it is read."""
    at_once, most, lock = [], [], threading.Lock()

    def read_ink(image):
        with lock:
            at_once.append(image)
            most.append(len(at_once))
        time.sleep(0.01)
        with lock:
            at_once.remove(image)
        return np.eye(40, 400, dtype=np.uint8) * 255

    monkeypatch.setattr(text_lines, "read_ink", read_ink)
    assert len(TextLines(folder, validation_fraction=0).x_train) == 10 and max(most) <= 2


def test_many_problems_are_counted_and_some_are_named(folder):
    for i in range(5):
        (folder / f"ann-{i}.gt.txt").unlink()
    (folder / "._ann-9.png").write_bytes(b"what another system leaves beside a file")
    named = "^5 of the lines .*ann-0.png: .*ann-1.png: .*ann-2.png: [^;]*; and so on. Mend"
    with pytest.raises(ValueError, match=named) as caught:
        TextLines(folder).class_names
    assert "ann-3" not in str(caught.value)


def test_where_there_are_no_lines_it_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere: there is no such folder"):
        TextLines(tmp_path / "nowhere")
    with pytest.raises(ValueError, match=r"no lines in .*STEM.gt.txt"):
        TextLines(tmp_path).x_train
    with pytest.raises(ValueError, match="neither a folder nor an alphabet"):
        TextLines(None)
    with pytest.raises(ValueError, match="on_error is 'ignore'"):
        TextLines(tmp_path, on_error="ignore")
    with pytest.raises(ValueError, match="validation_fraction is 1"):
        TextLines(tmp_path, validation_fraction=1)
    with pytest.raises(ValueError, match="height is 12; give an integer, 16 or more"):  # line_convnext needs them
        TextLines(tmp_path, height=12)
    with pytest.raises(ValueError, match="both in .*: give two folders"):
        TextLines(tmp_path, tmp_path / ".." / tmp_path.name)
    with pytest.raises(ValueError, match="group_by is ''; give what separates a group"):
        TextLines(tmp_path, group_by="")
    (tmp_path / "others").mkdir()
    with pytest.raises(ValueError, match="others are held out as they are: leave group_by away, or validation"):
        TextLines(tmp_path, tmp_path / "others", group_by="-")
    write_lines(tmp_path, ["tea"])
    with pytest.raises(ValueError, match="group_by is '_', which is in none of the stems, such as ann-0"):
        TextLines(tmp_path, group_by="_").x_train
    with pytest.raises(ValueError, match="1 lines of 1 groups are too few to hold 0.1 of them out"):
        TextLines(tmp_path).x_train


# What is held out


def test_a_share_is_held_out_the_same_for_the_same_seed(folder):
    data, again, other = (TextLines(folder, validation_fraction=0.3, seed=seed) for seed in (1, 1, 2))
    assert len(data.x_test) == 3 and sorted(data.decode(data.y_train) + data.decode(data.y_test)) == sorted(TEXTS)
    assert data.decode(data.y_test) == again.decode(again.y_test) != other.decode(other.y_test)


def test_a_hand_is_held_out_as_a_whole(tmp_path):
    for name in ("ann", "bob", "cid", "dee"):
        write_lines(tmp_path, [name, "so"], stem=name + "-{}")
    data = TextLines(tmp_path, validation_fraction=0.25, group_by="-")
    first, second = data.decode(data.y_test)
    held_out = first if second == "so" else second
    assert held_out not in data.decode(data.y_train) and len(data.x_train) == 6


def test_of_groups_of_all_sizes_the_share_is_of_lines(tmp_path):
    for hand, lines in enumerate((1, 2, 3, 5, 8, 13, 20, 30)):
        write_lines(tmp_path, lines * ["so"], stem=f"{hand}-{{}}", height=16)
    for seed in range(20):
        data = TextLines(tmp_path, validation_fraction=0.2, group_by="-", seed=seed, height=16)
        assert abs(len(data.x_test) / 82 - 0.2) < 0.04
    assert len(TextLines(tmp_path, validation_fraction=0.001, group_by="-", height=16).x_test) == 1  # not none
    assert len(TextLines(tmp_path, validation_fraction=0.999, group_by="-", height=16).x_train) > 0


def test_a_held_out_line_that_fits_only_as_it_is_written_does_not_break_the_training(tmp_path):
    """As one and the same, unknown characters need a step between each two of them."""
    folder, other = write_lines(tmp_path / "lines"), write_lines(tmp_path / "other", ["so", "so"])
    text = "quickly dug"  # 11 steps
    write_text(other, "ann-1", text)
    image = Image.open(other / "ann-1.png")
    image.resize((4 * len(text), 48)).save(other / "ann-1.png")
    with pytest.raises(ValueError, match="^1 of the lines .*ann-1.png: CTC needs 1[2-9] .* one and the same"):
        TextLines(folder, other).x_test
    data = TextLines(folder, other, on_error="skip")
    assert data.decode(data.y_test) == ["so"] and list(data.skipped) == [str(other / "ann-1.png")]
    write_lines(folder, [text], stem="with-{}")  # now the characters are known
    assert TextLines(folder, other).y_test.shape == (2, 12)


def test_labels_are_checked(folder):
    data = TextLines(folder)
    assert data.decode([[1, 0, -1]]) == [data.class_names[1]]
    with pytest.raises(ValueError, match=r"give integers up to \d+ of shape \(n, length\)"):
        data.decode([[len(data.class_names)]])


def test_a_character_that_only_validation_has_is_an_error_that_cannot_be_read(folder, tmp_path):
    validation = write_lines(tmp_path / "other", ["the quay"])
    data = TextLines(folder, validation)
    assert "q" not in data.class_names and len(data.x_train) == 10
    assert data.decode(data.y_test) == [f"the {UNKNOWN}{UNKNOWN}a{UNKNOWN}"]
    assert data.y_test.shape[1] == data.y_train.shape[1] and data.y_test.max() == len(data.class_names) - 1


# Images


def test_a_line_looks_the_same_in_whatever_colours(folder):
    data = TextLines(folder)
    pixels = np.asarray(Image.open(folder / "ann-3.png"))
    line = data.read_line(folder / "ann-3.png")
    for image in (pixels, 255 - pixels, np.stack([pixels, pixels, np.full_like(pixels, 230)], axis=-1)):
        assert np.abs(data.read_line(image).astype(int) - line).mean() < 2
    blotted = pixels.copy()
    blotted[20:26, 5:9] = 0  # darker than any stroke
    assert np.abs(data.read_line(blotted).astype(int) - line)[:, 20:].mean() < 4
    with pytest.raises(ImageError, match="empty"):
        data.read_line(np.full((50, 300), 200, np.uint8))


def test_real_lines():
    if not SHARED.exists():
        pytest.skip(f"no real lines: {SHARED} is not there")
    data = TextLines(SHARED / "validation", validation_fraction=0)
    assert len(data.x_train) == 295 and len(data.class_names) == 75 + 2 and not data.skipped
    assert sum(map(len, data.decode(data.y_train))) == 8216
    ink = np.array([(line > 128).mean() for line in data.x_train])
    assert 0.01 < ink.min() and ink.max() < 0.3  # strokes, and neither the paper nor nothing
