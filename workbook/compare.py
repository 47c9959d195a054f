"""Does a cell still print and draw what is stored?

Text must agree word for word; white space does not count. Numbers must agree within a
`Tolerance`, pictures within a shift of a pixel. What changes from run to run by nature (timings,
memory addresses, progress bars, TensorFlow's log lines) is normalised away first.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from decimal import Decimal
from itertools import zip_longest

import nbformat

from workbook.pictures import PictureDifference, picture_difference

METADATA_KEY = "compare"


@dataclass(frozen=True)
class Tolerance:
    """How far a run may lie from the stored output.

    A cell widens it by its metadata, in the `.md` on the fence: ```` ```python compare={"rtol": 0.05} ````.

    Attributes:
        rtol: relative tolerance of a decimal number.
        atol: absolute tolerance of a decimal number, added to the relative one.
        counts: how far an integer may be off. Shapes and parameter counts are integers: 0 by default.
        shift: how far, in pixels, a curve or a letter in a picture may move. From 2 on, a digit on
            an axis may become another one unnoticed: print the numbers that such a picture shows.
    """

    rtol: float = 1e-4
    atol: float = 0.0
    counts: int = 0
    shift: int = 1

    @classmethod
    def of(cls, cell: Mapping) -> Tolerance:
        """The tolerance that a notebook cell states in its metadata.

        Raises:
            ValueError: if it states anything but the four attributes as non-negative numbers.
        """
        stated = cell["metadata"].get(METADATA_KEY, {})
        known = [f.name for f in fields(cls)]
        if not isinstance(stated, Mapping) or set(stated) - set(known):
            raise ValueError(f"{METADATA_KEY}={stated!r}: expected a dictionary with some of {', '.join(known)}")
        for name, value in stated.items():
            whole = name in ("counts", "shift")
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or value < 0:
                kind = "a whole number" if whole else "a number"
                raise ValueError(f"{METADATA_KEY}: {name} must be {kind} of at least 0, not {value!r}")
        return cls(**stated)


@dataclass(frozen=True)
class Difference:
    """What disagrees, in words; the picture too, where it is one."""

    message: str
    picture: PictureDifference | None = field(default=None, compare=False)

    def __str__(self) -> str:
        return self.message


# --- normalising --------------------------------------------------------------------------------

_UNIT = r"(?:ns|µs|μs|us|ms|s|sec|seconds?|minutes?)"
_NORMALISE = [
    (re.compile(r"\x1b\[[0-9;]*[A-Za-z]"), ""),  # colours
    (re.compile(r"\b0x[0-9a-fA-F]{4,}\b"), "<address>"),
    # "1min 2s", "1h 2min 3s": only together with what follows, since min is a statistic too
    (re.compile(r"(?<![\w.])(?:\d+h )?\d+min (?=\d+(?:\.\d+)? ?s\b)"), ""),
    (re.compile(rf"(?<![\w.])\d+(?:\.\d+)? ?{_UNIT}(?:/\w+)?\b(?!\()"), "<time>"),
    (re.compile(r"(?<![\w.:\[])\d{1,2}:\d\d:\d\d(?![\w.:\]])"), "<time>"),
    (re.compile(r"(?<![\w.])\d+(?:\.\d+)? ?it/s\b"), "<time>"),
    (re.compile(r"<time>(?: ?(?:[±+,]|of|per loop)? ?<time>)+"), "<time>"),
    # the rules of a table and the bar of a progress bar are as long as what they frame
    (re.compile(r"([─━═=_-])\1{2,}"), r"\1\1\1"),
    (re.compile(r"([┏┓┡┩├┤└┘┳╇┼┴┬╞╡╪]|[─━═]{3})+"), "<rule>"),
]

# Lines that TensorFlow's C++ side writes to stderr; which of them depends on the processor.
_TENSORFLOW_LOG = re.compile(
    r"^(?:"
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: [IWE] .*"
    r"|[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+ +\d+ .*"
    r"|[IWEF]0000 00:00:\d+\.\d+ +\d+ .*"
    r"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    r"|To enable the following instructions: .*"
    r")\n?",
    re.MULTILINE,
)

_PLACES = [
    (re.compile(r"[^\s'\"<>|=(]*[/\\]site-packages[/\\]"), "site-packages/"),
    (re.compile(r"[^\s'\"<>|=(]*[/\\]lib[/\\]python3\.\d+[/\\]"), "python/"),
    (re.compile(r"[^\s'\"<>|=(]*[/\\]ipykernel_\d+[/\\]\d+\.py(?::\d+)?"), "<cell>"),
    (re.compile(r"[^\s'\"<>|=(]*[/\\]tmp[a-z0-9_]{8}(?=[/\\'\"\s]|$)"), "<temporary folder>"),
]


def tidy(outputs: Sequence[Mapping]) -> list[nbformat.NotebookNode]:
    """The outputs of a cell as they are stored: what each stream wrote in one piece and played out
    as on a terminal, without TensorFlow's log lines and without the folders of this machine."""
    streams: dict[str, nbformat.NotebookNode] = {}
    tidied = []
    for output in map(nbformat.from_dict, outputs):
        if output.output_type == "stream":
            if output.name in streams:
                streams[output.name].text += output.text
                continue
            streams[output.name] = output
        elif output.output_type == "error":
            output.evalue = _without_places(output.evalue)
            output.traceback = [_without_places(line) for line in output.traceback]
        tidied.append(output)
    for name, output in streams.items():
        text = "\n".join(_played_out(line) for line in output.text.split("\n"))
        output.text = _without_places(_TENSORFLOW_LOG.sub("", text) if name == "stderr" else text)
    return [o for o in tidied if o.output_type != "stream" or o.text.strip()]


def _played_out(line: str) -> str:
    """What a terminal shows of a line in the end: progress bars go back and write over themselves."""
    line = re.sub(r"\x08+(?=\r)", "", line).rstrip("\r").rpartition("\r")[2]
    while "\x08" in line.lstrip("\x08"):
        line = re.sub(r"[^\x08]\x08", "", line)
    return line.lstrip("\x08")


def normalise(text: str) -> str:
    """`text` without what changes from run to run by nature."""
    text = _without_places(text)
    for pattern, replacement in _NORMALISE:
        text = pattern.sub(replacement, text)
    return text


def _without_places(text: str) -> str:
    for pattern, replacement in _PLACES:
        text = pattern.sub(replacement, text)
    return text


# --- text and numbers ---------------------------------------------------------------------------

_NUMBER = re.compile(r"(?<![\w.])[-+−]?(?:\d{1,3}(?:,\d{3})+|\d+|(?=\.\d))(?:\.\d*)?(?:[eE][-+]?\d+)?(?!\.?\d|\w)")
_TOKEN = re.compile(rf"(?P<number>{_NUMBER.pattern})|\w+|[^\w\s]")


def text_difference(expected: str, got: str, tolerance: Tolerance = Tolerance()) -> str | None:
    """What first disagrees between two texts, or None.

    Words and signs must be equal, white space does not count. Integers may differ by
    `tolerance.counts`. Other numbers may differ by `atol + rtol * |x|`, or by one unit in the last
    printed place where that is less than 1 % of the number: a rounding that fell the other way.
    """
    expected, got = normalise(expected), normalise(got)
    for a, b in zip_longest(_TOKEN.finditer(expected), _TOKEN.finditer(got)):
        if a is None or b is None:
            more, text = ("got", got) if a is None else ("expected", expected)
            return f"only in what was {more}: {_line(text, (a or b).start())!r}"
        if a["number"] and b["number"]:
            wrong = number_difference(a["number"], b["number"], tolerance)
        else:
            wrong = None if a[0] == b[0] else f"{a[0]!r} became {b[0]!r}"
        if wrong:
            return f"{wrong}\n  expected: {_line(expected, a.start())}\n  got:      {_line(got, b.start())}"
    return None


def number_difference(expected: str, got: str, tolerance: Tolerance = Tolerance()) -> str | None:
    """What disagrees between two numbers as they were printed, or None."""
    if _is_integer(expected) != _is_integer(got):
        return f"{expected} became {got}: an integer and a decimal number are not the same"
    a, b = _decimal(expected), _decimal(got)
    off, size = abs(float(a) - float(b)), max(abs(float(a)), abs(float(b)))
    if _is_integer(expected):
        allowed = float(tolerance.counts)
    else:
        place = 10.0 ** min(a.as_tuple().exponent, b.as_tuple().exponent)
        rounding = place if place < 0.01 * size else 0.0
        allowed = tolerance.atol + max(tolerance.rtol * size, rounding)
    if off <= allowed * (1 + 1e-9):
        return None
    return f"{expected} became {got}: off by {off:.3g}, allowed {allowed:.3g}"


def _decimal(number: str) -> Decimal:
    return Decimal(number.replace(",", "").replace("−", "-"))


def _is_integer(number: str) -> bool:
    return not re.search(r"[.eE]", number)


def _line(text: str, position: int) -> str:
    start = text.rfind("\n", 0, position) + 1
    end = text.find("\n", position)
    line = text[start : end if end >= 0 else len(text)].strip()
    return line if len(line) <= 160 else "…" + line[max(0, position - start - 60) :][:158] + "…"


# --- outputs ------------------------------------------------------------------------------------

_RANDOM_BY_NATURE = {"application/vnd.jupyter.widget-view+json"}  # holds the random id of a widget


def outputs_difference(
    expected: Sequence[Mapping], got: Sequence[Mapping], tolerance: Tolerance = Tolerance()
) -> Difference | None:
    """What first disagrees between two lists of outputs (nbformat 4) of one cell, or None."""
    for stored, new in zip_longest(_parts(expected), _parts(got)):
        if stored is None:
            return Difference(f"a new output appeared, {new[0]}: {_short(new[1])}")
        if new is None:
            return Difference(f"an output is missing, {stored[0]}: {_short(stored[1])}")
        if stored[0] != new[0]:
            return Difference(f"expected {stored[0]}: {_short(stored[1])}\n  got {new[0]}: {_short(new[1])}")
        kind, was, now = stored[0], stored[1], new[1]
        if kind == "image/png":
            picture = picture_difference(base64.b64decode(was), base64.b64decode(now), tolerance.shift)
            if picture:
                return Difference(f"the picture: {picture.message}", picture)
        else:
            wrong = text_difference(was, now, tolerance)
            if wrong:
                return Difference(f"{kind}: {wrong}")
    return None


def _parts(outputs: Sequence[Mapping]) -> Iterator[tuple[str, str]]:
    """(kind, content) of all that the outputs hold, in an order that does not depend on timing."""
    outputs = tidy(outputs)
    for name in ("stdout", "stderr"):
        for output in outputs:
            if output["output_type"] == "stream" and output["name"] == name:
                yield name, output["text"]
    for output in outputs:
        if output["output_type"] == "error":
            yield "error", f"{output['ename']}: {output['evalue']}"
        elif output["output_type"] != "stream":
            for mime, content in sorted(output["data"].items()):
                if mime not in _RANDOM_BY_NATURE:
                    yield mime, content if isinstance(content, str) else str(content)


def _short(text: str) -> str:
    text = " ".join(text.split())
    return repr(text if len(text) <= 100 else text[:99] + "…")
