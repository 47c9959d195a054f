"""A markdown file as GitHub reads it."""

import pytest

from workbook.markdown import Document, Link

TEXT = """\
# One *title*

A [link with `code`](other.md#there), and on the next line
![an image of three words](img/a.png) beside $a_1 <b> [c](d)$ and `[no](link)`.

```python title="x"
# no heading, [no](link)
```

## The claim

| a | b |
|---|---|
| [x](y.md) | a `|` is escaped: `\\|` |

### Deeper

<kbd>K</kbd>

## The claim

Last.
"""


@pytest.fixture
def document(tmp_path):
    (tmp_path / "text.md").write_text(TEXT, encoding="utf-8")
    return Document(tmp_path / "text.md")


# What GitHub makes of each: lower case, only letters, digits, `_`, `-` and spaces, and each space a hyphen.
ANCHORS = {
    "A claim, with punctuation!": "a-claim-with-punctuation",
    "`x @ W + b` is code": "x--w--b-is-code",
    "`..` comes first": "-comes-first",
    "Write `super().__init__()` and **bold** text": "write-super__init__-and-bold-text",
    "Save the whole model in `.keras`": "save-the-whole-model-in-keras",
    "snake_case, kebab-case and 1.5": "snake_case-kebab-case-and-15",
    "Ähnliche Wörter, français": "ähnliche-wörter-français",
    "A [link](x.md) in it": "a-link-in-it",
    "Don't — don’t": "dont--dont",
    "`training=True`": "trainingtrue",
}


@pytest.mark.parametrize("heading", ANCHORS)
def test_anchor(heading, tmp_path):
    (tmp_path / "a.md").write_text(f"# Title\n\n## {heading}\n\n## {heading}\n", encoding="utf-8")
    first, again = Document(tmp_path / "a.md").headings[1:]
    assert (first.anchor, again.anchor) == (ANCHORS[heading], f"{ANCHORS[heading]}-1")


def test_headings_are_found_outside_of_code(document):
    assert [(h.level, h.source, h.line) for h in document.headings] == [
        (1, "One *title*", 1), (2, "The claim", 10), (3, "Deeper", 16), (2, "The claim", 20),
    ]  # fmt: skip
    assert document.heading_above(13).anchor == "the-claim"


def test_a_section_ends_at_the_next_heading_of_its_level(document):
    assert "### Deeper" in document.section("the-claim") and "Last" not in document.section("the-claim")
    assert document.section("the-claim-1") == "## The claim\n\nLast."
    with pytest.raises(KeyError):
        document.section("another-claim")


def test_links_are_found_outside_of_code_and_formulas(document):
    assert document.links == [
        Link("other.md#there", "link with code", 3, is_image=False),
        Link("img/a.png", "an image of three words", 4, is_image=True),
        Link("y.md", "x", 14, is_image=False),
    ]
    folder = document.path.parent
    assert document.links[0].file_and_anchor(document.path) == (folder / "other.md", "there")
    assert Link("#there", "", 1, is_image=False).file_and_anchor(document.path) == (document.path, "there")


def test_tables_html_and_fences(document):
    [(line, rows)] = document.tables
    assert (line, rows[0], rows[1][0]) == (12, ["a", "b"], "x")
    assert document.html == [(18, "<kbd>"), (18, "</kbd>")]
    assert document.fences == [(6, 'python title="x"', "# no heading, [no](link)\n")]
