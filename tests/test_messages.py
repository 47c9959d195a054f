"""The list of messages: what counts as one, and that the stored list is the one that would be written."""

import nbformat
import pytest

from tests.course import Course
from workbook.messages import MESSAGES, first_sentence, messages, messages_of
from workbook.pages import pages


def printed(text, name="stdout"):
    return [nbformat.v4.new_output("stream", name=name, text=text)]


@pytest.mark.parametrize(
    "text, found",
    [
        ("ValueError: Bad shape. Received: (3,)\n", [("ValueError", "Bad shape")]),
        ("a list: ValueError: Bad shape.\n", [("ValueError", "Bad shape")]),
        ("/a/b.py:12: UserWarning: It is old\n  model.fit(x)\n", [("UserWarning", "It is old")]),
        ("TypeError: The output of\nthe schedule is no float. Got: 1\n", [("TypeError", "The output of the schedule is no float")]),
        ("TypeError: one\nKeyError: 'two'\n", [("TypeError", "one"), ("KeyError", "'two'")]),
        ("TypeError: it ends\n\nhere. And\n", [("TypeError", "it ends")]),
        ("ValueError: see `tf.data` in e.g. 3.15. It is new\n", [("ValueError", "see `tf.data` in e.g. 3.15")]),
        ("WARNING:absl:It is a legacy file. Save it anew\n", [("WARNING:absl", "It is a legacy file")]),
        ('    raise ValueError(f"{n} images: too few")\n', []),
        ("the error: 0.5, Warning:\nan Error is: here\n", []),
    ],
)  # fmt: skip
def test_what_counts_as_a_message(text, found):
    assert list(messages_of(printed(text))) == found
    assert list(messages_of(printed(text, "stderr"))) == found


def test_an_error_that_was_raised_counts_and_one_without_words_does_not():
    outputs = [nbformat.v4.new_output("error", ename=n, evalue=v) for n, v in (("KeyError", "'w'"), ("TypeError", ""))]
    assert list(messages_of(outputs)) == [("KeyError", "'w'")]


def test_a_message_without_a_full_stop_is_its_first_line():
    assert first_sentence("Shapes differ:\nfirst: 3\nsecond: 5") == "Shapes differ:"


def test_messages_lead_to_their_sections_in_the_order_of_the_alphabet(tmp_path):
    page = Course(tmp_path).page(
        "01_a",
        "# A\n\n```python\n1\n```\n\n```text\nno cell\n```\n\n## Deep\n\n```python\n2\n```\n\n```python\n3\n```\n",
    )
    outputs = [
        printed("ValueError: `x` is small\n"),
        printed("TypeError: Zero\n"),
        printed("ValueError: `x` is small\n"),
    ]
    cells = [nbformat.v4.new_code_cell("1", outputs=output) for output in outputs]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), page.notebook)
    lines = [line for line in messages([page]).splitlines() if line.startswith(("- ", "## "))]
    assert lines == [
        "## X",
        "- `` `x` is small `` ValueError: [01 A](01_a.md#a), [01 Deep](01_a.md#deep)",
        "## Z",
        "- `Zero` TypeError: [01 Deep](01_a.md#deep)",
    ]


@pytest.mark.parametrize(
    "message, span",
    [("one", "`one`"), ("`one` two", "`` `one` two ``"), ("with `` no", "```with `` no```"), ("a `", "`` a ` ``")],
)
def test_a_message_with_backticks_stands_in_a_longer_fence(tmp_path, message, span):
    page = Course(tmp_path).page("01_a", "# A\n\n```python\n1\n```\n")
    cells = [nbformat.v4.new_code_cell("1", outputs=printed(f"ValueError: {message}\n"))]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), page.notebook)
    assert f"- {span} ValueError: " in messages([page])


def test_cards_come_before_sections(tmp_path):
    course = Course(tmp_path)
    made = [course.page(name, "# Top\n\n```python\n1\n```\n") for name in ("01_a", "fixes_b")]
    cell = nbformat.v4.new_code_cell("1", outputs=printed("KeyError: 'w'\n"))
    for page in made:
        nbformat.write(nbformat.v4.new_notebook(cells=[cell]), page.notebook)
    assert "- `'w'` KeyError: [fixes Top](fixes_b.md#top), [01 Top](01_a.md#top)\n" in messages(made)


def test_the_list_is_the_one_that_would_be_written():
    up_to_date = MESSAGES.read_text(encoding="utf-8") == messages(pages())
    assert up_to_date, "notebooks/messages.md does not say what the pages print. To mend it: make index"
