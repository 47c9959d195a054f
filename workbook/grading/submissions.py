"""The notebooks in a folder that a teacher has collected: whose they are, and which page each is."""

from __future__ import annotations

import re
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

import jupytext
import nbformat

from workbook.answers import checks, titles
from workbook.pages import pages

MOST_BYTES = 50_000_000

_IMPORTED = re.compile(r"^\s*from exercises import (.+)$", re.MULTILINE)


class NoNotebook(Exception):
    """A file that cannot be graded. The message says why."""


@dataclass(frozen=True)
class Submission:
    """A file that was handed in.

    Attributes:
        learner: the folder in which it lies, else what its name has beside the page's.
        file: its path in the folder that was collected, with slashes.
        page: such as "01_sequential", or "" if that is not known.
        cells: of the notebook, without their outputs.
        problem: why it cannot be graded, or "".
        remarks: what else there is to know of the file.
    """

    learner: str
    file: str
    page: str = ""
    cells: tuple[nbformat.NotebookNode, ...] = ()
    problem: str = ""
    remarks: tuple[str, ...] = ()

    @property
    def topic(self) -> str:
        return _topic(self.page)

    @property
    def code(self) -> list[int]:
        """Which of the cells are code."""
        return [i for i, cell in enumerate(self.cells) if cell.cell_type == "code"]


def submissions(folder: Path) -> list[Submission]:
    """All notebooks anywhere below a folder, `.ipynb` or `.md`, by learner and file.

    Hidden files and folders are left out, so JupyterLab's checkpoints are too. Of a pair, `x.ipynb` beside `x.md`, the
    notebook is taken. A `.md` that neither checks exercises nor is called as a page is some other text, and left out.
    """
    found = {p.relative_to(folder) for p in folder.rglob("*") if p.suffix in (".ipynb", ".md") and p.is_file()}
    found = {file for file in found if not any(part.startswith((".", "__MACOSX")) for part in file.parts)}
    taken = [file for file in found if file.suffix == ".ipynb" or file.with_suffix(".ipynb") not in found]
    read = [_submission(folder, file, file.with_suffix(".md") in found) for file in taken]
    read = [one for one in read if one.page or not one.file.endswith(".md")]
    files = Counter((one.learner, one.page) for one in read if one.page)
    read = [
        replace(one, remarks=(*one.remarks, "the page was handed in more than once"))
        if files[one.learner, one.page] > 1
        else one
        for one in read
    ]
    return sorted(read, key=lambda one: (one.learner.casefold(), one.page, one.file))


def _submission(folder: Path, file: PurePath, has_text: bool) -> Submission:
    named = next((page.name for page in pages() if page.name in file.stem), "")
    learner = file.parts[0] if len(file.parts) > 1 else file.stem.replace(named, "").strip(" _-") or file.stem
    known = {"learner": learner, "file": file.as_posix()}
    try:
        cells = _cells(folder / file)
        page = _page(cells, named)
    except NoNotebook as why:
        return Submission(**known, page=named, problem=str(why))
    remarks = ()
    if has_text and file.suffix == ".ipynb":
        remarks = _difference(cells, folder / file.with_suffix(".md"))
    return Submission(**known, page=page, cells=tuple(cells), remarks=remarks)


def _cells(path: Path) -> list[nbformat.NotebookNode]:
    """The cells of a notebook, each with a source; a NoNotebook if there are none to be had."""
    try:
        if (size := path.stat().st_size) > MOST_BYTES:
            raise NoNotebook(f"the file has {size:,} bytes, and more than {MOST_BYTES:,} are not read")
        text = path.read_text(encoding="utf-8-sig")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of small faults, such as a cell without an identifier
            notebook = jupytext.reads(text, "md") if path.suffix == ".md" else nbformat.reads(text, as_version=4)
        return [_without_outputs(cell) for cell in notebook.cells]
    except NoNotebook:
        raise
    except Exception as error:  # what a broken file makes of a parser is hard to foresee
        raise NoNotebook(f"the file is no notebook: {_first_line(error)}") from error


def _without_outputs(cell: nbformat.NotebookNode) -> nbformat.NotebookNode:
    if not isinstance(cell.source, str):
        raise TypeError(f"a cell has {type(cell.source).__name__} for its source")
    kept = {"cell_type": cell.cell_type, "source": cell.source, "metadata": {"tags": cell.metadata.get("tags", [])}}
    return nbformat.from_dict(kept)


def _first_line(error: Exception) -> str:
    text = str(error).strip().partition("\n")[0]
    return f"{type(error).__name__}: {text[:100]}{'...' * (len(text) > 100)}" if text else type(error).__name__


def _page(cells: list[nbformat.NotebookNode], named: str) -> str:
    """The page by its exercises, else by its imports, else by the name of the file; a NoNotebook if it has none."""
    sources = [cell.source for cell in cells if cell.cell_type == "code"]
    checked = Counter(name.partition(".")[0] for source in sources for name in checks(source))
    imported = re.findall(r"\w+", " ".join(_IMPORTED.findall("\n".join(sources))))
    topics = [*(topic for topic, _ in checked.most_common()), *filter(titles, imported), _topic(named)]
    if not titles(topics[0]):
        raise NoNotebook(f"page {named} has no exercises" if named else "it has no exercises of the course")
    return next((page.name for page in pages() if _topic(page.name) == topics[0]), topics[0])


def _topic(page: str) -> str:
    return re.sub(r"^\d\d_", "", page)


def _difference(cells: list[nbformat.NotebookNode], text: Path) -> tuple[str, ...]:
    """What to say where the text beside a notebook has other code."""
    try:
        other = _cells(text)
    except NoNotebook as why:
        return (f"{text.name} beside it: {why}",)
    code, other = ([c.source for c in of if c.cell_type == "code" and c.source.strip()] for of in (cells, other))
    return () if code == other else (f"{text.name} beside it has other code, and was not graded",)
