"""Which section answers an error message? `make find`, or `python -m workbook find [MESSAGE]`.

Ranks the cards of the fixes and the sections of the pages by the words that they share with the message: cosine
similarity of their tf-idf weights (Salton and Buckley, 1988, doi:10.1016/0306-4573(88)90021-0), over words and pairs of
words. Numbers do not count, so that one's own shapes and sizes do not matter.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass

from workbook.markdown import Document
from workbook.pages import Page, pages

SHOWN = 5
_WORD = r"[^\W\d_]{2,}"
_RAISED = re.compile(r"^[\w.]*(?:Error|Exception|Warning|Interrupt)\b:? ?.*", re.MULTILINE)


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
    """The message in what was pasted: the last error or warning of a traceback to its end; else all of it."""
    raised = list(_RAISED.finditer(pasted))
    return pasted[raised[-1].start() :].strip() if raised else pasted.strip()


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
        from sklearn.feature_extraction.text import TfidfVectorizer  # takes a second, and no other command needs it

        self.sections = [section for page in course for section in sections(page)]
        self._words = TfidfVectorizer(token_pattern=_WORD, ngram_range=(1, 2), sublinear_tf=True)
        weights = self._words.fit_transform(section.text for section in self.sections)
        # By the cosine alone a card that quotes many wordings would be like none of them, so its length counts for it a
        # little: A. Singhal, C. Buckley, M. Mitra, "Pivoted Document Length Normalization", SIGIR 1996.
        words = weights.getnnz(axis=1)
        self._weights = weights.multiply((words / words.max())[:, None] ** 0.25).tocsr()

    def find(self, message: str, most: int = SHOWN) -> list[tuple[float, Section]]:
        """The sections that are most like a message, the best first, each with its similarity from 0 to 1.

        Args:
            message: as it was printed; a whole traceback will do.
            most: so many at most; those that share no word with it are left out.
        """
        similarity = (self._weights @ self._words.transform([message_of(message)]).T).toarray().ravel()
        best = similarity.argsort()[::-1][:most]
        return [(float(similarity[i]), self.sections[i]) for i in best if similarity[i] > 0]


def run(options: argparse.Namespace) -> int:
    if not options.message and sys.stdin.isatty():
        print("Paste the message, or the whole traceback; then press Enter and Ctrl+D (on Windows Ctrl+Z and Enter).")
    pasted = " ".join(options.message) or sys.stdin.read()
    found = Search(pages()).find(pasted)
    for similarity, section in found:
        print(f"{similarity:.2f}  {section.heading}\n      notebooks/{section.file}, line {section.line}")
    if not found:
        print("No section shares a word with it. notebooks/fixes_symptoms.md starts from what you see instead.")
    return int(not found)
