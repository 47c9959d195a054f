"""A learner's own copy of the pages, my_notebooks/: handed out, and brought up to date with the course.

Beside her pages it has a folder that JupyterLab does not show:

    my_notebooks/.workbook/
        course/      each page as the course had it when hers was last brought up to date
        together/    hers as it was when its .md and its .ipynb last said the same
        before/      by date, her files as they were before something was written to them
        replaced/    of each page the cells of hers that JupyterLab has overwritten with others
        unfinished.json    what an update writes, while it does: one that is interrupted is gone on with by the next
"""

from __future__ import annotations

import argparse
import functools
import hashlib
import json
import re
import shutil
import sys
import tomllib
import uuid
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import jupytext
import nbformat
import yaml
from jupytext.config import load_jupytext_config
from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell, new_notebook

from workbook.expect_blocks import folded
from workbook.files import write_text
from workbook.merging import Merged, common, merge
from workbook.pages import METADATA, NOTEBOOKS, ROOT, Page, PageError, cell_name

COPY = ROOT / "my_notebooks"

_SOLUTION_MARKERS = re.compile(r"^<!-- /?solution -->\n?", re.MULTILINE)

_JUPYTEXT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["jupytext"]
_FILTERS = {key: value for key, value in _JUPYTEXT.items() if key.endswith("_filter")}


@dataclass(frozen=True)
class Hers:
    """A page of hers.

    Attributes:
        notebook: its cells, with what they have printed.
        together: whether the `.md` and the `.ipynb` say the same.
        told: what she should know about the two, a line each.
    """

    notebook: NotebookNode
    together: bool
    told: list[str] = field(default_factory=list)


@dataclass
class Update:
    """What was done to a copy.

    Attributes:
        folder: of the copy.
        handed_out: the pages that are there for the first time, or again.
        renewed: the pages that were brought up to date.
        told: what she should know, a line each.
        before: where her files are as they were before; None if nothing of hers was written to.
    """

    folder: Path
    handed_out: list[str] = field(default_factory=list)
    renewed: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    before: Path | None = None

    def lines(self) -> list[str]:
        """The same for a terminal."""
        name, lines = self.folder.name, []
        if self.handed_out:
            lines.append(f"New in {name}, your own copy of the pages: {', '.join(self.handed_out)}.")
        if self.renewed:
            lines.append(f"Brought up to date, with all that you wrote: {', '.join(self.renewed)}.")
        lines += [f"  {line}" for line in self.told]
        if self.before:
            lines.append(f"Your files as they were before: {self.before.relative_to(self.folder.parent).as_posix()}")
        return lines or [f"Your pages in {name} are up to date."]


@dataclass(frozen=True)
class Copy:
    """A learner's copy of the pages.

    Attributes:
        folder: where it lies: beside the originals, so that links and imports lead to the same places.
        originals: the folder of the course's pages.
    """

    folder: Path = COPY
    originals: Path = NOTEBOOKS

    def page(self, name: str) -> Page:
        return Page(self.folder / f"{name}.md")

    def update(self) -> Update:
        """Hand out the pages that she does not have, and bring the others up to date.

        What she has changed and added is kept, as `workbook.merging` says, and so are her files as they were before.
        Notebooks of her own are left alone. A page that she has deleted is handed out anew.

        Raises:
            OSError: if a file cannot be read or written.
        """
        done = Update(self.folder)
        self._go_on(done)
        write_text(self.folder / "jupytext.toml", _pairing())
        base = {path.stem: path.read_text(encoding="utf-8") for path in self._state("course").glob("*.md")}
        new: dict[str, str] = {}
        hers: dict[str, Hers] = {}
        for name in sorted({path.stem for path in self.originals.glob("*.md")} | base.keys()):
            try:
                if (self.originals / f"{name}.md").is_file():
                    new[name] = self._handed_out(name)
                if mine := self.read(self.page(name)):
                    hers[name] = mine
                    done.told += mine.told
                    if name not in base and self.page(name).as_text(mine.notebook) != new.get(name):
                        done.told.append(
                            f"{name}: it is not known what the course had when you got this page, so yours stays where "
                            "the two differ. To have the course's, delete both files of the page."
                        )
            except PageError as error:
                done.told.append(f"{name} stays as it is: {error}")
                for known in (base, new):
                    known.pop(name, None)
        merged = self._merged(base, hers, new)
        done.told += _told(merged)
        files: dict[Path, str | None] = {}
        for name in new:
            files |= self._bring(name, hers.get(name), merged, done)
            files[self._state("course") / f"{name}.md"] = new[name]
        for name in sorted(base.keys() - new.keys()):
            files |= self._drop(name, name in hers, merged, done)
        plan = {path: text for path, text in files.items() if _digest(path) != _digest(text)}
        if plan:
            known = {path.relative_to(self.folder).as_posix(): (_digest(path), text) for path, text in plan.items()}
            write_text(self._unfinished, json.dumps({"files": known, "told": done.told}))
            self._write(known)
        return done

    def _go_on(self, done: Update) -> None:
        """Finish an update that was interrupted: a cell may move from page to page, so half an update loses some."""
        if not self._unfinished.is_file():
            return
        plan = json.loads(self._unfinished.read_text(encoding="utf-8"))
        files, done.told = plan["files"], plan["told"]
        changed = {  # by her, since then
            Path(name).stem
            for name, (before, text) in files.items()
            if _digest(self.folder / name) not in (before, _digest(text))
        }
        done.told += [
            f"{name}: you have changed it since an update that was interrupted. If something of yours is missing, look "
            "into the latest folder of .workbook/before."
            for name in sorted(changed)
        ]
        self._write({name: file for name, file in files.items() if Path(name).stem not in changed})

    def _write(self, files: Mapping[str, Sequence]) -> None:
        for name, (_, text) in files.items():
            if text is None:
                (self.folder / name).unlink(missing_ok=True)
            else:
                write_text(self.folder / name, text)
        self._unfinished.unlink()

    def read(self, page: Page) -> Hers | None:
        """Her page; None if there is none. Nothing is written.

        Where only one of its two files is there and whole, that is the page. Where both are and say different things,
        as when another editor has saved the `.ipynb` alone, what was changed in either is in it.

        Raises:
            PageError: if neither file can be read.
        """
        try:
            text = page.text.read_text(encoding="utf-8") if page.text.is_file() else ""
        except UnicodeDecodeError as error:
            raise PageError(f"{page.text.name} is not UTF-8 ({error}). Save it as UTF-8") from None
        stored, there = _stored(page.notebook), page.notebook.is_file()
        for i, cell in enumerate(stored.cells if stored else ()):
            if not _is_text(cell.source):
                where = cell_name(stored.cells, i)
                raise PageError(f"{where} of {page.notebook.name} holds half of a character. Type that place anew")
        if not text.strip() and stored is None:
            if there:
                raise PageError(f"{page.notebook.name} is no notebook. Delete it, and the page is handed out anew")
            return None
        if not text.strip():
            return Hers(stored, together=False)
        if stored is None:
            told = [f"{page.notebook.name} was damaged, so the page was read from {page.text.name}."] if there else []
            return Hers(_notebook(self._cells(text)), not there and not page.has_name, told)
        in_notebook = page.as_text(stored)
        if text == in_notebook or page.as_text(_notebook(self._cells(text))) == in_notebook:
            return Hers(stored, together=True)
        return self._joined(page, self._cells(text), stored)

    def _joined(self, page: Page, cells: list[NotebookNode], stored: NotebookNode) -> Hers:
        """A page whose two files were changed apart. Where both have changed the same lines, the newer file counts."""
        versions = [(page.text, cells), (page.notebook, stored.cells)]
        (_, older), (newest, newer) = sorted(versions, key=lambda version: version[0].stat().st_mtime)
        known = self._state("together") / page.text.name
        base = self._cells(known.read_text(encoding="utf-8")) if known.is_file() else common(newer, older)
        merged = merge({"": base}, {"": newer}, {"": older})
        joined = merged.pages[""]
        told = [f"{page.name}: what you changed in the .md alone or the .ipynb alone is in both."]
        for number, (_, i) in enumerate(merged.both, start=1):
            at = i - 2 * number
            del joined[at : at + 2]  # the older cell, and the note
            told.append(
                f"{page.name}, {cell_name(joined, at)}: the two differed. {newest.name} counts, as it is newer."
            )
        notebook = _notebook(_with_outputs(joined, stored.cells), stored.metadata)
        return Hers(notebook, together=False, told=told)

    def _merged(self, base: dict[str, str], hers: dict[str, Hers], new: dict[str, str]) -> Merged:
        """The pages that have changed, or that she does not have, brought up to date."""
        course = {name: self._cells(text) for name, text in new.items() if text != base.get(name) or name not in hers}
        known, mine = {}, {}
        for name, page in hers.items():
            if name in course or name not in new:
                mine[name] = page.notebook.cells
                known[name] = self._cells(base[name]) if name in base else common(mine[name], course[name])
        return merge(known, mine, course)

    def _bring(self, name: str, hers: Hers | None, merged: Merged, done: Update) -> dict[Path, str | None]:
        """What to write of a page, if there is something to write."""
        page = self.page(name)
        if hers is None:
            notebook = _notebook(merged.pages[name])
            done.handed_out.append(name)
        else:
            cells = merged.pages.get(name, hers.notebook.cells)
            notebook = _notebook(_with_outputs(cells, hers.notebook.cells), hers.notebook.metadata)
        text, files = page.as_text(notebook), {}
        if hers is None or not hers.together or text != page.as_text(hers.notebook):
            if hers is not None:
                self._keep(page, done)
                done.renewed.append(name)
            if page.has_name or page.notebook.is_file():
                files[page.notebook] = nbformat.writes(notebook) + "\n"
            # last, so that it is the newer: else JupyterLab would refuse to open the page
            files[page.text] = text
        return files | {self._state("together") / page.text.name: text}

    def _drop(self, name: str, hers: bool, merged: Merged, done: Update) -> dict[Path, str | None]:
        """Take away a page that the course has no longer, unless something of hers would go with it."""
        page = self.page(name)
        states = {self._state(state) / page.text.name: None for state in ("course", "together")}
        if not hers:
            return states
        if name in merged.left:
            done.told.append(f"{name}: the course no longer has this page. Yours stays, with what you wrote.")
            return states
        now = merged.successors.get(name)
        self._keep(page, done)
        where = f"it is part of {now} now, and so is what you wrote" if now else "you had changed nothing in it"
        done.told.append(f"{name}: the course no longer has this page; {where}.")
        return {page.text: None, page.notebook: None} | states

    def _keep(self, page: Page, done: Update) -> None:
        """Copy the files of a page to where they stay."""
        done.before = done.before or self._state("before") / datetime.now().strftime("%Y-%m-%d_%H-%M-%S-%f")
        done.before.mkdir(parents=True, exist_ok=True)
        for path in (page.text, page.notebook):
            if path.is_file():
                shutil.copy2(path, done.before)

    def _handed_out(self, name: str) -> str:
        """The text of one of the course's pages as she gets it: what to expect is folded, and each fold is a cell."""
        cells = []
        for cell in Page(self.originals / f"{name}.md").read_text().cells:
            if cell.cell_type == "markdown":
                text = _SOLUTION_MARKERS.sub("", folded(cell.source))
                cells += map(new_markdown_cell, re.split(r"(?<=</details>)\n+", text.strip()))
            else:
                cells.append(cell)
        return self.page(name).as_text(_notebook(cells))

    @property
    def _unfinished(self) -> Path:
        return self._state("unfinished.json")

    def _state(self, what: str) -> Path:
        return self.folder / ".workbook" / what

    def _cells(self, text: str) -> list[NotebookNode]:
        try:
            return jupytext.reads(text, fmt="md", config=load_jupytext_config(str(self.folder))).cells
        except yaml.YAMLError:
            raise PageError(
                "its .md begins with a line ---, and what follows, up to the next, is read as YAML, which it is not. "
                "Write something above that line"
            ) from None


def _digest(content: Path | str | None) -> str | None:
    """What tells one content from another, of a file or a text; None if there is none."""
    if isinstance(content, Path):
        content = content.read_bytes() if content.is_file() else None
    elif content is not None:
        content = content.encode("utf-8")
    return content if content is None else hashlib.sha256(content).hexdigest()


def _pairing() -> str:
    """The settings of jupytext in a copy, as its file has them: those of the originals, but for one.

    Here the times of the files mean something. Where another editor has saved the `.ipynb` alone, JupyterLab refuses to
    take the older text for the page.
    """
    settings = {"formats": _JUPYTEXT["formats"], **_FILTERS}
    lines = ["# JupyterLab keeps the .md and the .ipynb of a page together"]
    return "\n".join(lines + [f"{key} = {json.dumps(value)}" for key, value in settings.items()]) + "\n"


def _stored(path: Path) -> NotebookNode | None:
    """A notebook as its file has it; None if there is no file, or it is damaged."""
    try:
        with warnings.catch_warnings(action="ignore"):  # of cells without an id, which they are given
            notebook = nbformat.read(path, as_version=4)
        whole = all("source" in cell and (cell.cell_type != "code" or "outputs" in cell) for cell in notebook.cells)
    except FileNotFoundError:
        return None
    except (nbformat.ValidationError, AttributeError, KeyError, TypeError, ValueError):
        return None
    return notebook if whole else None


def _is_text(source: str) -> bool:
    """Whether a file can hold it: JSON has halves of characters too, which are none."""
    try:
        source.encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _notebook(cells: Sequence[NotebookNode], metadata: Mapping | None = None) -> NotebookNode:
    """A notebook of these cells, each with an id of its own; with the metadata of a new one, if none are given."""
    own, ids = [], set()
    for cell in cells:
        if cell.get("id") in ids | {None}:
            cell = NotebookNode(cell | {"id": uuid.uuid4().hex[:8]})
        ids.add(cell.id)
        own.append(cell)
    return new_notebook(cells=own, metadata=metadata or _metadata())


@functools.cache
def _metadata() -> dict:
    """The metadata of a notebook that JupyterLab opens and leaves as it is."""
    from ipykernel.ipkernel import IPythonKernel

    # By the filters jupytext sees that a notebook newer than its text has other outputs, and no other cells. JupyterLab
    # asks whether to save a page that was only read, if the kernel says more of its language.
    return METADATA | {"jupytext": _FILTERS, "language_info": IPythonKernel.language_info}


def _with_outputs(cells: Sequence[NotebookNode], stored: Sequence[NotebookNode]) -> list[NotebookNode]:
    """The cells, with what those stored of the same source have besides: what was printed, and pictures in a text."""
    besides = defaultdict(list)
    for cell in stored:
        besides[cell.cell_type, cell.source].append(cell)
    found = []
    for cell in cells:
        same = besides[cell.cell_type, cell.source]
        other = same.pop(0) if same else cell
        found.append(cell if "attachments" in cell else NotebookNode(other | {"metadata": cell.metadata}))
    return found


def _told(merged: Merged) -> list[str]:
    """Where something of hers and something of the course stand side by side."""
    both = "you and the course have changed the same lines. The new cell comes first, yours below it."
    alone = "the course no longer has this cell. Yours stays, since you changed it."
    places = [(*place, both) for place in merged.both] + [(*place, alone) for place in merged.alone]
    return [f"{name}, {cell_name(merged.pages[name], i)}: {what}" for name, i, what in sorted(places)]


def keep_replaced(model: Mapping, path: str, contents_manager, **_) -> None:
    """Keep what a save takes away: a hook, called by JupyterLab before it writes a file.

    Who has the `.md` and the `.ipynb` of a page open at once, and types in both, is asked which one to overwrite. Who
    has the `.md` open there and the `.ipynb` in another editor is not asked. Cells of hers with a line that is no
    longer on the page are added to those in `replaced`.
    """
    file = Path(contents_manager.root_dir, path)
    page, state = Page(file.with_suffix(".md")), file.parent / ".workbook"
    if not (state.is_dir() and file.is_file()):
        return
    if file == page.text and model["type"] == "file":
        written, before = [model["content"]], Copy(file.parent)._cells(file.read_text(encoding="utf-8"))
    elif file == page.notebook and model["type"] == "notebook":  # which is written first
        stored = _stored(file)
        written = [*(cell["source"] for cell in model["content"]["cells"]), *_texts(page.text)]
        before = stored.cells if stored else []
    else:
        return
    course, replaced = state / "course" / page.text.name, state / "replaced" / page.text.name
    known = {line for text in (*written, *_texts(course)) for line in text.splitlines()}
    lost = [cell for cell in before if not set(cell.source.splitlines()) <= known | {""}]
    if lost:
        text = page.as_text(_notebook(lost, METADATA))
        kept = "".join(_texts(replaced))
        now = datetime.now().strftime("%Y-%m-%d %H:%M")
        write_text(replaced, f"{kept}Replaced on {now}:\n\n{text}\n\n")


def _texts(path: Path) -> list[str]:
    return [path.read_text(encoding="utf-8")] if path.is_file() else []


def run(options: argparse.Namespace) -> int:
    try:
        print("\n".join(Copy().update().lines()), flush=True)  # before JupyterLab prints
    except OSError as error:
        print(f"Your copy of the pages cannot be written: {error}", file=sys.stderr)
        return 1
    return 0
