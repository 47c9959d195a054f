"""A markdown file as GitHub reads it: headings with their anchors, links, images, tables, HTML."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import unquote, urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from mdit_py_plugins.anchors import anchors_plugin
from mdit_py_plugins.dollarmath import dollarmath_plugin

# A formula is a formula, so that its `_` is no emphasis and its `<` no tag.
_PARSER = MarkdownIt("commonmark").enable("table").use(dollarmath_plugin).use(anchors_plugin, max_level=6)
_BREAKS = ("softbreak", "hardbreak")


@dataclass(frozen=True)
class Heading:
    """A heading: `## A claim` has level 2, the source `A claim` and the anchor `a-claim`. Lines count from 1."""

    level: int
    source: str
    anchor: str
    line: int


@dataclass(frozen=True)
class Link:
    """A link or an image: where it leads, and the words that stand for it."""

    target: str
    text: str
    line: int
    is_image: bool

    @property
    def is_external(self) -> bool:
        return bool(urlsplit(self.target).scheme)

    def file_and_anchor(self, document: Path) -> tuple[Path, str]:
        """What the link leads to from `document`; the anchor is "" where it has none."""
        path, _, anchor = self.target.partition("#")
        return (document.parent / unquote(path)).resolve() if path else document, unquote(anchor)


@dataclass(frozen=True)
class Document:
    """A markdown file."""

    path: Path

    @cached_property
    def source(self) -> str:
        return self.path.read_text(encoding="utf-8")

    @cached_property
    def tokens(self) -> list[Token]:
        return _PARSER.parse(self.source)

    @cached_property
    def headings(self) -> list[Heading]:
        """All headings, with the anchors that GitHub gives them."""
        return [
            Heading(int(token.tag[1]), inline.content, token.attrs["id"], token.map[0] + 1)
            for token, inline in zip(self.tokens, self.tokens[1:])
            if token.type == "heading_open"
        ]

    @cached_property
    def links(self) -> list[Link]:
        """All links and images, in their order; those in code are none."""
        return list(self._links())

    def _links(self) -> Iterator[Link]:
        for line, children in self._inlines():
            for i, token in enumerate(children):
                if token.type in _BREAKS:
                    line += 1
                elif token.type == "image":
                    yield Link(token.attrs["src"], token.content, line, is_image=True)
                elif token.type == "link_open":
                    end = next(j for j in range(i, len(children)) if children[j].type == "link_close")
                    yield Link(token.attrs["href"], _plain(children[i:end]), line, is_image=False)

    @cached_property
    def html(self) -> list[tuple[int, str]]:
        """Every piece of HTML, with its line."""
        blocks = [(t.map[0] + 1, t.content.strip()) for t in self.tokens if t.type == "html_block"]
        return blocks + [
            (line, child.content)
            for line, children in self._inlines()
            for child in children
            if child.type == "html_inline"
        ]

    @cached_property
    def tables(self) -> list[tuple[int, list[list[str]]]]:
        """Every table: its line, and its rows of cells, as they are shown."""
        tables: list[tuple[int, list[list[str]]]] = []
        for token, inline in zip(self.tokens, self.tokens[1:]):
            if token.type == "table_open":
                tables.append((token.map[0] + 1, []))
            elif token.type == "tr_open":
                tables[-1][1].append([])
            elif token.type in ("th_open", "td_open"):
                tables[-1][1][-1].append(_plain(inline.children))
        return tables

    @cached_property
    def fences(self) -> list[tuple[int, str, str]]:
        """Every fence: its line, its info string, and what it holds."""
        return [(t.map[0] + 1, t.info, t.content) for t in self.tokens if t.type == "fence"]

    def section(self, anchor: str) -> str:
        """The source below a heading, up to the next one of its level or above.

        Raises:
            KeyError: if no heading has that anchor.
        """
        for i, heading in enumerate(self.headings):
            if heading.anchor == anchor:
                later = (h.line - 1 for h in self.headings[i + 1 :] if h.level <= heading.level)
                return "\n".join(self.source.splitlines()[heading.line - 1 : next(later, None)])
        raise KeyError(anchor)

    def heading_above(self, line: int) -> Heading:
        """The heading under which a line stands.

        Raises:
            ValueError: if there is none above it.
        """
        above = [heading for heading in self.headings if heading.line <= line]
        if not above:
            raise ValueError(f"{self.path.name}, line {line}: there is no heading above it")
        return above[-1]

    def _inlines(self) -> Iterator[tuple[int, list[Token]]]:
        """The pieces of each paragraph, heading and cell, with the line where it begins."""
        line = 0
        for token in self.tokens:
            if token.map:  # a cell has none, but its row has
                line = token.map[0] + 1
            if token.type == "inline":
                yield line, token.children


def _plain(tokens: list[Token]) -> str:
    """What is shown of a piece of text: without the marks of emphasis, code and links."""
    return "".join(" " if token.type in _BREAKS else token.content for token in tokens)
