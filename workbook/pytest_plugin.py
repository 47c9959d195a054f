"""How pytest meets the pages under `--nbval`: each is executed again and compared by `workbook.comparing`, and checked
against its notebook and its figures.

nbval finds the notebooks and their cells. They are executed as `make render` executes them, a page at a time, when the
first of its cells is asked for. So any choice of cells can be asked for, by `--lf`, `-k` or on several cores.
"""

from __future__ import annotations

import copy
import json
from pathlib import Path

import pytest
from nbval.plugin import IPyNbCell, IPyNbFile

from workbook.agreement import disagreements
from workbook.cards import last_card_first
from workbook.comparing.outputs import outputs_difference
from workbook.pages import Page, PageError, cell_name, never_executed, tolerance_of
from workbook.running.environment import environment
from workbook.running.execute import Stopped, execute, failure
from workbook.running.preloaded import preloading

# where a failing comparison of pictures leaves them; git ignores it
PICTURES = Path(".nbval")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--kernel-env",
        metavar="NAME=VALUE",
        action="append",
        default=[],
        help="under --nbval: a variable for the kernels, beside those that the workbook sets; may be repeated",
    )


def pytest_configure(config: pytest.Config) -> None:
    if _runs_pages(config):
        server = preloading(environment(**_changes(config)))
        server.__enter__()
        config.add_cleanup(lambda: server.__exit__(None, None, None))


def pytest_report_header(config: pytest.Config) -> str | None:
    if not _runs_pages(config):
        return "pages: none is executed; `pytest --nbval` executes and compares them all"
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    items.sort(key=lambda item: not isinstance(item, Agreement))  # what takes no time comes first


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log):
    """On several cores, keep a page, or a module of tests, in one process; the accidents fill the gaps at the end."""
    from xdist.scheduler import LoadFileScheduling

    class ByFile(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return nodeid if file.endswith("test_sensitivity.py") else file

    return ByFile(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector):
    collected = yield
    if not _runs_pages(parent.config):
        return collected
    collected = [
        Notebook.from_parent(parent, path=file_path) if isinstance(node, IPyNbFile) else node for node in collected
    ]
    if file_path.suffix == ".md" and Page(file_path).has_name:
        collected.append(PageText.from_parent(parent, path=file_path))
    return collected


def _changes(config: pytest.Config) -> dict[str, str]:
    """The variables for the kernels that the command line gives."""
    for given in config.option.kernel_env:
        if "=" not in given:
            raise pytest.UsageError(f"--kernel-env {given}: give NAME=VALUE")
    return dict(given.split("=", 1) for given in config.option.kernel_env)


def _runs_pages(config: pytest.Config) -> bool:
    return bool(config.getoption("nbval", False))  # which is not there without the plugin


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
            wrong = list(disagreements(page))
        except PageError as error:
            raise Disagreement(str(error)) from None
        if wrong:
            raise Disagreement("\n".join([f"{page.text.name}:", *wrong, f"To mend it: {page.mend}"]))

    def repr_failure(self, excinfo):
        return str(excinfo.value) if excinfo.errisinstance(Disagreement) else super().repr_failure(excinfo)

    def reportinfo(self):
        return self.path, None, f"{self.path.name}: text, notebook and figures agree"


class Notebook(IPyNbFile):
    """A notebook, whose cells are executed again.

    Attributes:
        page: the page that it belongs to.
        nb: the notebook as it is stored.
        run: its cells as they are now, executed.
        order: the indices of its cells, as they were executed.
        stopped: what kept the cells from being executed to the end, or None.
    """

    stopped: Stopped | None = None

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

    def setup(self) -> None:
        self.run = copy.deepcopy(self.nb.cells)
        # rendering goes from top to bottom: cards that agree in both orders do not need each other
        self.order = last_card_first(self.run) if self.page.has_cards else list(range(len(self.run)))
        try:
            in_order = [self.run[i] for i in self.order]
            execute(in_order, self.path.parent, environment(**_changes(self.config)), after_errors=True)
        except Stopped as stopped:
            self.stopped = stopped

    def teardown(self) -> None:
        """Nothing: nbval would end its kernel."""


class Cell(IPyNbCell):
    @property
    def index(self) -> int:
        """The place of the cell among all cells of its notebook; `cell_num` counts code cells alone."""
        return next(i for i, cell in enumerate(self.parent.nb.cells) if cell is self.cell)

    def setup(self) -> None:
        """Nothing: nbval would mark the cell."""

    def runtest(self) -> None:
        notebook, index = self.parent, self.index
        page, cells = notebook.page, notebook.nb.cells
        described = f"{self.path.name}, {cell_name(cells, index)}"
        if never_executed(self.cell):
            raise Disagreement(f"{described}: was never executed\nTo mend it: {page.mend}")
        if notebook.stopped and notebook.order.index(index) >= notebook.stopped.index:
            stopped_at, reason = notebook.order[notebook.stopped.index], notebook.stopped.reason
            last = cell_name(cells, stopped_at)
            if index != stopped_at:
                raise Disagreement(f"{described}: was not executed, because of {last}: {reason}")
            raise Disagreement(f"{described}\n{self.cell.source}\n\n{reason}")
        if error := failure(notebook.run[index]):
            raise Disagreement(f"{described}\n{self.cell.source}\n\n{error}")
        difference = outputs_difference(
            self.cell.outputs, notebook.run[index].outputs, tolerance_of(page, cells, index)
        )
        if difference is None:
            return
        lines = [str(difference)]
        if difference.picture:
            folder = self.config.rootpath / PICTURES / page.name
            saved = difference.picture.save(folder, f"cell_{self.cell_num + 1:02d}")
            lines += ["Look at:"] + [f"  {path.relative_to(self.config.rootpath)}" for path in saved]
        lines.append(f"If the change is meant: {page.mend}")
        if difference.wider:
            wider = json.dumps(difference.wider)
            lines.append(f"If the cell varies by nature, state how far on its fence: ```python compare={wider}")
        raise Disagreement(f"{described}\n{self.cell.source}\n\n" + "\n".join(lines))

    def repr_failure(self, excinfo):
        if excinfo.errisinstance((Disagreement, PageError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)
