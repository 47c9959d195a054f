"""The glossary: in order, and each term linked to a section that uses it."""

import re

import pytest

from workbook.markdown import Document
from workbook.pages import NOTEBOOKS, Page, pages

GLOSSARY = Document(NOTEBOOKS / "glossary.md")
ENTRY = re.compile(
    r"- \*\*(?P<term>[^*]+)\*\*: (?P<definition>.+\.) "
    r"\[(?P<page>\d\d) (?P<claim>.+)\]\((?P<file>[^()#]+)#(?P<anchor>[^()]+)\)"
)
LINES = [line for line in GLOSSARY.source.splitlines() if line.startswith("- ")]
ENTRIES = [match for line in LINES if (match := ENTRY.fullmatch(line))]


def key(term):
    """What a term is sorted by: its letters and figures, whatever their case."""
    return " ".join(re.findall(r"\w+", term.casefold()))


def uses(text, term):
    """Whether the text has the term, in whatever case, in the plural too, and across the end of a line."""
    words = r"\s+".join(map(re.escape, re.sub("[`*]", "", term).split()))
    return re.search(rf"(?<!\w){words}(?:e?s)?(?!\w)", re.sub("[`*]", "", text), re.IGNORECASE)


def test_every_line_has_a_term_a_definition_and_a_link():
    wrong = [line for line in LINES if not ENTRY.fullmatch(line)]
    assert not wrong, "\n".join(["not `- **term**: Definition. [NN Heading](NN_topic.md#anchor)`:", *wrong])
    assert len(ENTRIES) > 100


def test_terms_are_in_alphabetical_order_and_none_stands_twice():
    keys = [key(entry["term"]) for entry in ENTRIES]
    for above, below in zip(keys, keys[1:]):
        assert above < below


def test_every_term_stands_under_its_letter():
    letter = None
    for line in GLOSSARY.source.splitlines():
        if line.startswith("## "):
            letter = line.removeprefix("## ")
        elif match := ENTRY.fullmatch(line):
            assert key(match["term"])[0].upper() == letter, match["term"]


def test_every_term_is_used_where_its_link_leads():
    documents = {page.text.name: Document(page.text) for page in pages()}
    wrong = []
    for entry in ENTRIES:
        document = documents[entry["file"]]
        claims = {heading.anchor: heading.source for heading in document.headings}
        if entry["page"] != entry["file"][:2] or claims.get(entry["anchor"]) != entry["claim"]:
            wrong.append(f"{entry['term']}: no section of {entry['file']} is called {entry['claim']!r}")
        elif not uses(document.section(entry["anchor"]), entry["term"]):
            wrong.append(f"{entry['term']}: not in the section {entry['claim']!r} of {entry['file']}")
    assert not wrong, "\n".join(["", *wrong])


@pytest.mark.parametrize(
    "text", ["A Moving Mean.", "two moving\nmeans", "**moving** mean", "`moving mean`", "a (moving mean)"]
)
def test_a_term_is_found(text):
    assert uses(text, "moving mean")


@pytest.mark.parametrize("text", ["removing mean", "moving meaning", "the mean is moving"])
def test_another_word_is_not_the_term(text):
    assert not uses(text, "moving mean")


def test_glossary_and_index_are_no_pages():
    assert not any(Page(NOTEBOOKS / name).has_name for name in ("glossary.md", "index.md"))
