"""A comparison that cannot fail is worse than none: pages are changed as people change them by
accident, and the comparison must notice each change where it shows.

The changes stand in tests/accidents, a module a page.
"""

import importlib
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from xml.etree import ElementTree

import nbformat
import pytest

from workbook.pages import ROOT, pages

CASES = [
    (page, accident)
    for page in pages()
    if (Path(__file__).parent / "accidents" / f"{page.name[3:]}.py").is_file()
    for accident in importlib.import_module(f"tests.accidents.{page.name[3:]}").ACCIDENTS
]


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The changed pages, executed side by side; the outcome of each as a future."""
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield [pool.submit(disagreeing_cells, *case, tmp_path_factory.mktemp("page")) for case in CASES]


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{p.name[:2]}, {a.what}" for p, a in CASES])
def test_accident_is_noticed(number, runs):
    _, accident = CASES[number]
    disagreeing = runs[number].result()
    for code in accident.noticed_by:
        assert any(code in cell for cell in disagreeing), f"not noticed by the cell with {code!r}"


def disagreeing_cells(page, accident, folder):
    """Run the changed page as far as it must notice; the code of the cells whose output disagrees."""
    notebook = page.read_notebook()
    codes = [cell.source if cell.cell_type == "code" else "" for cell in notebook.cells]
    changed = next(i for i, code in enumerate(codes) if accident.old in code)
    notebook.cells[changed].source = codes[changed].replace(accident.old, accident.new, 1)
    codes[changed] = notebook.cells[changed].source
    last = max(i for code in accident.noticed_by for i, cell in enumerate(codes) if code in cell)
    notebook.cells = notebook.cells[: last + 1]

    for shared in ("text_recognizer", "workbook", "requirements.txt"):
        (folder / shared).symlink_to(ROOT / shared)
    for copied in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / copied, folder)
    path = folder / "notebooks" / page.notebook.name
    path.parent.mkdir()
    shutil.copy(page.text, path.parent)
    nbformat.write(notebook, path)
    report = folder / "report.xml"
    command = [sys.executable, "-m", "pytest", "--nbval", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(path)]
    subprocess.run(command, cwd=folder, capture_output=True, check=False)

    cells = [code for cell, code in zip(notebook.cells, codes) if cell.cell_type == "code"]
    noticed = set()
    for case in ElementTree.parse(report).iter("testcase"):
        failure = case.find("failure")
        # an output that disagrees, not merely a cell that raised
        if failure is not None and "If the change is meant: make render" in failure.text:
            noticed.add(cells[int(case.get("name").removeprefix("Cell "))])
    return noticed
