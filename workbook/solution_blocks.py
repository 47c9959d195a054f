"""What a page shows below its exercises: a solution, folded away, which `render` writes.

    <!-- solution -->
    <!-- /solution -->

The solution is that of the exercise which the cell above checks, as it stands in exercises/TOPIC.py. It is read from
the file: nothing is imported or run.
"""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

from workbook.pages import Page, PageError, cell_name

_MARKER = re.compile(r"<!--\s*/?solution\w*\s*-->", re.IGNORECASE)
_SOLUTION = re.compile(r"<!-- solution -->\n(?:(?!<!-- solution -->).)*?<!-- /solution -->", re.DOTALL)
_CHECK = re.compile(r"^(\w+)\.(\w+)\.check\(", re.MULTILINE)


def solutions(page: Page, cells: list) -> dict[int, str]:
    """The source, with its block filled, of each markdown cell that has a solution, by index.

    Raises:
        PageError: if a cell that checks an exercise has no block below it, or a block has no exercise above it, or the
            exercise cannot be found.
    """
    sources: dict[int, str] = {}
    for number, texts in _sections(cells):
        below = {i: cells[i]["source"] for i in texts if _MARKER.search(cells[i]["source"])}
        stated = sum(len(_SOLUTION.findall(text)) for text in below.values())
        try:
            if 2 * stated != sum(len(_MARKER.findall(text)) for text in below.values()):
                raise ValueError("a solution begins with a line <!-- solution --> and ends with <!-- /solution -->")
            checked = _CHECK.findall(cells[number]["source"]) if number is not None else []
            shown = [code for topic, name in checked if (code := solution(_file(page, topic), name))]
            if len(shown) != stated:
                raise ValueError(
                    f"the cell checks {len(shown)} exercise(s) that have a solution, and below it stand {stated}. "
                    "Write <!-- solution --> and <!-- /solution --> below each such exercise, on a line each"
                )
        except ValueError as error:
            raise PageError(f"{page.text.name}, {cell_name(cells, number or 0)}: {error}") from None
        blocks = map(_block, shown)
        for i, text in below.items():
            sources[i] = _SOLUTION.sub(lambda _, blocks=blocks: next(blocks), text)
    return sources


def _sections(cells: list) -> Iterator[tuple[int | None, list[int]]]:
    """The index of each code cell, and those of the text cells below it; first None, for what stands above them all."""
    number, texts = None, []
    for i, cell in enumerate(cells):
        if cell["cell_type"] == "code":
            yield number, texts
            number, texts = i, []
        else:
            texts.append(i)
    yield number, texts


def _file(page: Page, topic: str) -> Path:
    return page.text.parent.parent / "exercises" / f"{topic}.py"


def solution(file: Path, name: str) -> str:
    """The solution of an exercise, as it could stand in a cell; "" where it has none, as a prediction.

    It is the body of the function that the exercise names as `solution_source`, without `return`, which cannot stand in
    a cell: what is returned becomes the last expression. The name of a function that the body defines is left out.

    Raises:
        ValueError: if the file or the exercise is not there, or its solution is no function of that file that returns.

    Example:
        >>> print(solution(Path("exercises/sequential.py"), "weight_updates"))
        steps_per_epoch = int(np.ceil(1412 / 32))
        5 * steps_per_epoch
    """
    try:
        source = file.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise ValueError(f"there is no exercises/{file.name}") from None
    body = ast.parse(source).body
    assigned = {node.targets[0].id: node.value for node in body if _assigns_a_name(node)}
    exercise = assigned.get(name)
    if not isinstance(exercise, ast.Call):
        raise ValueError(f"exercises/{file.name} has no exercise {name}")
    keywords = {keyword.arg: keyword.value for keyword in exercise.keywords}
    if "solution_source" not in keywords:
        return ""
    functions = {node.name: node for node in body if isinstance(node, ast.FunctionDef)}
    function = functions.get(ast.unparse(keywords["solution_source"]))
    if function is None:
        raise ValueError(f"the solution_source of {name} must be a function of exercises/{file.name}")
    return _as_cell(function, source.splitlines())


def _assigns_a_name(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name)


def _as_cell(function: ast.FunctionDef, lines: list[str]) -> str:
    body, last = function.body, function.body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        raise ValueError(f"{function.name} must end with the return of a right answer")
    defined = [node.name for node in body if isinstance(node, ast.FunctionDef)]
    shown = lines[function.lineno : last.end_lineno]  # with the comments that stand in it
    if isinstance(last.value, ast.Name) and last.value.id in defined:
        shown = shown[: last.lineno - 1 - function.lineno]
    else:
        at = last.lineno - 1 - function.lineno
        shown[at] = shown[at].replace("return ", "", 1)
    return textwrap.dedent("\n".join(shown)).strip("\n")


def _block(code: str) -> str:
    # with a capital: GitHub and JupyterLab colour it alike, and jupytext makes a cell of `python` alone
    parts = ["<details>\n<summary>One solution</summary>", f"```Python\n{code}\n```", "</details>"]
    return "<!-- solution -->\n" + "\n\n".join(parts) + "\n<!-- /solution -->"
