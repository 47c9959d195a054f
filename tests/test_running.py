"""Executing pages: kernels that die, hang and start out of a preloaded process, and what the reader has set herself."""

import json
import os
import subprocess
import sys
import time
from contextlib import nullcontext
from pathlib import Path

import nbformat
import pytest

from tests.course import Course
from tests.python import python_command
from workbook.pages import ROOT
from workbook.render import render
from workbook.running import execute as executing
from workbook.running.environment import environment
from workbook.running.execute import Stopped, execute, failure
from workbook.running.preloaded import VARIABLE, preloading


@pytest.fixture(scope="module", params=[False, True], ids=["alone", "preloaded"])
def kernels(request):
    """Kernels that start by themselves, and those that start out of a preloaded process."""
    if request.param and not sys.platform.startswith("linux"):
        pytest.skip("kernels are preloaded on Linux alone")
    with pytest.MonkeyPatch.context() as patch:
        if not request.param:
            patch.delenv(VARIABLE, raising=False)
        with preloading(environment()) if request.param else nullcontext():
            yield


def run(folder, *sources, tags=(), **how):
    """Execute cells, and return for each what it printed, or the name of its error."""
    cells = [nbformat.v4.new_code_cell(source, metadata={"tags": list(tags)}) for source in sources]
    try:
        execute(cells, folder, environment(), **how)
    except Stopped as stopped:
        return [said(cell) for cell in cells], stopped
    return [said(cell) for cell in cells], None


def said(cell):
    return "".join(o.get("text") or o.get("ename") or o["data"]["text/plain"] for o in cell.outputs)


def test_cells_are_executed_in_their_folder_and_numbered(tmp_path, kernels):
    said, stopped = run(tmp_path, "import os; print(os.getcwd())", "Out", "1 + 1;")
    assert said == [f"{tmp_path}\n", "{}", ""] and stopped is None


def test_it_stops_at_an_error_unless_it_is_meant(tmp_path, kernels):
    said, stopped = run(tmp_path, "1", "1 / 0", "3")
    assert said == ["1", "ZeroDivisionError", ""]
    assert stopped.index == 1 and stopped.reason.endswith("ZeroDivisionError: division by zero")
    assert run(tmp_path, "1 / 0", "3", tags=["raises-exception"]) == (["ZeroDivisionError", "3"], None)
    assert run(tmp_path, "1 / 0", "3", after_errors=True) == (["ZeroDivisionError", "3"], None)


def test_a_traceback_has_one_line_of_each_call(tmp_path, kernels):
    sources = ["def first(row):\n    number = 0\n    return row[number]\n    # the end", "first([])"]
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    execute(cells, tmp_path, environment(), after_errors=True)
    traceback = failure(cells[1])
    assert "line 3" in traceback and "return row[number]" in traceback
    assert "number = 0" not in traceback and "# the end" not in traceback


@pytest.mark.parametrize("end", ["import os; os._exit(3)", "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"])
def test_a_kernel_that_dies_is_told_of(tmp_path, kernels, end):
    said, stopped = run(tmp_path, "1", end, "3", after_errors=True)
    assert said == ["1", "", ""] and (stopped.index, stopped.reason) == (
        1,
        "the kernel died while it executed this cell",
    )


def test_a_cell_that_hangs_is_ended(tmp_path, kernels):
    said, stopped = run(tmp_path, "1", "import time; time.sleep(60)", "3", limit=1)
    assert said[2] == "" and stopped.index == 1 and "longer than 1 seconds" in stopped.reason


def test_what_is_cleared_is_gone_and_what_is_updated_is_new(tmp_path, kernels):
    clear = "from IPython.display import clear_output, display\nprint(1)\nclear_output()\nprint(2)"
    said, _ = run(tmp_path, clear, "shown = display(3, display_id=True)", "shown.update(4)")
    assert said == ["2\n", "4", ""]


def test_numbers_without_a_seed_are_others_in_each_kernel(tmp_path, kernels):
    draw = "import random, numpy as np; print(random.random(), np.random.rand())"
    assert run(tmp_path, draw) != run(tmp_path, draw)


def test_figures_are_drawn_and_described(tmp_path, kernels):
    cell = nbformat.v4.new_code_cell("import matplotlib.pyplot as plt\nplt.plot([3, 1, 2]);")
    execute([cell], tmp_path, environment())
    assert cell.outputs[0].metadata["image/png"]["figure"]["drawn"][-1] == "1. line 1 y: 3 1 2"


@pytest.mark.parametrize("kernels", [True], indirect=True)
def test_a_preloaded_kernel_has_keras_and_has_computed_nothing(tmp_path, kernels):
    code = "import sys; print('keras' in sys.modules); from tensorflow.python.eager import context; context._context"
    assert run(tmp_path, code) == (["True\n"], None)


@pytest.mark.parametrize("kernels", [True], indirect=True)
def test_a_preloaded_kernel_writes_temporary_files_where_its_environment_says(tmp_path, kernels):
    cell = nbformat.v4.new_code_cell("import tempfile; print(tempfile.gettempdir())")
    execute([cell], tmp_path, environment(TMPDIR=str(tmp_path)))
    assert said(cell) == f"{tmp_path}\n"


@pytest.mark.parametrize("kernels", [True], indirect=True)
def test_what_a_preloaded_kernel_has_started_is_killed_with_it(tmp_path, kernels):
    start = "import os, subprocess; print(subprocess.Popen(['sleep', '600']).pid, file=open('child', 'w'), flush=True)"
    _, stopped = run(tmp_path, f"{start}; os.kill(os.getpid(), 9)")
    state = Path("/proc", (tmp_path / "child").read_text(encoding="utf-8").strip(), "stat")
    deadline = time.monotonic() + 30
    while state.exists() and state.read_text(encoding="utf-8").split()[2] != "Z" and time.monotonic() < deadline:
        time.sleep(0.05)
    assert stopped and time.monotonic() < deadline


@pytest.mark.parametrize(
    "code, status, printed",
    [
        ("import sys; print(__name__, *sys.argv[1:]); sys.exit(3)", 3, "__main__ a b 1\n"),
        ("import sys; sys.exit('no')", 1, "no\n"),
        ("import os; print(os.environ['WHO']); os.kill(os.getpid(), 9)", -9, ""),
        ("raise ValueError('what')", 1, "ValueError: what\n"),
    ],
)
def test_a_python_out_of_the_server_does_as_a_new_one(kernels, code, status, printed):
    command = python_command("-c", code, "a b", 1)
    how = {"env": os.environ | {"WHO": "me"}, "stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    done = subprocess.run(command, check=False, **how)
    assert done.returncode == status and done.stdout.endswith(printed)
    assert not printed.startswith("__main__") or done.stdout == printed


def test_without_its_server_a_kernel_starts_as_usual(tmp_path, monkeypatch):
    monkeypatch.setenv(VARIABLE, str(tmp_path / "nothing"))
    assert run(tmp_path, "2 + 2") == (["4"], None)


def test_the_readers_own_settings_do_not_reach_the_kernel(tmp_path, monkeypatch):
    startup, style = tmp_path / "startup.py", tmp_path / "my_matplotlibrc"
    startup.write_text("mine = 1", encoding="utf-8")
    style.write_text("lines.linewidth: 9", encoding="utf-8")
    spec = tmp_path / "kernels" / "python3" / "kernel.json"
    spec.parent.mkdir(parents=True)
    spec.write_text(json.dumps({"argv": ["false"], "display_name": "x", "language": "python"}), encoding="utf-8")
    for name, value in {
        "PYTHONSTARTUP": startup,
        "MATPLOTLIBRC": style,
        "JUPYTER_PATH": tmp_path,
        "TF_CONFIG": "{}",
        "XLA_FLAGS": "--xla_nothing",
        "PYTHONOPTIMIZE": "1",
        "KERAS_BACKEND": "jax",
        "TF_ENABLE_ONEDNN_OPTS": "0",
    }.items():
        monkeypatch.setenv(name, str(value))
    monkeypatch.delenv(VARIABLE, raising=False)
    see = "import os, matplotlib; print('mine' in globals(), matplotlib.rcParams['lines.linewidth'], __debug__)"
    see += "\nprint([os.environ.get(name) for name in ('TF_CONFIG', 'XLA_FLAGS', 'KERAS_BACKEND', 'TF_ENABLE_ONEDNN_OPTS')])"
    said, _ = run(tmp_path, see)
    assert said == ["False 1.5 True\n[None, None, 'tensorflow', '1']\n"]


# --- under pytest -------------------------------------------------------------------------------

PAGE = """# A page

```python
import os
```

## Its middle

```python
{middle}
```

```python
print(os.sep)
```
"""


@pytest.fixture
def course(tmp_path):
    """A course of two pages in agreement."""
    course = Course(tmp_path)
    for name in ("77_first", "78_second"):
        render(course.page(name, PAGE.format(middle="print(1)")))
    return course


def change(course, name, middle):
    page = course.folder / "notebooks" / f"{name}.ipynb"
    page.write_text(page.read_text(encoding="utf-8").replace('"print(1)"', json.dumps(middle)), encoding="utf-8")


def test_a_page_whose_kernel_dies_fails_and_the_others_go_on(course):
    change(course, "77_first", "os._exit(1)")
    outcome = course.nbval("notebooks/77_first.ipynb")
    assert outcome["Cell 0"] == ""
    assert outcome["Cell 1"].startswith('77_first.ipynb, In [2], under "Its middle"\nos._exit(1)\n\nthe kernel died')
    assert 'was not executed, because of In [2], under "Its middle": the kernel died' in outcome["Cell 2"]
    assert not any(course.nbval("notebooks/78_second.ipynb").values())


def test_a_page_that_hangs_fails(course, monkeypatch):
    monkeypatch.setattr(executing, "CELL_LIMIT", 1)
    change(course, "77_first", "import time; time.sleep(60)")
    assert "took longer than 1 seconds" in course.nbval("notebooks/77_first.ipynb")["Cell 1"]


def test_any_cell_can_be_asked_for_alone(course):
    outcome = course.nbval("notebooks/78_second.ipynb", options=["-k", "Cell and 2"])
    assert outcome == {"Cell 2": ""}


def pytest_there(course, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=course.folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_cells_may_be_scattered_over_processes(course):
    assert pytest_there(course, "--nbval", "-n", "2", "notebooks")[0] == 0


@pytest.mark.parametrize("without", [[], ["-p", "no:nbval"]])
def test_plain_pytest_says_that_it_runs_no_page(course, without):
    (course.folder / "test_nothing.py").write_text("def test_nothing(): pass\n", encoding="utf-8")
    status, printed = pytest_there(course, *without, "test_nothing.py")
    assert status == 0 and "pages: none is executed; `pytest --nbval` executes and compares them all" in printed


def test_a_variable_can_be_given_to_the_kernels(course):
    change(course, "77_first", "print(os.environ.get('SOME_NAME', 1))")
    arguments = ["--nbval", "notebooks/77_first.ipynb"]
    assert course.nbval(arguments[1], options=["--kernel-env=SOME_NAME=2"])["Cell 1"]
    assert not any(course.nbval(arguments[1]).values())
    status, printed = pytest_there(course, *arguments, "--kernel-env=SOME_NAME")
    assert status == 4 and "--kernel-env SOME_NAME: give NAME=VALUE" in printed


def test_the_command_names_its_pages():
    command = [sys.executable, "-m", "workbook", "render", "99"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2 and "no page '99'; there are: 00_start_here" in done.stderr
