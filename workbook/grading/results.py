"""What a teacher gets: the state of each exercise of each notebook, as a table, CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import textwrap
from collections import Counter
from dataclasses import asdict, dataclass

from workbook.answers import Answer, checks, titles, unsaid, verdicts
from workbook.grading.run import Executed
from workbook.grading.submissions import Submission
from workbook.pages import cell_name

STATES = ("right", "wrong", "waiting", "missing")
LONGEST = 300  # characters of a reason: an answer may be an array


@dataclass(frozen=True)
class Graded:
    """A notebook and what its answers are worth.

    Attributes:
        submission: what was handed in.
        answers: to each exercise of its page, in the page's order, then to others that it has. Beside the states of
            `Answer` there is "missing": no cell checks the exercise.
        notes: what else a teacher should know.
        problem: why it could not be graded, or "".
        seconds: that it took.
    """

    submission: Submission
    answers: tuple[Answer, ...] = ()
    notes: tuple[str, ...] = ()
    problem: str = ""
    seconds: float = 0

    def count(self, state: str) -> int:
        return sum(answer.state == state for answer in self.answers)


def judge(submission: Submission, executed: list[Executed], seconds: float) -> Graded:
    """The states of the exercises, by what is known of the cells that were reached."""
    found: dict[str, Answer] = {}
    times, notes, failures = Counter(), list(submission.remarks), []
    for number, index in enumerate(submission.code):
        cell, where = submission.cells[index], cell_name(submission.cells, index)
        reached = number < len(executed)
        run = executed[number] if reached else Executed(failure="was not executed")
        said = {name: text for name, text in run.verdicts if _title(name)}
        names = dict.fromkeys((*checks(cell.source), *said))
        times.update(names.keys())
        for name in names:
            found[name] = _answer(name, verdicts(said.get(name, "")), cell.source, run.failure)
        if run.changed:
            notes.append(f"{where}, redefines the checker, which was put back: {', '.join(run.changed)}")
        if run.last:
            notes.append(f"{where}, {run.failure}; the cells below it were not executed")
        elif reached and run.failure and not names and "raises-exception" not in cell.metadata.get("tags", []):
            failures.append(f"{where}, {run.failure}")
    notes += [f"{name} is checked in {n} cells, of which the last one counts" for name, n in times.items() if n > 1]
    if failures:
        notes.append(failures[0] + f"; cells that failed beside it: {len(failures) - 1}" * (len(failures) > 1))
    topic = submission.topic
    page = {f"{topic}.{name}": Answer(f"{topic}.{name}", title, "missing") for name, title in titles(topic).items()}
    return Graded(submission, tuple((page | found).values()), tuple(map(_line, notes)), seconds=seconds)


def _answer(name: str, said: list[tuple[str, str]], source: str, failure: str) -> Answer:
    if said:
        state, reason = said[-1]
    elif failure:
        state, reason = unsaid(source, f"The cell {failure}")
    else:
        state, reason = "waiting", "The cell ran, and did not come to its check"
    return Answer(name, _title(name), state, _line(reason))


def _title(name: str) -> str:
    """The title of an exercise; "" of what has a checker and is none, such as a prediction."""
    topic, _, of = name.partition(".")
    return titles(topic).get(of, "")


def _line(text: str) -> str:
    """A text of any length and with any characters, as it may stand in a table."""
    plain = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return plain if len(plain) <= LONGEST else plain[: LONGEST - 3] + "..."


def as_table(graded: list[Graded]) -> str:
    """A row for each notebook; below, by notebook, what is not right and why."""
    rows = [("learner", "page", *STATES, "seconds")]
    for one in graded:
        counts = ["-" if one.problem else str(one.count(state)) for state in STATES]
        rows.append((_line(one.submission.learner), one.submission.page or "?", *counts, f"{one.seconds:.0f}"))
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["  ".join((*map(str.ljust, row[:2], widths), *map(str.rjust, row[2:], widths[2:]))) for row in rows]
    for one in graded:
        if details := _details(one):
            lines += ["", _line(one.submission.file), *details]
    return "\n".join(lines)


def _details(one: Graded) -> list[str]:
    told = [(a.state, f"{a.exercise}: {a.reason}" if a.reason else a.exercise) for a in one.answers]
    told = [*filter(lambda each: each[0] != "right", told), *(("note", note) for note in one.notes)]
    if one.problem:
        told = [("not graded", one.problem), *told]
    return [textwrap.fill(t, 110, initial_indent=f"  {s:<11}", subsequent_indent=" " * 13) for s, t in told]


def as_csv(graded: list[Graded]) -> str:
    """A line for each exercise of each notebook, each note, and each notebook that could not be graded.

    It begins with the mark by which spreadsheets know UTF-8. No field is one that they would take for a formula.
    """
    written = io.StringIO(newline="")
    lines = csv.writer(written)
    lines.writerow(("learner", "file", "page", "exercise", "title", "state", "reason"))
    for one in graded:
        of = (one.submission.learner, one.submission.file, one.submission.page)
        rows = [(a.exercise, a.title, a.state, a.reason) for a in one.answers]
        rows += [("", "", "not graded", one.problem)] * bool(one.problem)
        rows += [("", "", "note", note) for note in one.notes]
        lines.writerows([_no_formula(field) for field in (*of, *row)] for row in rows)
    return "\ufeff" + written.getvalue()


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else _line(text)


def as_json(graded: list[Graded], shut_in: bool) -> str:
    """Everything, and whether the notebooks were shut in, without the network."""
    notebooks = [
        {
            "learner": one.submission.learner,
            "file": one.submission.file,
            "page": one.submission.page,
            "problem": one.problem,
            "notes": one.notes,
            "seconds": round(one.seconds, 1),
            "exercises": [asdict(answer) for answer in one.answers],
        }
        for one in graded
    ]
    return json.dumps({"shut_in": shut_in, "notebooks": notebooks}, ensure_ascii=False, indent=2) + "\n"
