"""How far a learner is: `make progress`, or `python -m workbook progress [--execute] [PAGE ...]`.

A table of the pages in her copy and the exercises that their cells check, by the outputs that are stored. `--execute`
runs the pages before, from top to bottom, and leaves the files as they are.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections import Counter
from collections.abc import Iterator, Sequence

from workbook.answers import Answer, answers
from workbook.learner import Copy
from workbook.pages import Page, PageError, cell_name, find_page, pages
from workbook.running.environment import environment
from workbook.running.execute import Stopped, execute

STATES = ("right", "wrong", "waiting")
_FIRST, _OTHERS = 64, 9  # the widths of the columns


def table(found: Sequence[tuple[str, Sequence[Answer]]]) -> Iterator[str]:
    """The lines of the table, for the answers of each page, by its name."""
    yield _row("", STATES)
    for name, page in found:
        yield _row(name, _counted(page))
        for answer in page:
            yield _row(f"  {answer.title}", [state if state == answer.state else "" for state in STATES])
    yield _row("all", _counted([answer for _, page in found for answer in page]))


def _counted(found: Sequence[Answer]) -> list[int]:
    counts = Counter(answer.state for answer in found)
    return [counts[state] for state in STATES]


def _row(first: str, others: Sequence[object]) -> str:
    return (f"{first:{_FIRST}}" + "".join(f"{other!s:>{_OTHERS}}" for other in others)).rstrip()


def run(options: argparse.Namespace, copy: Copy | None = None) -> int:
    copy = copy or Copy()
    if not pages(copy.folder):
        print(f"There is no copy of the pages in {copy.folder.name} yet. `make lab` makes it.", file=sys.stderr)
        return 1
    try:
        chosen = [find_page(name, copy.folder) for name in options.names]
        chosen = chosen or [page for page in pages(copy.folder) if not page.has_cards]  # fixes have no exercises
    except ValueError as error:
        print(error, file=sys.stderr)
        return 1
    found, failed = [], False
    for page in chosen:
        try:
            hers = copy.read(page)
            if hers and options.execute:
                _execute(page, hers.notebook.cells)
        except PageError as error:
            failed = True
            print(f"{page.name} is left out: {error}", file=sys.stderr)
            continue
        found.append((page.name, answers(hers.notebook) if hers else []))
    print("\n".join(table(found)))
    return int(failed)


def _execute(page: Page, cells: list) -> None:
    """Execute the cells as far as they go; one that fails stops no other."""
    variables = environment(os.environ.get("WORKBOOK_DATA", "sample"))
    try:
        execute(cells, page.text.parent, variables, after_errors=True)
    except Stopped as stopped:
        place = cell_name(cells, stopped.index)
        print(f"{page.name} was executed as far as {place}: {stopped.reason}", file=sys.stderr)
