"""A comparison that cannot fail is worse than none: pages are changed as people change them by
accident, and the comparison must notice each change where it shows.

The changes stand in tests/accidents, a module a page. `make sensitivity` tries more of them.
"""

import importlib
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbformat
import pytest

from tests.course import Course
from workbook.pages import pages

THOROUGH = os.environ.get("WORKBOOK_SENSITIVITY") == "thorough"


def accidents(page):
    """The accidents of a page; a page without any, such as 00, has nothing to train."""
    topic = page.name[3:]
    if not (Path(__file__).parent / "accidents" / f"{topic}.py").is_file():
        return []
    module = importlib.import_module(f"tests.accidents.{topic}")
    return module.ACCIDENTS + (module.THOROUGH if THOROUGH else [])


CASES = [(page, accident) for page in pages() for accident in accidents(page)]


@pytest.fixture(scope="module")
def runs(request, tmp_path_factory):
    """The changed pages that were asked for, executed side by side: the outcomes as futures."""
    asked = [item.callspec.params["number"] for item in request.session.items if item.fspath == request.fspath]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        yield {n: pool.submit(disagreeing_cells, *CASES[n], tmp_path_factory.mktemp("page")) for n in asked}


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{p.name[:2]} {a.what}" for p, a in CASES])
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

    course = Course(folder)
    copy = course.page(page.name, page.text.read_text(encoding="utf-8"))
    nbformat.write(notebook, copy.notebook)
    outcome = course.nbval(copy.notebook)

    executed = [code for cell, code in zip(notebook.cells, codes) if cell.cell_type == "code"]
    # an output that disagrees, not merely a cell that raised
    return {
        executed[int(name.removeprefix("Cell "))]
        for name, message in outcome.items()
        if "If the change is meant: make render" in message
    }
