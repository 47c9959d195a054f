"""Write the index of Keras' and TensorFlow's names, and the page of messages: `make index`, or
`python -m workbook index`.

notebooks/index.md lists every public name that the cells of the pages use, with the first section of each page that
uses it; the fixes count for names that no other page has. Names are resolved by reading the cells; nothing is imported
or executed.
"""

from __future__ import annotations

import argparse
import ast
import re
from collections.abc import Iterator, Sequence
from itertools import groupby, takewhile

from workbook.files import write_text
from workbook.markdown import Document, Heading
from workbook.messages import MESSAGES, messages
from workbook.pages import NOTEBOOKS, Page, PageError, pages

INDEX = NOTEBOOKS / "index.md"

# how the two libraries are called in the index, as the pages call them
_LIBRARIES = {"keras": "keras", "tensorflow": "tf"}
_INTERNAL = ("core", "python")  # packages of TensorFlow that are no part of `tf`
_MAGIC = re.compile(r"^[%!].*$", re.MULTILINE)
_TITLE = """\
# Index of Keras and TensorFlow names

Every name of `keras` and of `tf` that the cells of the pages use, those that are gone included: the section says so.
A link leads to the first section of a page in which the name stands, and to the fixes where no page has it. The main
methods of objects, such as `fit`, are in the [glossary](glossary.md), and errors and warnings among the
[messages](messages.md).

Written by `make index` from the pages.\
"""


def names_used(source: str, imported: dict[str, str]) -> Iterator[str]:
    """The public names of Keras and TensorFlow in the source of a cell, as `keras.layers.Dense` or `tf.cast`.

    Args:
        source: the cell; lines with a magic are skipped.
        imported: what the names of the page stand for; the imports of this cell are added.

    Raises:
        SyntaxError: if the cell is not Python.
    """
    tree = ast.parse(_MAGIC.sub("", source))
    nodes = list(ast.walk(tree))
    for node in nodes:
        if isinstance(node, ast.Import):
            for name in node.names:
                top = name.name.partition(".")[0]
                imported[name.asname or top] = name.name if name.asname else top
        elif isinstance(node, ast.ImportFrom):
            for name in node.names:
                imported[name.asname or name.name] = f"{node.module}.{name.name}"
    owners = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
    for node in nodes:
        if id(node) not in owners:
            library, *parts = _dotted(node, imported).split(".")
            public = list(takewhile(lambda part: not part.startswith("_"), parts))
            if library in _LIBRARIES and public and public[0] not in _INTERNAL:
                yield ".".join([_LIBRARIES[library], *public])


def _dotted(node: ast.AST, imported: dict[str, str]) -> str:
    """`layers.Dense` in full, `keras.layers.Dense`; "" for what is no name, or a name of the page's own."""
    if isinstance(node, ast.Name):
        return imported.get(node.id, "")
    if isinstance(node, ast.Attribute):
        owner = _dotted(node.value, imported)
        return owner and f"{owner}.{node.attr}"
    return ""


def uses(course: Sequence[Page]) -> dict[str, dict[Page, Heading]]:
    """For each name the pages that use it, each with the heading under which it stands first.

    Raises:
        PageError: if a cell is not Python.
    """
    found: dict[str, dict[Page, Heading]] = {}
    for page in course:
        document = Document(page.text)
        imported: dict[str, str] = {}
        for line, info, source in document.fences:
            if info.split()[:1] != ["python"]:
                continue
            try:
                names = list(names_used(source, imported))
            except SyntaxError as error:
                raise PageError(f"{page.text.name}, the cell at line {line} is not Python: {error}") from None
            for name in names:
                found.setdefault(name, {}).setdefault(page, document.heading_above(line))
    for name, places in found.items():
        taught = {page: heading for page, heading in places.items() if not page.has_cards}
        found[name] = taught or places
    return found


def index(course: Sequence[Page]) -> str:
    """The text of notebooks/index.md: a heading for each module, a line for each name."""
    found = uses(course)
    # a module is no use of its own where something is taken out of it
    names = [n for n in found if n.rpartition(".")[2][0].isupper() or not any(o.startswith(f"{n}.") for o in found)]
    parts = [_TITLE]
    for module, members in groupby(sorted(names, key=_order), key=_module):
        parts += [f"\n## {module}\n"]
        parts += [f"- `{name}`: {', '.join(_links(found[name]))}" for name in members]
    return "\n".join(parts) + "\n"


def _module(name: str) -> str:
    """`tf.data` of `tf.data.Dataset.range`: up to the first part that begins with a capital, or to the last."""
    return ".".join(takewhile(str.islower, name.split(".")[:-1]))


def _order(name: str) -> tuple:
    return _module(name), name.casefold()


def _links(places: dict[Page, Heading]) -> Iterator[str]:
    """The first page with the claim of its section, the other pages with their numbers."""
    for i, (page, heading) in enumerate(places.items()):
        number = page.number
        shown = number if i else f"{number} {heading.source}"
        yield f"[{shown}]({page.text.name}#{heading.anchor})"


def run(options: argparse.Namespace) -> int:
    write_text(INDEX, index(pages()))
    write_text(MESSAGES, messages(pages()))
    return 0
