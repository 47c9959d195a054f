"""Rendering and checking pages, tried on small ones, and the state of the course's own."""

import nbformat
import pytest

from tests.course import Course
from workbook.agreement import disagreements
from workbook.comparing.normalise import cells_in_tracebacks
from workbook.pages import PageError, find_page, pages
from workbook.render import render

TEXT = """# A small page

Some text.

```python
print("loss 0.1234, 3 epochs, took 12 ms")
1 + 1;
```

<!-- expect -->
<!-- /expect -->

## A heading

```python
import matplotlib.pyplot as plt

plt.figure(figsize=(2, 1))
plt.plot([3, 1, 2]);
```

<!-- expect -->
![a line that falls and rises](../img/77_line.png)
<!-- /expect -->

```python tags=["raises-exception"]
1 / 0
```

<!-- expect -->
<!-- /expect -->
"""


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path)


@pytest.fixture(scope="module")
def rendered(tmp_path_factory):
    """A page that is in agreement; tests that change it copy it first."""
    course = Course(tmp_path_factory.mktemp("course"))
    page = course.page("77_small", TEXT)
    render(page)
    return page


@pytest.fixture
def page(rendered, course):
    """A copy of the page in agreement."""
    copy = course.page(rendered.name, rendered.text.read_text(encoding="utf-8"))
    copy.notebook.write_bytes(rendered.notebook.read_bytes())
    (course.folder / "img").mkdir()
    figure = "77_line.png"
    (course.folder / "img" / figure).write_bytes((rendered.text.parents[1] / "img" / figure).read_bytes())
    return copy


def everything(page):
    files = [page.text, page.notebook, *(page.text.parents[1] / "img").glob("*")]
    return {path: path.read_bytes() for path in files}


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_render_writes_what_the_cells_print_and_draw(rendered):
    text = rendered.text.read_text(encoding="utf-8")
    assert "```text\nloss 0.1234, 3 epochs, took 12 ms\n```\n<!-- /expect -->" in text
    assert "*What to expect:*\n\n![a line that falls and rises](../img/77_line.png)\n<!-- /expect -->" in text
    assert "```text\nZeroDivisionError: division by zero\n```" in text
    assert (rendered.text.parents[1] / "img" / "77_line.png").read_bytes().startswith(b"\x89PNG")
    assert list(disagreements(rendered)) == []


def test_render_twice_changes_nothing(page):
    before = everything(page)
    assert render(page) == []
    assert everything(page) == before


def test_an_output_that_still_agrees_is_kept_as_it_was(page):
    edit(page.notebook, "took 12 ms", "took 99 s")
    render(page)
    assert "took 99 s" in page.text.read_text(encoding="utf-8")


def test_a_traceback_names_the_cell_above_it_also_when_a_cell_has_come_before_it(page):
    edit(page.text, "## A heading\n", "```python\n2\n```\n\n## A heading\n")
    render(page)
    raising = next(cell for cell in page.read_notebook().cells if cell.source == "1 / 0")
    assert raising.execution_count == 4 and cells_in_tracebacks(raising.outputs) == [4]
    edit(page.notebook, "In[4]", "In[3]")
    assert list(disagreements(page)) == ['the traceback below In [4], under "A heading" is of In[3]']


def test_a_page_in_agreement_passes_as_it_ran_in_jupyter(page, course):
    outcome = course.nbval()
    assert len(outcome) == 4 and not any(outcome.values())


def test_a_changed_number_is_named_with_page_cell_and_command(page, course):
    edit(page.notebook, "loss 0.1234", "loss 0.1250")
    message = course.nbval(page.notebook)["Cell 0"]
    assert '77_small.ipynb, In [1], under "A small page"' in message
    assert "0.1250 became 0.1234" in message
    assert '```python compare={"rtol": 0.02}' in message
    assert "make render PAGES=77_small" in message


def test_a_changed_picture_is_written_where_the_message_says(page, course):
    notebook = nbformat.read(page.notebook, as_version=4)
    notebook.cells[3].source = notebook.cells[3].source.replace("[3, 1, 2]", "[1, 3, 2]")
    nbformat.write(notebook, page.notebook)
    message = course.nbval(page.notebook)["Cell 1"]
    for kind in ("expected", "got", "difference"):
        file = f".nbval/77_small/cell_02_{kind}.png"
        assert file in message
        assert (course.folder / file).is_file()
    assert "line 1 y: 3 1 2" in message and '```python compare={"counts": 2}' in message


def test_a_word_that_changed_has_no_tolerance(page, course):
    edit(page.notebook, "loss 0.1234", "cost 0.1234")
    message = course.nbval(page.notebook)["Cell 0"]
    assert "'cost' became 'loss'" in message and "compare=" not in message


def test_figures_are_stored_with_a_description_and_get_one(page, course):
    def picture(notebook):
        return next(o for cell in notebook.cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {}))

    figure = picture(page.read_notebook()).metadata["image/png"]["figure"]
    assert figure["drawn"][-1] == "1. line 1 y: 3 1 2"
    notebook = page.read_notebook()
    picture(notebook).metadata = {}
    nbformat.write(notebook, page.notebook)
    assert not any(course.nbval(page.notebook).values())
    assert render(page) == ["77_small.ipynb is written anew"]
    assert picture(page.read_notebook()).metadata["image/png"]["figure"] == figure


def test_a_cell_that_was_never_executed_is_refused(page, course):
    notebook = nbformat.read(page.notebook, as_version=4)
    notebook.cells[1].update(execution_count=None, outputs=[])
    nbformat.write(notebook, page.notebook)
    outcome = course.nbval()
    for item in ("agreement", "Cell 0"):
        assert 'In [1], under "A small page"' in outcome[item]
        assert "never executed" in outcome[item]
        assert "make render PAGES=77_small" in outcome[item]


def expect_something_else(page):
    """In the text and in the notebook, which then agree with each other and not with the output."""
    edit(page.text, "took 12 ms\n", "took 13 ms\n")
    notebook = nbformat.read(page.notebook, as_version=4)
    for cell, text in zip(notebook.cells, page.read_text().cells):
        cell.source = text.source
    nbformat.write(notebook, page.notebook)


def drop_the_last_cell(page):
    text = page.text.read_text(encoding="utf-8")
    page.text.write_text(text.rpartition("\n\n```python")[0], encoding="utf-8")


DISAGREEMENTS = {
    "code": (lambda page: edit(page.text, '0.1234, 3 epochs, took 12 ms")', '0.1235")'), "In [1]"),
    "text": (lambda page: edit(page.text, "Some text.", "Other text."), "A small page"),
    "tolerance": (lambda page: edit(page.text, "```python\n", '```python compare={"rtol": 0.1}\n'), '77_small.md:    ```python compare={"rtol": 0.1}'),
    "what to expect": (lambda page: edit(page.text, "ms\n```", "s\n```"), 'text under "A small page"'),
    "output": (expect_something_else, "below In [1]"),
    "cell more": (lambda page: edit(page.text, "## A heading", "```python\n2\n```\n\n## A heading"), "77_small.ipynb:"),
    "cell less": (drop_the_last_cell, "77_small.md:    (nothing)"),
    "notebook missing": (lambda page: page.notebook.unlink(), "is missing"),
    "figure missing": (lambda page: (page.text.parents[1] / "img" / "77_line.png").unlink(), "77_line.png is missing"),
    "figure changed": (lambda page: (page.text.parents[1] / "img" / "77_line.png").write_bytes(b""), "77_line.png differs"),
}  # fmt: skip


@pytest.mark.parametrize("change", DISAGREEMENTS)
def test_disagreement_is_noticed_and_mended(change, page):
    act, named = DISAGREEMENTS[change]
    act(page)
    assert named in " ".join(disagreements(page))
    render(page)
    assert list(disagreements(page)) == []


def test_disagreement_is_named_with_page_cell_and_command(page, course):
    edit(page.text, "3 epochs", "4 epochs")
    message = course.nbval(page.text)["agreement"]
    assert message.startswith("77_small.md:")
    assert 'In [1], under "A small page" is not the same in 77_small.md and 77_small.ipynb' in message
    assert (
        '  77_small.md:    print("loss 0.1234, 4 epochs, took 12 ms")\n  77_small.ipynb: print("loss 0.1234, 3'
        in message
    )
    assert "make render PAGES=77_small" in message


def test_a_half_done_merge_is_for_a_person_to_mend(page, course):
    edit(page.text, *UNFIT["a merge is half done"])
    message = course.nbval(page.text)["agreement"]
    assert "Choose between the two sides" in message
    assert "make render" not in message


def test_a_notebook_with_a_marker_of_nbval_is_refused(page, course):
    notebook = page.read_notebook()
    notebook.cells[1].metadata["tags"] = ["nbval-ignore-output"]
    nbformat.write(notebook, page.notebook)
    messages = " ".join(course.nbval(page.notebook).values())
    assert '77_small.ipynb, In [1], under "A small page": nbval-ignore-output would leave the cell out' in messages


def test_a_notebook_without_a_page_is_refused(page, course):
    page.text.unlink()
    assert any("77_small.md" in message for message in course.nbval().values())


UNFIT = {
    "a cell fails": ("1 + 1;", "1 / 0"),
    "a figure has no alt text": ("a line that falls and rises", "line"),
    "a figure is not named": ("![a line that falls and rises](../img/77_line.png)\n", ""),
    "a figure goes elsewhere": ("../img/77_line.png", "77_line.png"),
    "nothing is printed": ('print("loss 0.1234, 3 epochs, took 12 ms")', ""),
    "a marker is misspelt": ("<!-- expect -->\n*", "<!--Expect-->\n*"),
    "another language would be executed": ("Some text.", "```sh\nfalse\n```"),
    "a merge is half done": ("Some text.", "<<<<<<< HEAD\nSome text.\n=======\nOther text.\n>>>>>>> other"),
    "a block does not end": ("<!-- /expect -->\n\n## A heading", "## A heading"),
    "a comment skips a cell": ("1 + 1;", "1 + 1;\n # NBVAL_IGNORE_OUTPUT"),
    "a tag skips a cell": ("```python\nprint", '```python tags=["nbval-skip"]\nprint'),
    "a tolerance is misspelt": ("```python\nprint", '```python compare={"tol": 1}\nprint'),
}


@pytest.mark.parametrize("what", UNFIT)
def test_a_page_that_cannot_be_rendered_is_named_and_left_alone(what, page):
    edit(page.text, *UNFIT[what])
    before = everything(page)
    with pytest.raises(PageError, match=r"77_small\.md, "):
        render(page)
    assert everything(page) == before


def test_an_edit_made_while_the_page_runs_is_not_lost(page):
    cell = 'from pathlib import Path; Path("77_small.md").write_text("new")\nprint'
    edit(page.text, "print", cell)
    with pytest.raises(PageError, match="edited while it ran"):
        render(page)
    assert page.text.read_text(encoding="utf-8") == "new"


def test_a_damaged_notebook_is_named_and_mended(page, course):
    page.notebook.write_text("<<<<<<< HEAD\n" + page.notebook.read_text(encoding="utf-8"), encoding="utf-8")
    assert any("make render PAGES=77_small" in message for message in course.nbval().values())
    render(page)
    assert list(disagreements(page)) == []


def test_printed_fences_stay_inside_their_block(page):
    edit(page.text, 'print("loss', 'print("like this:\\n\\n```\\nx = 1\\n```\\n\\n```")\nprint("loss')
    render(page)
    text = page.text.read_text(encoding="utf-8")
    assert "*What to expect:*\n\n\n    like this:\n\n    ```\n    x = 1\n    ```\n\n    ```\n    loss 0.1234" in text
    assert render(page) == [] and list(disagreements(page)) == []
    assert page.text.read_text(encoding="utf-8") == text and len(page.read_text().cells) == len(
        page.read_notebook().cells
    )


def test_find_page():
    assert find_page("01") == find_page("01_sequential") == find_page("notebooks/01_sequential.md")
    with pytest.raises(ValueError, match="01_sequential"):
        find_page("99")


# --- the course's own pages ---------------------------------------------------------------------


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_saving_a_page_in_jupyterlab_changes_nothing(page):
    text = page.text.read_text(encoding="utf-8")
    assert page.as_text(page.read_text()) == text
    assert page.as_text(page.read_notebook()) == text


# the others are to follow
@pytest.mark.parametrize("page", [page for page in pages() if page.name < "09"], ids=lambda page: page.name)
def test_a_page_fits_an_evening(page):
    assert page.text.read_text(encoding="utf-8").count("\n") <= 1200
    for cell in page.read_text().cells:
        if cell.cell_type == "code":
            lines = [
                line for line in cell.source.splitlines() if line.strip() and not line.strip().startswith(("#", "%"))
            ]
            assert len(lines) <= 15, cell.source
