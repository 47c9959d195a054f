"""Does a cell still print and draw what is stored?

Words must be equal, numbers within a `Tolerance`, white space roughly. A figure is compared by what it shows, where
the stored one has a description of that (figures.py), and every picture by its pixels (pictures.py).
What changes from run to run by nature is taken away first (normalise.py).
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from decimal import ROUND_CEILING, Context, Decimal
from itertools import zip_longest

from workbook.comparing.normalise import normalise, tidy, without_colours
from workbook.comparing.pictures import PictureDifference, picture_difference

METADATA_KEY = "compare"
MOST_SHIFT = 3  # pixels; from there on, another curve and another label pass


@dataclass(frozen=True)
class Tolerance:
    """How far a run may lie from the stored output.

    A cell widens it by its metadata, in the `.md` on the fence: ```` ```python compare={"rtol": 0.05} ````.

    Attributes:
        rtol: relative tolerance of a decimal number; of a curve, relative to its largest value.
        atol: absolute tolerance of a decimal number, added to the relative one.
        counts: how far an integer may be off. Shapes and parameter counts are integers: 0 by default.
        shift: how far, in pixels, a curve or a letter in a picture may move.
        exact: numbers that stand beside those that vary, and may not: `[0.1, 200]`.
    """

    rtol: float = 1e-4
    atol: float = 0.0
    counts: int = 0
    shift: int = 1
    exact: Sequence[float | Decimal] = ()

    @classmethod
    def of(cls, cell: Mapping) -> Tolerance:
        """The tolerance that a notebook cell states in its metadata.

        Raises:
            ValueError: if it states anything but the attributes, each as non-negative numbers.
        """
        stated = cell["metadata"].get(METADATA_KEY, {})
        known = [f.name for f in fields(cls)]
        if not isinstance(stated, Mapping) or set(stated) - set(known):
            raise ValueError(f"{METADATA_KEY}={stated!r}: expected a dictionary with some of {', '.join(known)}")
        for name, value in stated.items():
            kind, types = ("whole number", int) if name in ("counts", "shift") else ("number", (int, float))
            numbers = value if isinstance(value, list) else [value]
            fits = all(isinstance(v, types) and not isinstance(v, bool) and v >= 0 for v in numbers)
            if not fits or isinstance(value, list) != (name == "exact"):
                kind = f"a list of {kind}s" if name == "exact" else f"a {kind}"
                raise ValueError(f"{METADATA_KEY}: {name} must be {kind} of at least 0, not {value!r}")
        if stated.get("shift", 0) > MOST_SHIFT:
            what = "a curve that moves is compared by its values"
            raise ValueError(f"{METADATA_KEY}: shift is {MOST_SHIFT} at most; {what}")
        return cls(**stated)


@dataclass(frozen=True)
class Difference:
    """What disagrees.

    Attributes:
        message: it in words.
        wider: the tolerance that would cover it, as a cell states it; None if none should.
        picture: the pictures, where it is one.
    """

    message: str
    wider: dict | None = None
    picture: PictureDifference | None = None

    def __str__(self) -> str:
        return self.message


# --- numbers ------------------------------------------------------------------------------------

# "100." is a decimal number where NumPy prints it, "[100. 2.5]", and else an integer before a full stop. "5,123.4"
# alone on its line is two fields of a CSV file.
_INTEGER = r"(?<![\w.])[-+−]?(?:(?<!\d,)(?!^\d+,\d+\.\d+$)\d{1,3}(?:,\d{3})+(?!,?\d)|\d+)"
_NUMBER = (
    rf"{_INTEGER}\.(?=\s*[-+−\d\[\],.)j])(?!\d)"
    rf"|(?:{_INTEGER}|(?<![\w.])[-+−]?)\.\d+(?:[eE][-+]?\d{{1,5}})?(?!\.?\d)"
    rf"|{_INTEGER}(?:[eE][-+]?\d{{1,5}})?(?!\.?\d|\w)"
)
_VERSION = r"\b(?:python|tensorflow|keras|numpy|pytorch|torch|jax|cuda|version|release)\W{0,4}[1-9]\d?\.\d{1,2}\b"
_TOKEN = re.compile(rf"(?i:{_VERSION})|(?P<number>{_NUMBER})|\w+|[^\w\s]|\t", re.MULTILINE)

# What has such a name lies between 0 and 1, whatever the tolerance.
_SHARE = re.compile(r"(?:^|_)(?:acc|accuracy|top|precision|recall|auc|confidence|share|probability)\d*$")


def number_difference(expected: str, got: str, tolerance: Tolerance = Tolerance()) -> Difference | None:
    """What disagrees between two numbers as they were printed, or None.

    Integers may differ by `tolerance.counts`. Other numbers may differ by `atol + rtol * |x|`, or by one unit in the
    last printed place where that is less than 1 % of the number: a rounding that fell the other way. The rounding
    errors of sums of float32 and float64 are all equal to 0.
    """
    a, b = _decimal(expected), _decimal(got)
    whole = _is_integer(expected)
    if whole != _is_integer(got):
        return Difference(f"{expected} became {got}: an integer and a decimal number are not the same")
    if a == b or _is_noise(a) and _is_noise(b):
        return None
    if a in map(Decimal, map(str, tolerance.exact)):
        return Difference(f"{expected} became {got}: it may not vary")
    off, size = abs(a - b), max(abs(a), abs(b))
    if whole:
        allowed = Decimal(tolerance.counts)
    else:
        place = Decimal(10) ** min(a.as_tuple().exponent, b.as_tuple().exponent)
        rounding = place if place < size / 100 and expected[-1] != "." else 0
        allowed = Decimal(str(tolerance.atol)) + max(Decimal(str(tolerance.rtol)) * size, rounding)
    if off <= allowed:
        return None
    return Difference(f"{expected} became {got}: off by {off:.3g}, allowed {allowed:.3g}", _wider(whole, off, size))


def _wider(whole: bool, off: Decimal, size: Decimal) -> dict:
    """The tolerance that covers a difference, rounded up to one digit."""
    name, needed = ("rtol", off / size) if off <= size / 10 else ("atol", off)
    return {"counts": int(off)} if whole else {name: float(Context(prec=1, rounding=ROUND_CEILING).plus(needed))}


def _decimal(number: str) -> Decimal:
    return Decimal(number.replace(",", "").replace("−", "-"))


def _is_integer(number: str) -> bool:
    return not re.search(r"[.eE]", number)


def _is_noise(number: Decimal) -> bool:
    """Whether it is 0, or one of the first multiples of 2**-24 or 2**-53, by which float32 and float64 round at 1."""
    multiples = [abs(number) * Decimal(2) ** digits for digits in (24, 53)]
    return any(round(m) <= 16 and abs(m - round(m)) <= m / 200 for m in multiples)


# --- text ---------------------------------------------------------------------------------------


def text_difference(expected: str, got: str, tolerance: Tolerance = Tolerance()) -> Difference | None:
    """What first disagrees between two texts, or None.

    Words and signs must be equal. So must versions, and totals, as the 200 in "35 of 200" and "35/200". An accuracy,
    or what else has the name of a share, does not leave the range from 0 to 1. For white space see `_moved`.
    """
    expected, got = normalise(expected), normalise(got)
    before = None  # the last pair of tokens
    name = ""  # the last word
    for pair in zip_longest(_TOKEN.finditer(expected), _TOKEN.finditer(got)):
        a, b = pair
        if a is None or b is None:
            more, text = ("got", got) if a is None else ("expected", expected)
            return Difference(f"only in what was {more}: {_line(text, (a or b).start())!r}")
        if (was := a["number"]) and (now := b["number"]):
            is_total = before and before[0].group() in ("of", "/") and _is_integer(was)
            exact = [_decimal(was)] if is_total else tolerance.exact
            wrong = number_difference(was, now, replace(tolerance, exact=exact))
            if not wrong and _SHARE.search(name) and 0 <= _decimal(was) <= 1 and not 0 <= _decimal(now) <= 1:
                wrong = Difference(f"{was} became {now}: {name} lies between 0 and 1")
        else:
            was, now = a.group(), b.group()
            wrong = None if was.split() == now.split() else Difference(f"{was!r} became {now!r}")
        wrong = wrong or _moved(pair, before)
        if wrong:
            lines = f"\n  expected: {_line(expected, a.start())}\n  got:      {_line(got, b.start())}"
            return replace(wrong, message=wrong.message + lines)
        before = pair
        name = was if was.isidentifier() else name
    return None


def _moved(pair: tuple[re.Match, re.Match], before: tuple[re.Match, re.Match] | None) -> Difference | None:
    """Whether a token stands elsewhere: another level of indentation, another column of a table.

    Where a line ends is left out of it, and a table may be wider than another by what the numbers in it are.
    """
    spaces, starts = [], []
    for i, token in enumerate(pair):
        gap = token.string[before[i].end() if before else 0 : token.start()]
        spaces.append(len(gap.rpartition("\n")[2]))
        starts.append(before is None or "\n" in gap)
    a, b = pair
    if starts[0] != starts[1]:
        return None
    line = _line(a.string, a.start())
    if starts[0] and not a["number"] and not re.search(r"\S {2,}\S", line):
        allowed = 1  # prose or code
    else:
        widths = [pair, before] if before else [pair]
        allowed = 3 + sum(abs(len(was.group()) - len(now.group())) for was, now in widths)
    if abs(spaces[0] - spaces[1]) <= allowed:
        return None
    return Difference(f"before {a.group()!r} are {spaces[1]} spaces, not {spaces[0]}")


def _line(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    line = text[start:].partition("\n")[0].strip()
    return line if len(line) <= 160 else "…" + line[max(0, position - start - 60) :][:158] + "…"


# --- outputs ------------------------------------------------------------------------------------

_RANDOM_BY_NATURE = {"application/vnd.jupyter.widget-view+json"}  # holds the random id of a widget


@dataclass(frozen=True)
class _Part:
    """A piece of an output: of `kind`, a stream or a mime type; with the description of its figure, if it has one."""

    kind: str
    content: str
    figure: Mapping | None = None

    def __str__(self) -> str:
        text = " ".join(self.content.split())
        return f"{self.kind}: {text if len(text) <= 100 else text[:99] + '…'!r}"


def outputs_difference(
    expected: Sequence[Mapping], got: Sequence[Mapping], tolerance: Tolerance = Tolerance()
) -> Difference | None:
    """What first disagrees between two lists of outputs (nbformat 4) of one cell, or None."""
    for was, now in zip_longest(_parts(expected), _parts(got)):
        if was is None:
            return Difference(f"a new output appeared, {now}")
        if now is None:
            return Difference(f"an output is missing, {was}")
        if was.kind != now.kind:
            return Difference(f"expected {was}\n  got {now}")
        compare = _picture_difference if was.kind == "image/png" else _content_difference
        if wrong := compare(was, now, tolerance):
            return replace(wrong, message=f"{was.kind}: {wrong.message}")
    return None


def _content_difference(was: _Part, now: _Part, tolerance: Tolerance) -> Difference | None:
    texts = was.content, now.content
    if was.kind in ("text/html", "image/svg+xml"):  # where white space means nothing
        texts = (" ".join(text.split()) for text in texts)
    return text_difference(*texts, tolerance)


def _picture_difference(was: _Part, now: _Part, tolerance: Tolerance) -> Difference | None:
    """What the pictures show, if both are described; and their pixels, unless what they show moved as it may."""
    pictures = base64.b64decode(was.content), base64.b64decode(now.content)
    pixels = picture_difference(*pictures, tolerance.shift)
    if was.figure and now.figure:
        if wrong := figure_difference(was.figure, now.figure, tolerance):
            return replace(wrong, picture=pixels)
        if figure_difference(was.figure, now.figure):
            return None
    if pixels is None:
        return None
    enough = (n for n in range(MOST_SHIFT + 1) if picture_difference(*pictures, n) is None)
    return Difference(pixels.message, next(({"shift": n} for n in enough), None), pixels)


def figure_difference(was: Mapping, now: Mapping, tolerance: Tolerance = Tolerance()) -> Difference | None:
    """What first disagrees between two descriptions of figures (figures.py), or None.

    What the author has set must be equal. What is drawn may lie off by the tolerance, of which the relative one is
    of the largest value of a curve: near 0 a curve is no more exact than elsewhere.
    """
    if wrong := text_difference("\n".join(was["set"]), "\n".join(now["set"])):
        return replace(wrong, wider=None)
    for a, b in zip_longest(was["drawn"], now["drawn"], fillvalue=""):
        largest = max((abs(_decimal(n)) for n in re.findall(_NUMBER, a) if not _is_integer(n)), default=0)
        atol = tolerance.atol + tolerance.rtol * float(largest)
        if wrong := text_difference(a, b, replace(tolerance, atol=atol, rtol=0, exact=())):
            return wrong
    return None


def _parts(outputs: Sequence[Mapping]) -> Iterator[_Part]:
    """All that the outputs hold. What goes to stderr comes first, since its place among the others is a matter of
    timing; the rest in its order."""
    outputs = tidy(outputs)
    for output in sorted(outputs, key=lambda output: output.get("name") != "stderr"):
        if output["output_type"] == "stream":
            yield _Part(output["name"], output["text"])
        elif output["output_type"] == "error":
            # of the traceback the lines of cells; those of libraries change with their versions
            traceback = without_colours("\n".join(output["traceback"]))
            frames = re.findall(r"^ *Cell In\s?\[\d+\], (line \d+)", traceback, re.M)
            yield _Part("error", "\n".join([f"{output['ename']}: {output['evalue']}", *frames]))
        else:
            for mime, content in sorted(output["data"].items()):
                if mime not in _RANDOM_BY_NATURE:
                    figure = output["metadata"].get(mime, {}).get("figure")
                    yield _Part(mime, str(content), figure)
