"""A page of the workbook: `NN_topic.md`, which is edited, and `NN_topic.ipynb`, which is executed; and so the fixes,
`fixes_topic`."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import jupytext
import nbformat
from jupytext.config import load_jupytext_config

from workbook.comparing.outputs import METADATA_KEY, Tolerance

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = ROOT / "notebooks"

# of every notebook, and of its cells; more would change with the Python and the editor that save it
CELL_METADATA = ("tags", METADATA_KEY)
METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}

_NAME = re.compile(r"(?:\d\d|fixes)_\w+")
# jupytext makes cells of fences in these languages too, and running the page would run them
_OTHER_LANGUAGE = re.compile(r"%%(?:sh|bash|html|javascript|js|perl|ruby|latex|svg|R|cmd)\b")
_NBVAL = re.compile(r"^\s*#+\s*((?:NBVAL|PYTEST_VALIDATE)_\w+)\s*$|^((?:nbval|pytest-validate)-.+)$", re.MULTILINE)
_HALF_MERGED = re.compile(r"^(?:<{7}|>{7}) ", re.MULTILINE)


class PageError(Exception):
    """A page that cannot be rendered as it is written. The message names the page, the cell and the mend."""


@dataclass(frozen=True)
class Page:
    """A page, by the path of its text, `notebooks/NN_topic.md` or `notebooks/fixes_topic.md`."""

    text: Path

    @property
    def name(self) -> str:
        return self.text.stem

    @property
    def has_name(self) -> bool:
        """Whether the file is called as a page is, `NN_topic.md` or `fixes_topic.md`; a README beside them is none."""
        return bool(_NAME.fullmatch(self.name))

    @property
    def number(self) -> str:
        """What stands before its topic, `01` or `fixes`."""
        return self.name.partition("_")[0]

    @property
    def topic(self) -> str:
        """What its exercises, answers and accidents are called; the fixes have none, and are no page of a topic."""
        return self.name if self.has_cards else self.name.partition("_")[2]

    @property
    def has_cards(self) -> bool:
        """Whether it is a page of fixes, whose cards can be run in any order."""
        return self.number == "fixes"

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
        try:
            source = self.text.read_text(encoding="utf-8")
        except UnicodeDecodeError as error:
            raise PageError(f"{self.text.name} is not UTF-8 ({error}). Save it as UTF-8") from None
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
        except (nbformat.reader.NotJSONError, nbformat.ValidationError, AttributeError, UnicodeDecodeError) as error:
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


def pages(folder: Path = NOTEBOOKS) -> list[Page]:
    """All pages in a folder, in their order."""
    found = (Page(path) for path in sorted(folder.glob("*.md")))
    return [page for page in found if page.has_name]


def find_page(name: str, folder: Path = NOTEBOOKS) -> Page:
    """The page of that name in a folder: `01_sequential`, a path to it, or as little as `01`.

    Raises:
        ValueError: if no page, or more than one, answers to the name; the message lists them.
    """
    stem = Path(name).stem
    there = pages(folder)
    found = [p for p in there if p.name == stem] or [p for p in there if p.name.startswith(stem + "_")]
    if len(found) != 1:
        raise ValueError(f"no page {name!r}; there are: {', '.join(p.name for p in there)}")
    return found[0]


def keep_metadata(model: Mapping, **_) -> None:
    """Let JupyterLab save a notebook with the metadata that pages have: a hook, called before it writes a file."""
    if model["type"] == "notebook":
        model["content"]["metadata"] = copy.deepcopy(METADATA)
        for cell in model["content"]["cells"]:
            cell["metadata"] = {key: value for key, value in cell["metadata"].items() if key in CELL_METADATA}


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


def _refuse_markers(name: str, cells: list) -> None:
    for i, cell in enumerate(cells):
        marker = _NBVAL.search("\n".join([cell["source"], *cell["metadata"].get("tags", [])]))
        if cell["cell_type"] == "code" and marker:
            raise PageError(
                f"{name}, {cell_name(cells, i)}: {marker[0].strip()} would leave the cell out of the comparison. "
                "Delete it; an output that varies by nature has a tolerance"
            )


def tolerance_of(page: Page, cells: list, index: int) -> Tolerance:
    """The tolerance of a cell; a PageError that names the page and the cell if it is badly stated."""
    try:
        return Tolerance.of(cells[index])
    except ValueError as error:
        raise PageError(f"{page.text.name}, {cell_name(cells, index)}: {error}") from None
