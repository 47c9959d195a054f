"""What is folded on a page: what to expect below a question to predict, and the solutions. No cell is executed."""

import base64
import io

import nbformat
import pytest
from matplotlib.figure import Figure

from tests.course import Course
from workbook.agreement import disagreements
from workbook.expect_blocks import expectations
from workbook.pages import PageError
from workbook.solution_blocks import solution, solutions

ASKS = "**Predict.** Is it **A** one, or **B** two?"
EMPTY = "<!-- expect -->\n<!-- /expect -->"
FOLDED = """\
<!-- expect -->
<details>
<summary>What to expect</summary>

```text
one
```

</details>
<!-- /expect -->"""
OPEN = """\
<!-- expect -->
*What to expect:*

```text
one
```
<!-- /expect -->"""


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path)


def cells_of(course, *texts, outputs=None):
    """A page whose texts alternate with cells that print "one", and its cells as they would be executed."""
    page = course.page("77_small", "\n\n```python\nprint('one')\n```\n\n".join(["# Small", *texts]) + "\n")
    cells = page.read_text().cells
    for cell in cells:
        if cell.cell_type == "code":
            cell.outputs = outputs or [nbformat.v4.new_output("stream", text="one\n")]
    return page, cells


def filled(page, cells):
    """The text cells, with what to expect, in their order."""
    sources, _ = expectations(page, cells)
    for i, source in sources.items():
        cells[i].source = source
    return [cell.source for cell in cells if cell.cell_type == "markdown"]


def test_what_to_expect_is_folded_below_a_question_and_open_elsewhere(course):
    page, cells = cells_of(course, f"{EMPTY}\n\n{ASKS}", f"{EMPTY}\n\nSo much for that.", EMPTY)
    *_, first, second, third = filled(page, cells)
    assert first == f"{OPEN}\n\n{ASKS}"
    assert second == f"{FOLDED}\n\nSo much for that."
    assert third == OPEN


def test_cells_of_one_question_are_folded_alike_until_it_is_answered(course):
    answered = "<!-- expect -->\n**A.** One.\n<!-- /expect -->"
    page, cells = cells_of(course, ASKS, EMPTY, answered, EMPTY)
    assert filled(page, cells)[-3:] == [FOLDED, FOLDED.replace("</details>", "**A.** One.\n\n</details>"), OPEN]


@pytest.mark.parametrize(("written", "becomes"), [(OPEN, FOLDED), (FOLDED, FOLDED)])
def test_a_block_below_a_question_is_folded_however_it_was_written(course, written, becomes):
    page, cells = cells_of(course, ASKS, written)
    assert filled(page, cells)[-1] == becomes


def test_a_fold_opens_when_the_question_is_gone(course):
    page, cells = cells_of(course, "No question.", FOLDED)
    assert filled(page, cells)[-1] == OPEN


def test_the_answer_is_kept_in_the_fold_with_the_figure_above_it(course):
    png = io.BytesIO()
    Figure(figsize=(0.1, 0.1)).savefig(png)
    picture = {"image/png": base64.b64encode(png.getvalue()).decode()}
    outputs = [nbformat.v4.new_output("stream", text="one\n"), nbformat.v4.new_output("display_data", picture)]
    figure, answer = "![A line that falls and rises again](../img/77_line.png)", "**A.** One of $a$:\n\n- one."
    page, cells = cells_of(course, ASKS, f"<!-- expect -->\n{figure}\n\n{answer}\n<!-- /expect -->", outputs=outputs)
    once = filled(page, cells)[-1]
    assert once == FOLDED.replace("</details>", f"{figure}\n\n{answer}\n\n</details>")
    assert filled(page, cells)[-1] == once


REFUSED = {
    "an answer in sight": ([ASKS, f"{EMPTY}\n\n**B.** Two, as one sees."], "in sight: **B.** Two, as one sees."),
    "a text in an open block": (["None.", "<!-- expect -->\nA text.\n<!-- /expect -->"], "Write the text below it"),
}


@pytest.mark.parametrize("what", REFUSED)
def test_an_answer_in_the_wrong_place_is_refused(course, what):
    texts, told = REFUSED[what]
    page, cells = cells_of(course, *texts)
    with pytest.raises(PageError) as refused:
        filled(page, cells)
    assert told in str(refused.value) and "77_small.md, below In [2]" in str(refused.value)


# --- solutions ------------------------------------------------------------------------------------

CHECK = "```python\nupdates = ____\nsequential.weight_updates.check(updates)\n```\n"
BLOCK = "<!-- solution -->\n<!-- /solution -->\n"
SOLUTION = """\
<!-- solution -->
<details>
<summary>One solution</summary>

```Python
steps_per_epoch = int(np.ceil(1412 / 32))
5 * steps_per_epoch
```

</details>
<!-- /solution -->"""


def test_a_solution_is_written_below_its_exercise_and_is_no_cell(course):
    page = course.page("77_small", f"# Small\n\n{CHECK}\n{BLOCK}\nText.\n")
    cells = page.read_text().cells
    assert solutions(page, cells) == {2: f"{SOLUTION}\n\nText."}
    cells[2].source = f"{SOLUTION}\n\nText."
    assert solutions(page, cells) == {2: cells[2].source}
    page.text.write_text(page.as_text(nbformat.v4.new_notebook(cells=cells)), encoding="utf-8")
    assert [cell.source for cell in page.read_text().cells] == [cell.source for cell in cells]


def test_a_solution_that_has_changed_is_a_disagreement(course):
    page = course.page("77_small", f"# Small\n\n{CHECK}\n{SOLUTION.replace('5 * ', '6 * ')}\n")
    notebook = nbformat.v4.new_notebook(cells=page.read_text().cells)
    notebook.cells[1].execution_count = 1
    nbformat.write(notebook, page.notebook)
    assert list(disagreements(page)) == ['the solution below In [1], under "Small" is not the one in exercises/']


def test_a_prediction_has_no_solution(course):
    page = course.page("77_small", "# Small\n\n```python\nsequential.first_dense.check(prediction, 1)\n```\n\nText.\n")
    assert solutions(page, page.read_text().cells) == {}


UNFIT = {
    "no block": (CHECK, "checks 1 exercise(s) that have a solution, and below it stand 0"),
    "a block without an exercise": (f"```python\n1\n```\n\n{BLOCK}", "checks 0 exercise(s)"),
    "a block above all cells": (f"{BLOCK}\n```python\n1\n```\n", 'the text under "Small"'),
    "a block that does not end": (f"{CHECK}\n<!-- solution -->\n", "ends with <!-- /solution -->"),
    "an unknown exercise": (f"{CHECK.replace('weight_', 'wait_')}\n{BLOCK}", "sequential.py has no exercise wait_updates"),
    "an unknown topic": (f"{CHECK.replace('sequential', 'parallel')}\n{BLOCK}", "there is no exercises/parallel.py"),
}  # fmt: skip


@pytest.mark.parametrize("what", UNFIT)
def test_a_solution_in_the_wrong_place_is_named(course, what):
    text, told = UNFIT[what]
    page = course.page("77_small", f"# Small\n\n{text}")
    with pytest.raises(PageError) as refused:
        solutions(page, page.read_text().cells)
    assert told in str(refused.value) and str(refused.value).startswith("77_small.md, ")


MODULE = """
def _solve_sum():
    one = 1  # a remark

    # another
    return one + 1


def _solve_function():
    import math

    def area(r):
        return math.pi * r**2

    return area


def _solve_nothing():
    print("nothing")


total = Exercise("the sum", solution_source=_solve_sum)
area = Training("the area", solution_source=_solve_function)
guess = Prediction("a guess")
nothing = Exercise("nothing", solution_source=_solve_nothing)
elsewhere = Exercise("elsewhere", solution_source=other.solve)
"""


@pytest.fixture
def module(tmp_path):
    path = tmp_path / "topic.py"
    path.write_text(MODULE, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("total", "one = 1  # a remark\n\n# another\none + 1"),
        ("area", "import math\n\ndef area(r):\n    return math.pi * r**2"),
        ("guess", ""),
    ],
)
def test_a_solution_is_shown_as_it_could_stand_in_a_cell(module, name, shown):
    assert solution(module, name) == shown


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", "_solve_nothing must end with the return of a right answer"),
        ("elsewhere", "must be a function of exercises/topic.py"),
        ("_solve_sum", "has no exercise _solve_sum"),
    ],
)
def test_a_solution_that_cannot_be_shown_is_named(module, name, told):
    with pytest.raises(ValueError, match=told):
        solution(module, name)
