"""Bring pages, notebooks and figures into agreement: `make render`, or `python -m workbook.render [PAGE ...]`.

Each page is read from its `.md`, executed from top to bottom, and written back: the notebook with its
outputs, the figures into img/, what to expect into the `.md`. An output that still agrees with the
stored one, within the tolerance of its cell, is left as it was: a second run changes nothing.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from workbook.compare import METADATA_KEY, outputs_difference
from workbook.files import write_bytes, write_text
from workbook.kernel import fix_environment
from workbook.normalise import tidy, without_colours
from workbook.pages import (
    Page,
    PageError,
    cell_name,
    expectations,
    pages_asked_for,
    tolerance_of,
)

_METADATA = {
    "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def render(page: Page) -> list[str]:
    """Execute a page and write what changed. Returns what changed, in words.

    Raises:
        PageError: if a cell fails or an expect block does not fit; nothing is written then.
    """
    as_read = page.text.read_bytes()
    notebook = nbformat.v4.new_notebook(cells=page.read_text().cells, metadata=_METADATA)
    for i, cell in enumerate(notebook.cells):
        cell.id = f"{page.name[:2]}-{i:03d}"
        cell.metadata = {k: v for k, v in cell.metadata.items() if k in ("tags", METADATA_KEY)}
    execute(page, notebook)
    changes = list(_keep_what_agrees(page, notebook))
    shown, figures = expectations(page, notebook.cells)
    for i, source in shown.items():
        notebook.cells[i].source = source
    if page.text.read_bytes() != as_read:
        raise PageError(f"{page.text.name} was edited while it ran. Run it again: {page.mend}")
    for figure in figures:
        write_bytes(figure.file, figure.png)
    before = [path.read_bytes() if path.is_file() else b"" for path in (page.notebook, page.text)]
    write_text(page.notebook, nbformat.writes(notebook) + "\n")
    # from the file, so that saving either of the two in JupyterLab changes nothing in the other
    write_text(page.text, page.as_text(page.read_notebook()))
    for path, old in zip((page.notebook, page.text), before):
        if path.read_bytes() != old:
            changes.append(f"{path.name} is written anew")
    return changes


def execute(page: Page, notebook: nbformat.NotebookNode) -> None:
    """Execute the cells in a new kernel, in the page's folder; the outputs are tidied.

    Raises:
        PageError: if a cell fails that is not tagged `raises-exception`.
    """
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        record_timing=False,
        timeout=None,
        resources={"metadata": {"path": str(page.text.parent)}},
    )
    try:
        client.execute(stderr=subprocess.DEVNULL)  # what belongs to a cell comes as its output
    except CellExecutionError as error:
        failed = next(i for i, c in enumerate(notebook.cells) if _failed(c))
        raise PageError(
            f"{page.text.name}, {cell_name(notebook.cells, failed)}\n{without_colours(str(error))}"
        ) from None
    count = 0
    for cell in notebook.cells:
        if cell.cell_type == "code":
            count += 1
            cell.execution_count = count
            cell.outputs = tidy(cell.outputs)
            for output in cell.outputs:
                if "execution_count" in output:
                    output.execution_count = count
    notebook.metadata = nbformat.from_dict(_METADATA)


def _failed(cell) -> bool:
    allowed = "raises-exception" in cell.metadata.get("tags", [])
    return cell.cell_type == "code" and not allowed and any(o.output_type == "error" for o in cell.outputs)


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
        else:
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


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = pages_asked_for("workbook.render", __doc__.splitlines()[0], arguments)
    fix_environment()
    failed = False
    for page in chosen:
        started = time.perf_counter()
        try:
            changes = render(page)
        except PageError as error:
            failed = True
            print(f"{page.name}: not rendered, nothing written\n{error}", file=sys.stderr)
            continue
        seconds = time.perf_counter() - started
        print(f"{page.name}: executed in {seconds:.0f} s, {'nothing changed' if not changes else 'changed:'}")
        for change in changes:
            print("  " + change.replace("\n", "\n  "))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
