"""Bring pages, notebooks and figures into agreement: `make render`, or `python -m workbook render [PAGE ...]`.

Each page is read from its `.md`, executed from top to bottom, and written back: the notebook with its
outputs, the figures into img/, what to expect into the `.md`. An output that still agrees with the
stored one, within the tolerance of its cell, is left as it was: a second run changes nothing. The solutions
of the exercises are written below them.
"""

from __future__ import annotations

import argparse
import json
import sys
import time

import nbformat

from workbook.comparing.normalise import cells_in_tracebacks, tidy
from workbook.comparing.outputs import outputs_difference
from workbook.expect_blocks import check_statements, expectations
from workbook.files import write_bytes, write_text
from workbook.pages import CELL_METADATA, METADATA, Page, PageError, cell_name, tolerance_of
from workbook.running.environment import environment
from workbook.running.execute import Stopped, execute
from workbook.solution_blocks import solutions

MOST_BYTES = 1_000_000


def render(page: Page) -> list[str]:
    """Execute a page and write what changed. Returns what changed, in words.

    Raises:
        PageError: if a cell fails, an expect block or a solution does not fit, or the notebook would be too large;
            nothing is written then.
        OSError: if one of the files cannot be written.
    """
    as_read = page.text.read_bytes()
    notebook = nbformat.v4.new_notebook(cells=page.read_text().cells, metadata=METADATA)
    for i, cell in enumerate(notebook.cells):
        cell.id = f"{page.number}-{i:03d}"
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in CELL_METADATA}
    for i, source in solutions(page, notebook.cells).items():
        notebook.cells[i].source = source
    execute_page(page, notebook.cells, environment=environment())
    changes = list(_keep_what_agrees(page, notebook))
    shown, figures = expectations(page, notebook.cells)
    for i, source in shown.items():
        notebook.cells[i].source = source
    if page.text.read_bytes() != as_read:
        raise PageError(f"{page.text.name} was edited while it ran. Run it again: {page.mend}")
    written = nbformat.writes(notebook) + "\n"
    if (size := len(written.encode())) > MOST_BYTES:
        largest = max(range(len(notebook.cells)), key=lambda i: len(json.dumps(notebook.cells[i])))
        raise PageError(
            f"{page.notebook.name} would have {size:,} bytes, and GitHub shows no more than {MOST_BYTES:,}. The "
            f"largest cell is {cell_name(notebook.cells, largest)}: let it print or draw less"
        )
    for figure in figures:
        write_bytes(figure.file, figure.png)
    before = [path.read_bytes() if path.is_file() else b"" for path in (page.notebook, page.text)]
    write_text(page.notebook, written)
    # from the file, so that saving either of the two in JupyterLab changes nothing in the other
    write_text(page.text, page.as_text(page.read_notebook()))
    for path, old in zip((page.notebook, page.text), before):
        if path.read_bytes() != old:
            changes.append(f"{path.name} is written anew")
    return changes


def execute_page(page: Page, cells: list[nbformat.NotebookNode], **how) -> None:
    """Execute the cells of a page in its folder; `how` as for `workbook.running.execute.execute`.

    Raises:
        PageError: they could not be executed to the end; the message names the cell.
    """
    check_statements(page, cells)  # before anything takes time
    try:
        execute(cells, page.text.parent, **how)
    except Stopped as stopped:
        raise PageError(f"{page.text.name}, {cell_name(cells, stopped.index)}\n{stopped.reason}") from None


def _keep_what_agrees(page: Page, notebook: nbformat.NotebookNode):
    """Put back the stored outputs that the new ones agree with; yield what does not agree."""
    stored: dict[str, list] = {}
    if page.notebook.is_file():
        try:
            cells = page.read_notebook().cells
        except PageError:  # a damaged notebook is written anew
            cells = []
        for cell in cells:
            if cell.cell_type == "code" and cell.execution_count is not None:
                stored.setdefault(cell.source, []).append(cell)
    for i, cell in enumerate(notebook.cells):
        tolerance = tolerance_of(page, notebook.cells, i)
        if cell.cell_type != "code" or not cell.source.strip():
            continue
        same_source = stored.get(cell.source)
        if not same_source:
            yield f"{cell_name(notebook.cells, i)}: new"
            continue
        old = same_source.pop(0)
        difference = outputs_difference(old.outputs, cell.outputs, tolerance)
        if difference:
            yield f"{cell_name(notebook.cells, i)}: {difference}"
        elif cells_in_tracebacks(old.outputs) == cells_in_tracebacks(cell.outputs):
            count, cell.outputs = cell.execution_count, list(_described(tidy(old.outputs), cell.outputs))
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count


def _described(old: list, new: list):
    """The outputs `old`, with the figures of `new` where theirs were stored without a description."""
    pictures = iter([output for output in new if "image/png" in output.get("data", {})])
    for output in old:
        if "image/png" in output.get("data", {}):
            picture = next(pictures)
            stored, run = (o.metadata.get("image/png", {}) for o in (output, picture))
            output = picture if "figure" in run and "figure" not in stored else output
        yield output


def run(options: argparse.Namespace) -> int:
    failed = False
    for page in options.pages:
        started = time.perf_counter()
        try:
            changes = render(page)
        except (PageError, OSError) as error:
            failed = True
            print(f"{page.name}: not rendered\n{error}", file=sys.stderr)
            continue
        seconds = time.perf_counter() - started
        print(f"{page.name}: executed in {seconds:.0f} s, {'nothing changed' if not changes else 'changed:'}")
        for change in changes:
            print("  " + change.replace("\n", "\n  "))
    return int(failed)
