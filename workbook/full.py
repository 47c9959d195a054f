"""Execute pages on the real data and print their results: `make full`, or `python -m workbook.full [PAGE ...]`.

The results are what the cells tagged `result` print; what they draw goes into img/full, where a
README.md shows it. The pages stay as they are. The data come from the cache of Keras (`KERAS_HOME`), or
from the network the first time.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from importlib.metadata import version

import nbformat

from workbook.files import write_bytes
from workbook.kernel import fix_environment
from workbook.pages import Page, PageError, expectations, pages_asked_for, printed
from workbook.render import execute


def results(page: Page) -> list[str]:
    """Execute a page on the real data, and write the figures of its cells tagged `result`.

    Returns:
        What these cells print.

    Raises:
        PageError: if a cell fails: an error, or an `assert` that does not hold on the real data.
            No figure is written then.
    """
    notebook = nbformat.v4.new_notebook(cells=page.read_text().cells)
    execute(page, notebook)
    tagged = [i for i, cell in enumerate(notebook.cells) if "result" in cell.metadata.get("tags", [])]
    for figure in expectations(page, notebook.cells)[1]:
        if figure.cell in tagged:
            write_bytes(figure.file.parent / "full" / figure.file.name, figure.png)
    return [text for i in tagged if (text := printed(notebook.cells[i]))]


def main(arguments: Sequence[str] | None = None) -> int:
    chosen = pages_asked_for("workbook.full", __doc__.splitlines()[0], arguments)
    fix_environment(WORKBOOK_DATA="full")
    failed = False
    for page in chosen:
        started = time.perf_counter()
        try:
            lines = results(page)
        except PageError as error:
            failed = True
            print(f"{page.name}: failed on the real data\n{error}", file=sys.stderr)
            continue
        seconds = time.perf_counter() - started
        print(f"{page.name} (full, Keras {version('keras')}, {seconds:.0f} s)")
        for line in lines:
            print("  " + line.replace("\n", "\n  "))
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
