"""Everything that is written for a reader: links, anchors, images, headings, tables, as GitHub shows them."""

import re
from difflib import get_close_matches
from urllib.parse import urlsplit

import pytest

from workbook.expect_blocks import ALT_WORDS
from workbook.markdown import Document
from workbook.pages import NOTEBOOKS, ROOT, pages
from workbook.render import MOST_BYTES

README = Document(ROOT / "README.md")
FOLDERS = (ROOT, NOTEBOOKS, ROOT / "img" / "full")
DOCUMENTS = [Document(path) for folder in FOLDERS for path in sorted(folder.glob("*.md"))]
ANCHORS = {document.path: {heading.anchor for heading in document.headings} for document in DOCUMENTS}

documents = pytest.mark.parametrize("document", DOCUMENTS, ids=lambda document: document.path.name)
course = pytest.mark.parametrize("page", pages(), ids=lambda page: page.name)


def nothing(wrong):
    """Fail with a line for each thing that is wrong."""
    wrong = list(wrong)
    assert not wrong, "\n".join(["", *wrong])


@documents
def test_every_link_leads_to_a_file_and_to_a_heading(document):
    wrong = []
    for link in document.links:
        place = f"{document.path.name}, line {link.line}: {link.target}"
        if link.is_external:
            parts = urlsplit(link.target)
            if parts.scheme != "https" or "." not in parts.netloc or re.search(r"\s|%20", link.target):
                wrong.append(f"{place} is not https://… without spaces")
            continue
        file, anchor = link.file_and_anchor(document.path)
        if not file.exists():
            wrong.append(f"{place}: there is no such file")
        elif anchor and anchor not in ANCHORS.get(file, ()):
            like = get_close_matches(anchor, ANCHORS.get(file, ()), n=1)
            wrong.append(f"{place}: no heading has this anchor" + "".join(f"; one like it is #{it}" for it in like))
        elif not link.text.strip():
            wrong.append(f"{place} has no text")
    nothing(wrong)


@documents
def test_every_image_says_what_it_shows(document):
    images = [link for link in document.links if link.is_image]
    nothing(
        f"{document.path.name}, line {image.line}: {image.target} "
        f"needs alt text of {ALT_WORDS} words or more, not {image.text!r}"
        for image in images
        if len(image.text.split()) < ALT_WORDS
    )


def test_every_figure_is_shown():
    shown = {link.file_and_anchor(d.path)[0] for d in DOCUMENTS for link in d.links if link.is_image}
    figures = [path for path in sorted((ROOT / "img").rglob("*")) if path.is_file() and path.suffix != ".md"]
    nothing(f"{figure.relative_to(ROOT).as_posix()} is shown nowhere" for figure in figures if figure not in shown)


@documents
def test_headings_are_in_order(document):
    levels = [heading.level for heading in document.headings]
    assert document.source.startswith("# "), "it begins with its title, and with no front matter"
    assert levels.count(1) == 1, "it has one title"
    nothing(
        f"{document.path.name}, line {below.line}: a heading of level {below.level} under one of level {above.level}"
        for above, below in zip(document.headings, document.headings[1:])
        if below.level > above.level + 1
    )


# GitHub shows these keys as keys, and these folds as folds; most other tags it takes away
HTML = {"<kbd>", "</kbd>", "<details>", "</details>"}
HTML |= {"<summary>What to expect</summary>", "<summary>One solution</summary>"}
HTML |= {f"<!-- {slash}{block} -->" for block in ("expect", "see", "solution") for slash in ("", "/")}


@documents
def test_no_html_but_keys_and_folds(document):
    """What stands in a fold is markdown: without a blank line before it, it would be HTML, and show up here."""
    nothing(
        f"{document.path.name}, line {line}: {part}"
        for line, html in document.html
        for part in html.splitlines()
        if part not in HTML
    )


@documents
def test_tables_are_not_wider_than_the_page(document):
    wrong = []
    for line, rows in document.tables:
        # a cell is broken at its spaces, so a column is at least as wide as its longest word
        narrowest = sum(max(len(word) for cell in column for word in cell.split() or [""]) for column in zip(*rows))
        longest = max(sum(map(len, row)) for row in rows)
        place = f"{document.path.name}, line {line}"
        if narrowest > 90:
            wrong.append(f"{place}: the longest words, side by side, have {narrowest} characters (at most 90)")
        if longest > 200:
            wrong.append(f"{place}: the longest row has {longest} characters (at most 200)")
    nothing(wrong)


@documents
def test_every_column_of_a_table_has_a_name(document):
    """A screen reader says it with each cell."""
    nothing(f"{document.path.name}, line {line}: {rows[0]}" for line, rows in document.tables if "" in rows[0])


@course
def test_page_is_small_enough_for_github(page):
    assert page.notebook.stat().st_size <= MOST_BYTES, "GitHub shows no larger notebook"


@course
def test_page_is_linked_from_the_readme_and_to_its_neighbours(page):
    from_readme = {link.file_and_anchor(README.path)[0] for link in README.links}
    wrong = [
        f"README.md, the table of pages, has no link to {file.name}"
        for file in (page.text, page.notebook)
        if file not in from_readme
    ]
    links = {link.file_and_anchor(page.text)[0] for link in Document(page.text).links}
    if page.has_cards:  # nobody reads them one after the other
        needed = []
    else:
        order = [other for other in pages() if not other.has_cards]
        place = order.index(page)
        needed = [other.text for other in order[max(0, place - 1) : place + 2] if other != page]
    needed.append(NOTEBOOKS / "messages.md")
    nothing(wrong + [f"{page.text.name} has no link to {other.name}" for other in needed if other not in links])


def test_what_is_looked_up_is_linked_from_the_readme():
    from_readme = {link.file_and_anchor(README.path)[0] for link in README.links}
    looked_up = {NOTEBOOKS / f"{name}.md" for name in ("glossary", "index", "messages", "fixes_symptoms")}
    assert looked_up <= from_readme
