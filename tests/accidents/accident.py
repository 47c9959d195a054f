"""What a person may do to a page by accident."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Accident:
    """A change to a page that the comparison must notice.

    Attributes:
        what: the change in words.
        old: code of the page; the first cell that has it is changed.
        new: what stands there instead.
        noticed_by: code of cells whose output must no longer agree; the first cell that has it counts.
        after: code of cells that must run before, since they leave what has no name in the page: a seed, or the
            number of layers for the name of the next.
    """

    what: str
    old: str
    new: str
    noticed_by: tuple[str, ...]
    after: tuple[str, ...] = ()
