"""Grade notebooks that were handed in: `python -m workbook grade FOLDER`.

Each is executed again in a kernel of its own, and the course's checkers judge its answers. What it has stored is not
believed. What goes wrong in one stops no other.
"""

from __future__ import annotations

import argparse
import contextlib
import functools
import os
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from pathlib import Path

from workbook.answers import checks
from workbook.files import write_text
from workbook.grading.results import Graded, as_csv, as_json, as_table, judge
from workbook.grading.run import Cancelled, Course, Limits, execute
from workbook.grading.shut_in import why_not
from workbook.grading.submissions import Submission, submissions
from workbook.pages import ROOT
from workbook.running.environment import environment
from workbook.running.preloaded import preloading


def grade(found: list[Submission], limits: Limits, jobs: int = 1, tell=lambda done: None) -> list[Graded]:
    """Execute and judge notebooks, in the order in which they are given.

    Args:
        found: the notebooks; see `submissions`.
        limits: of each.
        jobs: how many are executed at a time.
        tell: called with each that is graded, in the order in which they end.
    """
    cancel = threading.Event()
    one = functools.partial(_grade_one, course=Course(), limits=limits, cancel=cancel)
    with ThreadPoolExecutor(jobs) as pool:
        waiting = [pool.submit(one, submission) for submission in found]
        try:
            for done in as_completed(waiting):
                tell(done.result())
        except BaseException:  # Ctrl-C
            cancel.set()
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return [done.result() for done in waiting]


def _grade_one(submission: Submission, course: Course, limits: Limits, cancel: threading.Event) -> Graded:
    started = time.monotonic()
    problem = submission.problem
    if not problem:
        sources = [submission.cells[i].source for i in submission.code]
        checked = (name.partition(".")[0] for source in sources for name in checks(source))
        try:
            executed = execute(sources, list(dict.fromkeys((submission.topic, *checked))), course, limits, cancel)
            return judge(submission, executed, time.monotonic() - started)
        except Cancelled:
            raise
        except Exception as error:  # one notebook, however strange, must not keep the others from being graded
            problem = f"{type(error).__name__}: {error}"
    return Graded(submission, notes=submission.remarks, problem=problem, seconds=time.monotonic() - started)


def run(options: argparse.Namespace) -> int:
    if trouble := _trouble(options):
        print(trouble, file=sys.stderr)
        return 2
    found = submissions(options.folder)
    if not found:
        print(f"{options.folder} has no notebook in it, neither .ipynb nor .md", file=sys.stderr)
        return 2
    forbidden = why_not()
    print(_conditions(len(found), forbidden), file=sys.stderr)
    limits = Limits(options.cell_timeout, options.timeout, int(options.memory * 1e9), not forbidden)
    before = _state(options.folder)
    done = 0

    def tell(one: Graded) -> None:
        nonlocal done
        done += 1
        said = "not graded" if one.problem else f"{one.count('right')} of {len(one.answers)} right"
        print(f"[{done}/{len(found)}] {one.submission.file}: {said}, {one.seconds:.0f} s", file=sys.stderr)

    try:
        with preloading(environment()):
            graded = grade(found, limits, options.jobs, tell)
    except KeyboardInterrupt:
        print("\nStopped. Nothing was written.", file=sys.stderr)
        return 130
    changed = sorted({str(path) for path, _ in before.items() ^ _state(options.folder).items()})
    print(as_table(graded))
    if options.csv:
        write_text(options.csv, as_csv(graded))
    if options.json:
        write_text(options.json, as_json(graded, not forbidden))
    if changed:
        print("\nWhile the notebooks ran, these files were changed:", *changed, sep="\n  ", file=sys.stderr)
    return int(bool(changed))


def _trouble(options: argparse.Namespace) -> str:
    """What is wrong with the options; "" if nothing is."""
    if not options.folder.is_dir():
        return f"{options.folder} is no folder; give the one that holds the notebooks"
    for file in filter(None, (options.csv, options.json)):
        if file.is_dir() or not file.absolute().parent.is_dir():
            return f"{file} cannot be written: " + ("it is a folder" if file.is_dir() else "its folder is not there")
    if options.jobs < 1 or options.timeout <= 0 or options.cell_timeout <= 0 or options.memory < 0:
        return "--jobs, --timeout and --cell-timeout must be greater than 0, and --memory no less than 0"
    return ""


def _conditions(count: int, forbidden: str) -> str:
    """What the notebooks can reach, in words."""
    many = f"{count} notebook{'s' * (count > 1)}"
    if not forbidden:
        return f"{many}. The network is off for them, and they can write nowhere but into a folder of their own."
    return (
        f"{many}. The network is ON for them, and they can write wherever you can, since they cannot be shut in here "
        f"({forbidden}). Grade only what you would run yourself, or grade on Linux."
    )


def _state(folder: Path) -> dict[Path, tuple[int, int]]:
    """When each file of the submissions and of the course was last changed, and its size."""
    roots = (folder, *(ROOT / name for name in ("exercises", "text_recognizer", "workbook", "notebooks")))
    state = {}
    for path in (path for root in roots for path in root.rglob("*") if path.parent.name != "__pycache__"):
        with contextlib.suppress(OSError):
            if not path.is_dir():
                kept = path.lstat()
                state[path] = (kept.st_size, kept.st_ctime_ns)
    return state


def add_arguments(command: argparse.ArgumentParser) -> None:
    command.add_argument("folder", type=Path, help="with the notebooks, .ipynb or .md: a folder or a file a learner")
    command.add_argument("--csv", type=Path, metavar="FILE", help="write a line for each exercise")
    command.add_argument("--json", type=Path, metavar="FILE", help="write everything")
    jobs, seconds = os.cpu_count() or 1, "seconds that a %s may take; default: %%(default)s"
    command.add_argument("--jobs", type=int, default=jobs, help="notebooks at a time; default: the cores, %(default)s")
    command.add_argument("--timeout", type=float, default=Limits.notebook, help=seconds % "notebook")
    command.add_argument("--cell-timeout", type=float, default=Limits.cell, help=seconds % "cell")
    memory = "GB that a notebook may take, on Linux; 0 for any number; default: %(default)s"
    command.add_argument("--memory", type=float, default=8, metavar="GB", help=memory)
