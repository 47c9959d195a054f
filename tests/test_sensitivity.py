"""A comparison that cannot fail is worse than none: pages are changed as people change them by
accident, and the comparison must notice each change where it shows.

The changes stand in tests/accidents, a module a page. `make sensitivity` tries more of them.
"""

import copy
import importlib
import os
from pathlib import Path

import pytest

from tests.course import Course
from workbook.comparing.outputs import outputs_difference
from workbook.pages import pages, tolerance_of
from workbook.running.environment import environment
from workbook.running.execute import execute, failure

THOROUGH = os.environ.get("WORKBOOK_SENSITIVITY") == "thorough"


def accidents(page, thorough=THOROUGH):
    """The accidents of a page; a page without any, such as 00, has nothing to train."""
    topic = page.topic
    if not (Path(__file__).parent / "accidents" / f"{topic}.py").is_file():
        return []
    module = importlib.import_module(f"tests.accidents.{topic}")
    return module.ACCIDENTS + (module.THOROUGH if thorough else [])


CASES = [(page, accident) for page in pages() for accident in accidents(page)]


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_each_result_is_named_by_an_accident(page):
    results = [cell.source for cell in page.read_notebook().cells if "result" in cell.metadata.get("tags", [])]
    named = {part for accident in accidents(page, thorough=True) for part in accident.noticed_by}
    for source in results:
        assert any(part in source for part in named), f"no accident names the cell\n{source}"


@pytest.mark.parametrize("page, accident", CASES, ids=[f"{p.number} {a.what}" for p, a in CASES])
def test_accident_is_noticed(page, accident, tmp_path):
    cells = page.read_notebook().cells
    stored = copy.deepcopy(cells)
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    changed = next(i for i in code if accident.old in cells[i].source)
    cells[changed].source = cells[changed].source.replace(accident.old, accident.new, 1)
    notice = {part: [i for i in code if part in cells[i].source] for part in accident.noticed_by}
    cells = cells[: 1 + max(max(places) for places in notice.values())]

    course = Course(tmp_path)
    execute(cells, course.folder / "notebooks", environment(), after_errors=True)

    disagreeing = {
        i
        for i in code
        if i < len(cells)
        and not failure(cells[i])  # an output that disagrees, not merely a cell that raised
        and outputs_difference(stored[i].outputs, cells[i].outputs, tolerance_of(page, stored, i))
    }
    assert all(i >= changed for i in disagreeing), "a cell disagrees that stands before the accident"
    for part, places in notice.items():
        assert disagreeing & set(places), f"not noticed by the cell with {part!r}"
