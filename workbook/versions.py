"""Which cells differ under other versions? `make versions`, or `python -m workbook versions [PAGE ...]`.

Makes a fresh environment with the newest versions of what requirements.txt names, and one with the oldest that the
pages are tried with (requirements-oldest.txt), compares the pages in each, and names every cell that differs. Nothing
stored changes. A cell tagged `versions` prints versions, and may differ. One tagged `wording` prints a message that
other versions word otherwise: it is named apart.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from workbook.files import write_text
from workbook.pages import ROOT, Page
from workbook.setup import install, make

FOLDER = ROOT / ".versions"
ENVIRONMENTS = ("newest", "oldest")
TAG, WORDING = "versions", "wording"

_COLOUR = re.compile(r"#x1B\[[0-9;]*m")  # as a report in XML writes the escape sequences of a terminal


def pinned(file: Path) -> dict[str, str]:
    """The packages that a file of requirements pins, with their versions."""
    return dict(re.findall(r"^([\w.-]+)==(\S+)$", file.read_text(encoding="utf-8"), re.MULTILINE))


def requirements(which: str) -> list[str]:
    """What pip is asked for: names alone for `newest`, pinned names for `oldest`."""
    current = pinned(ROOT / "requirements.txt")
    if which == "newest":
        return list(current)
    return [f"{name}=={version}" for name, version in (current | pinned(ROOT / "requirements-oldest.txt")).items()]


def set_up(environment: Path, wanted: Sequence[str]) -> Path:
    """Make a fresh virtual environment. Returns its Python.

    Raises:
        subprocess.CalledProcessError: if no versions go together; uv and pip say why on stderr.
    """
    # git ignores a folder that says so itself
    write_text(environment.parent / ".gitignore", "*\n")
    python = make(environment)
    install(python, *wanted)
    return python


def installed(python: Path, names: Sequence[str]) -> dict[str, str]:
    """The versions of these packages in an environment."""
    code = "import sys; from importlib.metadata import version; print(*map(version, sys.argv[1:]))"
    done = subprocess.run([str(python), "-c", code, *names], check=True, capture_output=True, text=True)
    return dict(zip(names, done.stdout.split()))


def differences(
    python: Path, chosen: Sequence[Page], folder: Path = ROOT, processes: str = "auto"
) -> tuple[list[str], list[str]]:
    """Compare pages in an environment.

    Returns:
        A line for each cell that differs; and one for each that does, and is tagged as a matter of wording.

    Args:
        python: of the environment.
        chosen: the pages, which lie in `folder`.
        folder: the root of the course.
        processes: how many pages are executed at a time, as pytest-xdist takes it: `auto` is one for each core.

    Raises:
        RuntimeError: if pytest could not compare; the message is what it printed.
    """
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary) / "report.xml"
        command = [str(python), "-m", "pytest", "--nbval", "-n", processes]
        command += ["-p", "no:cacheprovider", f"--junitxml={report}", *(str(page.notebook) for page in chosen)]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
        cases = list(ElementTree.parse(report).iter("testcase")) if report.is_file() else []
    if not cases or done.returncode > 1:  # 1: it ran to the end, and something failed
        raise RuntimeError(f"pytest could not compare:\n{done.stdout}{done.stderr}")
    tags = {cell: tags for page in chosen for cell, tags in _tagged(page)}
    found: tuple[list[str], list[str]] = [], []
    for cell, reason in _failures(cases):
        of_cell = tags.get(cell.partition(", under")[0], [])
        if TAG not in of_cell:
            found[WORDING in of_cell].append(f"{cell}: {reason}")
    return found


def _failures(cases: Sequence[ElementTree.Element]) -> Iterator[tuple[str, str]]:
    """The cell, as a message names it, and the reason."""
    for case in cases:
        for failure in case:
            if failure.tag in ("failure", "error"):
                message = _COLOUR.sub("", failure.text).strip()
                yield message.partition("\n")[0], _reason(message)


def _tagged(page: Page) -> Iterator[tuple[str, list[str]]]:
    """How messages begin that speak of a cell, with its tags."""
    code = [cell for cell in page.read_notebook().cells if cell.cell_type == "code"]
    for number, cell in enumerate(code, 1):
        yield f"{page.notebook.name}, In [{number}]", cell.metadata.get("tags", [])


def _reason(message: str) -> str:
    """The line that says what differs: the first of a comparison, which stands below the cell; the last of an error."""
    compared = message.rpartition("\n\n")[2]
    if "If the change is meant: " in compared:
        return compared.partition("\n")[0]
    return message.rpartition("\n")[2]


def agrees(which: str, folder: Path, chosen: Sequence[Page]) -> bool:
    """Set up one of the environments in `folder`, compare, and print the outcome."""
    started = time.perf_counter()
    try:
        python = set_up(folder / which, requirements(which))
    except subprocess.CalledProcessError:
        print(f"{which}: it could not be set up, for the reason above")
        return False
    ready = time.perf_counter()
    stated = pinned(ROOT / "requirements.txt")
    found = installed(python, list(stated))
    others = [f"{name} {found[name]} (pinned: {stated[name]})" for name in stated if found[name] != stated[name]]
    print(f"{which}: TensorFlow {found['tensorflow']}, Keras {found['keras']}, set up in {ready - started:.0f} s")
    print(f"  not as pinned: {', '.join(others) or 'nothing'}", flush=True)
    try:
        lines, wordings = differences(python, chosen)
    except RuntimeError as error:
        print(f"  {error}")
        return False
    outcome = f"cells that differ: {len(lines)}" if lines else "all agree"
    print(f"  {outcome}, compared in {time.perf_counter() - ready:.0f} s")
    for line in lines:
        print(f"    {line}")
    if wordings:
        print(f"  messages that are worded otherwise, as their tags say: {len(wordings)}")
    for line in wordings:
        print(f"    {line}")
    if lines:
        print(f"  to see a whole page: {python} -m pytest --nbval notebooks/NN_topic.ipynb")
    return not lines


def run(options: argparse.Namespace) -> int:
    asked = [options.only] if options.only else ENVIRONMENTS
    return max(int(not agrees(which, options.folder.resolve(), options.pages)) for which in asked)
