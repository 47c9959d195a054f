"""Bring pages up to date: a three-way merge, by cells, of what was handed out, what became of it, and what is new.

The new pages are laid down in their order, and what she did to the old ones is done to them: a cell that she changed
takes the place of the one that it was, a cell of her own follows the one that it stood below, and one that she deleted
stays away. A cell that the course has moved, be it to another page, takes hers along. Where she and the course changed
the same cell, the changes are joined by lines. Where these are the same lines, the new cell comes, and hers stays
below it: what comes later counts. So all that she has typed is still there afterwards.
"""

from __future__ import annotations

import copy
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise

from nbformat import NotebookNode
from nbformat.v4 import new_markdown_cell

Pages = dict[str, list[NotebookNode]]  # the cells of each page, by its name
Place = tuple[str, int]  # a page, and the index of a cell in it; -1 is above the first

NOTE = (
    "> **You and the course have changed the same lines.** The new cell is above, yours is below. "
    "Keep the one that you like better."
)

_EXERCISE = re.compile(r"^\s*(\w+\.\w+)\.check\(", re.MULTILINE)


@dataclass
class Merged:
    """Pages that are up to date.

    Attributes:
        pages: the cells of each page.
        both: where a cell of hers stands, with the new cell and a note above it.
        alone: where a cell of hers stands that she has changed and the course has no longer.
        successors: which page each of the old ones is now. What the course has dropped is left out.
        left: the pages that it has dropped, and in which something of hers has no other place.
    """

    pages: Pages = field(default_factory=dict)
    both: list[Place] = field(default_factory=list)
    alone: list[Place] = field(default_factory=list)
    successors: dict[str, str] = field(default_factory=dict)
    left: list[str] = field(default_factory=list)


def merge(base: Pages, hers: Pages, new: Pages) -> Merged:
    """Do to the pages `new` what made `hers` out of `base`.

    Args:
        base: the pages as they were handed out.
        hers: the same pages as they are now.
        new: the pages as the course has them now. They may be other ones.

    Raises:
        ValueError: if `base` and `hers` are not the same pages.
    """
    if base.keys() != hers.keys():
        raise ValueError(f"the pages handed out are {', '.join(base)}, and hers are {', '.join(hers)}")
    became, successors = _follow(base, new)
    merged = Merged(successors=successors)
    origins = {place: base[page][i] for (page, i), place in became.items()}
    versions: dict[Place, NotebookNode] = {}  # what she made of a cell, by where that is now
    twins: dict[Place, NotebookNode] = {}  # what both have added, as an update that was interrupted has before
    own: dict[Place, list[tuple[NotebookNode, bool]]] = defaultdict(
        list
    )  # what follows it, and whether it came from one
    for page, cells in hers.items():
        source = {j: i for i, j in _in_order(base[page], cells).items()}
        added = defaultdict(list)
        for k, cell in enumerate(new.get(page, [])):
            if (page, k) not in origins:
                added[_content(cell)].append(k)
        above = (successors.get(page), -1)
        for j, cell in enumerate(cells):
            i = source.get(j)
            if (page, i) in became:
                above = became[page, i]
                versions[above] = cell
            elif i is None and added[_content(cell)]:
                above = page, added[_content(cell)].pop(0)
                twins[above] = cell
            elif i is None or not same(cell, base[page][i]):
                own[above].append((cell, i is not None))
        if own.pop((None, -1), None):
            merged.left.append(page)

    elsewhere = _joined_elsewhere({place: origins[place] for place in origins.keys() - versions.keys()}, own, new)
    for page, cells in new.items():
        out = merged.pages[page] = []
        for k, cell in enumerate([None, *cells], start=-1):
            place = page, k
            if place in versions:
                joined = _joined(origins[place], versions[place], cell)
                out += [joined] if joined else [cell, new_markdown_cell(NOTE), versions[place]]
                if joined is None:
                    merged.both.append((page, len(out) - 1))
            elif cell and place not in elsewhere and not (place in origins and same(cell, origins[place])):
                # else she has deleted it
                out.append(twins.get(place, cell))
            for mine, came_from_one in own[place]:
                if came_from_one:
                    merged.alone.append((page, len(out)))
                out.append(mine)
    return merged


def _joined_elsewhere(origins: dict[Place, NotebookNode], own: dict[Place, list], new: Pages) -> set[Place]:
    """Join the changes of an exercise into hers where she has put it, in `own`. Returns the places that it has left.

    Args:
        origins: what was handed out of the cells that are not where they were.
        own: her cells, by what they follow.
        new: the pages as the course has them now.
    """
    left = set()
    for place, origin in origins.items():
        now = new[place[0]][place[1]]
        for cells in own.values() if _exercise(origin) and not same(now, origin) else ():
            for n, (mine, came_from_one) in enumerate(cells):
                if _exercise(mine) == _exercise(origin) and (joined := _joined(origin, mine, now)):
                    cells[n] = joined, came_from_one
                    left.add(place)
    return left


def same(a: NotebookNode, b: NotebookNode) -> bool:
    """Whether two cells say the same. What they have printed is not asked."""
    return _content(a) == _content(b)


def common(hers: Sequence[NotebookNode], new: Sequence[NotebookNode]) -> list[NotebookNode]:
    """The cells of `new` of which `hers` has a version: a base, where nobody knows what was handed out."""
    return [new[i] for i in sorted(_in_order(new, hers))]


def _content(cell: NotebookNode) -> tuple[str, str]:
    return cell.cell_type, cell.source


def _exercise(cell: NotebookNode) -> str | None:
    """Which exercise a cell checks, such as `sequential.parameter_count`."""
    found = _EXERCISE.search(cell.source) if cell.cell_type == "code" else None
    return found and found[1]


def _exercise_of_any_page(cell: NotebookNode) -> str | None:
    name = _exercise(cell)
    return name and name.partition(".")[2]


# --- which cell became which ---------------------------------------------------------------------


def _follow(old: Pages, new: Pages, moved: bool = True) -> tuple[dict[Place, Place], dict[str, str]]:
    """Where each cell of the old pages is now, and which page each of them is now. What is gone is left out.

    Args:
        moved: whether a cell may have changed its place among the others.
    """
    became: dict[Place, Place] = {}
    for page in old.keys() & new.keys():
        contents = [[_content(cell) for cell in pages[page]] for pages in (old, new)]
        for i, j, size in SequenceMatcher(None, *contents, autojunk=False).get_matching_blocks():
            became |= {(page, i + n): (page, j + n) for n in range(size)}
    if moved:
        for key in (_content, _exercise, _exercise_of_any_page):
            became |= _found_again(old, new, became, key)
    successors = {}
    for page in old:
        towards = Counter(place[0] for origin, place in became.items() if origin[0] == page)
        if page in new or towards:
            successors[page] = page if page in new else towards.most_common(1)[0][0]
    for page, successor in successors.items():
        became |= _changed(old, new, became, page, successor)
    return became, successors


def _in_order(old: Sequence[NotebookNode], new: Sequence[NotebookNode]) -> dict[int, int]:
    """The index of each cell of `old` in `new`, for those that are there, unchanged or changed, in the same order."""
    became, _ = _follow({"": old}, {"": new}, moved=False)
    return {i: j for (_, i), (_, j) in became.items()}


def _found_again(old: Pages, new: Pages, became: dict[Place, Place], key: Callable) -> dict[Place, Place]:
    """The cells without a counterpart so far whose key one other cell has, and only one, in all the new pages."""
    before, after = _by_key(old, became.keys(), key), _by_key(new, set(became.values()), key)
    return {before[name][0]: after[name][0] for name in before if len(before[name]) == len(after[name]) == 1}


def _by_key(pages: Pages, known: Collection[Place], key: Callable) -> dict[object, list[Place]]:
    found = defaultdict(list)
    for page, cells in pages.items():
        for i, cell in enumerate(cells):
            if (page, i) not in known and cell.source.strip() and (name := key(cell)):
                found[name].append((page, i))
    return found


def _changed(old: Pages, new: Pages, became: dict[Place, Place], page: str, successor: str) -> dict[Place, Place]:
    """The cells without a counterpart so far that stand below the same cell in both pages, and look alike."""
    taken = set(became.values())
    before, after = defaultdict(list), defaultdict(list)
    above = -1
    for i in range(len(old[page])):
        now, j = became.get((page, i), (None, i))
        if now is None:
            before[above].append(i)
        elif now == successor:
            above = j
    above = -1
    for j in range(len(new[successor])):
        if (successor, j) in taken:
            above = j
        else:
            after[above].append(j)
    pairs = {}
    for above in before.keys() & after.keys():
        these, those = before[above], after[above]
        found = _aligned([old[page][i] for i in these], [new[successor][j] for j in those])
        pairs |= {(page, these[i]): (successor, those[j]) for i, j in found}
    return pairs


def _aligned(old: list[NotebookNode], new: list[NotebookNode]) -> list[tuple[int, int]]:
    """Pairs of cells in their order, chosen so that they are as alike as can be."""
    words = [[Counter(re.findall(r"\w+|[^\w\s]", cell.source)) for cell in cells] for cells in (old, new)]

    def worth(i: int, j: int) -> float:
        a, b = old[i], new[j]
        if a.cell_type != b.cell_type or _exercise_of_any_page(a) != _exercise_of_any_page(b):
            return 0.0
        total = words[0][i].total() + words[1][j].total()
        return (
            (2 * (words[0][i] & words[1][j]).total() / total) ** 2 if total else 0.0
        )  # a good pair before two poor ones

    n, m = len(old), len(new)
    worths = [[worth(i, j) for j in range(m)] for i in range(n)]
    best = [[0.0] * (m + 1) for _ in range(n + 1)]
    for i in reversed(range(n)):
        for j in reversed(range(m)):
            best[i][j] = max(worths[i][j] + best[i + 1][j + 1], best[i + 1][j], best[i][j + 1])
    pairs, i, j = [], 0, 0
    while i < n and j < m:
        if worths[i][j] and best[i][j] == worths[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs


# --- one cell ------------------------------------------------------------------------------------


def _joined(before: NotebookNode, mine: NotebookNode, new: NotebookNode) -> NotebookNode | None:
    """Her cell with the changes of the course; None if they are in the same lines."""
    if same(mine, before) and not same(new, before):
        return new
    source = mine.source
    if not same(new, before) and not same(new, mine):
        if not before.cell_type == mine.cell_type == new.cell_type:
            return None
        source = join_lines(before.source, mine.source, new.source)
        if source is None:
            return None
    joined = copy.deepcopy(mine)
    hers = {key: value for key, value in mine.metadata.items() if before.metadata.get(key) != value}
    joined.metadata = NotebookNode(new.metadata | hers)
    if source != mine.source:
        joined.source = source
        joined |= {"outputs": [], "execution_count": None} if joined.cell_type == "code" else {}
    return joined


def join_lines(base: str, mine: str, new: str) -> str | None:
    """The changes that made `mine` and `new` out of `base`, in one; None if both changed the same lines.

    >>> join_lines("a = ____\\nold.check(a)", "a = 3\\nold.check(a)", "a = ____\\nnew.check(a)")
    'a = 3\\nnew.check(a)'
    """
    lines = base.split("\n")
    hunks = set()
    for other in (mine.split("\n"), new.split("\n")):
        changes = SequenceMatcher(None, lines, other, autojunk=False).get_opcodes()
        hunks |= {(i, j, tuple(other[k:end])) for what, i, j, k, end in changes if what != "equal"}
    ordered = sorted(hunks)
    if any(k < j or i == j == k == end for (i, j, _), (k, end, _) in pairwise(ordered)):
        return None
    joined, at = [], 0
    for i, j, instead in ordered:
        joined += [*lines[at:i], *instead]
        at = j
    return "\n".join(joined + lines[at:])
