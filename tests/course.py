"""A small course in a temporary folder, on which the machinery can be tried."""

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

from workbook.pages import ROOT, Page


@dataclass(frozen=True)
class Course:
    """A folder laid out as the repository is, with its machinery and without its pages."""

    folder: Path

    def __post_init__(self):
        for shared in ("text_recognizer", "workbook", "requirements.txt"):
            (self.folder / shared).symlink_to(ROOT / shared)
        for copied in ("conftest.py", "pyproject.toml"):
            shutil.copy(ROOT / copied, self.folder)
        (self.folder / "notebooks").mkdir()

    def page(self, name, text):
        page = Page(self.folder / "notebooks" / f"{name}.md")
        page.text.write_text(text, encoding="utf-8")
        return page

    def nbval(self, *paths):
        """Run `pytest --nbval`. Returns what each item failed with, by its name; "" if it passed."""
        report = self.folder / "report.xml"
        command = [sys.executable, "-m", "pytest", "--nbval", "-p", "no:cacheprovider"]
        command += [f"--junitxml={report}", *map(str, paths or ["notebooks"])]
        done = subprocess.run(command, cwd=self.folder, capture_output=True, text=True, check=False)
        assert report.is_file(), done.stdout + done.stderr
        outcome = {}
        for case in ElementTree.parse(report).iter("testcase"):
            failed = [node.text for node in case if node.tag in ("failure", "error")]
            outcome[case.get("name")] = "\n".join(failed)
        return outcome
