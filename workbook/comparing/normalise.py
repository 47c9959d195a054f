"""What a cell prints, without what changes from run to run and from machine to machine by nature.

`tidy` takes away what is not worth storing, `normalise` what is not worth comparing: timings, dates, memory
addresses, progress bars, TensorFlow's log lines, folders, the processor's kernels, and the random names in HTML.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import nbformat

_COLOURS = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")

# A time is a number and the short name of a unit. Spelled out, a whole number is what somebody set: "waits 5 seconds".
_AMOUNT = r"(?<![\w.])\d[\d,]*(?:\.\d+)?(?:e[-+]?\d+)?"
_TIME = (
    # "1min 2s", "1h 2min 3s", "2 min", but not the statistic: "axis 0 min 0.5"
    r"(?<![\w.])(?:\d+ ?h )?\d+ ?min(?: \d+(?:\.\d+)? ?s\b|\b(?! ?[\d=:(-]))"
    rf"|(?!\d{{4}}s){_AMOUNT} ?(?:ns|[µμu]s|ms|s|it/s)(?:/\w+)?\b(?![=(])"
    r"|(?<![\w.])\d+\.\d+ (?:sec|seconds|minutes)\b"
    r"|(?<![\w.:\[])\d{1,2}:\d\d:\d\d(?![\w.:\]])"
)
_BY_NATURE = [
    (re.compile(r"\b20[2-9]\d-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(?:Z|[+-]\d\d:\d\d)?)?\b"), "<date>"),
    # with the space around it, which follows from its width
    (re.compile(rf" *(?:{_TIME}) *"), " <time> "),
    # %timeit
    (re.compile(r"<time> ± +<time> per loop \(mean ± std\. dev\. of [\d,]+ runs?, [\d,]+ loops? each\)"), "<time>"),
    (re.compile(r"(?<=\bat )0x[0-9a-fA-F]+|\b0x[0-9a-fA-F]{9,}\b"), "<address>"),
    # pandas' Styler and SVG
    (re.compile(r"\bT_[0-9a-f]{5}(?=\b|_)|(?<=id=\")[^\"]+|(?<=href=\"#)[^\"]+|(?<=url\(#)[^)]+"), "<id>"),
    # the rules of a table and the bar of a progress bar are as long as what they frame
    (re.compile(r"([─━═=_-])\1{2,}"), r"\1\1\1"),
    (re.compile(r"([┏┓┡┩├┤└┘┳╇┼┴┬╞╡╪]|[─━═]{3})+"), "<rule>"),
]

# Lines that TensorFlow's C++ side writes to stderr; which of them depends on the processor. Errors count, but for
# those about a GPU that is not there.
_TENSORFLOW_LOG = re.compile(
    r"^(?:"
    r"(?:\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d+: (?=[IWE])|(?=[IWE]\d{4} \d\d:\d\d:\d+\.\d+ +\d+ ))"
    r"(?:[IW]|E.*(?i:cuda|cudnn|cufft|cublas|cuinit)).*"
    r"|WARNING: All log messages before absl::InitializeLog\(\) is called are written to STDERR"
    r"|To enable the following instructions: .*"
    r")\n?",
    re.MULTILINE,
)

_PLACES = [
    (re.compile(r"[^\s'\"<>|=(]*[/\\]site-packages[/\\]"), "site-packages/"),
    (re.compile(r"[^\s'\"<>|=(]*[/\\](?=(?:text_recognizer|exercises|workbook)[/\\]\w)"), ""),
    (re.compile(r"[^\s'\"<>|=(]*[/\\]lib[/\\]python3\.\d+[/\\]"), "python/"),
    (re.compile(r"[^\s'\"<>|=(]*[/\\]ipykernel_\d+[/\\]\d+\.py(?::\d+)?"), "<cell>"),
    (re.compile(r"[^\s'\"<>|=(]*[/\\]__autograph_generated_file\w+\.py"), "<autograph>"),
    (re.compile(r"[^\s'\"<>|=(]*[/\\]tmp[a-z0-9_]{8}(?=[/\\'\"\s]|$)"), "<temporary folder>"),
    # which of its kernels an operation of TensorFlow takes: oneDNN's, on some processors
    (re.compile(r"(?<=__wrapped__)_+Mkl(?:Native)?"), ""),
]


_CELL = re.compile(r"^ *(?:Cell|File) In ?\[(\d+)\]", re.MULTILINE)


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


def cells_in_tracebacks(outputs: Sequence[Mapping]) -> list[int]:
    """The numbers of the cells that tracebacks among the outputs lead through, `Cell In[3], line 2`, in their order."""
    errors = (output for output in outputs if output["output_type"] == "error")
    return [int(n) for error in errors for n in _CELL.findall(without_colours("\n".join(error["traceback"])))]


def normalise(text: str) -> str:
    """`text` without what changes by nature.

    >>> normalise("<Dense at 0x7f70d2421990>, 1,024 steps took 2.31 s")
    '<Dense at <address>>, 1,024 steps took <time> '
    """
    text = _without_places(without_colours(text))
    for pattern, replacement in _BY_NATURE:
        text = pattern.sub(replacement, text)
    return text


def without_colours(text: str) -> str:
    """`text` without the escape sequences of a terminal."""
    return _COLOURS.sub("", text)


def _played_out(line: str) -> str:
    """What a terminal shows of a line in the end: progress bars go back and write over themselves."""
    line = re.sub(r"\x08+(?=\r)", "", line).rstrip("\r").rpartition("\r")[2]
    while "\x08" in line.lstrip("\x08"):
        line = re.sub(r"[^\x08]\x08", "", line)
    return line.lstrip("\x08")


def _without_places(text: str) -> str:
    for pattern, replacement in _PLACES:
        text = pattern.sub(replacement, text)
    return text
