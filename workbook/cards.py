"""The cards on a page of fixes: each a heading of the third level with its cells, which need the page's first cells
and no other card."""

from __future__ import annotations

import re
from collections.abc import Sequence

import nbformat

_CARD = re.compile(r"^### ", re.MULTILINE)


def cards(cells: Sequence[nbformat.NotebookNode]) -> tuple[list[int], list[list[int]]]:
    """The indices of the code cells of a page: those before its first card, and those of each card, in their order.

    A text cell that ends one card and begins the next counts for the next.
    """
    before: list[int] = []
    found: list[list[int]] = []
    for i, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            (found[-1] if found else before).append(i)
        elif _CARD.search(cell["source"]):
            found.append([])
    return before, found


def last_card_first(cells: Sequence[nbformat.NotebookNode]) -> list[int]:
    """The code cells in an order in which no card finds what another, above it on the page, has left behind."""
    before, found = cards(cells)
    return before + [i for card in reversed(found) for i in card]
