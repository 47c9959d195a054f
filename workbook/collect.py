"""How pytest meets the pages under `--nbval`: every notebook is executed again by nbval and compared
by `workbook.compare`, and every page is checked against its notebook and its figures.

nbval 0.11 by itself passes a cell that was never executed, compares no pictures, and knows no
tolerance; the three classes here put that right.
"""

from __future__ import annotations

import json
import os
from functools import partial
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from workbook.compare import outputs_difference
from workbook.kernel import fix_environment
from workbook.pages import Page, PageError, cell_name, never_executed, tolerance_of

# where a failing comparison of pictures leaves them; git ignores it
PICTURES = Path(".nbval")


def pytest_configure(config: pytest.Config) -> None:
    if config.option.nbval:
        fix_environment()


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector):
    collected = yield
    if not parent.config.option.nbval:
        return collected
    collected = [
        Notebook.from_parent(parent, path=file_path) if isinstance(node, IPyNbFile) else node for node in collected
    ]
    if file_path.suffix == ".md" and Page(file_path).has_name:
        collected.append(PageText.from_parent(parent, path=file_path))
    return collected


class Disagreement(Exception):
    """A failure whose message is all that should be shown."""


class PageText(pytest.File):
    """A `.md` page: one item, which checks it against its notebook and its figures."""

    def collect(self):
        yield Agreement.from_parent(self, name="agreement")


class Agreement(pytest.Item):
    def runtest(self) -> None:
        page = Page(self.path)
        try:
            wrong = list(page.disagreements())
        except PageError as error:
            raise Disagreement(str(error)) from None
        if wrong:
            raise Disagreement("\n".join([f"{page.text.name}:", *wrong, f"To mend it: {page.mend}"]))

    def repr_failure(self, excinfo):
        return str(excinfo.value) if excinfo.errisinstance(Disagreement) else super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, None, f"{self.path.name}: text, notebook and figures agree"


class Notebook(IPyNbFile):
    """An executed notebook, whose cells are executed again."""

    def setup(self) -> None:
        # under this variable a kernel does not show what a cell's subprocesses print
        running = os.environ.pop("PYTEST_CURRENT_TEST", None)
        super().setup()
        if running is not None:
            os.environ["PYTEST_CURRENT_TEST"] = running
        # nbval runs cells without history, where IPython heeds neither `Out` nor a closing semicolon
        self.kernel.execute_cell_input = partial(self.kernel.kc.execute, store_history=True, stop_on_error=False)

    def collect(self):
        self.page = Page(self.path.with_suffix(".md"))
        if not self.page.text.is_file():
            raise self.CollectError(
                f"{self.path.name} has no page {self.page.text.name} beside it: "
                "restore the page, or delete the notebook"
            )
        try:
            self.page.read_notebook()
        except PageError as error:
            raise self.CollectError(str(error)) from None
        for cell in super().collect():
            yield Cell.from_parent(self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options)


class Cell(IPyNbCell):
    @property
    def index(self) -> int:
        """The place of the cell among all cells of its notebook; `cell_num` counts code cells alone."""
        return next(i for i, cell in enumerate(self.parent.nb.cells) if cell is self.cell)

    @property
    def described(self) -> str:
        return f"{self.parent.path.name}, {cell_name(self.parent.nb.cells, self.index)}"

    def runtest(self) -> None:
        if never_executed(self.cell):
            raise Disagreement(f"{self.described}: was never executed\nTo mend it: {self.parent.page.mend}")
        super().runtest()

    def compare_outputs(self, test, ref, skip_compare=None) -> bool:
        tolerance = tolerance_of(self.parent.page, self.parent.nb.cells, self.index)
        difference = outputs_difference(ref, test, tolerance)
        if difference is None:
            return True
        lines = [str(difference)]
        if difference.picture:
            folder = self.config.rootpath / PICTURES / self.parent.page.name
            saved = difference.picture.save(folder, f"cell_{self.cell_num + 1:02d}")
            lines += ["Look at:"] + [f"  {path.relative_to(self.config.rootpath)}" for path in saved]
        lines.append(f"If the change is meant: {self.parent.page.mend}")
        if difference.wider:
            wider = json.dumps(difference.wider)
            lines.append(f"If the cell varies by nature, state how far on its fence: ```python compare={wider}")
        raise Disagreement(f"{self.described}\n{self.cell.source}\n\n" + "\n".join(lines))

    def repr_failure(self, excinfo):
        error = excinfo.value
        if isinstance(error, (Disagreement, PageError)):
            return str(error)
        if isinstance(error, NbCellError):
            return f"{self.described}\n{error.source}\n\n{error}{error.inner_traceback or ''}"
        return super().repr_failure(excinfo)
