"""Execute pages on the real data and print their results: `make full`, or `python -m workbook full [PAGE ...]`.

The results are what the cells tagged `result` print; what they draw goes into img/full, where a
README.md shows it. The pages stay as they are. The data come from the cache of Keras (`KERAS_HOME`), or
from the network the first time.
"""

from __future__ import annotations

import argparse
import sys
import time
from importlib.metadata import version

import nbformat

from workbook.expect_blocks import expectations, printed
from workbook.files import write_bytes
from workbook.pages import Page, PageError
from workbook.render import execute_page
from workbook.running.environment import environment

CELL_LIMIT = 3600  # seconds that a cell may take: the data may have to come first


def results(page: Page) -> list[str]:
    """Execute a page on the real data, and write the figures of its cells tagged `result`.

    Returns:
        What these cells print.

    Raises:
        PageError: if a cell fails: an error, or an `assert` that does not hold on the real data.
            No figure is written then.
    """
    notebook = nbformat.v4.new_notebook(cells=page.read_text().cells)
    execute_page(page, notebook.cells, environment=environment("full"), limit=CELL_LIMIT)
    tagged = [i for i, cell in enumerate(notebook.cells) if "result" in cell.metadata.get("tags", [])]
    for figure in expectations(page, notebook.cells)[1]:
        if figure.cell in tagged:
            write_bytes(figure.file.parent / "full" / figure.file.name, figure.png)
    return [text for i in tagged if (text := printed(notebook.cells[i]))]


def run(options: argparse.Namespace) -> int:
    failed = False
    for page in options.pages:
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
