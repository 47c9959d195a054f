"""What counts as the same output, from both sides: what must agree, and what must not."""

import base64
import io

import nbformat.v4 as v4
import pytest
from PIL import Image, ImageDraw

from workbook.compare import Tolerance, outputs_difference, text_difference, tidy
from workbook.pictures import picture_difference

BAR = "24/24 \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m{}\x1b[0m {}/step - accuracy: {} - loss: 0.1781"
TABLE = """
┏━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┓
┃ Layer (type)     ┃     Param # ┃
┡━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━┩
│ dense (Dense)    │      {:>6} │
└──────────────────┴─────────────┘
"""

SAME = {
    "equal": ("loss 0.1234", "loss 0.1234"),
    "the last printed place, rounded the other way": ("loss 0.1234", "loss 0.1235"),
    "within one in ten thousand": ("3141.59265", "3141.59300"),
    "white space": ("[ 0.5 -0.25]\n", "[0.5   -0.25]"),
    "minus zero": ("0.0", "-0.0"),
    "exponents": ("1.0000e-05", "1.0001e-05"),
    "a progress bar": (BAR.format("2s", "6ms", "0.95"), BAR.format("11s", "901us", "0.95")),
    "a log line of fit": ("89/89 - 1s - 7ms/step - loss: 0.5", "89/89 - 0s - 1ms/step - loss: 0.5"),
    "timings": ("took 2.31 s", "took 17.5 s"),
    "clock times": ("at 12:01:59", "at 9:30:00"),
    "%time": (
        "CPU times: user 1.2 s, sys: 3 ms, total: 1.3 s\nWall time: 800 µs",
        "CPU times: user 12 s, sys: 30 ms, total: 12.1 s\nWall time: 1min 2s",
    ),
    "addresses": ("<Dense object at 0x7f70d2421990>", "<Dense object at 0x103fa2b0>"),
    "the folder of the packages": (
        "/srv/ada/.venv/lib/python3.11/site-packages/keras/a.py:12: UserWarning: x",
        r"C:\work\venv\Lib\site-packages/keras/a.py:12: UserWarning: x",
    ),
    "the file of a cell": (
        "/tmp/ipykernel_12/1234.py:3: UserWarning",
        "/var/T/ipykernel_9/88.py:1: UserWarning",
    ),
    "a temporary folder": ("/tmp/tmpab12cd34/m.keras", "/var/folders/x/tmpzz99_abc/m.keras"),
    "the width of a table": (
        TABLE.format("78,500"),
        TABLE.format("78,500").replace("━━━", "━").replace("──", "─"),
    ),
}

DIFFERENT = {
    "a word": ("loss 0.5", "cost 0.5"),
    "a number": ("loss 0.1234", "loss 0.1254"),
    "one percent": ("0.97", "0.98"),
    "few digits are no excuse": ("0.9", "0.8"),
    "an integer": ("84060", "84061"),
    "a thousands separator": ("78,500", "78,501"),
    "a parameter count in a table": (TABLE.format("78,500"), TABLE.format("78,400")),
    "the sign": ("-0.5", "0.5"),
    "the order of magnitude": ("1.2e-05", "1.2e-04"),
    "not a number": ("loss 0.5", "loss nan"),
    "a version": ("keras 3.15.1", "keras 3.15.2"),
    "a shape": ("(None, 28, 28)", "(None, 28, 27)"),
    "a statistic that is called min": ("std 0.288\nmin 0.1", "std 0.988\nmin 0.1"),
    "an axis before the word min": ("axis 0 min 0.5", "axis 7 min 0.5"),
    "a number at the end of a line": ("loss 0.5\ns", "loss 0.9\ns"),
    "a slice": ("x[0:28]", "x[0:14]"),
    "a ratio": ("ratio 16:10", "ratio 4:30"),
    "an integer that became a float": ("(64, 3)", "(64, 3.0)"),
    "one percent of one": ("1.00", "0.99"),
    "a name with a number": ("dense_1", "dense_2"),
    "more lines": ("a\nb", "a\nb\nc"),
    "fewer lines": ("a\nb\nc", "a\nb"),
    "the metric behind a progress bar": (
        BAR.format("2s", "6ms", "0.95"),
        BAR.format("2s", "6ms", "0.93"),
    ),
    "the number of steps": ("89/89 - 1s - loss: 0.5", "88/88 - 1s - loss: 0.5"),
}


@pytest.mark.parametrize("pair", SAME.values(), ids=SAME)
def test_agrees(pair):
    assert text_difference(*pair) is None
    assert text_difference(*reversed(pair)) is None


@pytest.mark.parametrize("pair", DIFFERENT.values(), ids=DIFFERENT)
def test_disagrees(pair):
    assert text_difference(*pair)
    assert text_difference(*reversed(pair))


def test_message_shows_number_line_and_allowance():
    message = text_difference("epoch 1\nloss 0.5000 now", "epoch 1\nloss 0.6000 now")
    assert "0.5000 became 0.6000" in message
    assert "expected: loss 0.5000 now" in message and "got:      loss 0.6000 now" in message


@pytest.mark.parametrize(
    ("tolerance", "expected", "got", "agrees"),
    [
        ({"rtol": 0.05}, "1.000", "1.049", True),
        ({"rtol": 0.05}, "1.000", "1.060", False),
        ({"atol": 0.02}, "0.950", "0.969", True),
        ({"atol": 0.02}, "0.950", "0.975", False),
        ({"rtol": 0.05, "atol": 1}, "353 of 360", "354 of 360", False),  # integers have their own
        ({"counts": 2}, "353 of 360", "355 of 360", True),
        ({"counts": 2}, "353 of 360", "356 of 360", False),
    ],
)
def test_tolerance_of_a_cell(tolerance, expected, got, agrees):
    cell = v4.new_code_cell(metadata={"compare": tolerance})
    assert (text_difference(expected, got, Tolerance.of(cell)) is None) == agrees


@pytest.mark.parametrize(
    "stated",
    [{"rtoll": 0.1}, {"rtol": "much"}, {"counts": 0.5}, {"atol": -1}, {"shift": True}, 0.1],
)
def test_badly_stated_tolerance_is_refused(stated):
    with pytest.raises(ValueError, match="compare"):
        Tolerance.of(v4.new_code_cell(metadata={"compare": stated}))


# --- outputs ------------------------------------------------------------------------------------


def stream(text, name="stdout"):
    return v4.new_output("stream", name=name, text=text)


def result(**data):
    return v4.new_output("execute_result", data={k.replace("_", "/"): v for k, v in data.items()})


def error(message):
    return v4.new_output("error", ename="ValueError", evalue=message, traceback=["somewhere"])


def test_how_a_stream_is_cut_into_pieces_does_not_count():
    whole, pieces = [stream("a\nb\nc\n")], [stream("a\n"), stream("w", "stderr"), stream("b\nc\n")]
    assert outputs_difference(whole + [stream("w", "stderr")], pieces) is None


def test_a_progress_bar_is_played_out():
    played = tidy([stream("1/2 ━━\x08\x08\x08\x08\x08\x08\r2/2 ━━━━ loss: 0.5\nnext\n")])
    assert played[0].text == "2/2 ━━━━ loss: 0.5\nnext\n"


def test_log_lines_of_tensorflow_do_not_count_and_warnings_do():
    noise = (
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "I0000 00:00:1795201871.141607    8773 port.cc:153] oneDNN custom operations are on.\n"
        "2026-11-20 18:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:227] optimized\n"
        "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.\n"
    )
    assert tidy([stream(noise, "stderr")]) == []
    assert outputs_difference([stream("x")], [stream("x"), stream(noise, "stderr")]) is None
    warning = stream("UserWarning: gradients do not exist", "stderr")
    assert outputs_difference([stream("x")], [stream("x"), warning])


def test_html_tables_are_compared():
    table = '<table border="1"><tr><td>{}</td></tr></table>'
    assert (
        outputs_difference([result(text_html=table.format("0.12340"))], [result(text_html=table.format("0.12341"))])
        is None
    )
    assert outputs_difference([result(text_html=table.format("0.12"))], [result(text_html=table.format("0.13"))])


def test_errors_are_compared_by_type_and_message():
    assert outputs_difference([error("shape (3,)")], [error("shape (3,)")]) is None
    assert outputs_difference([error("shape (3,)")], [error("shape (4,)")])
    assert outputs_difference([error("x")], [stream("x")])


@pytest.mark.parametrize("missing", ["expected", "got"])
def test_an_output_too_many_or_too_few(missing):
    outputs = {"expected": [stream("a")], "got": [stream("a")]}
    outputs[missing] = []
    assert outputs_difference(**outputs)


# --- pictures -----------------------------------------------------------------------------------


def picture(curve=(10, 90, 50, 40, 30), label="0.97", size=(300, 120), colour="navy", move=0):
    image = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(image)
    step = size[0] // len(curve)
    draw.line([(10 + i * step + move, y + move) for i, y in enumerate(curve)], fill=colour, width=3)
    draw.text((200, 5), label, fill="black")
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()


def test_a_picture_may_move_by_the_stated_shift_and_no_more():
    assert picture_difference(picture(), picture()) is None
    assert picture_difference(picture(), picture(move=1)) is None
    assert picture_difference(picture(), picture(move=3))
    assert picture_difference(picture(), picture(move=3), shift=3) is None
    assert picture_difference(picture(), picture(size=(301, 120))) is None
    assert picture_difference(picture(), picture(size=(310, 120))).difference is None


@pytest.mark.parametrize(
    "other",
    [
        {"curve": (10, 90, 50, 40, 36)},
        {"label": "0.91"},
        {"colour": "darkorange"},
        {"curve": (10, 90, 50, 40)},
    ],
)
def test_another_picture_is_noticed_and_shown(other, tmp_path):
    difference = picture_difference(picture(), picture(**other))
    saved = difference.save(tmp_path / "pictures", "cell_01")
    assert [path.name for path in saved] == [f"cell_01_{n}.png" for n in ("expected", "got", "difference")]
    red = Image.open(saved[-1]).convert("RGB").getcolors(maxcolors=1 << 20)
    assert any(colour == (213, 0, 0) for _, colour in red)


def test_a_transparent_background_is_white():
    image = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    white = io.BytesIO()
    Image.new("RGB", (20, 20), "white").save(white, format="PNG")
    assert picture_difference(buffer.getvalue(), white.getvalue()) is None


def test_pictures_in_outputs():
    a, b = (base64.b64encode(picture(label=label)).decode() for label in ("0.97", "0.91"))
    assert outputs_difference([result(image_png=a)], [result(image_png=a)]) is None
    assert outputs_difference([result(image_png=a)], [result(image_png=b)]).picture
