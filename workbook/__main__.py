"""The commands of the course: `python -m workbook COMMAND`. `make COMMAND` sets everything up before."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workbook import setup

try:
    from workbook import find, full, grade, index, learner, progress, render, stability, versions
    from workbook.agreement import disagreements
    from workbook.pages import NOTEBOOKS, ROOT, PageError, find_page, pages
except ModuleNotFoundError as error:
    if "workbook" in error.name:
        raise
    there = setup.python_of(setup.VENV).relative_to(setup.ROOT)
    sys.exit(
        f"This Python has no {error.name}. Set the course up once, by: python3 -m workbook.setup\n"
        f"Then its commands are those of another Python: {there} -m workbook"
    )

TESTS = [sys.executable, "-m", "pytest"]


def lab(options: argparse.Namespace) -> int:
    if address := _open_already():
        print(f"JupyterLab is open already, at {address}, and your pages stay as they are.")
        print("To bring them up to date, close it and type this command again.")
    elif failed := learner.run(options):
        return failed
    return _jupyterlab(learner.COPY, "workbook.learner.keep_replaced", options.others)


def copy(options: argparse.Namespace) -> int:
    if address := _open_already():
        print(f"JupyterLab is open, at {address}, and would undo what is new when it saves: close it first.")
        return 1
    return learner.run(options)


def author(options: argparse.Namespace) -> int:
    for page in pages():
        try:
            found = next(disagreements(page), None)
        except PageError as error:
            found = str(error)
        if found:
            print(f"{page.name}: {found}")
    return _jupyterlab(NOTEBOOKS, "workbook.pages.keep_metadata", options.others)


def _jupyterlab(folder: Path, before_saving: str, arguments: Sequence[str]) -> int:
    """Open the first page of a folder in JupyterLab, beside the tabs that were open before, with a hook for saving."""
    start = f"/lab/workspaces/{folder.name}/tree/{folder.name}/{pages()[0].text.name}"
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "JUPYTER_CONFIG_PATH": str(ROOT / ".jupyter")}
    own = [f"--LabApp.default_url={start}", f"--FileContentsManager.pre_save_hook={before_saving}"]
    command = [sys.executable, "-m", "jupyterlab", *own, *arguments]
    return subprocess.call(command, cwd=ROOT, env=os.environ | settings)


def _open_already() -> str | None:
    """The address of a JupyterLab that is open here: what is typed there and not saved, nobody else knows."""
    from jupyter_server.serverapp import list_running_servers

    servers = (server for server in list_running_servers() if Path(server["root_dir"]).resolve() == ROOT)
    return next((server["url"] for server in servers), None)


def test(options: argparse.Namespace) -> int:
    return subprocess.call([*TESTS, "--nbval", "-n", "auto", *options.others], cwd=ROOT)


def sensitivity(options: argparse.Namespace) -> int:
    command = [*TESTS, "--nbval", "tests/test_sensitivity.py", *options.others]
    return subprocess.call(command, cwd=ROOT, env=os.environ | {"WORKBOOK_SENSITIVITY": "thorough"})


def claims(options: argparse.Namespace) -> int:
    command = [*TESTS, "tests/claims", "tests/test_exercises.py", *options.others]
    return subprocess.call(command, cwd=ROOT, env=os.environ | {"WORKBOOK_CLAIMS": "all"})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m workbook", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run, name, help, **epilog):
        command = commands.add_parser(name, help=help, description=help, **epilog)
        command.set_defaults(run=run)
        return command

    others = {"epilog": "Other arguments go to JupyterLab."}
    add(lab, "lab", "bring your copy of the pages up to date, and open it in JupyterLab", **others)
    add(copy, "copy", "bring your copy of the pages up to date, and no more: for another editor")
    command = add(progress.run, "progress", "show which exercises of your copy are right, wrong, or waiting")
    command.add_argument("names", nargs="*", metavar="pages", help="such as 01_sequential, or 01; default: all")
    command.add_argument(
        "--execute", action="store_true", help="run the pages first, instead of reading what is stored"
    )
    command = add(find.run, "find", "name the sections that answer an error message")
    command.add_argument(
        "message", nargs="*", help="as it was printed, or the whole traceback; default: what is pasted"
    )
    add(author, "author", "open the course's own pages in JupyterLab, to write on them", **others)
    add(test, "test", "execute every page again, compare, and run the tests", epilog="Other arguments go to pytest.")
    for run, name, what in (
        (render.run, "render", "bring pages, notebooks and figures into agreement"),
        (full.run, "full", "execute pages on the real data and print their results"),
        (stability.run, "stability", "compare under other processors, threads and orders"),
        (versions.run, "versions", "compare with the newest and the oldest versions of the packages"),
    ):
        command = add(run, name, what)
        command.add_argument("pages", nargs="*", help="such as 01_sequential, or 01; default: all")
        if name == "versions":
            command.add_argument("--only", choices=versions.ENVIRONMENTS, help="one of the two; default: both")
            command.add_argument("--folder", type=Path, default=versions.FOLDER, help="default: %(default)s")
    more = "change the pages by accident in more ways than `test` does; each must be noticed"
    add(sensitivity, "sensitivity", more, epilog="Other arguments go to pytest.")
    more = "run every control of what the pages say about causes, over all its seeds, and all answers to trainings"
    add(claims, "claims", more, epilog="Other arguments go to pytest.")
    grade.add_arguments(
        add(grade.run, "grade", "execute notebooks that were handed in, and say which answers are right")
    )
    add(index.run, "index", "write the index of Keras' and TensorFlow's names, and the list of messages")

    options, others = parser.parse_known_args(arguments)
    options.others = others
    if options.others and options.run not in (lab, author, test, sensitivity, claims):
        parser.error(f"unrecognized arguments: {' '.join(options.others)}")
    if hasattr(options, "pages"):
        try:
            all_pages = [page for page in pages() if not (page.has_cards and options.run is full.run)]  # no results
            options.pages = [find_page(name) for name in options.pages] or all_pages
        except ValueError as error:
            parser.error(str(error))
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
