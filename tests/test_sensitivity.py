"""A comparison that cannot fail is worse than none: pages are changed as people change them by
accident, and the comparison must notice each change where it shows.

The changes stand in tests/accidents, a module a page. `make sensitivity` tries more of them.
"""

import ast
import copy
import importlib
import json
import os
import re
import subprocess
import symtable
import sys
import tempfile
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


def needed(sources, wanted):
    """The cells that others rest on, by the names in them: what a page trains for another section need not run.

    `make sensitivity` checks that these cells, unchanged, print what is stored.

    Args:
        sources: of the code cells, by their place.
        wanted: the places of the cells that must run.

    Returns:
        The places of all cells that must.
    """
    sources = {place: re.sub(r"^\s*%.*", "", source, flags=re.MULTILINE) for place, source in sources.items()}
    kept, names, missing = set(), set(), _names_from_elsewhere(sources)
    for place in sorted(sources, reverse=True):
        bound, changed = _names_bound_and_changed(sources[place])
        if place in wanted or names & (bound | changed):
            kept.add(place)
            names = names - bound | missing[place]
    return kept


def _names_from_elsewhere(sources):
    """The names that each cell uses, and does not bind before: they would be undefined if it ran alone."""
    with tempfile.TemporaryDirectory() as folder:
        for place, source in sources.items():
            Path(folder, f"{place}.py").write_text(source, encoding="utf-8")
        command = [sys.executable, "-m", "ruff", "check", "--isolated", "--no-cache", "--select=F821", folder]
        found = subprocess.run([*command, "--output-format=json"], capture_output=True, check=False).stdout
    names = {place: set() for place in sources}
    for undefined in json.loads(found):
        names[int(Path(undefined["filename"]).stem)].add(undefined["message"].split("`")[1])
    return names


CHANGES = {
    "adapt",
    "append",
    "assign",
    "build",
    "compile",
    "fit",
    "load_weights",
    "set_weights",
    "setdefault",
    "update",
}


def _names_bound_and_changed(source):
    symbols = symtable.symtable(source, "cell", "exec").get_symbols()
    bound = {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}
    changed = set()
    for node in ast.walk(ast.parse(source)):
        called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGES
        if called or (isinstance(node, (ast.Attribute, ast.Subscript)) and not isinstance(node.ctx, ast.Load)):
            changed |= {name.id for name in ast.walk(node.func if called else node) if isinstance(name, ast.Name)}
    return bound, changed


CASES = [(page, accident) for page in pages() for accident in accidents(page)]


@pytest.mark.parametrize(
    "wanted, expected",
    [
        ({9}, {1, 2, 4, 9}),  # what was compiled, and a function with what it uses
        ({8}, {1, 3, 8}),  # the last that has the name, without the one before
        ({7}, {1, 6, 7}),  # what is written into a dictionary
        ({5}, {1, 5}),  # a name of its own, whatever others call so
    ],
)
def test_cells_that_others_rest_on(wanted, expected):
    sources = {
        1: "%matplotlib inline\nimport keras\nhistories = {}",
        2: "def build():\n    return keras.Sequential()",
        3: "model = keras.Model()",
        4: "trained = build()\ntrained.compile('sgd')",
        5: "for name in 'ab':\n    print(keras, name)",
        6: "histories['a'] = keras",
        7: "print(histories)",
        8: "print(model)",
        9: "trained.predict([name for name in 'ab'])",
    }
    assert needed(sources, wanted) == expected


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_each_result_is_named_by_an_accident(page):
    results = [cell.source for cell in page.read_notebook().cells if "result" in cell.metadata.get("tags", [])]
    named = {part for accident in accidents(page, thorough=True) for part in accident.noticed_by}
    for source in results:
        assert any(part in source for part in named), f"no accident names the cell\n{source}"


class Rerun:
    """Some cells of a page, executed again: what an accident changes, what notices it, and what these two need.

    Attributes:
        changed: the place of the cell that the accident changes, among all cells of the page.
        noticing: the places of the cells that should notice it, for each of those that it names.
    """

    def __init__(self, page, accident):
        self.page, self.accident = page, accident
        self.stored = page.read_notebook().cells
        sources = {i: cell.source for i, cell in enumerate(self.stored) if cell.cell_type == "code"}
        self.changed = next(i for i in sources if accident.old in sources[i])
        self.noticing, before = (
            [next(i for i in sources if part in sources[i]) for part in parts]
            for parts in (accident.noticed_by, accident.after)
        )
        last = max(self.noticing)
        wanted = {min(sources), *before, self.changed, *self.noticing}  # the first finds the packages
        self.places = sorted(needed({i: s for i, s in sources.items() if i <= last}, wanted))

    def run(self, folder, with_accident=True):
        """Execute them in a folder. Returns the places of those whose output is another, and of those that raised."""
        cells = {i: copy.deepcopy(self.stored[i]) for i in self.places}
        if with_accident:
            cell = cells[self.changed]
            cell.source = cell.source.replace(self.accident.old, self.accident.new, 1)
        execute(list(cells.values()), Course(folder).folder / "notebooks", environment(), after_errors=True)
        raised = {i: error for i, cell in cells.items() if (error := failure(cell))}
        differing = {
            i
            for i in cells.keys() - raised.keys()
            if outputs_difference(self.stored[i].outputs, cells[i].outputs, tolerance_of(self.page, self.stored, i))
        }
        return differing, raised


every_case = pytest.mark.parametrize("page, accident", CASES, ids=[f"{p.number} {a.what}" for p, a in CASES])


@every_case
def test_accident_is_noticed(page, accident, tmp_path):
    rerun = Rerun(page, accident)
    noticing, raised = rerun.run(tmp_path)
    # a cell that notices it by its own assert stops there; one that merely does not run any more notices nothing
    noticing |= {i for i, error in raised.items() if error.splitlines()[-1].startswith("AssertionError")}
    assert all(i >= rerun.changed for i in noticing), "a cell disagrees that stands before the accident"
    for part, place in zip(accident.noticed_by, rerun.noticing):
        assert place in noticing, f"not noticed by the cell with {part!r}"


@pytest.mark.skipif(not THOROUGH, reason="make sensitivity does it")
@every_case
def test_without_the_accident_the_same_cells_agree(page, accident, tmp_path):
    assert Rerun(page, accident).run(tmp_path, with_accident=False) == (set(), {})
