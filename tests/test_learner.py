"""A learner's copy of the pages: handed out, worked in as JupyterLab and other editors do, and brought up to date."""

import argparse
import contextlib
import json
import os
import re
import shutil

import nbformat
import pytest
from jupytext.sync_contentsmanager import TextFileContentsManager
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output
from tornado.web import HTTPError

from workbook import __main__ as commands
from workbook import learner, progress
from workbook.expect_blocks import folded
from workbook.learner import Copy
from workbook.markdown import Document
from workbook.merging import NOTE
from workbook.pages import NOTEBOOKS, ROOT, Page, pages

FIRST = """# First

Some text.

```python
print("loss 0.1234")
```

<!-- expect -->
*What to expect:*

```text
loss 0.1234
```

![a line that falls and rises](../img/01_line.png)
<!-- /expect -->

Below it.

**Exercise 1** · easy · 2 minutes. Fill in what each gives.

```python
from exercises import ____, start_here

answer = ____
start_here.faces_of_find_spec.check(answer)
```

The end. On to [the second](02_second.md).
"""

SECOND = """# Second

```python tags=["raises-exception"]
1 / 0
```

Done.
"""


class Course:
    """A course of two pages and a glossary, and her copy of it."""

    def __init__(self, folder):
        shutil.copy(ROOT / "pyproject.toml", folder)
        self.folder, self.originals = folder, folder / "notebooks"
        self.originals.mkdir()
        for name, text in {
            "01_first": FIRST,
            "02_second": SECOND,
            "glossary": "# Glossary\n\n**Loss**: what falls.\n",
        }.items():
            (self.originals / f"{name}.md").write_text(text, encoding="utf-8")
        self.copy = Copy(folder / "my_notebooks", self.originals)
        self.update = self.copy.update

    def change(self, old, new, name="01_first"):
        """What a `git pull` does."""
        edit(self.originals / f"{name}.md", old, new)

    def hers(self, name="01_first"):
        """The text of her page, which her notebook must have too."""
        page = self.copy.page(name)
        text = page.text.read_text(encoding="utf-8")
        if page.notebook.is_file():
            assert page.as_text(nbformat.read(page.notebook, as_version=4)) == text
        return text


def edit(path, old, new):
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def everything(folder):
    files = (path for path in sorted(folder.rglob("*")) if path.is_file() and ".ipynb_checkpoints" not in path.parts)
    return {path: path.read_bytes() for path in files}


@pytest.fixture
def course(tmp_path):
    course = Course(tmp_path)
    course.update()
    return course


class Lab:
    """What the server of JupyterLab does when a page is opened and saved."""

    def __init__(self, folder, **settings):
        self.manager = TextFileContentsManager(root_dir=str(folder), **settings)

    def change(self, path, old, new):
        """Open a page, change a cell, run it, and save."""
        content = self.manager.get(path)["content"]
        cell = next(cell for cell in content.cells if old in cell.source)
        cell.source = cell.source.replace(old, new)
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [new_output("stream", text=f"ran {new}\n")], 1
        self.save(path, content)

    def save(self, path, content):
        content.metadata.language_info = {"name": "python", "version": "3.12.1", "file_extension": ".py"}
        content.cells[0].metadata["jupyter"] = {"source_hidden": True}
        self.manager.save({"type": "notebook", "content": json.loads(json.dumps(content))}, path)


@pytest.fixture
def lab(course):
    return Lab(course.folder)


def newer(path, than):
    """As if a file had been written a minute after another one."""
    time = than.stat().st_mtime + 60
    os.utime(path, (time, time))


def change_notebook(course, old, new):
    """Change the `.ipynb` of the first page alone, as VS Code does."""
    page = course.copy.page("01_first")
    edit(page.notebook, json.dumps(old)[1:-1], json.dumps(new)[1:-1])
    newer(page.notebook, page.text)


# --- handing out ---------------------------------------------------------------------------------


def test_the_first_time_she_gets_all_pages(tmp_path):
    course = Course(tmp_path)
    before = everything(course.originals)
    done = course.update()
    assert done.handed_out == ["01_first", "02_second", "glossary"] and done.renewed == done.told == []
    assert done.lines() == ["New in my_notebooks, your own copy of the pages: 01_first, 02_second, glossary."]
    assert everything(course.originals) == before
    assert {path.name for path in course.copy.folder.glob("[!.]*")} == {
        *("01_first.md", "01_first.ipynb", "02_second.md", "02_second.ipynb", "glossary.md", "jupytext.toml")
    }
    cells = nbformat.read(course.copy.page("02_second").notebook, as_version=4).cells
    assert [(c.execution_count, c.outputs, c.metadata) for c in cells if c.cell_type == "code"] == [
        (None, [], {"tags": ["raises-exception"]})
    ]


def test_what_to_expect_is_folded(course):
    text = course.hers()
    assert "expect -->" not in text
    fold = text[text.index("<details>") : text.index("</details>")]
    assert fold == (
        "<details>\n<summary>What to expect</summary>\n\n```text\nloss 0.1234\n```\n\n"
        "![a line that falls and rises](../img/01_line.png)\n\n"
    )
    assert text.index("</details>\n\n\nBelow it.")  # which begins the next cell
    # markdown is read within: the figure is a figure, and the fence a fence
    document = Document(course.copy.page("01_first").text)
    assert [link.target for link in document.links if link.is_image] == ["../img/01_line.png"]
    assert ("text", "loss 0.1234\n") in [fence[1:] for fence in document.fences]


def test_what_is_folded_already_is_folded_once():
    fold = "<details>\n<summary>What to expect</summary>\n\n1\n\n**B.** It is one.\n\n</details>"
    assert folded(f"<!-- expect -->\n{fold}\n<!-- /expect -->\n\nBelow.") == f"{fold}\n\nBelow."


def test_pages_of_the_course_are_handed_out_as_they_are_read(course):
    chosen = pages()[::4]
    for page in chosen:
        shutil.copy(page.text, course.originals)
    assert course.update().handed_out == [page.name for page in chosen]
    for page in chosen:
        text, hers = page.text.read_text(encoding="utf-8"), course.copy.page(page.name)
        assert hers.text.read_text(encoding="utf-8").count("<summary>What to expect") == text.count("<!-- expect -->")
        assert course.copy.read(hers).together


def test_her_folder_is_ignored_by_git_and_lies_beside_the_originals():
    assert f"{learner.COPY.name}/" in (ROOT / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert learner.COPY.parent == NOTEBOOKS.parent  # so that ../img and `sys.path.append("..")` mean the same


# --- bringing up to date -------------------------------------------------------------------------


def test_what_she_does_in_jupyterlab_is_kept_when_the_page_changes(course, lab):
    lab.change("my_notebooks/01_first.md", "answer = ____", 'answer = "mine"')
    lab.change("my_notebooks/01_first.ipynb", "Below it.", "Below it. I guessed right.")
    course.change("Some text.", "Some better text.")
    course.change("start_here.faces_of_find_spec.check(answer)", "start_here.faces_of_find_spec.check(answer)\n# hint")
    hers = course.hers()
    done = course.update()
    assert done.renewed == ["01_first"] and done.handed_out == done.told == []
    text = course.hers()
    for part in ('answer = "mine"\n', "I guessed right.", "Some better text.", "check(answer)\n# hint"):
        assert part in text
    assert (done.before / "01_first.md").read_text(encoding="utf-8") == hers
    assert course.update().lines() == ["Your pages in my_notebooks are up to date."]


def test_what_she_has_run_keeps_its_output(course, lab):
    lab.change("my_notebooks/01_first.md", "print(", "# mine\nprint(")
    course.change("Some text.", "Some better text.")
    course.update()
    ran = [c for c in nbformat.read(course.copy.page("01_first").notebook, as_version=4).cells if c.get("outputs")]
    assert [(c.source, c.outputs[0].text) for c in ran] == [('# mine\nprint("loss 0.1234")', "ran # mine\nprint(\n")]


def test_where_both_have_changed_the_same_she_is_told_where(course, lab):
    lab.change("my_notebooks/01_first.md", "answer = ____", 'answer = "mine"')
    course.change("answer = ____", "answer = ____  # three words")
    done = course.update()
    assert len(done.told) == 1 and done.told[0].startswith('01_first, In [3], under "First": you and the course')
    text = course.hers()
    assert text.index("# three words") < text.index(NOTE) < text.index('answer = "mine"')


def test_the_glossary_is_brought_up_to_date_too(course):
    edit(course.copy.page("glossary").text, "what falls.", "what falls.\n\nMine.")
    course.change("# Glossary", "# The glossary", "glossary")
    course.update()
    assert course.hers("glossary") == "# The glossary\n\n**Loss**: what falls.\n\nMine.\n"
    assert not course.copy.page("glossary").notebook.exists()


def test_her_own_notebooks_are_left_alone(course):
    own = [course.copy.folder / name for name in ("mine.md", "77_mine.ipynb", "data.csv")]
    for path in own:
        path.write_text("<<<<<<< what I like", encoding="utf-8")
    course.change("Some text.", "Some better text.")
    course.update()
    assert {path.read_text(encoding="utf-8") for path in own} == {"<<<<<<< what I like"}


def test_a_page_that_she_deletes_is_handed_out_anew(course, lab):
    lab.change("my_notebooks/01_first.md", "answer = ____", 'answer = "mine"')
    page = course.copy.page("01_first")
    page.text.unlink()
    page.notebook.unlink()
    assert course.update().handed_out == ["01_first"]
    assert "answer = ____" in course.hers()


def test_a_page_that_is_renamed_takes_her_work_along(course, lab):
    lab.change("my_notebooks/01_first.md", "answer = ____", 'answer = "mine"')
    (course.originals / "01_first.md").rename(course.originals / "03_third.md")
    course.change("Some text.", "Some better text.", "03_third")
    done = course.update()
    assert 'answer = "mine"' in course.hers("03_third") and "Some better text." in course.hers("03_third")
    assert not course.copy.page("01_first").text.exists() and (done.before / "01_first.ipynb").is_file()
    assert done.told == [
        "01_first: the course no longer has this page; it is part of 03_third now, and so is what you wrote."
    ]
    assert course.update().told == []


def test_a_page_that_is_gone_stays_if_she_has_written_in_it(course, lab):
    lab.change("my_notebooks/01_first.md", "answer = ____", 'answer = "mine"')
    hers = course.hers()
    for name in ("01_first", "02_second"):
        (course.originals / f"{name}.md").unlink()
    done = course.update()
    assert course.hers() == hers and not course.copy.page("02_second").text.exists()
    assert (done.before / "02_second.md").is_file() and not (done.before / "01_first.md").exists()
    assert [line.split(". ")[0] for line in done.told] == [
        "01_first: the course no longer has this page",
        "02_second: the course no longer has this page; you had changed nothing in it.",
    ]
    assert course.update().told == []


def test_a_page_of_the_course_that_cannot_be_read_changes_nothing(course):
    edit(course.originals / "01_first.md", "Some text.", "<<<<<<< HEAD\nSome text.\n=======\n>>>>>>> other")
    hers = everything(course.copy.folder)
    done = course.update()
    assert everything(course.copy.folder) == hers
    assert done.told[0].startswith("01_first stays as it is: 01_first.md, line 3: a merge was left half done.")


def test_without_the_hidden_folder_nothing_is_lost_and_nothing_doubled(course, lab):
    lab.change("my_notebooks/01_first.md", "answer = ____", 'answer = "mine"')
    hers = course.hers()
    shutil.rmtree(course.copy.folder / ".workbook")
    course.change("On to [the second]", "New here.\n\n\nOn to [the second]")
    course.update()
    text = course.hers()
    assert 'answer = "mine"' in text and "New here." in text and "answer = ____" not in text
    assert text.count("```python") == hers.count("```python")


def test_without_the_hidden_folder_she_is_told_that_what_differs_stays(course):
    shutil.rmtree(course.copy.folder / ".workbook")
    course.change("Some text.", "Some better text.")
    (told,) = course.update().told
    assert told.startswith("01_first: it is not known") and "Some text." in course.hers()
    assert course.update().told == []


def test_interrupted_it_loses_nothing_and_goes_on(course, lab, monkeypatch):
    lab.change("my_notebooks/01_first.md", "answer = ____", 'answer = "mine"')
    course.change("Some text.", "Some better text.")
    write = learner.write_text

    def full(path, content):
        if path.suffix == ".md" and path.parent == course.copy.folder:
            raise OSError(28, "No space left on device")
        return write(path, content)

    monkeypatch.setattr(learner, "write_text", full)
    with pytest.raises(OSError, match="No space"):
        course.update()
    monkeypatch.undo()
    course.update()
    text = course.hers()
    assert text.count('answer = "mine"') == text.count("Some better text.") == 1


@pytest.mark.parametrize("nth", range(1, 12))
def test_interrupted_anywhere_it_loses_and_doubles_nothing(nth, course, lab, monkeypatch):
    content = lab.manager.get("my_notebooks/01_first.md")["content"]
    content.cells.insert(2, new_code_cell("mine = 1"))
    lab.save("my_notebooks/01_first.md", content)
    lab.change("my_notebooks/01_first.md", "answer = ____", "answer = 'mine'")
    course.change("Some text.", "Some text.\n\n\nSome more.")
    exercise = re.search(r"```python\nfrom.*?```\n", FIRST, re.DOTALL)[0]
    course.change(exercise, "")
    course.change("Done.", f"{exercise}\nDone.", "02_second")
    write, written = learner.write_text, []

    def killed(path, content):
        written.append(path)
        if len(written) == nth:
            raise KeyboardInterrupt
        return write(path, content)

    monkeypatch.setattr(learner, "write_text", killed)
    with contextlib.suppress(KeyboardInterrupt):
        course.update()
    monkeypatch.undo()
    course.update()
    text = course.hers() + course.hers("02_second")
    assert [text.count(part) for part in ("mine = 1", "answer = 'mine'", ".check(", "Some more.")] == [1, 1, 1, 1]
    assert course.update().lines() == ["Your pages in my_notebooks are up to date."]


def test_what_she_writes_after_an_interruption_stays_and_she_is_told(course, monkeypatch):
    course.change("Some text.", "Some better text.")
    write = learner.write_text
    monkeypatch.setattr(learner, "write_text", lambda path, text: path.suffix == ".json" and write(path, text))
    monkeypatch.setattr(learner.Path, "unlink", lambda path: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        course.update()
    monkeypatch.undo()
    edit(course.copy.page("01_first").text, "answer = ____", "answer = 'mine'")
    done = course.update()
    assert "answer = 'mine'" in course.hers() and "Some better text." in course.hers()
    assert any(line.startswith("01_first: you have changed it since an update") for line in done.told)


# --- the two files of a page ---------------------------------------------------------------------


def test_a_notebook_that_another_editor_saved_counts(course):
    change_notebook(course, "answer = ____", "answer = 'mine'")
    done = course.update()
    assert "answer = 'mine'" in course.hers()
    assert done.renewed == ["01_first"] and "in both" in done.told[0]
    assert "answer = ____" in (done.before / "01_first.md").read_text(encoding="utf-8")
    # what she deletes there does not come back
    change_notebook(course, "answer = 'mine'\n", "")
    course.update()
    assert "mine" not in course.hers()


def test_jupyterlab_does_not_take_an_old_text_for_the_page(course, lab):
    change_notebook(course, "answer = ____", "answer = 'mine'")
    for file in ("01_first.md", "01_first.ipynb"):
        with pytest.raises(HTTPError, match="is more recent than"):
            lab.manager.get(f"my_notebooks/{file}")
    course.update()
    assert "answer = 'mine'" in str(lab.manager.get("my_notebooks/01_first.md")["content"])


def test_jupyterlab_opens_a_page_that_another_editor_has_run(course, lab):
    page = course.copy.page("01_first")
    notebook = nbformat.read(page.notebook, as_version=4)
    notebook.cells[1].outputs = [new_output("stream", text="run elsewhere")]
    nbformat.write(notebook, page.notebook)
    newer(page.notebook, page.text)
    assert "run elsewhere" in str(lab.manager.get("my_notebooks/01_first.md")["content"])
    assert course.update().renewed == []


def test_what_one_of_two_open_tabs_overwrites_is_kept(course):
    lab = Lab(course.folder, pre_save_hook="workbook.learner.keep_replaced")
    replaced = course.copy.folder / ".workbook" / "replaced" / "01_first.md"
    other_tab = lab.manager.get("my_notebooks/01_first.ipynb")["content"]
    lab.change("my_notebooks/01_first.md", "answer = ____", "answer = 'mine'")
    lab.change("my_notebooks/01_first.md", "answer = 'mine'", "answer = 'mine'\nprint(answer)")
    assert not replaced.exists()  # nothing of hers was taken away
    lab.save("my_notebooks/01_first.ipynb", other_tab)
    assert "answer = ____" in course.hers()
    for overwritten in ("answer = 'mine'\nprint(answer)\n", "other"):
        assert overwritten in replaced.read_text(encoding="utf-8")
        lab.change("my_notebooks/01_first.md", "answer = ____", "answer = 'other'")
        lab.save("my_notebooks/01_first.ipynb", other_tab)
    assert "print(answer)" in replaced.read_text(encoding="utf-8")
    (course.folder / "elsewhere.md").write_text("1", encoding="utf-8")
    lab.save("elsewhere.md", other_tab)


@pytest.mark.parametrize("suffix", [".md", ".ipynb"])
def test_what_another_editor_has_saved_is_kept_when_jupyterlab_overwrites_it(suffix, course):
    lab = Lab(course.folder, pre_save_hook="workbook.learner.keep_replaced")
    replaced = course.copy.folder / ".workbook" / "replaced" / "01_first.md"
    tab = lab.manager.get(f"my_notebooks/01_first{suffix}")["content"]
    change_notebook(course, "answer = ____", "answer = 'elsewhere'")
    lab.save(f"my_notebooks/01_first{suffix}", tab)
    assert "answer = ____" in course.hers()
    assert replaced.read_text(encoding="utf-8").count("answer = 'elsewhere'") == 1
    lab.change(f"my_notebooks/01_first{suffix}", "answer = ____", "answer = 'mine'")
    lab.change(f"my_notebooks/01_first{suffix}", "answer = 'mine'", "answer = 'other'")
    assert replaced.read_text(encoding="utf-8").count("answer = 'mine'") == 1


def test_what_was_changed_in_both_files_apart_is_in_both(course):
    edit(course.copy.page("01_first").text, "Some text.", "Some text. From the .md.")
    change_notebook(course, "answer = ____", "answer = 'mine'")
    done = course.update()
    assert "From the .md." in course.hers() and "answer = 'mine'" in course.hers()
    assert len(done.told) == 1


def test_a_picture_pasted_into_a_text_stays_when_the_md_alone_changes(course, lab):
    content = lab.manager.get("my_notebooks/01_first.md")["content"]
    picture = {"a.png": {"image/png": "iVBORw0KGgo="}}
    content.cells.insert(1, new_markdown_cell("![a](attachment:a.png)", attachments=picture))
    lab.save("my_notebooks/01_first.md", content)
    course.update()
    page = course.copy.page("01_first")
    edit(page.text, "answer = ____", "answer = 'mine'")
    newer(page.text, page.notebook)
    course.update()
    assert "answer = 'mine'" in course.hers()
    pasted = [
        c.get("attachments") for c in nbformat.read(page.notebook, as_version=4).cells if "attachment:" in c.source
    ]
    assert pasted == [picture]


def test_what_was_added_to_both_files_is_there_once(course, lab):
    content = lab.manager.get("my_notebooks/01_first.md")["content"]
    content.cells.insert(2, new_code_cell("mine = 1"))
    lab.save("my_notebooks/01_first.md", content)
    change_notebook(course, "answer = ____", "answer = 'mine'")
    course.update()
    assert course.hers().count("mine = 1") == course.hers().count("answer = 'mine'") == 1


def test_where_the_two_files_differ_in_one_line_the_newer_counts(course):
    edit(course.copy.page("01_first").text, "answer = ____", "answer = 'old'")
    change_notebook(course, "answer = ____", "answer = 'newer'")
    done = course.update()
    assert "'newer'" in course.hers() and "'old'" not in course.hers() and NOTE not in course.hers()
    assert done.told[1] == '01_first, In [2], under "First": the two differed. 01_first.ipynb counts, as it is newer.'
    assert "'old'" in (done.before / "01_first.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    "damage", ["", "<<<<<<< HEAD\n{}", "{}", "[1]", '{"nbformat": 4, "nbformat_minor": 5, "cells": [{}]}']
)
def test_a_damaged_notebook_is_made_from_the_text(damage, course):
    page = course.copy.page("01_first")
    edit(page.text, "answer = ____", "answer = 'mine'")
    page.notebook.write_text(damage, encoding="utf-8")
    done = course.update()
    assert "answer = 'mine'" in course.hers() and page.notebook.is_file()
    assert done.told == ["01_first.ipynb was damaged, so the page was read from 01_first.md."]
    assert (done.before / "01_first.ipynb").read_text(encoding="utf-8") == damage


@pytest.mark.filterwarnings("error")
def test_cells_without_an_id_of_their_own_get_one(course):
    page = course.copy.page("01_first")
    notebook = nbformat.read(page.notebook, as_version=4)
    notebook.cells[0].id = notebook.cells[1].id
    del notebook.cells[2]["id"]
    page.notebook.write_text(json.dumps(notebook), encoding="utf-8")
    course.change("The end.", "The very end.")
    course.update()
    cells = json.loads(page.notebook.read_text(encoding="utf-8"))["cells"]
    assert len({cell["id"] for cell in cells}) == len(cells) == len(notebook.cells)


def test_one_file_of_a_page_is_enough(course):
    first, second = course.copy.page("01_first"), course.copy.page("02_second")
    change_notebook(course, "answer = ____", "answer = 'mine'")
    first.text.unlink()
    edit(second.text, "Done.", "Done. Mine.")
    second.notebook.unlink()
    course.update()
    assert "answer = 'mine'" in course.hers() and "Done. Mine." in course.hers("02_second")
    assert first.text.is_file() and second.notebook.is_file()


def test_a_page_that_is_no_text_is_named_and_left_alone(course):
    page = course.copy.page("01_first")
    page.text.write_bytes("# Größe".encode("latin-1"))
    before = everything(course.copy.folder)
    course.change("Some text.", "Some better text.")
    done = course.update()
    assert everything(course.copy.folder) == before
    assert done.told[0].startswith("01_first stays as it is: 01_first.md is not UTF-8")


def test_a_page_that_begins_as_yaml_and_is_none_is_named_and_left_alone(course, capsys):
    page = course.copy.page("01_first")
    page.text.write_text("---\nthoughts: [\n---\n\n" + page.text.read_text(encoding="utf-8"), encoding="utf-8")
    before = everything(course.copy.folder)
    course.change("Some text.", "Some better text.")
    assert course.update().told[0].startswith("01_first stays as it is: its .md begins with a line ---")
    assert everything(course.copy.folder) == before
    assert progress.run(options(), course.copy) == 1
    assert "01_first is left out: its .md" in capsys.readouterr().err


def test_cells_in_other_languages_stay_as_they_are(course, lab):
    content = lab.manager.get("my_notebooks/01_first.md")["content"]
    sources = ["%%bash\nls", "x = '''\n```python\n1\n```\n'''", "", "%timeit 1", "    indented"]
    content.cells += [new_code_cell(source) for source in sources]
    lab.save("my_notebooks/01_first.md", content)
    course.change("Some text.", "Some better text.")
    course.update()
    course.hers()
    read = course.copy.read(course.copy.page("01_first"))
    assert [cell.source for cell in read.notebook.cells[-len(sources) :]] == sources


# --- the commands --------------------------------------------------------------------------------


def options(**given):
    return argparse.Namespace(**{"names": [], "execute": False, "others": []} | given)


def test_progress_counts_what_is_stored(course, capsys):
    page = course.copy.page("01_first")
    notebook = nbformat.read(page.notebook, as_version=4)
    cell = next(cell for cell in notebook.cells if ".check(" in cell.source)
    cell.source = cell.source.replace("____", "{}")
    cell.outputs = [new_output("stream", text="Right. Only a missing parent is an error.\n")]
    nbformat.write(notebook, page.notebook)
    before = everything(course.folder)
    assert progress.run(options(), course.copy) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines] == [
        ["right", "wrong", "waiting"],
        ["01_first", "1", "0", "0"],
        ["what", "find_spec", "gives", "right"],
        ["02_second", "0", "0", "0"],
        ["all", "1", "0", "0"],
    ]
    assert lines[0].index("right") == lines[2].index("right")
    assert everything(course.folder) == before


def test_progress_leaves_out_the_fixes_which_have_no_exercises(course, capsys):
    for ending in (".md", ".ipynb"):
        page = course.copy.folder / f"02_second{ending}"
        page.rename(page.with_name(f"fixes_second{ending}"))
    assert progress.run(options(), course.copy) == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == ["right", "01_first", "what", "all"]


def test_progress_executes_her_answers(course, lab, capsys):
    (course.folder / "exercises").symlink_to(ROOT / "exercises")
    lab.change("my_notebooks/01_first.md", "from exercises", "import sys\nsys.path.append('..')\nfrom exercises")
    lab.change("my_notebooks/01_first.md", "answer = ____", "answer = {}")
    before = everything(course.copy.folder)
    assert progress.run(options(names=["01"], execute=True), course.copy) == 0
    assert capsys.readouterr().out.splitlines()[-1].split() == ["all", "0", "1", "0"]
    assert everything(course.copy.folder) == before


def test_progress_says_what_is_missing(tmp_path, course, capsys):
    assert progress.run(options(), Copy(tmp_path / "nothing")) == 1
    assert "`make lab` makes it" in capsys.readouterr().err
    assert progress.run(options(names=["99"]), course.copy) == 1
    assert "there are: 01_first, 02_second" in capsys.readouterr().err
    course.copy.page("01_first").text.write_bytes(b"\xff")
    assert progress.run(options(), course.copy) == 1
    captured = capsys.readouterr()
    assert "01_first is left out: 01_first.md is not UTF-8" in captured.err and "02_second" in captured.out


def test_half_of_a_character_stops_no_other_page(course):
    page = course.copy.page("01_first")
    before = page.notebook.read_text(encoding="utf-8").replace("Some text.", r"Some \ud83d text.")
    page.notebook.write_text(before, encoding="utf-8")
    course.change("Some text.", "Some better text.")
    (told,) = course.copy.update().told
    assert told.startswith("01_first stays as it is: ") and "01_first.ipynb holds half of a character" in told
    assert page.notebook.read_text(encoding="utf-8") == before


@pytest.fixture
def opened(course, monkeypatch):
    """What JupyterLab would be started with; her copy is that of the small course."""
    started = []
    monkeypatch.setattr(learner, "Copy", lambda: course.copy)
    monkeypatch.setattr(commands, "_open_already", lambda: None)
    monkeypatch.setattr(commands.subprocess, "call", lambda command, **how: started.append((command, how)) or 0)
    return started


def test_lab_brings_her_copy_up_to_date_and_opens_it(course, opened, capsys):
    course.change("Some text.", "Some better text.")
    assert commands.main(["lab", "--no-browser"]) == 0
    assert "Some better text." in course.hers()
    assert capsys.readouterr().out.startswith("Brought up to date, with all that you wrote: 01_first.\n")
    ((command, how),) = opened
    assert command[1:3] == ["-m", "jupyterlab"] and command[-1] == "--no-browser" and how["cwd"] == ROOT
    assert any(re.search(r"default_url=/lab.*/my_notebooks/00_start_here\.md$", part) for part in command)


def test_binder_makes_a_copy_and_opens_it():
    settings = json.loads((ROOT / ".jupyter" / "jupyter_lab_config.json").read_text(encoding="utf-8"))
    assert settings["LabApp"]["default_url"] == f"/lab/tree/{learner.COPY.name}/{pages()[0].text.name}"
    assert "\npython -m workbook copy\n" in (ROOT / ".binder" / "start").read_text(encoding="utf-8")


def test_lab_changes_no_page_that_is_open(course, opened, monkeypatch, capsys):
    monkeypatch.setattr(commands, "_open_already", lambda: "http://localhost:8888/")
    course.change("Some text.", "Some better text.")
    assert commands.main(["copy"]) == 1
    assert "http://localhost:8888/" in capsys.readouterr().out
    assert commands.main(["lab"]) == 0
    assert "Some better text." not in course.hers() and len(opened) == 1
    assert "http://localhost:8888/" in capsys.readouterr().out


def test_a_copy_that_cannot_be_written_is_named(course, opened, capsys):
    shutil.rmtree(course.copy.folder)
    course.copy.folder.write_text("a file", encoding="utf-8")
    assert commands.main(["lab"]) == 1
    assert "my_notebooks" in capsys.readouterr().err and opened == []


def test_author_opens_the_originals_and_names_those_that_disagree(opened, monkeypatch, capsys):
    monkeypatch.setattr(commands, "disagreements", lambda page: iter([f"{page.text.name} is not as its notebook"]))
    assert commands.main(["author"]) == 0
    ((command, _),) = opened
    assert any(re.search(r"default_url=/lab.*/notebooks/00_start_here\.md$", part) for part in command)
    assert f"{pages()[0].name}: {pages()[0].text.name} is not as its notebook" in capsys.readouterr().out


@pytest.mark.parametrize("suffix", [".md", ".ipynb"])
def test_opening_and_saving_a_page_as_its_author_changes_nothing(suffix, opened, monkeypatch, tmp_path):
    monkeypatch.setattr(commands, "disagreements", lambda page: iter([]))
    commands.main(["author"])
    hook = next(part.partition("=")[2] for part in opened[0][0] if "pre_save_hook" in part)
    page = Page(tmp_path / "notebooks" / pages()[0].text.name)
    for path in (pages()[0].text, pages()[0].notebook):
        shutil.copy(path, page.text.parent)
    before = everything(page.text.parent)
    lab = Lab(tmp_path, pre_save_hook=hook)
    lab.save(f"notebooks/{page.name}{suffix}", lab.manager.get(f"notebooks/{page.name}{suffix}")["content"])
    assert everything(page.text.parent) == before
