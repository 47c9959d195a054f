"""The commands of the course: `python -m workbook COMMAND`. `make COMMAND` sets everything up before."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from workbook import full, grade, index, render, stability, versions
from workbook.pages import ROOT, find_page, pages

TESTS = [sys.executable, "-m", "pytest"]


def lab(options: argparse.Namespace) -> int:
    settings = {"TF_CPP_MIN_LOG_LEVEL": "3", "JUPYTER_CONFIG_PATH": str(ROOT / ".jupyter")}
    return subprocess.call([sys.executable, "-m", "jupyterlab", *options.others], cwd=ROOT, env=os.environ | settings)


def test(options: argparse.Namespace) -> int:
    return subprocess.call([*TESTS, "--nbval", "-n", "auto", *options.others], cwd=ROOT)


def sensitivity(options: argparse.Namespace) -> int:
    command = [*TESTS, "--nbval", "tests/test_sensitivity.py", *options.others]
    return subprocess.call(command, cwd=ROOT, env=os.environ | {"WORKBOOK_SENSITIVITY": "thorough"})


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="python -m workbook", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    def add(run, name, help, **epilog):
        command = commands.add_parser(name, help=help, description=help, **epilog)
        command.set_defaults(run=run)
        return command

    add(lab, "lab", "open the workbook in JupyterLab", epilog="Other arguments go to JupyterLab.")
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
    grade.add_arguments(
        add(grade.run, "grade", "execute notebooks that were handed in, and say which answers are right")
    )
    add(index.run, "index", "write the index of Keras' and TensorFlow's names")

    options, others = parser.parse_known_args(arguments)
    options.others = others
    if options.others and options.run not in (lab, test, sensitivity):
        parser.error(f"unrecognized arguments: {' '.join(options.others)}")
    if hasattr(options, "pages"):
        try:
            options.pages = [find_page(name) for name in options.pages] or pages()
        except ValueError as error:
            parser.error(str(error))
    return options.run(options)


if __name__ == "__main__":
    sys.exit(main())
