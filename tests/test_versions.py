"""Comparing the pages under other versions, tried under the one that is here: nothing is installed."""

import sys
from pathlib import Path

import nbformat
import pytest
from packaging.version import Version

from tests.course import Course
from workbook.__main__ import main
from workbook.pages import ROOT, Page
from workbook.versions import TAG, WORDING, differences, pinned, requirements

STORED = [
    ("print('version 1')", "version 2\n", [TAG]),
    ("print('agrees')", "agrees\n", []),
    ("print('loss', 0.25)\n\nx = 1", "loss 0.5\n", []),
    ("from collections import gone", "", []),
    ("print('ValueError: new words')", "ValueError: old words\n", [WORDING]),
]


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    """What is said of a page that was stored under other versions."""
    course = Course(tmp_path_factory.mktemp("course"))
    page = course.page("77_small", "# A small page\n")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_markdown_cell("# A small page")])
    for number, (source, printed, tags) in enumerate(STORED, 1):
        outputs = [nbformat.v4.new_output("stream", text=printed)] if printed else []
        cell = nbformat.v4.new_code_cell(source, execution_count=number, outputs=outputs, metadata={"tags": tags})
        notebook.cells.append(cell)
    nbformat.write(notebook, page.notebook)
    before = page.notebook.read_bytes()
    found = differences(Path(sys.executable), [page], course.folder, processes="0")
    assert page.notebook.read_bytes() == before
    return found


def test_every_cell_that_differs_is_named_with_its_reason(lines):
    number, error = lines[0]
    assert (
        number == '77_small.ipynb, In [3], under "A small page": stdout: 0.5 became 0.25: off by 0.25, allowed 0.00005'
    )
    assert error.startswith('77_small.ipynb, In [4], under "A small page": ImportError: cannot import name')


def test_a_cell_that_prints_versions_may_differ(lines):
    assert not any("In [1]" in line for line in [*lines[0], *lines[1]])


def test_a_message_that_depends_on_the_version_is_named_apart(lines):
    assert len(lines[1]) == 1 and lines[1][0].startswith('77_small.ipynb, In [5], under "A small page": stdout: ')


def test_a_page_that_cannot_be_compared_is_no_agreement(tmp_path):
    (tmp_path / "pytest.py").write_text("raise SystemExit('no plugin')")
    with pytest.raises(RuntimeError, match="could not compare:\nno plugin"):
        differences(Path(sys.executable), [Page(tmp_path / "77_small.md")], tmp_path)


def test_newest_is_what_pip_decides_and_oldest_is_pinned():
    current, oldest = pinned(ROOT / "requirements.txt"), pinned(ROOT / "requirements-oldest.txt")
    assert requirements("newest") == list(current)
    assert f"keras=={oldest['keras']}" in requirements("oldest")
    assert f"numpy=={current['numpy']}" in requirements("oldest")
    for name, version in oldest.items():
        assert Version(version) < Version(current[name]), name


def test_a_page_that_is_not_there_is_refused_before_anything_is_installed(capsys, tmp_path):
    with pytest.raises(SystemExit):
        main(["versions", "99", "--folder", str(tmp_path / "versions")])
    assert "01_sequential" in capsys.readouterr().err and not (tmp_path / "versions").exists()
