"""Grading: what a teacher is told of notebooks that are right, wrong, broken, hang, crash and cheat."""

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from exercises import start_here
from workbook import grade
from workbook.__main__ import main
from workbook.answers import titles
from workbook.grading import shut_in, submissions
from workbook.grading.results import Graded, as_csv, as_table, judge
from workbook.grading.run import Executed
from workbook.grading.submissions import Submission
from workbook.pages import ROOT

FORBIDDEN = shut_in.why_not()
can_be_shut_in = pytest.mark.skipif(bool(FORBIDDEN), reason=f"notebooks cannot be shut in here: {FORBIDDEN}")

IMPORT = "from exercises import ____, start_here"
CHECK = "start_here.faces_of_find_spec.check(answer)"
RIGHT = f"answer = {start_here.faces_of_find_spec.solution_source()}\n{CHECK}"
WRONG = RIGHT.replace("an error", "None")
TOLD = 'find_spec("helper.tools") does not give None: to look inside a parent, Python must import it first.'


def write(path, *sources):
    path.parent.mkdir(parents=True, exist_ok=True)
    nbformat.write(new_notebook(cells=[new_code_cell(source) for source in sources]), path)


def graded(folder, *options):
    """What the command gives, by file: a dictionary of the notebook, its exercises by name."""
    status = main(["grade", str(folder), "--json", str(folder.parent / "grades.json"), *options])
    given = json.loads((folder.parent / "grades.json").read_text(encoding="utf-8"))
    for notebook in given["notebooks"]:
        notebook["exercises"] = {exercise["exercise"]: exercise for exercise in notebook["exercises"]}
    return status, given, {notebook["file"]: notebook for notebook in given["notebooks"]}


# --- a folder of a class ------------------------------------------------------------------------

CHEATS = (
    f"start_here.faces_of_find_spec.check = print\n{CHECK}",
    f"import builtins, exercises.exercise\nbuiltins.print = lambda *words: None\n"
    f"exercises.exercise.Exercise.verdict = lambda self, answer: 'Right.'\n{CHECK}",
    f"class Mine:\n    def check(self, answer): print('Right.')\n"
    f"class Module: faces_of_find_spec = Mine()\nstart_here = Module()\n{CHECK}",
)
HARM = """
import os, shutil, socket
from pathlib import Path

done = []
for harm in (
    lambda: Path({other!r}).unlink(),
    lambda: os.utime({ours!r}),
    lambda: socket.create_connection(("127.0.0.1", {port}), timeout=5),
):
    try:
        harm()
        done.append(harm)
    except OSError:
        pass
shutil.rmtree("../exercises")
shutil.rmtree("../text_recognizer")
"""


@pytest.fixture(scope="module")
def class_of_nine(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grading") / "handed in"
    write(folder / "Anna Müller" / "00_start_here.ipynb", IMPORT, "1 / 0", RIGHT)
    two = ["sequential.parameter_count.check(50_890)", "updates = 220\nsequential.weight_updates.check(updates)"]
    write(folder / "Anna Müller" / "first page (2).ipynb", "from exercises import ____, sequential", *two)
    (folder / "Bo").mkdir()
    (folder / "Bo" / "my answers.md").write_text(f"# Mine\n\n```python\n{IMPORT}\n{WRONG}\n```\n", encoding="utf-8")
    write(folder / "Cy-00_start_here.ipynb", IMPORT, f"answer = [____]\n{CHECK}")
    write(folder / "crashes.ipynb", IMPORT, WRONG, "import os\nos._exit(3)", RIGHT)
    write(folder / "hangs.ipynb", IMPORT, "while True:\n    try:\n        pass\n    finally:\n        pass", RIGHT)
    write(folder / "cheats.ipynb", IMPORT, WRONG, *CHEATS)
    (folder / "broken.ipynb").write_text('{"cells": [', encoding="utf-8")
    (folder / "README.md").write_text("# Our class\n\n```python\nprint(1)\n```\n", encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        other, ours = str(folder / "crashes.ipynb"), str(ROOT / "exercises" / "start_here.py")
        if not FORBIDDEN:
            harm = HARM.format(other=other, ours=ours, port=server.getsockname()[1])
            write(folder / "harmful.ipynb", IMPORT, harm, "if not done:\n    " + RIGHT.replace("\n", "\n    "))
        status, given, notebooks = graded(folder, "--cell-timeout=2", "--jobs=2", f"--csv={folder.parent / 'g.csv'}")
        with pytest.raises(BlockingIOError):  # nobody has knocked
            server.accept()
    assert status == 0
    return given, notebooks, folder


def of(notebook, exercise="start_here.faces_of_find_spec"):
    found = notebook["exercises"][exercise]
    return found["state"], found["reason"]


def test_right_after_a_cell_that_fails(class_of_nine):
    anna = class_of_nine[1]["Anna Müller/00_start_here.ipynb"]
    assert (anna["learner"], anna["page"], of(anna)) == ("Anna Müller", "00_start_here", ("right", ""))
    assert anna["notes"] == ['In [2], under "the top of the page", raised ZeroDivisionError: division by zero']


def test_wrong_has_its_reason_and_lost_cells_are_missing(class_of_nine):
    anna = class_of_nine[1]["Anna Müller/first page (2).ipynb"]
    assert anna["page"] == "01_sequential"
    assert of(anna, "sequential.parameter_count") == ("right", "")
    assert of(anna, "sequential.weight_updates")[1].startswith("You rounded down.")
    states = [exercise["state"] for exercise in anna["exercises"].values()]
    assert states == ["right", "wrong", "missing", "missing", "missing"]
    assert list(anna["exercises"]) == [f"sequential.{name}" for name in titles("sequential")]


def test_text_of_jupytext_is_graded_too(class_of_nine):
    bo = class_of_nine[1]["Bo/my answers.md"]
    assert (bo["learner"], bo["page"]) == ("Bo", "00_start_here")
    assert of(bo)[0] == "wrong" and of(bo)[1].startswith(TOLD)


def test_a_blank_waits(class_of_nine):
    cy = class_of_nine[1]["Cy-00_start_here.ipynb"]
    assert (cy["learner"], of(cy)) == ("Cy", ("waiting", ""))


def test_a_crash_is_told_and_what_was_said_before_counts_no_more(class_of_nine):
    crashed = class_of_nine[1]["crashes.ipynb"]
    assert of(crashed) == ("wrong", "The cell was not executed")
    ended = 'In [3], under "the top of the page", ended its kernel; the cells below it were not executed'
    assert ended in crashed["notes"]


def test_a_cell_that_hangs_is_interrupted(class_of_nine):
    hung = class_of_nine[1]["hangs.ipynb"]
    assert of(hung) == ("right", "")
    assert hung["notes"] == ['In [2], under "the top of the page", took longer than 2 seconds']


def test_cheats_are_wrong_and_told(class_of_nine):
    cheat = class_of_nine[1]["cheats.ipynb"]
    assert of(cheat)[0] == "wrong" and of(cheat)[1].startswith(TOLD)
    where = 'In [{}], under "the top of the page", redefines the checker, which was put back: {}'
    name = "start_here.faces_of_find_spec"
    assert cheat["notes"] == [
        where.format(3, f"{name}.check"),
        where.format(4, "builtins.print, exercises.exercise.Exercise.verdict"),
        where.format(5, f"{name} in the notebook"),
        f"{name} is checked in 4 cells, of which the last one counts",
    ]


@can_be_shut_in
def test_a_notebook_reaches_neither_files_nor_network(class_of_nine):
    _, notebooks, folder = class_of_nine
    assert of(notebooks["harmful.ipynb"]) == ("right", "")
    assert (folder / "crashes.ipynb").is_file()


def test_broken_files_have_their_line_and_other_texts_none(class_of_nine):
    given, notebooks, _ = class_of_nine
    assert notebooks["broken.ipynb"]["problem"].startswith("the file is no notebook: NotJSONError: ")
    assert given["shut_in"] == (not FORBIDDEN) and len(notebooks) == 9 - bool(FORBIDDEN)


def test_csv_has_a_line_for_each_exercise(class_of_nine):
    given, notebooks, folder = class_of_nine
    text = (folder.parent / "g.csv").read_bytes().decode("utf-8-sig")
    lines = list(csv.DictReader(text.splitlines()))
    assert list(dict.fromkeys(line["file"] for line in lines)) == list(notebooks)
    for notebook in given["notebooks"]:
        mine = [line for line in lines if line["file"] == notebook["file"]]
        assert {line["exercise"]: line["state"] for line in mine if line["exercise"]} == {
            name: exercise["state"] for name, exercise in notebook["exercises"].items()
        }
        assert [line["reason"] for line in mine if line["state"] == "note"] == notebook["notes"]
    assert [line["state"] for line in lines if line["file"] == "broken.ipynb"] == ["not graded"]


# --- without being shut in ----------------------------------------------------------------------


def test_where_notebooks_cannot_be_shut_in_it_says_so_and_sees_what_they_change(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(grade, "why_not", lambda: "unshare: Operation not permitted")
    folder = tmp_path / "handed in"
    write(folder / "a.ipynb", IMPORT, f"import os\nos.remove({str(folder / 'b.ipynb')!r})", RIGHT)
    write(folder / "b.ipynb", IMPORT, RIGHT)
    status, given, notebooks = graded(folder, "--jobs=1")
    assert [of(notebook) for notebook in notebooks.values()] == [("right", "")] * 2
    assert (status, given["shut_in"]) == (1, False)
    printed = capsys.readouterr().err
    assert "The network is ON" in printed and "(unshare: Operation not permitted)" in printed
    assert printed.split("were changed while the notebooks ran:")[1].split() == [*str(folder / "b.ipynb").split()]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["nowhere"], "nowhere is no folder"),
        ["."], # replaced below
    ],
)
def test_bad_arguments(arguments, told):
    pass
