"""A page of the workbook: `NN_topic.md`, which is edited, and `NN_topic.ipynb`, which is executed.

Below a cell whose output the text talks about stands a block that `make render` fills from the run:

    <!-- expect -->
    ![what the figure shows](../img/NN_figure.png)
    <!-- /expect -->

Printed output becomes a `text` fence, which nothing runs. Each figure of the cell needs a line of
its own, with the alt text and the file to write; those two are the author's, and are kept.
"""

from __future__ import annotations

import argparse
import base64
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path

import jupytext
import nbformat
from jupytext.config import load_jupytext_config

from workbook.compare import METADATA_KEY, Tolerance
from workbook.normalise import tidy, without_colours

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"
ALT_WORDS = 6  # at least as many say what a figure shows

_NAME = re.compile(r"\d\d_\w+")
_MARKER = re.compile(r"<!--\s*/?expect\w*\s*-->", re.IGNORECASE)
# jupytext makes cells of fences in these languages too, and running the page would run them
_OTHER_LANGUAGE = re.compile(r"%%(?:sh|bash|html|javascript|js|perl|ruby|latex|svg|R|cmd)\b")
_EXPECT = re.compile(r"<!-- expect -->\n(.*?)<!-- /expect -->", re.DOTALL)
_FIGURE = re.compile(r"^!\[([^\]]*)\]\(([^)\s]+)\)$", re.MULTILINE)
_NBVAL = re.compile(r"^\s*#+\s*((?:NBVAL|PYTEST_VALIDATE)_\w+)\s*$|^((?:nbval|pytest-validate)-.+)$", re.MULTILINE)
_HALF_MERGED = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)


class PageError(Exception):
    """A page that cannot be rendered as it is written. The message names the page, the cell and the mend."""


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


@dataclass(frozen=True)
class Page:
    """A page, by the path of its text, `notebooks/NN_topic.md`."""

    text: Path

    @property
    def name(self) -> str:
        return self.text.stem

    @property
    def has_name(self) -> bool:
        """Whether the file is called as a page is, `NN_topic.md`; a README beside them is none."""
        return bool(_NAME.fullmatch(self.name))

    @property
    def notebook(self) -> Path:
        return self.text.with_suffix(".ipynb")

    @property
    def mend(self) -> str:
        """The command that brings the page into agreement."""
        return f"make render PAGES={self.name}"

    def read_text(self) -> nbformat.NotebookNode:
        """The cells as the `.md` has them, without outputs.

        Raises:
            PageError: if a fence in another language than Python would be executed, a merge was left half done, or a
                cell has a marker of nbval.
        """
        source = self.text.read_text(encoding="utf-8")
        if half := _HALF_MERGED.search(source):
            raise PageError(
                f"{self.text.name}, line {source.count(chr(10), 0, half.start()) + 1}: a merge was left half done. "
                "Choose between the two sides, and delete the lines <<<<<<<, ======= and >>>>>>>"
            )
        text = jupytext.read(self.text, fmt="md", config=self._config)
        for i, cell in enumerate(text.cells):
            if cell.cell_type == "code" and _OTHER_LANGUAGE.match(cell.source):
                raise PageError(
                    f"{self.text.name}, {cell_name(text.cells, i)}: a fence in this language would be executed. "
                    "To show it only, write ```text"
                )
        _refuse_markers(self.text.name, text.cells)
        return text

    def read_notebook(self) -> nbformat.NotebookNode:
        """The cells as the `.ipynb` has them, with outputs.

        Raises:
            PageError: if the file is damaged, as a merge conflict leaves it, or a cell has a marker of nbval.
        """
        try:
            notebook = nbformat.read(self.notebook, as_version=4)
        except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError) as error:
            raise PageError(
                f"{self.notebook.name} is not a notebook; was a merge left half done?\nTo mend it: {self.mend}"
            ) from error
        _refuse_markers(self.notebook.name, notebook.cells)
        return notebook

    def as_text(self, notebook: nbformat.NotebookNode) -> str:
        """`notebook` as the `.md` has it: to the letter what JupyterLab writes when the page is saved."""
        return jupytext.writes(notebook, fmt="md", config=self._config)

    @property
    def _config(self):
        return load_jupytext_config(str(self.text))

    def disagreements(self) -> Iterator[str]:
        """In words, each place where `.md`, `.ipynb` and img/ no longer say the same. `mend` mends them all.

        Raises:
            PageError: if the page must first be mended by hand.
        """
        if not self.notebook.is_file():
            yield f"{self.notebook.name} is missing"
            return
        text, notebook = self.read_text(), self.read_notebook()
        waiting = [i for i, cell in enumerate(notebook.cells) if never_executed(cell)]
        yield from (f"{cell_name(notebook.cells, i)} of {self.notebook.name} was never executed" for i in waiting)
        unlike = _unlike(self, text.cells, notebook.cells)
        if unlike:
            yield unlike
        if waiting or unlike:
            return
        shown, figures = expectations(self, notebook.cells)
        for i, source in shown.items():
            if source != notebook.cells[i].source:
                above = cell_name(notebook.cells, _code_above(notebook.cells, i))
                yield f"what to expect below {above} is not its output"
        for figure in figures:
            if not figure.file.is_file() or figure.file.read_bytes() != figure.png:
                state = "differs from" if figure.file.is_file() else "is missing;"
                yield (
                    f"{cell_name(notebook.cells, figure.cell)}: img/{figure.file.name} {state} "
                    f"what {self.notebook.name} holds"
                )


def pages() -> list[Page]:
    """All pages, in their order."""
    found = (Page(path) for path in sorted(NOTEBOOKS.glob("*.md")))
    return [page for page in found if page.has_name]


def find_page(name: str) -> Page:
    """The page of that name: `01_sequential`, a path to it, or as little as `01`.

    Raises:
        ValueError: if no page, or more than one, answers to the name; the message lists them.
    """
    stem = Path(name).stem
    found = [p for p in pages() if p.name == stem] or [p for p in pages() if p.name.startswith(stem + "_")]
    if len(found) != 1:
        raise ValueError(f"no page {name!r}; there are: {', '.join(p.name for p in pages())}")
    return found[0]


def pages_asked_for(command: str, description: str, arguments: Sequence[str] | None) -> list[Page]:
    """The pages that a command line names, all of them if it names none; exits where it names others."""
    parser = argparse.ArgumentParser(prog=f"python -m {command}", description=description)
    parser.add_argument("pages", nargs="*", help="such as 01_sequential, or 01; all of them if none is named")
    names = parser.parse_args(arguments).pages
    try:
        return [find_page(name) for name in names] or pages()
    except ValueError as error:
        parser.error(str(error))


def never_executed(cell: Mapping) -> bool:
    return cell["cell_type"] == "code" and bool(cell["source"].strip()) and cell["execution_count"] is None


def cell_name(cells: list, index: int, line: int = 0) -> str:
    """How a message names a cell: `In [3], under "A heading"`, counted as a run from top to bottom does.

    A text cell may have several headings: the one at or above the given line of it is named.
    """
    texts = [c["source"] for c in cells[:index] if c["cell_type"] == "markdown"]
    if cells[index]["cell_type"] == "markdown":
        texts += cells[index]["source"].split("\n")[: line + 1]
    heading = (re.findall(r"^#+ +(.+)$", "\n".join(texts), re.MULTILINE) or ["the top of the page"])[-1]
    if cells[index]["cell_type"] != "code":
        return f'the text under "{heading}"'
    count = sum(c["cell_type"] == "code" for c in cells[: index + 1])
    return f'In [{count}], under "{heading}"'


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
    for i, cell in enumerate(cells):
        if cell["cell_type"] != "markdown" or not _MARKER.search(cell["source"]):
            continue
        number = _code_above(cells, i)
        try:
            blocks = _EXPECT.findall(cell["source"])
            if number is None or 2 * len(blocks) != len(_MARKER.findall(cell["source"])):
                raise ValueError(
                    "an expect block stands below a code cell, begins with a line <!-- expect --> "
                    "and ends with <!-- /expect -->"
                )
            filled = []
            for block in blocks:
                drawn = _figures(page, cells[number], block, number)
                filled.append(_block(printed(cells[number]), drawn))
                figures += drawn
            for figure in figures:
                if sum(figure.file == other.file for other in figures) > 1:
                    raise ValueError(f"{figure.target} is named twice on the page")
        except ValueError as error:
            place = cell_name(cells, i) if number is None else f"below {cell_name(cells, number)}"
            raise PageError(f"{page.text.name}, {place}: {error}") from None
        answers = iter(filled)
        sources[i] = _EXPECT.sub(lambda _, answers=answers: next(answers), cell["source"])
    return sources, figures


def _refuse_markers(name: str, cells: list) -> None:
    for i, cell in enumerate(cells):
        marker = _NBVAL.search("\n".join([cell["source"], *cell["metadata"].get("tags", [])]))
        if cell["cell_type"] == "code" and marker:
            raise PageError(
                f"{name}, {cell_name(cells, i)}: {marker[0].strip()} would leave the cell out of the comparison. "
                "Delete it; an output that varies by nature has a tolerance"
            )


def _code_above(cells: list, index: int) -> int | None:
    """The index of the last code cell above a text cell; None if there is none."""
    return max((i for i, cell in enumerate(cells[:index]) if cell["cell_type"] == "code"), default=None)


def _figures(page: Page, code: Mapping, block: str, number: int) -> list[Figure]:
    """The pictures of a cell, each with the alt text and the file that the block below it states."""
    drawn = [o["data"]["image/png"] for o in code["outputs"] if "image/png" in o.get("data", {})]
    stated = _FIGURE.findall(block)
    if len(drawn) != len(stated):
        raise ValueError(
            f"the cell above makes {len(drawn)} figure(s), the expect block names {len(stated)}. "
            "Write one line for each: ![what it shows](../img/name.png)"
        )
    figures = []
    for png, (alt, target) in zip(drawn, stated):
        file = Path(os.path.normpath(page.text.parent / target))
        if file.parent != page.text.parent.parent / "img" or file.suffix != ".png":
            raise ValueError(f"a figure is written to ../img/….png, not to {target}")
        if len(alt.split()) < ALT_WORDS:
            raise ValueError(
                f"the alt text of {target} must say what the figure shows, in {ALT_WORDS} words or more, not {alt!r}"
            )
        figures.append(Figure(number, alt, target, file, base64.b64decode(png)))
    return figures


def _block(text: str, figures: list[Figure]) -> str:
    if _MARKER.search(text):
        raise ValueError("the cell above prints the marker of an expect block")
    fence = "`" * max(3, 1 + max(map(len, re.findall(r"`+", text)), default=0))
    parts = [f"{fence}text\n{text}\n{fence}"] if text else []
    parts += [f"![{figure.alt}]({figure.target})" for figure in figures]
    if not parts:
        raise ValueError("the cell above the expect block prints and draws nothing")
    return "\n\n".join(["<!-- expect -->\n*What to expect:*", *parts]) + "\n<!-- /expect -->"


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


def _unlike(page: Page, stated: list, stored: list) -> str | None:
    """In words, where the cells of a page's text first differ from those of its notebook; None if nowhere."""
    for i, (text, notebook) in enumerate(zip_longest(map(_essence, stated), map(_essence, stored), fillvalue=[])):
        for number, (a, b) in enumerate(zip_longest(text, notebook)):
            if a != b:
                place = cell_name(stated if text else stored, i, number)
                names = page.text.name, page.notebook.name
                width = max(map(len, names)) + 1
                return (
                    f"{place} is not the same in {names[0]} and {names[1]}\n"
                    f"  {names[0] + ':':{width}} {'(nothing)' if a is None else a}\n"
                    f"  {names[1] + ':':{width}} {'(nothing)' if b is None else b}\n"
                    "  The .md counts: what you changed in the .ipynb alone, write there before you render."
                )
    return None


def _essence(cell: Mapping) -> list[str]:
    """What must agree between a page and its notebook: the lines of a cell, below its fence if it is code."""
    lines = cell["source"].split("\n")
    if cell["cell_type"] != "code":
        return lines
    tags, tolerance = sorted(cell["metadata"].get("tags", [])), cell["metadata"].get(METADATA_KEY)
    fence = ["```python"]
    fence += [f"tags={json.dumps(tags)}"] if tags else []
    fence += [f"{METADATA_KEY}={json.dumps(tolerance)}"] if tolerance is not None else []
    return [" ".join(fence), *lines]


def tolerance_of(page: Page, cells: list, index: int) -> Tolerance:
    """The tolerance of a cell; a PageError that names the page and the cell if it is badly stated."""
    try:
        return Tolerance.of(cells[index])
    except ValueError as error:
        raise PageError(f"{page.text.name}, {cell_name(cells, index)}: {error}") from None
