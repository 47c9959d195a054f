"""What a page shows below its cells: expect blocks, which `render` fills from the run.

    <!-- expect -->
    ![what the figure shows](../img/NN_figure.png)
    <!-- /expect -->

Printed output becomes a `text` fence, which nothing runs. Each figure of the cell needs a line of
its own, with the alt text and the file to write; those two are the author's, and are kept.

A block is open, so that a reader on GitHub sees what is printed and drawn. Where the text above the
cell asks to **Predict**, it is folded, so that the answer is not in sight. There the author writes the
answer into the block too, below the figures, and it is kept as they are:

    <!-- expect -->
    **B.** Nothing of that name lies in this folder.
    <!-- /expect -->

A see block, `<!-- see -->`, stands above a cell instead, and is filled with what that cell prints: a card among the
fixes begins with the message, and shows below it the code that causes it.
"""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from workbook.comparing.normalise import tidy, without_colours
from workbook.pages import Page, PageError, cell_name, tolerance_of

ALT_WORDS = 6  # at least as many say what a figure shows

_MARKER = re.compile(r"<!--\s*/?(?:expect|see)\w*\s*-->", re.IGNORECASE)
_EXPECT = re.compile(r"<!-- expect -->\n(.*?)<!-- /expect -->", re.DOTALL)
_BLOCK = re.compile(r"<!-- (expect|see) -->\n(.*?)<!-- /\1 -->", re.DOTALL)
_FIGURE = re.compile(r"^!\[([^\]]*)\]\(([^)\s]+)\)$", re.MULTILINE)
_PLACES = {"expect": "below", "see": "above"}
_WHERE = (
    "an expect block stands below a code cell, begins with a line <!-- expect --> and ends with <!-- /expect -->; "
    "a see block, <!-- see --> and <!-- /see -->, stands above one"
)
_OPEN, _FOLDED, _END = "*What to expect:*", "<details>\n<summary>What to expect</summary>", "</details>"
# what render has put before the author's lines: the first line or two, and what the cell prints
_WRITTEN = re.compile(
    rf"(?:{re.escape(_OPEN)}|{re.escape(_FOLDED)})?(?:\n+ {{4}}[^\n]*)+"
    rf"|\s*(?:{re.escape(_OPEN)}|{re.escape(_FOLDED)})?\s*(?:^```text\n.*?^```$)?",
    re.DOTALL | re.MULTILINE,
)
_QUESTION = re.compile(r"\*\*Predict\b")
_ANSWER = re.compile(r"<!-- /expect -->\s*(\*\*[A-E]\.?\*\*.*)")


@dataclass(frozen=True)
class Figure:
    """A picture that a cell makes and its page shows.

    Attributes:
        cell: the index of the cell below which it stands.
        alt: what it shows, for those who do not see it.
        target: the file as the page names it, relative to the page.
        file: the same as a path.
        png: the bytes of the file.
    """

    cell: int
    alt: str
    target: str
    file: Path
    png: bytes


def expectations(page: Page, cells: list) -> tuple[dict[int, str], list[Figure]]:
    """What the expect blocks of executed `cells` should say.

    Returns:
        The source, with its blocks filled, of each markdown cell that has one, by index; and the
        figures in their order.

    Raises:
        PageError: if a block follows no cell that prints or draws, or its figures are not those of
            the cell, or lack alt text, or are shown twice.
    """
    sources: dict[int, str] = {}
    figures: list[Figure] = []
    for i, blocks in _blocks(page, cells):
        filled = []
        for block in blocks:
            number, place = block.cell, f"{_PLACES[block.kind]} {cell_name(cells, block.cell)}"
            drawn = [o["data"]["image/png"] for o in cells[number]["outputs"] if "image/png" in o.get("data", {})]
            shown = [Figure(number, *names, base64.b64decode(png)) for names, png in zip(block.figures, drawn)]
            try:
                if len(drawn) != len(block.figures):
                    raise ValueError(
                        f"the cell makes {len(drawn)} figure(s), the {block.kind} block names {len(block.figures)}. "
                        "Write one line for each: ![what it shows](../img/name.png)"
                    )
                filled.append(block.filled(printed(cells[number]), shown))
            except ValueError as error:
                raise PageError(f"{page.text.name}, {place}: {error}") from None
            figures += shown
        following = iter(filled)
        sources[i] = _BLOCK.sub(lambda _, following=following: next(following), cells[i]["source"])
    return sources, figures


def folded(source: str) -> str:
    """The source of a text cell with what to expect in folds, for a reader who runs the cells herself.

    JupyterLab and GitHub read markdown in a fold only between blank lines.
    """
    return _EXPECT.sub(lambda block: _fold(block[1].strip()), source)


def _fold(inside: str) -> str:
    if inside.startswith(_FOLDED):
        return inside
    return f"{_FOLDED}\n\n{inside.removeprefix(_OPEN).strip()}\n\n{_END}"


def check_statements(page: Page, cells: list) -> None:
    """Raise a PageError for a tolerance or an expect block that is badly stated, which needs no run to see."""
    for index in range(len(cells)):
        tolerance_of(page, cells, index)
    list(_blocks(page, cells))


@dataclass(frozen=True)
class _Block:
    """A block as the author wrote it.

    Attributes:
        kind: `expect` or `see`.
        cell: the index of the code cell that it shows.
        figures: of each the alt text, and its file as the page names it and as a path.
        answer: to the question above the cell; it may be "".
        folded: whether the cell above follows a question.
    """

    kind: str
    cell: int
    figures: list[tuple[str, str, Path]]
    answer: str
    folded: bool

    def filled(self, text: str, figures: list[Figure]) -> str:
        if _MARKER.search(text):
            raise ValueError(f"the cell prints the marker of such a block, {self.kind}")
        parts = [_code(text)] if text else []
        parts += [f"![{figure.alt}]({figure.target})" for figure in figures]
        if not parts:
            raise ValueError("the cell prints and draws nothing")
        if self.folded:
            # GitHub and JupyterLab read markdown in a fold only between blank lines
            parts = [_FOLDED, *parts, *([self.answer] if self.answer else []), _END]
        elif self.kind == "expect":
            parts = [_OPEN, *parts]
        return f"<!-- {self.kind} -->\n" + "\n\n".join(parts) + f"\n<!-- /{self.kind} -->"


def _code(text: str) -> str:
    """A text as a block of code: in a fence, or, since jupytext would take a fence in it for its end, indented."""
    if "```" not in text:
        return f"```text\n{text}\n```"
    return "\n" + "\n".join(f"    {line}".rstrip() for line in text.split("\n"))


def _blocks(page: Page, cells: list) -> Iterator[tuple[int, list[_Block]]]:
    """Each text cell with blocks: its index, and its blocks in their order."""
    named: set[Path] = set()
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "markdown" or not _MARKER.search(cell["source"]):
            continue
        blocks, found, place = [], _BLOCK.findall(cell["source"]), cell_name(cells, i)
        try:
            if 2 * len(found) != len(_MARKER.findall(cell["source"])):
                raise ValueError(_WHERE)
            for kind, source in found:
                number = code_above(cells, i) if kind == "expect" else _code_below(cells, i)
                if number is None:
                    raise ValueError(_WHERE)
                place = f"{_PLACES[kind]} {cell_name(cells, number)}"
                own = _of_the_author(source)
                figures = [_stated(page, alt, target, named) for alt, target in _FIGURE.findall(own)]
                folded = kind == "expect" and asks_to_predict(cells, number)
                blocks.append(_Block(kind, number, figures, _FIGURE.sub("", own).strip(), folded))
            _check_answers(cell["source"], blocks)
        except ValueError as error:
            raise PageError(f"{page.text.name}, {place}: {error}") from None
        yield i, blocks


def _stated(page: Page, alt: str, target: str, named: set[Path]) -> tuple[str, str, Path]:
    """A line of a figure, checked; `named` are the files that the page has named so far."""
    file = Path(os.path.normpath(page.text.parent / target))
    if file.parent != page.text.parent.parent / "img" or file.suffix != ".png":
        raise ValueError(f"a figure is written to ../img/….png, not to {target}")
    if len(alt.split()) < ALT_WORDS:
        raise ValueError(
            f"the alt text of {target} must say what the figure shows, in {ALT_WORDS} words or more, not {alt!r}"
        )
    if file in named:
        raise ValueError(f"{target} is named twice on the page")
    named.add(file)
    return alt, target, file


def _of_the_author(block: str) -> str:
    """What the author wrote into an expect block: the figures and the answer."""
    return block[_WRITTEN.match(block).end() :].rstrip().removesuffix(_END).strip()


def _check_answers(source: str, blocks: list[_Block]) -> None:
    """Refuse an answer that stands where it is in sight."""
    if any(block.answer and not block.folded for block in blocks):
        raise ValueError(
            "an expect block holds its figures, and what is written between its markers is replaced. Write the text "
            "below it; only the answer to a **Predict** belongs into the block"
        )
    if answer := _ANSWER.search(source):
        raise ValueError(
            f"the answer to a question is in sight: {answer[1]}\nWrite it into the expect block, below the figures. "
            "Its question, **Predict.**, stands in the text right above the cell"
        )


def asks_to_predict(cells: list, index: int) -> bool:
    """Whether the text above a code cell asks the reader to predict what it will print or draw.

    Cells that follow without a text between them, but for what to expect of them, belong to the same question, until it
    is answered.
    """
    for cell in reversed(cells[:index]):
        if cell["cell_type"] != "markdown":
            continue
        if text := _EXPECT.sub("", cell["source"]).strip():
            return bool(_QUESTION.search(text))
        if any(_FIGURE.sub("", _of_the_author(block)).strip() for block in _EXPECT.findall(cell["source"])):
            return False
    return False


def code_above(cells: list, index: int) -> int | None:
    """The index of the last code cell above a text cell; None if there is none."""
    return max((i for i, cell in enumerate(cells[:index]) if cell["cell_type"] == "code"), default=None)


def _code_below(cells: list, index: int) -> int | None:
    """The index of the first code cell below a text cell; None if there is none."""
    return next((i for i in range(index + 1, len(cells)) if cells[i]["cell_type"] == "code"), None)


def printed(cell: Mapping) -> str:
    """The text that a cell printed, as a reader needs it: of an error its last line, of a figure nothing."""
    parts = []
    for output in tidy(cell["outputs"]):
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type == "error":
            parts.append(f"{output.ename}: {output.evalue}")
        elif "image/png" not in output.data:
            parts.append(output.data.get("text/plain", ""))
    text = without_colours("\n".join(part.strip("\n") for part in parts))
    return "\n".join(line.rstrip() for line in text.splitlines())
