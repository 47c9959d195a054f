"""What a notebook says about its answers, by what is stored in it."""

import doctest

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

import workbook.answers
from tests.test_exercises import EXERCISES, TOPICS
from workbook.answers import Answer, answers, checks, titles, verdicts
from workbook.pages import pages

CHECK = "sequential.parameter_count.check(parameters)"
TITLE = "count the parameters"


def cell(source, *printed, error=None):
    outputs = [new_output("stream", name="stdout", text=text) for text in printed]
    if error:
        outputs.append(new_output("error", ename=error[0], evalue=error[1], traceback=[]))
    return new_code_cell(source, outputs=outputs)


def state(*cells):
    (answer,) = answers(new_notebook(cells=list(cells)))
    assert (answer.exercise, answer.title) == ("sequential.parameter_count", TITLE)
    return answer.state, answer.reason


def test_examples():
    assert doctest.testmod(workbook.answers, extraglobs={"nbformat": nbformat}).failed == 0


@pytest.mark.parametrize("topic", TOPICS)
def test_titles_are_read_without_importing(topic):
    mine = {name: exercise.title for name, exercise in EXERCISES.items() if name.startswith(f"{topic}.")}
    assert {f"{topic}.{name}": title for name, title in titles(topic).items()} == mine


@pytest.mark.parametrize("topic", ["no_such_topic", "exercise", "__init__"])
def test_what_is_no_topic_has_no_exercises(topic):
    assert titles(topic) == {} and checks(f"{topic}.x.check(1)") == []


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)
def test_untouched_page_waits(page):
    topic = page.topic
    waiting = [Answer(f"{topic}.{name}", title, "waiting") for name, title in titles(topic).items()]
    assert answers(page.read_notebook()) == waiting == answers(page.read_text())


def test_states():
    assert state(cell(CHECK)) == ("waiting", "")
    assert state(cell(CHECK, "Waiting for your answer: count the parameters.\nReplace ____\n")) == ("waiting", "")
    assert state(cell(CHECK, "Right. 784 * 64 + 64 for the first layer\n")) == ("right", "")
    assert state(cell(CHECK, "my own print\n", "Not yet. Count\nagain.\n")) == ("wrong", "Count again.")
    assert state(cell(CHECK, "Not yet. No.\nHint 1 of 2: Think.\n")) == ("wrong", "No.")
    assert state(cell(f"1 / 0\n{CHECK}", error=("ZeroDivisionError", "by zero"))) == (
        "wrong",
        "The cell raised ZeroDivisionError: by zero",
    )
    assert state(cell(f"parameters = ____\n{CHECK}", "Right. It was.\n")) == ("waiting", "")  # typed away since
    assert state(cell(f"parameters = 3  # not ____\n{CHECK}", "Right. It is.\n")) == ("right", "")
    assert state(cell(f"parameters = ____ + 1\n{CHECK}", error=("TypeError", "unsupported"))) == ("waiting", "")
    assert state(cell(CHECK, "nothing that a checker says\n")) == ("waiting", "")


def test_the_last_of_several_cells_counts():
    assert state(cell(CHECK, "Right. Yes.\n"), cell(CHECK, "Not yet. No.\n")) == ("wrong", "No.")


def test_several_exercises_in_one_cell():
    both = cell(f"{CHECK}\nsequential.weight_updates.check(1)", "Not yet. One.\nRight. Two.\n")
    one = cell(f"{CHECK}\nsequential.weight_updates.check(1)", "Right. One.\n", error=("KeyError", "'x'"))
    found = [answers(new_notebook(cells=[new_markdown_cell(CHECK), each])) for each in (both, one)]
    assert [[(a.exercise[11:], a.state, a.reason) for a in each] for each in found] == [
        [("parameter_count", "wrong", "One."), ("weight_updates", "right", "")],
        [("parameter_count", "right", ""), ("weight_updates", "wrong", "The cell raised KeyError: 'x'")],
    ]


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("sequential.weight_updates.check(1); sequential.parameter_count.check(2)", "weight_updates parameter_count"),
        ("import exercises\nif True:\n    exercises.sequential.parameter_count.check(\n        1)", "parameter_count"),
        ("%%time\nsequential.parameter_count.check(1)", "parameter_count"),
        ("x = = 1\nsequential.parameter_count.check(1)\n# sequential.weight_updates.check(1)", "parameter_count"),
        ("# sequential.parameter_count.check(1)", ""),
        ("'''\nsequential.parameter_count.check(1)\n'''", ""),
        ("sequential.parameter_count.hint()", ""),
        ("sequential.no_such.check(1)", ""),
        ("spelling.check(1)\ncheck(2)\nf().check(3)\nf().x.check(3)", ""),
    ],
)
def test_which_exercises_a_cell_checks(source, found):
    assert checks(source) == [f"sequential.{name}" for name in found.split()]


def test_words_within_a_reason_are_no_verdict():
    assert verdicts("Not yet. That is not the\nRight one. Waiting\n") == [
        ("wrong", "That is not the Right one. Waiting")
    ]
