"""A merge of pages: whatever she has typed is still there, whatever is new has come, and each where it belongs."""

import random
import re

import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_output

from workbook.merging import NOTE, common, join_lines, merge


def cell(source, kind=None):
    """A text cell, if its source begins as text does, else code."""
    text = kind == "markdown" or (kind is None and re.match(r"[#>A-Z]", source))
    return new_markdown_cell(source) if text else new_code_cell(source)


def cells(*sources):
    return [cell(source) for source in sources]


def sources(page):
    return [c.source for c in page]


def merged(base, hers, new):
    """The sources of a page of which these are three versions."""
    result = merge({"page": cells(*base)}, {"page": cells(*hers)}, {"page": cells(*new)})
    return sources(result.pages["page"])


EXERCISE = "answer = ____\nfirst.sum.check(answer)"
PAGE = ["# A page", "x = 1", "It prints one.", "print(x)", "Now you.", EXERCISE, "The end."]


def changed(page, **at):
    """The page with other sources; `changed(page, at_1="y = 2")` changes the second cell, None takes it away."""
    given = {int(name.removeprefix("at_")): source for name, source in at.items()}
    found = [given.get(i, source) for i, source in enumerate(page)]
    return [source for source in found if source is not None]


def test_an_answer_stays_where_the_page_changes_around_it():
    answered = EXERCISE.replace("____", "3")
    hers = changed(PAGE, at_5=answered)
    new = changed(PAGE, at_1="x = 1.0", at_4="Now it is your turn.", at_6=None)
    assert merged(PAGE, hers, [*new, "Another end."]) == [*changed(new, at_5=answered), "Another end."]


def test_an_answer_stays_where_its_own_cell_changes():
    hers = changed(PAGE, at_5="answer = 3\nfirst.sum.check(answer)")
    new = changed(PAGE, at_5="answer = ____\nsecond.sum.check(answer)\n# second.sum.hint()")
    assert merged(PAGE, hers, new)[5] == "answer = 3\nsecond.sum.check(answer)\n# second.sum.hint()"


def test_where_both_have_changed_the_same_lines_both_are_there():
    hers, new = changed(PAGE, at_3="print(x + 1)"), changed(PAGE, at_3="print(f'{x}')")
    result = merge({"page": cells(*PAGE)}, {"page": cells(*hers)}, {"page": cells(*new)})
    assert sources(result.pages["page"])[3:6] == ["print(f'{x}')", NOTE, "print(x + 1)"]
    assert result.both == [("page", 5)]
    # what comes next does so once
    again = merge({"page": cells(*new)}, result.pages | {}, {"page": cells(*changed(new, at_3="print(x, x)"))})
    assert sources(again.pages["page"])[3:6] == ["print(x, x)", NOTE, "print(x + 1)"] and again.both == []


def test_her_own_cells_stay_below_the_cell_that_they_stood_below():
    hers = ["My page", *PAGE[:4], "x = 7", "Seven!", *PAGE[4:]]
    new = ["# A page", "Something else first.", "x = 1", "print(x)", "New here.", *PAGE[4:]]
    expected = ["My page", *new[:4], "x = 7", "Seven!", *new[4:]]
    assert merged(PAGE, hers, new) == expected


def test_a_cell_that_both_have_added_is_there_once():
    hers = [*PAGE[:2], "y = 1", "Mine.", *PAGE[2:]]
    assert merged(PAGE, hers, [*PAGE[:2], "y = 1", "New.", *PAGE[2:]]) == [*hers[:4], "New.", *hers[4:]]
    # as often as she has it
    assert merged(PAGE, [*PAGE, "y = 1", "y = 1"], [*PAGE, "y = 1"]) == [*PAGE, "y = 1", "y = 1"]


def test_a_cell_that_she_has_deleted_stays_away_until_it_is_another_one():
    hers = changed(PAGE, at_2=None)
    assert merged(PAGE, hers, [*PAGE, "More."]) == [*hers, "More."]
    assert "It prints the number 1." in merged(PAGE, hers, changed(PAGE, at_2="It prints the number 1."))


def test_what_she_has_changed_stays_where_the_course_deletes_it():
    hers, new = changed(PAGE, at_3="print(x, 'mine')"), changed(PAGE, at_2=None, at_3=None)
    result = merge({"page": cells(*PAGE)}, {"page": cells(*hers)}, {"page": cells(*new)})
    assert sources(result.pages["page"]) == ["# A page", "x = 1", "print(x, 'mine')", *PAGE[4:]]
    assert result.alone == [("page", 2)]


def test_a_cell_that_she_moves_is_where_she_moved_it():
    hers = [*PAGE[:1], *PAGE[2:], PAGE[1]]
    assert merged(PAGE, hers, [*PAGE, "More."]) == [*hers, "More."]


def test_an_exercise_that_she_has_moved_changes_where_she_has_put_it():
    answered = EXERCISE.replace("____", "3")
    hers = [*PAGE[:1], answered, *changed(PAGE, at_5=None)[1:]]
    new = changed(PAGE, at_5=f"{EXERCISE}\n# first.sum.hint()")
    assert merged(PAGE, hers, new) == [*PAGE[:1], f"{answered}\n# first.sum.hint()", *changed(PAGE, at_5=None)[1:]]


def test_an_exercise_that_the_course_moves_takes_the_answer_along():
    answered = EXERCISE.replace("____", "3")
    base = {"01": cells(*PAGE), "02": cells("# Another page", "y = 2")}
    hers = {"01": cells(*changed(PAGE, at_5=answered), "A note of mine."), "02": cells("# Another page", "y = 2")}
    # to another page, where the module of the exercises has another name
    there = EXERCISE.replace("first.", "second.")
    new = {"01": cells(*changed(PAGE, at_4=None, at_5=None)), "02": cells("# Another page", "Now you.", there, "y = 2")}
    result = merge(base, hers, new)
    assert sources(result.pages["02"]) == ["# Another page", "Now you.", answered.replace("first.", "second."), "y = 2"]
    assert sources(result.pages["01"]) == [*changed(PAGE, at_4=None, at_5=None), "A note of mine."]


def test_a_page_that_is_called_another_way_takes_all_along():
    hers = changed(PAGE, at_5=EXERCISE.replace("____", "3"), at_0="# A page, and a note of mine")
    result = merge({"03": cells(*PAGE)}, {"03": cells(*hers)}, {"04": cells(*PAGE, "More.")})
    assert sources(result.pages["04"]) == [*hers, "More."]
    assert (result.successors, result.left) == ({"03": "04"}, [])


def test_a_page_that_is_gone_is_left_if_something_of_hers_is_in_it():
    assert merge({"03": cells(*PAGE)}, {"03": cells(*PAGE)}, {}).left == []
    assert merge({"03": cells(*PAGE)}, {"03": cells(*PAGE, "Mine.")}, {}).left == ["03"]


def test_answers_to_two_exercises_of_the_same_name_are_not_exchanged():
    one, two = EXERCISE, EXERCISE.replace("first", "second")
    base = {"01": cells(one), "02": cells(two)}
    hers = {"01": cells(one.replace("____", "1")), "02": cells(two.replace("____", "2"))}
    new = {"01": cells("Nothing."), "02": cells(two.replace("second", "third"), one.replace("first", "fourth"))}
    result = merge(base, hers, new)
    assert sources(result.pages["02"])[:2] == [two.replace("____", "2").replace("second", "third"), new["02"][1].source]
    assert "first.sum.check" in "\n".join(sources(result.pages["01"]))


def test_what_a_cell_has_printed_stays_with_it_until_its_source_changes():
    def ran(source):
        return new_code_cell(source, outputs=[new_output("stream", text="1")], execution_count=3)

    base = cells("x = 1", "print(x)")
    hers = [ran("x = 1"), ran("print(x)  # mine")]
    result = merge({"": base}, {"": hers}, {"": cells("x = 1", "print(x)", "print(2)")}).pages[""]
    assert [(c.execution_count, len(c.outputs)) for c in result] == [(3, 1), (3, 1), (None, 0)]
    assert merge({"": base}, {"": hers}, {"": cells("x = 2", "print(x)")}).pages[""][0].outputs == []


def test_the_tags_of_the_course_come_and_her_own_stay():
    base, hers, new = cells("1 / 0"), cells("1 / 0"), cells("1 / 0")
    hers[0].metadata["mine"] = 1
    new[0].metadata["tags"] = ["raises-exception"]
    assert merge({"": base}, {"": hers}, {"": new}).pages[""][0].metadata == {"mine": 1, "tags": ["raises-exception"]}


def test_a_base_is_found_where_nobody_knows_it():
    hers = ["Mine.", *changed(PAGE, at_5=EXERCISE.replace("____", "3"), at_6=None)]
    base = common(cells(*hers), cells(*PAGE))
    assert sources(base) == PAGE[:6]
    assert sources(merge({"": base}, {"": cells(*hers)}, {"": cells(*PAGE)}).pages[""]) == [*hers, "The end."]


def test_other_pages_of_hers_than_were_handed_out_are_refused():
    with pytest.raises(ValueError, match="handed out are 01, and hers are 02"):
        merge({"01": []}, {"02": []}, {})


LINES = {
    "one side": ("a b c", "a b c", "a B c", "a B c"),
    "the same": ("a b c", "a B c", "a B c", "a B c"),
    "beside each other": ("a b c", "A b c", "a B c", "A B c"),
    "an addition below a change": ("a b", "a b c", "a B", "a B c"),
    "an addition above a change": ("a b", "a c b", "a B", "a c B"),
    "a line less": ("a b c", "a b", "A b c", "A b"),
    "the same line": ("a b c", "a X c", "a Y c", None),
    "two additions in one place": ("a b", "a X b", "a Y b", None),
    "an addition into what has changed": ("a b c", "a b X c", "a D c", "a D X c"),
    "an addition into what is gone": ("a b c d", "a b X c d", "a d", None),
}


@pytest.mark.parametrize("what", LINES)
def test_lines_are_joined(what):
    base, mine, new, expected = (text and text.replace(" ", "\n") for text in LINES[what])
    assert join_lines(base, mine, new) == expected


class Editor:
    """Somebody who edits a page at random. All that she types is a word of its own."""

    def __init__(self, seed, name):
        self.random, self.name, self.words = random.Random(seed), name, 0

    def word(self):
        self.words += 1
        return f"{self.name}{self.words}"

    def edited(self, pages, moves):
        pages = {name: [*page] for name, page in pages.items()}
        for _ in range(self.random.randrange(8)):
            page = self.random.choice(list(pages.values()))
            i = self.random.randrange(len(page) + 1)
            act = self.random.choice([self.add, self.change, self.change, self.delete, *([self.move] if moves else [])])
            act(page, i, pages)
        return pages

    def add(self, page, i, pages):
        page.insert(i, cell(f"{self.word()} = 1", self.random.choice(["markdown", "code"])))

    def change(self, page, i, pages):
        if i < len(page):
            lines = page[i].source.split("\n")
            at = self.random.randrange(len(lines) + 1)
            lines[at : at + self.random.randrange(2)] = [f"{self.word()} = 2"]
            page[i] = cell("\n".join(lines), page[i].cell_type)

    def delete(self, page, i, pages):
        del page[i : i + 1]

    def move(self, page, i, pages):
        if i < len(page):
            taken, other = page.pop(i), self.random.choice(list(pages.values()))
            other.insert(self.random.randrange(len(other) + 1), taken)


def contents(pages):
    return {name: [(c.cell_type, c.source) for c in page] for name, page in pages.items()}


def typed(pages, name):
    return set(re.findall(rf"\b{name}\d+\b", repr(contents(pages))))


@pytest.mark.parametrize("seed", range(150))
def test_nothing_that_anybody_has_typed_is_lost(seed):
    base = {
        "01": cells(*PAGE),
        "02": cells("# Another page", "import this", "x = 1", "y = 2\nprint(y)\nprint(y)", "Some\nlonger\ntext."),
    }
    hers = Editor(seed, "hers").edited(base, moves=True)
    new = Editor(seed + 1000, "new").edited(base, moves=True)
    result = merge(base, hers, new)
    assert typed(result.pages, "hers") == typed(hers, "hers")
    assert typed(result.pages, "new") == typed(new, "new")
    # a second time there is nothing to do, and who has changed nothing gets the new pages
    assert contents(merge(new, result.pages, new).pages) == contents(result.pages)
    assert contents(merge(base, base, new).pages) == contents(new)
    assert contents(merge(base, hers, base).pages) == contents(hers)
