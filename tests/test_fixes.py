"""The pages of fixes: that a card needs no other card, has its four parts, and that none of the numbers is lost."""

import re
import subprocess
import sys

import nbformat
import pytest

from tests.claims.control import long
from tests.course import Course
from workbook.cards import cards, last_card_first
from workbook.markdown import Document
from workbook.messages import messages_of
from workbook.pages import NOTEBOOKS, cell_name, pages
from workbook.render import render
from workbook.running.environment import environment
from workbook.running.execute import execute, failure

SILENT, SAID = "Nothing is said, and the result is wrong", "A message is shown"
SYMPTOMS = "fixes_symptoms"
PARTS = ["**You see**", "<!-- see -->", "**You wrote**", "```python", "**Write**", "```python", "**Why**"]
# of what cannot be raised here, for want of a GPU or since it would install something: quoted, with a link
QUOTED = ["**You see**", "```text", "**You wrote**", "**Write**", "```python", "**Why**"]
MOST = 40  # cards a page
# how many mistakes (E, X) and questions (Q) the course grew from; each number is a tag on some card
NUMBERS = {"X": 14, "E0": 26, "E1": 24, "E2": 44, "E3": 28, "E4": 36, "Q0": 3, "Q1": 4, "Q2": 23, "Q3": 22, "Q4": 13}

FIXES = [page for page in pages() if page.has_cards]
OF_CARDS = [page for page in FIXES if page.name != SYMPTOMS]
fixes = pytest.mark.parametrize("page", FIXES, ids=lambda page: page.name)
of_cards = pytest.mark.parametrize("page", OF_CARDS, ids=lambda page: page.name)

SMALL = """\
# Fixes: small

```python
shared = 1
```

## A message is shown

### The first card

**You see**

<!-- see -->
<!-- /see -->

```python tags=["raises-exception"]
name = shared
name / 0
```

### The second card

**You see**

<!-- see -->
<!-- /see -->

```python
print("the other card is", "name" in globals())
```
"""


@pytest.fixture
def course(tmp_path):
    return Course(tmp_path)


@pytest.fixture
def small(course):
    page = course.page("fixes_small", SMALL)
    render(page)
    return page


def test_a_card_begins_with_what_the_cell_below_prints(small):
    text = small.text.read_text(encoding="utf-8")
    assert "<!-- see -->\n```text\nZeroDivisionError: division by zero\n```\n<!-- /see -->\n\n```python tags" in text
    assert "<!-- see -->\n```text\nthe other card is True\n```\n<!-- /see -->" in text


def test_cards_are_compared_last_card_first(small, course):
    outcome = course.nbval(small.notebook)
    assert not outcome["Cell 0"] and not outcome["Cell 1"]
    assert "'True' became 'False'" in outcome["Cell 2"]


def test_a_kernel_that_dies_in_the_last_card_is_named_above_it(small, course):
    cells = small.read_notebook()
    cells.cells[-1].source = "import os; os._exit(1)"
    nbformat.write(cells, small.notebook)
    outcome = course.nbval(small.notebook)
    assert not outcome["Cell 0"] and "the kernel died" in outcome["Cell 2"]
    assert 'was not executed, because of In [3], under "The second card"' in outcome["Cell 1"]


def test_the_cells_of_cards():
    new = nbformat.v4
    texts = ["# A", None, "## B\n\n### One", None, "**Write**", None, "Why\n\n### Two", None]
    cells = [new.new_code_cell("1") if text is None else new.new_markdown_cell(text) for text in texts]
    assert cards(cells) == ([1], [[3, 5], [7]])
    assert last_card_first(cells) == [1, 7, 3, 5]


# --- the course's own cards -----------------------------------------------------------------------


def headings_of(page):
    """The cards of a page: the heading, the one of the second level above it, and the source."""
    document, above = Document(page.text), ""
    for heading in document.headings:
        if heading.level == 2:
            above = heading.source
        elif heading.level == 3:
            yield heading, above, document.section(heading.anchor)


@of_cards
def test_the_silent_cards_come_first_and_none_has_a_message(page):
    above = [above for _, above, _ in headings_of(page)]
    assert len(above) <= MOST and set(above) <= {SILENT, SAID} and above == sorted(above, reverse=True)
    document, cells = Document(page.text), page.read_notebook().cells
    code = [i for i, cell in enumerate(cells) if cell.cell_type == "code"]
    lines = [line for line, info, _ in document.fences if info.split()[:1] == ["python"]]
    at = {i: document.heading_above(line).source for i, line in zip(code, lines)}
    for (heading, kind, _), card in zip(headings_of(page), cards(cells)[1], strict=True):
        assert {at[i] for i in card} == {heading.source}
        said = list(messages_of(cells[card[0]].outputs)) or any(
            o.output_type == "error" for o in cells[card[0]].outputs
        )
        assert kind == SAID or not said, f"{heading.source}: it prints a message"


@of_cards
def test_each_card_has_its_parts_and_what_it_writes_is_asserted(page):
    for heading, kind, source in headings_of(page):
        found = re.findall(r"^(\*\*(?:You see|You wrote|Write|Why)\*\*|<!-- see -->|```(?:python|text))", source, re.M)
        parts = [
            part for i, part in enumerate(found) if part != found[i - 1]
        ]  # several cells are allowed to either side
        seen = source.partition("**You see**")[2].partition("**You wrote**")[0]
        if "<!-- see -->" not in seen:
            assert parts == QUOTED and "[quoted](https://" in source, heading.source
        else:
            assert [part for part in parts if part != "```text"] == PARTS, heading.source
        mended, why = source.partition("**Write**")[2].split("**Why**")
        assert re.search(r"^ *assert ", mended, re.M), f"{heading.source}: nothing is asserted"
        assert "](" in why, f"{heading.source}: it says nowhere who teaches it"
        assert seen.partition("<!-- see -->")[0].strip() or kind == SAID, (
            f"{heading.source}: a symptom needs a sentence"
        )


def test_no_number_is_lost():
    text = "\n".join(page.text.read_text(encoding="utf-8") for page in OF_CARDS)
    tags = re.findall(r"`([^`]*)`", "\n".join(re.findall(r"^Tags: (.*)$", text, re.M)))
    wanted = {f"{of}-{number:02d}" for of, count in NUMBERS.items() for number in range(1, count + 1)}
    assert set(tags) == wanted


def test_no_heading_stands_on_two_cards():
    found = [heading.source for page in OF_CARDS for heading, _, _ in headings_of(page)]
    assert len(found) == len(set(found))


def test_a_card_uses_no_name_of_another_card(tmp_path):
    """As ruff reads it; the comparison runs the cards last card first, which finds what is not a name."""
    places = {}
    for page in FIXES:
        cells = page.read_text().cells
        before, found = cards(cells)
        for number, card in enumerate(found):
            source = "\n\n".join(cells[i].source for i in [*before, *card])
            file = tmp_path / f"{page.name}_{number}.py"
            file.write_text(re.sub(r"^([%!])", r"# \1", source, flags=re.M), encoding="utf-8")
            places[file.name] = f"{page.text.name}, {cell_name(cells, card[0])}"
    command = [sys.executable, "-m", "ruff", "check", "--isolated", "--select=F821", "--output-format=concise", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    wrong = [f"{places[line.partition(':')[0]]}: {line}" for line in done.stdout.splitlines() if "F821" in line]
    assert not wrong, "\n".join(wrong)


@fixes
def test_the_example_comes_before_other_wordings_of_its_message(page):
    for heading, _, source in headings_of(page):
        before = source.partition("**You see**")[2].partition("<!-- see -->")
        assert not before[1] or len(before[0]) < 550, f"{heading.source}: put them below Why, at **Also**"
        if "*Also* below" in source:
            assert re.search(r"^\*\*Why\*\*.*^\*\*Also\*\*", source, re.MULTILINE | re.DOTALL), heading.source


@fixes
def test_a_quoted_message_stands_on_one_line(page):
    """A search goes through a file line by line."""
    code = re.compile(r"^(```+).*?^\1$|^ {4}[^\n]*$", re.DOTALL | re.MULTILINE)
    prose = code.sub("", page.text.read_text(encoding="utf-8"))
    quoted = (found[2] for found in re.finditer(r"(?<!`)(`+)(?!`)(.+?)(?<!`)\1(?!`)", prose, re.DOTALL))
    assert not [text for text in quoted if "\n" in text]


@long
@fixes
def test_each_card_runs_alone(page):
    cells = page.read_notebook().cells
    before, found = cards(cells)
    for card in found:
        alone = [cells[i] for i in [*before, *card]]
        execute(alone, NOTEBOOKS, environment(), after_errors=True)
        assert not any(map(failure, alone)), cell_name(cells, card[0])
