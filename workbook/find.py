"""Which section answers an error message? `make find`, or `python -m workbook find [MESSAGE]`.

Ranks the cards of the fixes and the sections of the pages by the words and pairs of words that they share with the
message, by BM25 (S. Robertson, H. Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond", 2009,
doi:10.1561/1500000019). Numbers do not count, so that one's own shapes and sizes do not matter. Sections that show or
quote the message as it is come before all others.
"""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import csr_array

from workbook.comparing.normalise import without_colours
from workbook.markdown import Document
from workbook.pages import Page, pages

SHOWN = 5
_WORD = r"[^\W\d_]{2,}"
_NAME = r"\w*(?:Error|Exception|Warning|Interrupt|StopIteration|SystemExit|BadZipFile)\b"
_RAISED = re.compile(rf"^(?:[\w.]+\.)?{_NAME}(?=:|\s*$| \(see above)", re.MULTILINE)
_MODULE = re.compile(rf"^(?:tensorflow|tf_keras|keras)(?:\.\w+)*\.(?={_NAME})")


@dataclass(frozen=True)
class Section:
    """A heading of a page, and what stands between it and the next.

    Attributes:
        file: the page, by the name of its file.
        line: of the heading, from 1.
        heading: as it is written.
        text: with its code and outputs.
    """

    file: str
    line: int
    heading: str
    text: str


def sections(page: Page) -> list[Section]:
    """The sections of a page, each without those below it."""
    document = Document(page.text)
    lines = document.source.splitlines()
    ends = [heading.line - 1 for heading in document.headings[1:]] + [len(lines)]
    return [
        Section(page.text.name, heading.line, heading.source, "\n".join(lines[heading.line - 1 : end]))
        for heading, end in zip(document.headings, ends)
    ]


def message_of(pasted: str) -> str:
    """The message in what was pasted: the last error or warning of a traceback to its end; else all of it.

    A script names the module of the error as well, and a notebook does not. It says nothing of the cause, and neither
    does what TensorFlow 1 put behind the name.
    """
    pasted = textwrap.dedent(without_colours(pasted))
    raised = list(_RAISED.finditer(pasted))
    said = pasted[raised[-1].start() :] if raised else pasted
    return _MODULE.sub("", said.strip()).replace("Error (see above for traceback):", "Error:")


class Search:
    """A search over the sections of pages.

    Args:
        course: the pages.

    Example:
        >>> search = Search(pages())
        >>> search.find("ValueError: ... must have the same rank (ndim)", most=1)[0][1].file
        'fixes_compile.md'
    """

    def __init__(self, course: Sequence[Page]):
        from sklearn.feature_extraction.text import CountVectorizer  # takes a second, and no other command needs it

        self.sections = [section for page in course for section in sections(page)]
        self._words = CountVectorizer(token_pattern=_WORD, ngram_range=(1, 2))
        counts = self._words.fit_transform(section.text for section in self.sections)
        with_word, lengths = counts.getnnz(axis=0), np.asarray(counts.sum(axis=1)).ravel()
        self._rarity = np.log1p((len(self.sections) - with_word + 0.5) / (with_word + 0.5))
        # that a word comes often says little, and a card that quotes many wordings is long for a good reason
        often = 0.5 * (0.5 + 0.5 * lengths / lengths.mean())
        counts = counts.tocoo()
        weights = self._rarity[counts.col] * counts.data / (counts.data + often[counts.row])
        self._weights = csr_array((weights, (counts.row, counts.col)), counts.shape)

    def find(self, message: str, most: int = SHOWN) -> list[tuple[float, Section]]:
        """The sections that are most like a message, the best first, each with a share from 0 to 1.

        The share is how much they hold of those words of the message that the course has. Those that hold all of the
        message, on lines of their own or in backticks, come first.

        Args:
            message: as it was printed; a whole traceback will do.
            most: so many at most; those that share no word with it are left out.
        """
        said = message_of(message)
        words = self._words.transform([said]).indices
        shared = self._weights[:, words].sum(axis=1)
        whole = re.compile(rf"^{re.escape(said)}$|`{re.escape(said)}`", re.MULTILINE)
        verbatim = [said in section.text and bool(whole.search(section.text)) for section in self.sections]
        best = np.lexsort((-shared, np.logical_not(verbatim)))[:most]
        return [(float(shared[i] / self._rarity[words].sum()), self.sections[i]) for i in best if shared[i] > 0]


def run(options: argparse.Namespace) -> int:
    if not options.message and sys.stdin.isatty():
        print("Paste the message, or the whole traceback; then press Enter and Ctrl+D (on Windows Ctrl+Z and Enter).")
    pasted = " ".join(options.message) if options.message else sys.stdin.read()
    found = Search(pages()).find(pasted)
    if found:
        print("The number says how much of the message's words the section holds.")
    for share, section in found:
        print(f"{share:.2f}  {section.heading}\n      notebooks/{section.file}, line {section.line}")
    if not found:
        print("No section shares a word with it. notebooks/fixes_symptoms.md starts from what you see instead.")
    return int(not found)
