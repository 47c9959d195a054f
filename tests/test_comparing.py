"""What counts as the same output, from both sides: what must agree, and what must not."""

import base64
import io
import math

import numpy as np
import pytest
from matplotlib.figure import Figure
from matplotlib.patches import Polygon
from matplotlib.ticker import NullLocator
from PIL import Image, ImageDraw

from workbook.comparing.figures import describe, load_ipython_extension
from workbook.comparing.normalise import normalise, tidy
from workbook.comparing.outputs import Tolerance, figure_difference, outputs_difference, text_difference
from workbook.comparing.pictures import picture_difference

BAR = "24/24 \x1b[32m━━━━━━━━━━━━━━━━━━━━\x1b[0m\x1b[37m\x1b[0m \x1b[1m{}\x1b[0m {}/step - accuracy: {} - loss: 0.1781"
TABLE = """
┏━━━━━━━━━━━━━━━━━━┳━━━━━━━━━━━━━┓
┃ Layer (type)     ┃     Param # ┃
┡━━━━━━━━━━━━━━━━━━╇━━━━━━━━━━━━━┩
│ dense (Dense)    │      {:>6} │
└──────────────────┴─────────────┘
"""

FACTORIAL = math.factorial(200)

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
    "a file of the course": ("/a/text_recognizer/ctc.py:3: UserWarning", r"C:\b\text_recognizer/ctc.py:3: UserWarning"),
    "a generated file": ("/tmp/__autograph_generated_fileab12.py", "/var/x/__autograph_generated_filez_9.py"),
    "a kernel of one processor": ("__wrapped____MklMatMul_device_/job:x", "__wrapped__MatMul_device_/job:x"),
    "another kernel of one processor": ("__wrapped____MklNativeConv2D_device_", "__wrapped__Conv2D_device_"),
    "the smallest step of a rounding": ("1.00", "1.01"),
    "one in ten thousand": ("1.00000", "1.00010"),
    "one in ten thousand, with an exponent": ("1.2000e+06", "1.2001e+06"),
    "a large number that is written with an exponent": ("1.234e+09", "1.235e+09"),
    "as many digits as one likes": (f"{FACTORIAL} and 1e400", f"{FACTORIAL} and 1e400"),
    "more zeros": ("0.5", "0.500"),
    "infinite and no number": ("inf -inf nan", "inf -inf nan"),
    "a number before its unit": ("12.34MB", "12.35MB"),
    "a complex number": ("0.5+0.12341j", "0.5+0.12342j"),
    "a decimal number with a thousands separator": ("1,999.99 m", "2,000.01 m"),
    "float32 as it rounds": ("5.96e-08", "1.19e-07"),
    "sixteen times as float32 rounds": ("9.54e-07", "0.0"),
    "sixteen times as float64 rounds": ("1.78e-15", "0.0"),
    "nearly as float32 rounds": ("5.9903e-08", "0.0"),
    "another sign for minus": ("−0.5", "-0.5"),
    "numbers before a word": ("0.3 0.3 1 x", "0.30000000000000004 0.30000000000000004 1 x"),
    "where a line ends, and how the next begins": ("a\n        b", "a b"),
    "the width of the first row of a table": ("   a  b", "a  b"),
    "float64 as it rounds": ("0.0", "-1.1102230246251565e-16"),
    "a time with an exponent": ("took 1.2e-05 s", "took 17 s"),
    "a long time": ("took 1,234 s to run", "took 34 s to run"),
    "minutes": ("took 2 min.", "took 31 min."),
    "hours": ("1h 2min 3s", "12h 22min 31s"),
    "seconds, measured": ("took 5.2 seconds", "took 17.1 seconds"),
    "a rate": ("28 it/s now", "1.5 it/s now"),
    "the width of a time": ("  2.1 ms now", " 12.1 ms now"),
    "the width of a time in a table": ("a      2.1 ms     b", "a   1202.1 ms     b"),
    "a time without a space": ("89/89 - 999s", "89/89 - 1s"),
    "%timeit": (
        "1.2 s ± 3 ms per loop (mean ± std. dev. of 7 runs, 1 loop each)",
        "12 µs ± 31 ns per loop (mean ± std. dev. of 1 run, 1,000 loops each)",
    ),
    "a date": ("on 2026-11-27", "on 2027-01-02"),
    "a date and a time": ("at 2026-11-27T12:00:01.25+01:00", "at 2027-01-02 13:00"),
    "an address by itself": ("0x103fa2b00", "0x7f70d2421990"),
    "an address that is short": ("<A object at 0x10>", "<A object at 0x20>"),
    "names that pandas draws": ('id="T_1a2b3" class="T_1a2b3_row0"', 'id="T_ffff0" class="T_ffff0_row0"'),
    "names in SVG": ('<a id="p1a2b" href="#p1a2b" x="url(#p1a2b)">', '<a id="qcc" href="#qcc" x="url(#qcc)">'),
    "where a line ends": ("a\nb", "a b"),
    "a space of indentation": ("a\n b", "a\nb"),
    "three spaces in a row of numbers": ("a\n1", "a\n   1"),
    "the width of a number in a table": ("a        0.5  b", "a  0.5000001  b"),
    "the width of the number before": ("0.5        b", "0.5000001  b"),
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
    "more than one in ten thousand": ("1.00000", "1.00011"),
    "an integer at the end of a sentence": ("There are 84060.", "There are 84068."),
    "an integer at the end of a line": ("It has 353.\nNow", "It has 354.\nNow"),
    "a float without decimals": ("[[100.]]", "[[101.]]"),
    "floats without decimals": ("[100. 200.]", "[101. 200.]"),
    "an integer above 2**53": ("9007199254740993", "9007199254740992"),
    "an integer of any size": (str(FACTORIAL), str(FACTORIAL + 1)),
    "a number beyond all floats": ("1e400", "1e401"),
    "a version of two parts": ("Python 3.11", "Python 3.12"),
    "a version that has the same value": ("keras==3.1", "keras==3.10"),
    "a version of three parts": ("2.21.0", "2.20.0"),
    "a thousands separator that moves": ("1,234", "12,34"),
    "several thousands separators": ("1,234,567", "1,234,568"),
    "percent": ("97%", "98%"),
    "percent that is none": ("97%", "97"),
    "the sign of an exponent": ("1e-05", "1e+05"),
    "the sign of infinity": ("inf", "-inf"),
    "a complex number": ("1.+2.j", "1.+3.j"),
    "the imaginary unit": ("0.5j", "0.5"),
    "a unit": ("12.34MB", "12.34GB"),
    "beyond the rounding of float32": ("1.013e-06", "0.0"),
    "not quite the rounding of float32": ("5.99051e-08", "0.0"),
    "a number that is small and not 0": ("1e-20", "0.0"),
    "more digits": ("100.5", "100.55"),
    "a comma": ("a ,567", "a 567"),
    "a small number that is no rounding": ("1e-07", "2e-07"),
    "decades": ("the 1980s", "the 1990s"),
    "a pause": ("waits 5 seconds", "waits 500 seconds"),
    "a date that is data": ("1999-12-31", "1998-12-31"),
    "a colour": ("0xff00ff00", "0x00ff00ff"),
    "an axis before min": ("axis 0 min -0.5", "axis 7 min -0.5"),
    "an argument that is called s": ("n=5 s=3", "n=6 s=3"),
    "a function that is called s": ("5 s(t)", "6 s(t)"),
    "the id of a model": ('name="dense"', 'name="conv"'),
    "indentation": ("if x:\n    a\n    b", "if x:\n    a\nb"),
    "two spaces of indentation": ("a\n  b", "a\nb"),
    "indentation of the first line": ("  a", "a"),
    "indentation of a sentence": ("  a b", "a b"),
    "indentation before a number": ("a\n    1", "a\n1"),
    "a blank cell of a table": ("a  b      c\n1      0.5", "a  b      c\n1  0.5    "),
    "a rule that is none": ("a -- b", "a --- b"),
    "a tab": ("a\t\tb", "a\tb\t"),
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
    assert text_difference(*pair) is not None
    assert text_difference(*reversed(pair)) is not None


def stated_by_a_cell(tolerance):
    return Tolerance.of({"metadata": {"compare": tolerance}})


WIDE = {"rtol": 0.2, "atol": 0.1, "counts": 20}


@pytest.mark.parametrize(
    ("tolerance", "expected", "got", "agrees"),
    [
        ({"rtol": 0.05}, "1.0000", "1.0526", True),
        ({"rtol": 0.05}, "1.0000", "1.0527", False),
        ({"atol": 0.02}, "0.9500", "0.9701", True),  # and the relative tolerance
        ({"atol": 0.02}, "0.9500", "0.9702", False),
        ({"counts": 2}, "353 of 360", "355 of 360", True),
        ({"counts": 2}, "353 of 360", "356 of 360", False),
        # integers have their own tolerance, and are integers before a full stop too
        ({"rtol": 0.05, "atol": 1}, "353 of 360", "354 of 360", False),
        (WIDE, "It has 353.", "It has 374.", False),
        (WIDE, "[353. 1.5]", "[374. 1.5]", True),
        # what stands beside a number that varies does not vary with it
        (WIDE, "35 of 200", "35 of 201", False),
        (WIDE, "35/200", "35/201", False),
        (WIDE, "200 of 35", "201 of 35", True),
        (WIDE, "200, of which 35", "200, of which 36", True),
        (WIDE | {"exact": [0.1, 12]}, "0.78 (by chance 0.10)", "0.77 (by chance 0.10)", True),
        (WIDE | {"exact": [0.1, 12]}, "0.78 (by chance 0.10)", "0.78 (by chance 0.11)", False),
        (WIDE | {"exact": [0.1, 12]}, "12 epochs", "13 epochs", False),
        (WIDE, "Python 3.11 3.11", "Python 3.11 3.12", True),
        (WIDE, "Python 3.11 3.11", "Python 3.12 3.11", False),
        (WIDE, "python3.11", "python3.12", False),
        (WIDE, '"python": "3.11"', '"python": "3.12"', False),
        (WIDE, "Python 3.8", "Python 3.9", False),
        (WIDE, "numpy     1.11", "numpy     1.12", True),  # in a table of timings
        (WIDE, "keras 1.112", "keras 1.113", True),
        (WIDE, "torch 1.5MB", "torch 1.6MB", True),
        (WIDE, "release 0.11", "release 0.12", True),  # of a gas, perhaps
        # shares stay between 0 and 1
        (WIDE, "val_top5: 0.99", "val_top5: 1.00", True),
        (WIDE, "val_top5: 0.99", "val_top5: 1.01", False),
        (WIDE, "accuracies 0.99", "accuracies 1.01", True),
        (WIDE, "loss 0.99", "loss 1.01", True),
        (WIDE, "accuracy 0.01", "accuracy -0.01", False),
        (WIDE, "accuracy 0.55 0.99", "accuracy 0.55 1.01", False),
        (WIDE, "accuracy 0.00", "accuracy -0.01", False),
        (WIDE, "accuracy -0.50", "accuracy -0.51", True),
        (WIDE, "accuracy 0.00 of 0.01", "accuracy 0.00 of -0.01", True),  # another name
        (WIDE, "accuracy 1.00", "accuracy 0.99", True),
        (WIDE, "accuracy: 2.00", "accuracy: 2.01", True),
        # a row of a CSV file
        (WIDE, "epoch,rate\n5,123.4", "epoch,rate\n6,123.4", True),
        ({"rtol": 0.2}, "epoch,rate\n5,123.4", "epoch,rate\n6,123.4", False),
        (WIDE, "1234,567", "1240,567", True),
        (WIDE, "123,456", "130,456", False),
        ({"rtol": 0.2}, "5,123,234", "6,123,234", False),
        ({"rtol": 0.2}, "x 5,123.4", "x 5,999.4", True),
        ({"rtol": 0.2}, "1,5,123.4", "1,6,123.4", False),
    ],
)
def test_tolerance_of_a_cell(tolerance, expected, got, agrees):
    assert (text_difference(expected, got, stated_by_a_cell(tolerance)) is None) == agrees


@pytest.mark.parametrize(
    "stated",
    [{"rtoll": 0.1}, {"rtol": "much"}, {"counts": 0.5}, {"atol": -1}, {"shift": True}, 0.1]
    + [{"shift": 1.5}, {"exact": 1}, {"exact": ["much"]}, {"exact": [1, -1]}, {"atol": [1]}],
)
def test_badly_stated_tolerance_is_refused(stated):
    with pytest.raises(ValueError, match="compare"):
        stated_by_a_cell(stated)


@pytest.mark.parametrize(
    ("stated", "message"),
    [
        ({"counts": 0.5}, "counts must be a whole number of at least 0, not 0.5"),
        ({"rtol": "much"}, "rtol must be a number of at least 0, not 'much'"),
        ({"exact": 5}, "exact must be a list of numbers of at least 0, not 5"),
        ({"shift": 4}, "shift is 3 at most; a curve that moves is compared by its values"),
        ({"tol": 5}, "expected a dictionary with some of rtol, atol, counts, shift, exact"),
    ],
)
def test_a_badly_stated_tolerance_is_named(stated, message):
    with pytest.raises(ValueError, match=message):
        stated_by_a_cell(stated)


def test_a_tolerance_may_be_nought():
    assert stated_by_a_cell({"rtol": 0, "shift": 0}) == Tolerance(rtol=0.0, shift=0)
    assert stated_by_a_cell({"shift": 3}) == Tolerance(shift=3)
    assert Tolerance.of({"metadata": {}}) == Tolerance()


def test_message_shows_number_line_and_allowance():
    message = str(text_difference("epoch 1\nloss 0.5000 now\nend", "epoch 1\nloss 0.6000 now\nend"))
    assert "0.5000 became 0.6000: off by 0.100, allowed 0.0001" in message
    assert "expected: loss 0.5000 now" in message and "got:      loss 0.6000 now" in message
    assert message.splitlines()[1:] == ["  expected: loss 0.5000 now", "  got:      loss 0.6000 now"]
    assert str(text_difference("0.5", "nan")).startswith("'0.5' became 'nan'")
    assert str(text_difference("nan", "0.5")).startswith("'nan' became '0.5'")
    assert str(text_difference("a", "a b")) == "only in what was got: 'a b'"
    assert str(text_difference("a b", "a")) == "only in what was expected: 'a b'"
    assert "'b' are 4 spaces, not 0" in str(text_difference("a\nb", "a\n    b"))


def test_message_shows_a_part_of_a_long_line():
    _, first, second = str(text_difference(f"a\n{'x' * 160}", f"a\n{'y' * 161}")).splitlines()
    assert first == f"  expected: {'x' * 160}" and second == f"  got:      …{'y' * 158}…"
    line = "".join(f"{n:03}" for n in range(200))
    message = str(text_difference(f"a\n{line} 0.5", f"a\n{line} 0.6"))
    assert f"…{line[-59:]} 0.5…" in message


@pytest.mark.parametrize(
    ("expected", "got", "wider"),
    [
        ("0.500", "0.541", {"rtol": 0.08}),
        ("1.00", "0.90", {"rtol": 0.1}),
        ("1.00", "0.89", {"atol": 0.2}),
        ("0.50", "0.61", {"atol": 0.2}),
        ("12", "15", {"counts": 3}),
        ("a", "b", None),
        ("0.5", "nan", None),
        ("0.5", "5", None),
        ("a 0.5", "a", None),
        ("Python 3.11", "Python 3.12", None),
        ("35 of 200", "35 of 201", None),
        ("accuracy 1.00", "accuracy 1.00001", None),
        ("    a", "a", None),
    ],
)
def test_advice_fits_the_difference(expected, got, wider):
    assert text_difference(expected, got).wider == wider
    assert outputs_difference([stream(expected)], [stream(got)]).wider == wider
    if wider:
        assert text_difference(expected, got, Tolerance(**wider)) is None


# --- outputs ------------------------------------------------------------------------------------


def stream(text, name="stdout"):
    return {"output_type": "stream", "name": name, "text": text}


def result(metadata=None, **data):
    data = {kind.replace("_", "/"): content for kind, content in data.items()}
    return {"output_type": "execute_result", "data": data, "metadata": metadata or {}}


def error(message, name="ValueError", traceback=("somewhere",)):
    return {"output_type": "error", "ename": name, "evalue": message, "traceback": list(traceback)}


def agree(*outputs):
    """Whether two outputs, or lists of outputs, agree, in both directions."""
    a, b = (output if isinstance(output, list) else [output] for output in outputs)
    found = {outputs_difference(a, b) is None, outputs_difference(b, a) is None}
    assert len(found) == 1
    return found.pop()


def test_how_a_stream_is_cut_into_pieces_does_not_count():
    whole, pieces = [stream("a\nb\nc\n")], [stream("a\n"), stream("w", "stderr"), stream("b\nc\n")]
    assert agree(whole + [stream("w", "stderr")], pieces)
    assert agree([stream("a"), stream(" \n", "stderr")], [stream("a")])


@pytest.mark.parametrize(
    ("text", "seen"),
    [
        ("at 12:01:59, 0x7f70d2421990, 2026-11-27", "at <time> , <address>, <date>"),
        ("┏━━━━┳━━━┓", "<rule>"),
        ("====", "==="),
        ("══", "══"),
        ("/tmp/ipykernel_12/1234.py:3: x", "<cell>: x"),
        ('<g id="p1">', '<g id="<id>">'),
        ("\x1b[31mred\x1b[0m", "red"),
    ],
)
def test_what_is_normalised_is_named(text, seen):
    assert normalise(text) == seen


def test_which_stream_it_was_and_what_is_above_a_figure_counts():
    figure = result(text_plain="<Figure>")
    assert not agree(stream("a"), stream("a", "stderr"))
    assert not agree([stream("a"), figure], [figure, stream("a")])
    assert agree([stream("a", "stderr"), figure], [figure, stream("a", "stderr")])


@pytest.mark.parametrize(
    ("written", "seen"),
    [
        ("1/2 ━━\x08\x08\x08\x08\x08\x08\r2/2 ━━━━ loss: 0.5\nnext\n", "2/2 ━━━━ loss: 0.5\nnext\n"),
        ("ab\x08c\x08\x08d\n", "d\n"),
        ("\x08a\x08\x08b", "b"),
        ("a\rb\r\n", "b\n"),
        ("\x08\x08\rb", "b"),
        ("abc\x08\x08\r\n", "abc\n"),
    ],
)
def test_a_progress_bar_is_played_out(written, seen):
    assert tidy([stream(written)])[0].text == seen


def test_log_lines_of_tensorflow_do_not_count_and_warnings_do():
    noise = (
        "WARNING: All log messages before absl::InitializeLog() is called are written to STDERR\n"
        "I0000 00:00:1795201871.141607    8773 port.cc:153] oneDNN custom operations are on.\n"
        "W1127 12:01:59.141607    8773 port.cc:153] a warning.\n"
        "2026-11-20 18:00:00.123456: I tensorflow/core/platform/cpu_feature_guard.cc:227] optimized\n"
        "2026-11-20 18:00:00.123456: E xla/cuda_dnn.cc:227] Unable to register cuDNN factory\n"
        "To enable the following instructions: AVX2 FMA, in other operations, rebuild TensorFlow.\n"
    )
    assert tidy([stream(noise, "stderr")]) == []
    assert tidy([stream(noise)])[0].text == noise
    assert agree([stream("x")], [stream("x"), stream(noise, "stderr")])
    for counts in (
        "UserWarning: gradients do not exist",
        "2026-11-20 18:00:00.123456: E tensorflow/core/kernels/x.cc:1] out of memory\n",
        "F0000 00:00:1795201871.141607    8773 port.cc:153] dying\n",
    ):
        assert not agree([stream("x")], [stream("x"), stream(counts, "stderr")])


def test_folders_of_this_machine_are_not_stored():
    raised = error("/srv/lib/python3.11/a.py", traceback=["/srv/lib/python3.11/site-packages/keras/a.py"])
    kept = tidy([raised, stream("/tmp/tmpab12cd34/m.keras")])
    assert kept[0].evalue == "python/a.py" and kept[0].traceback == ["site-packages/keras/a.py"]
    assert kept[1].text == "<temporary folder>/m.keras"
    assert not agree(stream("/tmp/tmpab12cd345/m.keras"), stream("/tmp/tmpab12cd34/m.keras"))


def test_html_tables_are_compared_and_their_layout_is_not():
    table = '<table border="1"><tr><td>{}</td></tr></table>'
    for kind in "text_html", "image_svg+xml":
        assert agree(result(**{kind: table.format("0.12340")}), result(**{kind: table.format("      0.12341")}))
        assert not agree(result(**{kind: table.format("0.12")}), result(**{kind: table.format("0.13")}))
    assert not agree(result(text_plain="a\n      b"), result(text_plain="a\nb"))


def test_other_kinds_of_output_are_compared_but_for_widgets():
    assert not agree(result(application_json={"a": [1]}), result(application_json={"a": [2]}))
    assert agree(result(application_json={"a": [1]}), result(application_json={"a": [1]}))
    widget = "application_vnd.jupyter.widget-view+json"
    assert agree(result(text_plain="a", **{widget: {"id": "b1"}}), result(text_plain="a", **{widget: {"id": "c2"}}))


@pytest.mark.parametrize(
    "cell",
    ["\x1b[36mCell\x1b[39m\x1b[32m In[{}]\x1b[39m, line {}, in f(x)", "  Cell In[{}], line {} in f\n    return x"],
)
def test_errors_are_compared_by_type_message_and_where_the_cells_raised(cell):
    assert agree(error("shape (3,)"), error("shape (3,)"))
    assert not agree(error("shape (3,)"), error("shape (4,)"))
    assert not agree(error("x"), error("x", name="TypeError"))
    assert not agree(error("x"), stream("x"))
    library = "File site-packages/keras/a.py:{}, in g(x)"
    raised = [library.format(12), cell.format(7, 2), "x"]
    assert agree(error("x", traceback=raised), error("x", traceback=[library.format(99), cell.format(8, 2)]))
    assert not agree(error("x", traceback=raised), error("x", traceback=[library.format(12), cell.format(7, 3)]))


def test_where_a_cell_raised_is_the_same_in_a_long_and_in_a_short_traceback():
    long, short = "Cell In[3], line 2, in f(x)", "  Cell In[3], line 2 in f"
    assert agree(error("x", traceback=[long]), error("x", traceback=[short]))


def test_messages_name_the_kind_of_output():
    def message(a, b):
        return str(outputs_difference(a, b))

    assert message([], [stream("a\n" * 60)]) == f"a new output appeared, stdout: '{'a ' * 49}a…'"
    assert message([stream("a" * 100)], []) == f"an output is missing, stdout: '{'a' * 100}'"
    assert message([stream("a")], [error("b")]) == "expected stdout: 'a'\n  got error: 'ValueError: b'"
    assert message([stream("a")], [stream("b")]).startswith("stdout: 'a' became 'b'")


# --- pictures -----------------------------------------------------------------------------------


def png(pixels):
    buffer = io.BytesIO()
    (pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)).save(buffer, format="PNG")
    return buffer.getvalue()


def picture(curve=(10, 90, 50, 40, 30), label="0.97", colour="navy"):
    image = Image.new("RGB", (150, 100), "white")
    draw = ImageDraw.Draw(image)
    draw.line([(10 + i * 120 // len(curve), y) for i, y in enumerate(curve)], fill=colour, width=3)
    draw.text((110, 5), label, fill="black")
    return png(image)


def drawn(*bars, size=(40, 30), background=255, turned=False):
    """A grey picture with vertical bars: (first column, width, brightness). Turned, they are horizontal."""
    pixels = np.full((size[1], size[0], 3), background, np.uint8)
    for column, width, brightness in bars:
        pixels[:, column : column + width] = brightness
    return png(pixels.swapaxes(0, 1) if turned else pixels)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shift", [0, 1, 3])
def test_a_picture_may_move_by_the_stated_shift_and_no_more(shift, turned):
    bar, near, far = (drawn((10 + by, 1, 0), turned=turned) for by in (0, shift, shift + 1))
    assert picture_difference(bar, near, shift) is None and picture_difference(near, bar, shift) is None
    assert picture_difference(bar, far, shift) and picture_difference(far, bar, shift)


def test_pictures_move_by_a_pixel_unless_a_shift_is_stated():
    assert picture_difference(drawn((10, 1, 0)), drawn((11, 1, 0))) is None
    assert picture_difference(drawn((10, 1, 0)), drawn((12, 1, 0)))
    assert picture_difference(b"equal bytes", b"equal bytes", 0) is None


def test_a_picture_may_be_larger_by_the_stated_shift_and_is_white_there():
    bar = drawn((10, 1, 0))
    assert picture_difference(bar, drawn((10, 1, 0), size=(41, 31))) is None
    for size in (42, 30), (40, 32):
        for pair in (bar, drawn((10, 1, 0), size=size)), (drawn((10, 1, 0), size=size), bar):
            difference = picture_difference(*pair)
            assert difference.difference is None and " pixels became " in difference.message
    for size in (41, 30), (40, 31):
        assert picture_difference(drawn(background=0), drawn(background=0, size=size)).difference
        assert picture_difference(drawn(background=0, size=size), drawn(background=0)).difference


@pytest.mark.parametrize("background", [255, 128, 0])
def test_a_flat_area_may_be_brighter_by_two(background):
    sign = 1 if background < 128 else -1
    plain = drawn(background=background)
    assert picture_difference(plain, drawn((10, 9, background + 2 * sign), background=background)) is None
    patched = drawn((10, 9, background + 3 * sign), background=background)
    assert picture_difference(plain, patched) and picture_difference(patched, plain)


def test_an_edge_may_be_antialiased_by_a_tenth_of_its_contrast():
    def edge(brightness):
        return drawn((10, 1, brightness), (11, 29, 0), background=200)

    # beside it lie 0 and 200: 200 + 2 + 20
    assert picture_difference(edge(200), edge(222)) is None
    assert picture_difference(edge(200), edge(223))
    assert picture_difference(edge(222), edge(0)) is None
    assert picture_difference(edge(223), edge(0))


def test_one_colour_is_enough_to_differ():
    grey, red = np.full((20, 20, 3), 100, np.uint8), np.full((20, 20, 3), 100, np.uint8)
    red[5:9, 5:9, 0] = 110
    assert picture_difference(png(grey), png(red)) and picture_difference(png(red), png(grey))
    green, yellow, cyan = (png(Image.new("RGB", (9, 9), colour)) for colour in ("lime", "yellow", "cyan"))
    assert picture_difference(green, yellow) and picture_difference(green, cyan)


def test_what_vanishes_and_what_appears_is_noticed():
    plain, bar = drawn(), drawn((10, 1, 0))
    assert picture_difference(plain, bar) and picture_difference(bar, plain)


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
    assert saved[0].read_bytes() == picture() and saved[1].read_bytes() == picture(**other)
    red = Image.open(saved[-1]).convert("RGB").getcolors(maxcolors=1 << 20)
    assert any(colour == (213, 0, 0) for _, colour in red)


def test_a_picture_of_what_differs_shows_where():
    # in the first are two bars, of which one goes; what stays is faded to a quarter
    difference = picture_difference(drawn((10, 3, 0), (30, 2, 55)), drawn((10, 3, 0)))
    assert "60 of 1,200 pixels differ, at x 30 to 31, y 0 to 29 (a shift of 1 is allowed)" in difference.message
    shown = np.asarray(difference.difference)[3]
    assert shown[30:32].tolist() == [[213, 0, 0]] * 2
    assert shown[10:13].tolist() == [[192] * 3] * 3 and shown[20].tolist() == [255] * 3


def test_pictures_of_other_sizes_are_saved_without_their_difference(tmp_path):
    difference = picture_difference(drawn(), drawn(size=(90, 30)))
    assert [path.name for path in difference.save(tmp_path, "a")] == ["a_expected.png", "a_got.png"]


def test_a_transparent_background_is_white():
    transparent = Image.new("RGBA", (20, 20), (0, 0, 0, 0))
    assert picture_difference(png(transparent), png(Image.new("RGB", (20, 20), "white"))) is None
    half = Image.new("RGBA", (20, 20), (0, 0, 0, 128))
    assert picture_difference(png(half), png(Image.new("RGB", (20, 20), (127, 127, 127)))) is None


def shown(pixels, figure=None):
    """An output that shows a picture, of a described figure."""
    metadata = {"image/png": {"figure": figure}} if figure else {}
    return result(metadata, image_png=base64.b64encode(pixels).decode())


def test_pictures_in_outputs():
    assert agree(shown(picture()), shown(picture()))
    assert agree(shown(drawn((10, 1, 0))), shown(drawn((11, 1, 0))))
    assert not agree(shown(drawn((10, 1, 0))), shown(drawn((12, 1, 0))))
    difference = outputs_difference([shown(picture())], [shown(picture(label="0.91"))])
    assert difference.picture and str(difference).startswith("image/png: ")


@pytest.mark.parametrize(
    ("moved", "stated", "wider"), [(2, 1, {"shift": 2}), (3, 1, {"shift": 3}), (3, 2, {"shift": 3}), (4, 1, None)]
)
def test_advice_for_a_picture_fits(moved, stated, wider):
    outputs = [shown(drawn((10, 1, 0)))], [shown(drawn((10 + moved, 1, 0)))]
    assert outputs_difference(*outputs, Tolerance(shift=stated)).wider == wider


# --- figures ------------------------------------------------------------------------------------


@pytest.fixture
def axes():
    return Figure().subplots()


def drawn_lines(axes):
    return [line.removeprefix("1. ") for line in describe(axes.figure)["drawn"]]


def set_lines(axes):
    return [line.removeprefix("1. ") for line in describe(axes.figure)["set"]]


def test_a_curve_is_described_by_its_values_and_its_look(axes):
    axes.plot([1, 2, 3], [2.25, 0.00125, float("nan")], "s--", color="navy", label="loss")
    axes.legend()
    axes.set(title="training", xlabel="epoch", ylabel="loss")
    assert describe(axes.figure) == {
        "set": ["1. x 'epoch' linear", "1. y 'loss' linear", "1. line 1: #000080 -- s"],
        "drawn": [
            "1. title 'training' center",
            "1. legend: 'loss'",
            "1. line 1 x: 1 2 3",
            "1. line 1 y: 2.2500 0.0013 nan",
        ],
    }


def test_texts_are_described_with_their_places(axes):
    axes.figure.suptitle("above")
    axes.figure.legend(axes.plot([0, 1], [[0, 1], [0, 1]]), ["one", "two"])
    axes.set_title("a", loc="left")
    axes.set_title("c", loc="right")
    axes.text(0.5, 2, "here")
    axes.annotate("there", (3, 4), (5, 6))
    described = describe(axes.figure)["drawn"]
    assert described[:3] == ["texts: 'above'", "texts at 0.50000 0.98000", "legend: 'one', 'two'"]
    assert described[3:7] == [
        "1. title 'a' left",
        "1. title 'c' right",
        "1. texts: 'here', 'there'",
        "1. texts at 0.5000 2.0000 5.0000 6.0000 3.0000 4.0000",
    ]


def test_the_panels_are_told_apart():
    figure = Figure()
    figure.subplots(1, 2)[1].set_title("b")
    assert describe(figure)["drawn"] == ["2. title 'b' center"]


def test_limits_and_ticks_are_described_unless_they_follow_from_the_data(axes):
    axes.plot([0, 1])
    assert set_lines(axes)[:2] == ["x '' linear", "y '' linear"]
    axes.set(xlim=(0, 2))
    assert set_lines(axes)[0].startswith("x '' linear from 0.0000 2.0000 ticks ['0.00', '0.25', ")
    axes.set(xticks=[0, 1, 2])
    assert set_lines(axes)[:2] == ["x '' linear from 0.0000 2.0000 ticks ['0', '1', '2']", "y '' linear"]
    axes.set(ylim=(0, 2), yticks=[])
    assert set_lines(axes)[1] == "y '' linear from 0.0000 2.0000 ticks []"
    axes.autoscale(True)
    assert set_lines(axes)[:2] == ["x '' linear ticks ['0', '1', '2']", "y '' linear ticks []"]
    axes.yaxis.set_major_locator(NullLocator())
    assert set_lines(axes)[1] == "y '' linear ticks []"
    axes.set_axis_off()
    assert set_lines(axes) == ["line 1: #1f77b4 - None"]


def test_a_scale_of_logarithms_is_described_as_it_is_seen(axes):
    axes.semilogy([1, 2, 3], [100, 0.01, 0])
    assert set_lines(axes)[1] == "y '' log"
    assert drawn_lines(axes) == ["line 1 x: 1 2 3", "line 1 log y: 2.0000 -2.0000 nan"]


def test_bars_and_categories_are_described(axes):
    axes.bar(["a", "b"], [3, 4], color=["red", "blue"])
    axes.plot(["a", "b"], [1, 2])
    assert set_lines(axes)[0] == "x '' linear ticks ['a', 'b']"
    assert "bars: #ff0000 #0000ff" in set_lines(axes)
    assert drawn_lines(axes) == [
        "line 1 x: 0.0000 1.0000",
        "line 1 y: 1 2",
        "bars x: -0.40000 0.60000",
        "bars y: 0 0",
        "bars width: 0.80000 0.80000",
        "bars height: 3 4",
    ]


def test_other_shapes_and_collections_are_described(axes):
    axes.add_patch(Polygon([(0, 0), (1, 0), (0, 2)], facecolor="red"))
    axes.scatter([1.0], [2.0], color="lime")
    axes.scatter([1, 2, 3], [0, 0, 0], c=[1.0, 2.0, 3.0])
    axes.vlines([1.0], 0, 2, color="blue")
    axes.vlines([], 0, 1, color="blue")
    assert set_lines(axes)[2:] == [
        "patch: #ff0000",
        "PathCollection: #00ff00 #00ff00",
        "PathCollection: #1f77b4 #1f77b4",
        "LineCollection: #0000ff",
        "LineCollection: #0000ff",
    ]
    axes.figure.draw_without_rendering()
    assert set_lines(axes)[4] == "PathCollection: by value"
    assert drawn_lines(axes) == [
        "patch x: 0.0000 1.0000 0.0000 0.0000",
        "patch y: 0.0000 0.0000 2.0000 0.0000",
        "PathCollection x: 1.0000",
        "PathCollection y: 2.0000",
        "PathCollection x: 1.0000 2.0000 3.0000",
        "PathCollection y: 0.0 0.0 0.0",
        "PathCollection values: 1.0000 2.0000 3.0000",
        "LineCollection x: 1.0000 1.0000",
        "LineCollection y: 0.0000 2.0000",
        "LineCollection x: ",
        "LineCollection y: ",
    ]


def test_matrices_are_described_by_their_values_and_photographs_by_means(axes):
    axes.imshow([[1, 2], [3, 4]], cmap="gray")
    axes.imshow(np.arange(26 * 27).reshape(26, 27))
    photograph = np.zeros((8, 8, 3), np.uint8)
    photograph[:2, :2] = 30, 60, 90
    axes.imshow(photograph)
    axes.figure.colorbar(axes.images[0], label="count")
    assert describe(axes.figure)["set"][-4:] == ["1. image: gray", "1. image: viridis"] + [
        "1. image: viridis",
        "2. colour bar 'count'",
    ]
    matrix, means, tiles = drawn_lines(axes)
    assert matrix == "matrix 2x2: 1 2 3 4"
    assert means.startswith("matrix 26x27, means: 84.00 91.00 ") and len(means.split()) == 3 + 16
    assert tiles == "matrix 8x8x3, means: 60.000" + 15 * " 0.000"
    axes.clear()
    axes.imshow(np.arange(700).reshape(25, 28))
    axes.imshow(np.arange(701).reshape(701, 1))
    assert [len(line.split()) for line in drawn_lines(axes)] == [2 + 700, 3 + 4]


def test_a_long_curve_is_described_by_some_of_its_points(axes):
    axes.plot(range(32))
    axes.plot(range(33))
    _, short, _, long = drawn_lines(axes)
    assert len(short.split()) - 3 == len(long.split()) - 3 == 32
    assert long.split()[3:6] == ["0", "1", "2"] and long.split()[-2:] == ["31", "32"]


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ([12345.6, 0.01], "12345.6 0.0"),
        ([1234.56, 0.01], "1234.6 0.0"),
        ([-99.99, 0.01], "-99.990 0.010"),
        ([1e-4, 1e-9], "0.00010000 0.00000000"),
        ([1e-5, 1e-9], "1.0000e-05 1.0000e-09"),
        ([0.0, 0.0], "0.0 0.0"),
        ([math.inf, 0.5], "inf 0.50000"),
    ],
)
def test_values_have_digits_by_the_largest(axes, values, line):
    axes.plot([0, 1], values)
    assert drawn_lines(axes)[1] == f"line 1 y: {line}"


def described(values=(2.25, 0.01), title="loss 0.5", label="epoch", **more):
    axes = Figure().subplots()
    axes.plot([1, 2], values, **more)
    axes.set(title=title, xlabel=label)
    return describe(axes.figure)


@pytest.mark.parametrize(
    ("other", "tolerance", "agrees"),
    [
        ({}, {}, True),
        ({"values": (2.25, 0.0102)}, {}, True),  # which nobody sees
        ({"values": (2.25, 0.0104)}, {}, False),
        ({"values": (2.25, 0.12)}, {"rtol": 0.05}, True),
        ({"values": (2.25, 0.13)}, {"rtol": 0.05}, False),
        ({"values": (2.35, 0.01)}, {"atol": 0.1}, True),
        ({"values": (2.36, 0.01)}, {"atol": 0.1}, False),
        ({"values": (0.01, 2.25)}, {"rtol": 0.3}, False),
        ({"values": (2.25,) * 3}, {"rtol": 9}, False),
        ({"title": "loss 0.6"}, {"rtol": 0.2}, True),
        ({"title": "cost 0.5"}, {"rtol": 9}, False),
        ({"label": "step"}, {"rtol": 9}, False),
        ({"color": "red"}, {"rtol": 9}, False),
        ({"linestyle": ":"}, {"rtol": 9}, False),
    ],
)
def test_figures_are_compared_by_what_they_show(other, tolerance, agrees):
    if len(other.get("values", "ab")) == 3:
        axes = Figure().subplots()
        axes.plot([1, 2, 3], other["values"])
        other = describe(axes.figure)
    else:
        other = described(**other)
    assert (figure_difference(described(), other, Tolerance(**tolerance)) is None) == agrees


def test_how_far_a_curve_may_move_follows_from_its_own_values():
    was = described(values=(0.01, 0.005))
    assert figure_difference(was, described(values=(0.01, 0.0054)), Tolerance(rtol=0.05)) is None
    assert figure_difference(was, described(values=(0.01, 0.0056)), Tolerance(rtol=0.05))
    assert figure_difference(was, described(values=(0.01, 0.0054)), Tolerance(rtol=0.05, exact=[0.005])) is None


def test_limits_are_compared_whatever_the_tolerance():
    def limited(top):
        axes = Figure().subplots()
        axes.plot([1, 2])
        axes.set_ylim(0, top)
        return describe(axes.figure)

    difference = figure_difference(limited(1.0), limited(1.1), Tolerance(rtol=0.5, atol=0.5))
    assert "1.0000 became 1.1000" in str(difference) and difference.wider is None


def test_where_a_curve_moved_as_it_may_its_pixels_do_not_count():
    was, near, far = described(), described(values=(2.3, 0.01)), described(values=(2.9, 0.01))
    pixels, others = picture(), picture(curve=(10, 90, 50, 40, 90))

    def difference(a, b, tolerance):
        return outputs_difference([a], [b], tolerance)

    wide = Tolerance(rtol=0.05)
    assert difference(shown(pixels, was), shown(others, near), wide) is None
    assert difference(shown(pixels, was), shown(others, near), Tolerance()).wider == {"rtol": 0.03}
    assert difference(shown(pixels, was), shown(others, far), wide).picture
    assert difference(shown(pixels, was), shown(pixels, far), wide).picture is None
    # where nothing moved, they count: who knows what was not described
    assert difference(shown(pixels, was), shown(others, was), wide).picture
    assert difference(shown(pixels, was), shown(pixels, was), wide) is None
    # and where one of the two has no description
    assert difference(shown(pixels), shown(others, near), wide).picture
    assert difference(shown(pixels, near), shown(others), wide).picture
    assert difference(shown(pixels), shown(pixels, near), Tolerance()) is None


def test_a_shell_describes_the_figures_that_it_shows():
    class Shell:
        class display_formatter:
            @staticmethod
            def format(obj, include=None, exclude=None):
                kinds = set(include or ["text/plain", "image/png"]) - set(exclude or [])
                return dict.fromkeys(kinds), {"image/png": {"width": 3}} if obj == "a model" else {}

    load_ipython_extension(Shell)
    show, figure = Shell.display_formatter.format, Figure()
    assert show(figure)[1] == {"image/png": {"figure": describe(figure)}}
    assert show(figure, include=["text/plain"]) == ({"text/plain": None}, {})
    assert show(figure, exclude=["image/png"]) == ({"text/plain": None}, {})
    assert show("a model")[1] == {"image/png": {"width": 3}}
    assert show("a text")[1] == {}
