"""Write the page of messages: `make index`, or `python -m workbook index`.

notebooks/messages.md lists every error and warning that the pages print, as it is stored in their notebooks, with the
section that shows it. Who has a message finds there what causes it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from workbook.markdown import Document, Heading
from workbook.pages import NOTEBOOKS, Page

MESSAGES = NOTEBOOKS / "messages.md"

_TITLE = """\
# Messages

Every error and warning that the pages print, by its first sentence, in the order of the alphabet. A link leads to the
card or the section that causes it on purpose, and says what to write instead.

Search this page for the beginning of yours, without the `ValueError:` before it, and leave out what is your own: names,
shapes, numbers. Or paste the whole message into `make find`: the cards quote more messages than are printed here, and
[it finds those too](../README.md#you-have-a-message-or-a-number-that-looks-wrong). Without a message, but with a number
that looks wrong, begin with the [symptoms](fixes_symptoms.md). The names of Keras and TensorFlow are in the
[index](index.md).

Written by `make index` from the outputs of the pages.\
"""
_NAME = r"[A-Z]\w*(?:Error|Warning|Exception)"
# at the beginning of a line, or after words that a cell has put before it: `a list: ValueError: ...`
_SAID = re.compile(rf"^(?:[^\"']*[:\s])?({_NAME}|WARNING:(?:absl|tensorflow)): *(\S.*)$")
_SENTENCE = re.compile(r"(.+?[.!?])(?=\s+[A-Z`]|\s*$)", re.DOTALL)
_LINES = 4  # a sentence that a page has broken is seldom longer


def messages_of(outputs: Iterable[Mapping]) -> Iterator[tuple[str, str]]:
    """The errors and warnings in the outputs of a cell: the name of the class, and the first sentence.

    A message that has a line of its own, `ValueError: ...`, counts wherever it was printed; one that is broken over
    several lines is joined.
    """
    for output in outputs:
        if output["output_type"] == "error":
            if output["evalue"]:
                yield output["ename"], first_sentence(output["evalue"])
            continue
        lines = (output.get("text") or output.get("data", {}).get("text/plain", "")).split("\n")
        for i, line in enumerate(lines):
            if found := _SAID.match(line):
                yield found[1], first_sentence("\n".join([found[2], *_rest(lines[i + 1 :])]))


def _rest(lines: Sequence[str]) -> Iterator[str]:
    """What may belong to a message: the lines below it, up to an empty one, an indented one, or another message."""
    for line in lines[: _LINES - 1]:
        if not line or line[0].isspace() or _SAID.match(line):
            return
        yield line


def first_sentence(message: str) -> str:
    """The first sentence of a message, on one line and without its full stop; else its first line.

    Example:
        >>> first_sentence("Layer 'dense' expected 1 input. Received: 2")
        "Layer 'dense' expected 1 input"
    """
    found = _SENTENCE.match(message)
    return " ".join((found[1] if found else message.partition("\n")[0]).split()).removesuffix(".")


def shown(course: Sequence[Page]) -> dict[tuple[str, str], list[tuple[Page, Heading]]]:
    """For each message, its class and first sentence, the cards and sections that print it, cards first."""
    found: dict[tuple[str, str], list[tuple[Page, Heading]]] = {}
    for page in sorted(course, key=lambda page: not page.has_cards):
        document = Document(page.text)
        lines = [line for line, info, _ in document.fences if info.split()[:1] == ["python"]]
        cells = [cell for cell in page.read_notebook().cells if cell.cell_type == "code" and cell.source.strip()]
        for line, cell in zip(lines, cells):
            for message in messages_of(cell.outputs):
                places = found.setdefault(message, [])
                if (place := (page, document.heading_above(line))) not in places:
                    places.append(place)
    return found


def messages(course: Sequence[Page]) -> str:
    """The text of notebooks/messages.md: a heading for each letter, a line for each message."""
    parts, letter = [_TITLE], ""
    for (name, message), places in sorted(shown(course).items(), key=lambda found: _order(found[0][1])):
        first = _order(message)[:1].upper()
        if first != letter:
            letter = first
            parts.append(f"\n## {letter or 'No letters'}\n")
        fence = "`" * (1 + max(map(len, re.findall("`+", message)), default=0))
        space = " " if message.startswith("`") or message.endswith("`") else ""
        links = (f"[{p.number} {h.source}]({p.text.name}#{h.anchor})" for p, h in places)
        parts.append(f"- {fence}{space}{message}{space}{fence} {name}: {', '.join(links)}")
    return "\n".join(parts) + "\n"


def _order(message: str) -> str:
    """What a message is sorted by: its letters."""
    return " ".join(re.findall(r"[^\W\d_]+", message.casefold()))
