"""Do a page's text, its notebook and its figures say the same?"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest

from workbook.comparing.normalise import cells_in_tracebacks
from workbook.comparing.outputs import METADATA_KEY
from workbook.expect_blocks import check_statements, code_above, expectations
from workbook.pages import Page, cell_name, never_executed
from workbook.solution_blocks import solutions


def disagreements(page: Page) -> Iterator[str]:
    """In words, each place where `.md`, `.ipynb` and img/ no longer say the same. `page.mend` mends them all.

    Raises:
        PageError: if the page must first be mended by hand.
    """
    if not page.notebook.is_file():
        yield f"{page.notebook.name} is missing"
        return
    text, notebook = page.read_text(), page.read_notebook()
    check_statements(page, text.cells)
    waiting = [i for i, cell in enumerate(notebook.cells) if never_executed(cell)]
    yield from (f"{cell_name(notebook.cells, i)} of {page.notebook.name} was never executed" for i in waiting)
    unlike = _unlike(page, text.cells, notebook.cells)
    if unlike:
        yield unlike
    if waiting or unlike:
        return
    for i, cell in enumerate(notebook.cells):
        first = cells_in_tracebacks(cell.get("outputs", []))[:1]
        if first and first[0] != cell.execution_count:
            yield f"the traceback below {cell_name(notebook.cells, i)} is of In[{first[0]}]"
    shown, figures = expectations(page, notebook.cells)
    for i, source in shown.items():
        if source != notebook.cells[i].source:
            above = cell_name(notebook.cells, code_above(notebook.cells, i))
            yield f"what to expect below {above} is not its output"
    for i, source in solutions(page, notebook.cells).items():
        if source != notebook.cells[i].source:
            above = cell_name(notebook.cells, code_above(notebook.cells, i))
            yield f"the solution below {above} is not the one in exercises/"
    for figure in figures:
        if not figure.file.is_file() or figure.file.read_bytes() != figure.png:
            state = "differs from" if figure.file.is_file() else "is missing;"
            yield (
                f"{cell_name(notebook.cells, figure.cell)}: img/{figure.file.name} {state} "
                f"what {page.notebook.name} holds"
            )


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
