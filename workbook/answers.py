"""The answers in a notebook: which exercises its cells check, and what they were told when it was saved.

Nothing is executed, and the modules of exercises are read rather than imported, since importing Keras takes seconds.
"""

from __future__ import annotations

import ast
import functools
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import nbformat

EXERCISES = Path(__file__).resolve().parent.parent / "exercises"

_CHECK = re.compile(r"^[ \t]*(?:\w+\.)*?(\w+)\.(\w+)\.check\(", re.MULTILINE)
_BLANK = re.compile(r"(?<!\w)____(?!\w)")
_STATES = {"Waiting for your": "waiting", "Not yet.": "wrong", "Right.": "right"}
_VERDICT = re.compile(f"^({'|'.join(map(re.escape, _STATES))})", re.MULTILINE)
_HELP = re.compile(r"^Hint \d+ of \d+:", re.MULTILINE)  # what a cell may print below its verdict


@dataclass(frozen=True)
class Answer:
    """What is known of the answer to one exercise.

    Attributes:
        exercise: the topic and the name, such as "sequential.parameter_count".
        title: of the exercise.
        state: "right", "wrong" or "waiting".
        reason: why it is wrong.
    """

    exercise: str
    title: str
    state: str
    reason: str = ""


def answers(notebook: nbformat.NotebookNode) -> list[Answer]:
    """The answers of a notebook by its stored outputs, in the notebook's order.

    A cell that was never executed, or has a blank left, is waiting. Where several cells check the same exercise, the
    last one counts.

    Example:
        >>> cell = nbformat.v4.new_code_cell("sequential.parameter_count.check(1)")
        >>> answers(nbformat.v4.new_notebook(cells=[cell]))
        [Answer(exercise='sequential.parameter_count', title='count the parameters', state='waiting', reason='')]
    """
    found = {}
    for cell in notebook.cells:
        if cell.cell_type != "code" or not (names := checks(cell.source)):
            continue
        printed = "".join(o["text"] for o in cell.outputs if o["output_type"] == "stream" and o["name"] == "stdout")
        errors = [f"The cell raised {o['ename']}: {o['evalue']}" for o in cell.outputs if o["output_type"] == "error"]
        without_verdict = unsaid(cell.source, *errors[:1])
        said = verdicts(printed)[-len(names) :]
        if _has_blank(cell.source):
            said = []  # what it has stored is of another answer
        for i, name in enumerate(names):
            found[name] = Answer(name, title(name), *(said[i] if i < len(said) else without_verdict))
    return list(found.values())


def checks(source: str) -> list[str]:
    """The exercises of the course that the code of a cell checks, in its order: `topic.name.check(...)`."""
    try:
        calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call)]
        calls.sort(key=lambda call: (call.lineno, call.col_offset))
        found = [name for call in calls if (name := checked(call))]
    except (SyntaxError, ValueError, RecursionError):  # a magic, or code that is no Python
        found = [".".join(names) for names in _CHECK.findall(source)]
    return [name for name in found if name.partition(".")[2] in titles(name.partition(".")[0])]


def checked(call: ast.Call) -> str | None:
    """The last two names of what a call checks: "topic.name" of `topic.name.check(...)`; None of any other call."""
    match call.func:
        case ast.Attribute(attr="check", value=ast.Attribute(attr=name, value=of)):
            topic = of.attr if isinstance(of, ast.Attribute) else getattr(of, "id", None)
            return f"{topic}.{name}"
    return None


def verdicts(printed: str) -> list[tuple[str, str]]:
    """The state and the reason of each verdict in what `check` printed.

    Example:
        >>> verdicts("Not yet. You counted the matrices.\\nEach unit also adds a bias.\\nHint 1 of 2: ...")
        [('wrong', 'You counted the matrices. Each unit also adds a bias.')]
    """
    _, *parts = _VERDICT.split(printed)
    said = zip(parts[::2], (" ".join(_HELP.split(text)[0].split()) for text in parts[1::2]))
    return [(_STATES[begin], text if _STATES[begin] == "wrong" else "") for begin, text in said]


def unsaid(source: str, reason: str = "") -> tuple[str, str]:
    """The state and the reason where a cell came to no verdict, by the reason for that, if there is one."""
    if not reason or _has_blank(source):  # a blank that is left may raise anything
        return "waiting", ""
    return "wrong", reason


def _has_blank(source: str) -> bool:
    """Whether a blank is left in the code of a cell; one in a comment is none."""
    try:
        return any(isinstance(node, ast.Name) and node.id == "____" for node in ast.walk(ast.parse(source)))
    except (SyntaxError, ValueError, RecursionError):
        return bool(_BLANK.search(source))


@functools.cache
def titles(topic: str) -> dict[str, str]:
    """The titles of the exercises of a topic, by their names, in the order of its module; {} of no topic.

    What has a title and takes minutes is an exercise, of whatever kind.
    """
    module = EXERCISES / f"{topic}.py"
    if not module.is_file():
        return {}
    found = {}
    for node in ast.parse(module.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Call(keywords=keywords)):
                given = {word.arg: word.value for word in keywords}
                if {"title", "minutes"} <= given.keys():
                    found[name] = ast.literal_eval(given["title"])
    return found


def title(exercise: str) -> str:
    """The title of "topic.name".

    Raises:
        KeyError: if the course has no such exercise.
    """
    topic, _, name = exercise.partition(".")
    return titles(topic)[name]
