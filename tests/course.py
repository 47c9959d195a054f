"""A small course in a temporary folder, on which the machinery can be tried."""

import contextlib
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from workbook.pages import ROOT, Page


@dataclass(frozen=True)
class Course:
    """A folder laid out as the repository is, with its machinery and without its pages."""

    folder: Path

    def __post_init__(self):
        for shared in ("text_recognizer", "exercises", "workbook", "requirements.txt"):
            (self.folder / shared).symlink_to(ROOT / shared)
        for copied in ("conftest.py", "pyproject.toml"):
            shutil.copy(ROOT / copied, self.folder)
        (self.folder / "notebooks").mkdir()

    def page(self, name, text):
        page = Page(self.folder / "notebooks" / f"{name}.md")
        page.text.write_text(text, encoding="utf-8")
        return page

    def nbval(self, *paths, options=()):
        """Run `pytest --nbval` in this process. Returns what each item failed with, by its name; "" if it passed."""
        outcomes = _Outcomes()
        command = ["--nbval", "--capture=no", "-p", "no:cacheprovider", f"--rootdir={self.folder}", *options]
        path, conftest = sys.path[:], sys.modules.pop("conftest", None)
        try:
            with contextlib.chdir(self.folder):
                status = pytest.main([*command, *map(str, paths or ["notebooks"])], plugins=[outcomes])
        finally:
            sys.path[:] = path
            sys.modules["conftest"] = conftest
        assert status in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED, pytest.ExitCode.INTERRUPTED)
        return outcomes.messages


class _Outcomes:
    """A plugin that keeps what failed."""

    def __init__(self):
        self.messages = {}

    def pytest_collectreport(self, report):
        if report.failed:
            self.messages[report.nodeid] = report.longreprtext

    def pytest_runtest_logreport(self, report):
        if report.failed or report.when == "call":
            self.messages[report.nodeid.rpartition("::")[2]] = report.longreprtext if report.failed else ""
