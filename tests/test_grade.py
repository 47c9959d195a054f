"""Grading: what a teacher is told of notebooks that are right, wrong, broken, hang, crash and cheat."""

import csv
import json
import shutil
import socket
import subprocess
import sys
from contextlib import nullcontext
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

SHADOWED = f"start_here.faces_of_find_spec.check = print\n{CHECK}"
PATCHED = f"""
import builtins, exercises.exercise

builtins.print = lambda *words: None
exercises.exercise.Exercise.verdict = lambda self, answer: "Right."
{CHECK}"""
REPLACED = f"""
class Mine:
    def check(self, answer): print("Right.")

class Module:
    faces_of_find_spec = Mine()

start_here = Module()
{CHECK}"""
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
def kernels():
    """Where the tests have no preloaded process, kernels start by themselves: these exercises do not need Keras."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(grade, "preloading", lambda environment: nullcontext())
        yield


@pytest.fixture(scope="module")
def collected(tmp_path_factory, kernels):
    folder = tmp_path_factory.mktemp("grading") / "handed in"
    write(folder / "Anna Müller" / "00_start_here.ipynb", IMPORT, "1 / 0", RIGHT)
    count = "resnet.parameters_of_a_bottleneck.check(71_168)"
    rate = "def rate(step, images, batch_size):\n    pass\n\nresnet.rate_of_a_step.check(rate)"
    write(folder / "Anna Müller" / "homework (2).ipynb", "from exercises import ____, resnet", count, rate)
    (folder / "Bo").mkdir()
    (folder / "Bo" / "my answers.md").write_text(f"# Mine\n\n```python\n{IMPORT}\n{WRONG}\n```\n", encoding="utf-8")
    write(folder / "Cy-00_start_here.ipynb", IMPORT, f"answer = [____]\n{CHECK}")
    (folder / "Dana").mkdir()
    shutil.copy(ROOT / "notebooks" / "00_start_here.ipynb", folder / "Dana")
    write(folder / "crashes.ipynb", IMPORT, WRONG, "import os\nos._exit(3)", RIGHT)
    write(folder / "hangs.ipynb", IMPORT, "while True: pass", RIGHT)
    write(folder / "cheats.ipynb", IMPORT, WRONG, SHADOWED, PATCHED, REPLACED)
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


def test_right_after_a_cell_that_fails(collected):
    anna = collected[1]["Anna Müller/00_start_here.ipynb"]
    assert (anna["learner"], anna["page"], of(anna)) == ("Anna Müller", "00_start_here", ("right", ""))
    assert anna["notes"] == ['In [2], under "the top of the page", raised ZeroDivisionError: division by zero']


def test_wrong_has_its_reason_and_lost_cells_are_missing(collected):
    anna = collected[1]["Anna Müller/homework (2).ipynb"]
    assert anna["page"] == "14_resnet"
    assert of(anna, "resnet.rate_of_a_step") == ("wrong", "It returns nothing: is a return missing?")
    states = [exercise["state"] for exercise in anna["exercises"].values()]
    assert states == ["right", "wrong", "missing", "missing", "missing"]
    assert list(anna["exercises"]) == [f"resnet.{name}" for name in titles("resnet")]


def test_text_of_jupytext_is_graded_too(collected):
    bo = collected[1]["Bo/my answers.md"]
    assert (bo["learner"], bo["page"]) == ("Bo", "00_start_here")
    assert of(bo)[0] == "wrong" and of(bo)[1].startswith(TOLD)


def test_a_blank_waits(collected):
    cy = collected[1]["Cy-00_start_here.ipynb"]
    assert (cy["learner"], of(cy)) == ("Cy", ("waiting", ""))


def test_a_page_as_it_is_handed_out_waits_and_does_nothing_strange(collected):
    dana = collected[1]["Dana/00_start_here.ipynb"]
    assert (of(dana), dana["notes"]) == (("waiting", ""), [])


def test_a_crash_is_told_and_the_cells_below_it_count_as_not_executed(collected):
    crashed = collected[1]["crashes.ipynb"]
    assert of(crashed) == ("wrong", "The cell was not executed")
    ended = 'In [3], under "the top of the page", ended its kernel; the cells below it were not executed'
    assert ended in crashed["notes"]


def test_a_cell_that_hangs_is_interrupted(collected):
    hung = collected[1]["hangs.ipynb"]
    assert of(hung) == ("right", "")
    assert hung["notes"] == ['In [2], under "the top of the page", took longer than 2 seconds']


def test_cheats_are_wrong_and_told(collected):
    cheat = collected[1]["cheats.ipynb"]
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
def test_a_notebook_reaches_neither_files_nor_network(collected):
    _, notebooks, folder = collected
    assert of(notebooks["harmful.ipynb"]) == ("right", "")
    assert (folder / "crashes.ipynb").is_file()


def test_broken_files_have_their_line_and_other_texts_none(collected):
    given, notebooks, _ = collected
    assert notebooks["broken.ipynb"]["problem"].startswith("the file is no notebook: NotJSONError: ")
    assert given["shut_in"] == (not FORBIDDEN) and len(notebooks) == 10 - bool(FORBIDDEN)


def test_csv_has_a_line_for_each_exercise(collected):
    given, notebooks, folder = collected
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


def test_where_notebooks_cannot_be_shut_in_it_says_so_and_sees_what_they_change(tmp_path, monkeypatch, capsys, kernels):
    monkeypatch.setattr(grade, "why_not", lambda: "unshare: Operation not permitted")
    folder = tmp_path / "handed in"
    write(folder / "a.ipynb", IMPORT, f"import os\nos.remove({str(folder / 'b.ipynb')!r})", RIGHT)
    write(folder / "b.ipynb", IMPORT, RIGHT)
    status, given, notebooks = graded(folder, "--jobs=1")
    assert [of(notebook) for notebook in notebooks.values()] == [("right", "")] * 2
    assert (status, given["shut_in"]) == (1, False)
    printed = capsys.readouterr().err
    assert "The network is ON" in printed and "(unshare: Operation not permitted)" in printed
    assert printed.split("these files were changed:")[1].split() == [*str(folder / "b.ipynb").split()]


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["{folder}/nowhere"], "nowhere is no folder"),
        (["{folder}"], "has no notebook in it"),
        (["{folder}", "--csv={folder}"], "cannot be written: it is a folder"),
        (["{folder}", "--json={folder}/a/b.json"], "cannot be written: its folder is not there"),
        (["{folder}", "--jobs=0"], "must be greater than 0"),
        (["{folder}", "--cell-timeout=0"], "must be greater than 0"),
    ],
)
def test_bad_arguments_are_told_before_anything_runs(tmp_path, capsys, arguments, told):
    assert main(["grade", *(argument.format(folder=tmp_path) for argument in arguments)]) == 2
    assert told in capsys.readouterr().err


# --- the files of a folder ----------------------------------------------------------------------


def found(folder):
    return [(one.learner, one.page, one.file) for one in submissions.submissions(folder)]


@pytest.mark.parametrize(
    ("file", "learner"),
    [
        ("Anna Müller_123_file_/01_sequential.ipynb", "Anna Müller_123_file_"),
        ("Bo/week 1/homework/x.ipynb", "Bo"),
        ("Çelik 01_sequential.ipynb", "Çelik"),
        ("01_sequential-dora.ipynb", "dora"),
        ("01_sequential.ipynb", "01_sequential"),
        ("Eve.ipynb", "Eve"),
    ],
)
def test_whose_a_notebook_is(tmp_path, file, learner):
    write(tmp_path / file, "sequential.parameter_count.check(1)")
    assert found(tmp_path) == [(learner, "01_sequential", file)]


@pytest.mark.parametrize(
    ("file", "source", "page"),
    [
        ("02_data.ipynb", "sequential.parameter_count.check(1)", "01_sequential"),
        ("x.ipynb", "functional.same_class.check(1)\n" * 2 + "sequential.parameter_count.check(1)", "07_functional"),
        ("x.ipynb", "import keras\nfrom exercises import ____, sequential", "01_sequential"),
        ("my 06_callbacks.ipynb", "1 + 1", "06_callbacks"),
    ],
)
def test_which_page_a_notebook_is(tmp_path, file, source, page):
    write(tmp_path / file, source)
    assert [found_page for _, found_page, _ in found(tmp_path)] == [page]


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        ("x.ipynb", b"", "the file is no notebook: NotJSONError"),
        ("x.ipynb", b"[]", "the file is no notebook: "),
        ("x.ipynb", b'{"cells": 3, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}', "the file is no notebook: "),
        ("x.ipynb", b"\xff\xfe", "the file is no notebook: UnicodeDecodeError"),
        ("x.ipynb", b"[" * 100_000, "the file is no notebook: "),
        ("x.ipynb", b" " * 2001, "the file has 2,001 bytes, and more than 2,000 are not read"),
        ("fixes_data.md", b"```python\n1\n```\n", "page fixes_data has no exercises"),
        ("x.ipynb", nbformat.writes(new_notebook()).encode(), "it has no exercises of the course"),
    ],
)
def test_a_file_that_cannot_be_graded_says_why(tmp_path, monkeypatch, name, content, problem):
    if len(content) < 10_000:
        monkeypatch.setattr(submissions, "MOST_BYTES", 2000)
    (tmp_path / name).write_bytes(content)
    (one,) = submissions.submissions(tmp_path)
    assert one.problem.startswith(problem) and one.cells == ()


def test_notebooks_of_other_tools_are_read(tmp_path):
    cell = {"cell_type": "code", "source": ["sequential.\n", "x.check(1)"], "metadata": {}, "outputs": []}
    old = {"cells": [cell], "nbformat": 4, "nbformat_minor": 2, "metadata": {}, "kernel": "of another tool"}
    (tmp_path / "01_sequential.ipynb").write_text("\ufeff" + json.dumps(old), encoding="utf-8")
    (one,) = submissions.submissions(tmp_path)
    assert one.problem == "" and one.cells[0].source == "sequential.\nx.check(1)"


def test_pairs_copies_and_what_is_hidden(tmp_path):
    for name in ("a/x.ipynb", "a/y.ipynb", "b/x.ipynb", ".ipynb_checkpoints/x.ipynb", "a/.x.ipynb", "__MACOSX/x.ipynb"):
        write(tmp_path / name, "sequential.parameter_count.check(1)")
    for name, number in (("a/x.md", 1), ("b/x.md", 2)):
        (tmp_path / name).write_text(f"```python\nsequential.parameter_count.check({number})\n```\n", encoding="utf-8")
    (tmp_path / "a" / "folder.ipynb").mkdir()
    several = "the page was handed in more than once"
    assert {one.file: one.remarks for one in submissions.submissions(tmp_path)} == {
        "a/x.ipynb": (several,),
        "a/y.ipynb": (several,),
        "b/x.ipynb": ("x.md beside it has other code, and was not graded",),
    }


# --- judging ------------------------------------------------------------------------------------


def judged(*cells):
    """The states and reasons of `start_here`'s only exercise, and the notes, by (source, what is known of it)."""
    sources = tuple(new_code_cell(source) for source, _ in cells)
    done = judge(Submission("a", "a", "00_start_here", sources), [known for _, known in cells if known], 0)
    (answer,) = done.answers
    return answer.state, answer.reason, done.notes


def said(text, **more):
    return Executed((("start_here.faces_of_find_spec", text),), **more)


def test_the_checker_is_believed_and_nothing_that_is_stored():
    stored = new_code_cell(CHECK, outputs=[new_output("stream", name="stdout", text="Right. Yes.\n")])
    done = judge(Submission("a", "a", "00_start_here", (new_markdown_cell("#"), stored)), [said("Not yet. No.\n")], 0)
    assert [(answer.state, answer.reason) for answer in done.answers] == [("wrong", "No.")]


def test_states_of_cells():
    raised = Executed(failure="raised KeyError: 'x'")
    assert judged((CHECK, said("Right. Yes.\n", failure="raised KeyError: 'x'"))) == ("right", "", ())
    assert judged((CHECK, raised)) == ("wrong", "The cell raised KeyError: 'x'", ())
    assert judged((f"answer = ____ + 1\n{CHECK}", raised)) == ("waiting", "", ())
    assert judged((f"if False:\n    {CHECK}", Executed()))[:2] == (
        "waiting",
        "The cell ran, and did not come to its check",
    )
    assert judged(("x = start_here.faces_of_find_spec; x.check(1)", said("Right.\n")))[0] == "right"
    assert judged((IMPORT, Executed())) == ("missing", "", ())
    last = Executed(failure="ended its kernel", last=True)
    note = 'In [1], under "the top of the page", ended its kernel; the cells below it were not executed'
    assert judged((IMPORT, last), (CHECK, None)) == ("wrong", "The cell was not executed", (note,))


def test_long_and_strange_texts_become_one_line():
    reason = judged((CHECK, said("Not yet. \x1b[31mred\x07\n" + 1000 * "7")))[1]
    assert reason.startswith("[31mred 777") and reason.endswith("7...") and len(reason) == 300


def test_table_names_what_is_not_right():
    one = judge(Submission("Zoë", "z.ipynb", "00_start_here", (new_code_cell(CHECK),)), [said("Not yet. No.\n")], 12.3)
    two = Graded(Submission("b", "b.ipynb"), problem="the file is no notebook")
    assert as_table([one, two]).splitlines() == [
        "learner  page           right  wrong  waiting  missing  seconds",
        "Zoë      00_start_here      0      1        0        0       12",
        "b        ?                  -      -        -        -        0",
        "",
        "z.ipynb",
        "  wrong      start_here.faces_of_find_spec: No.",
        "",
        "b.ipynb",
        "  not graded the file is no notebook",
    ]


def test_no_field_of_the_csv_is_a_formula():
    written = as_csv([Graded(Submission("=HYPERLINK(1)", "@b.ipynb"), problem="-1")])
    assert written.splitlines()[1] == "'=HYPERLINK(1),'@b.ipynb,,,,not graded,'-1"


# --- shutting in --------------------------------------------------------------------------------

SHUT_IN = """
import os, socket, subprocess, sys
from pathlib import Path
from workbook.grading.shut_in import shut_in

folder, elsewhere, port = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
shut_in(folder)

def works(what):
    try:
        what()
        return True
    except OSError:
        return False

print(works((folder / "new").touch), works((elsewhere / "new").touch), works(Path("/dev/null").open))
print(works(lambda: socket.create_connection(("127.0.0.1", port), timeout=5)))
with socket.create_server(("127.0.0.1", 0)) as server:
    print(works(lambda: socket.create_connection(server.getsockname(), timeout=5)))
print(subprocess.run(["mount", "-o", "remount,rw", "/"], capture_output=True).returncode != 0)
print([name for name in os.listdir("/proc") if name.isdigit()])
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
sys.stdout.flush()
os.kill(os.getpid(), 9)
"""


@can_be_shut_in
def test_what_is_shut_in_has_one_folder_no_network_and_leaves_no_process(tmp_path):
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    with socket.create_server(("127.0.0.1", 0)) as server:
        command = [sys.executable, "-c", SHUT_IN, inside, outside]
        done = subprocess.run(
            [*map(str, command), str(server.getsockname()[1])],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,  # the process that is left behind would keep the pipe open for longer
            check=False,
        )
    assert done.stdout.splitlines() == ["True False True", "False", "True", "True", "['1', '2']"], done.stderr
    assert done.returncode == 128 + 9 and [path.name for path in tmp_path.rglob("new")] == ["new"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere there is nothing to try")
def test_a_system_that_forbids_it_is_told_of(tmp_path, monkeypatch):
    other = tmp_path / "shut_in.py"
    source = Path(shut_in.__file__).read_text(encoding="utf-8")
    other.write_text(source.replace('_call("unshare", ', '_call("unshare", 1 << 40 | '), encoding="utf-8")
    monkeypatch.setattr(shut_in, "__file__", str(other))
    assert "unshare: " in shut_in.why_not()
