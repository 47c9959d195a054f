"""The kernel in which a notebook is graded: it tells with each reply what the course's checkers said in that cell.

What a cell prints is not believed, nor is what it has made of the checkers. The exercises are loaded before the first
cell. Whenever a cell calls `topic.name.check(answer)`, whatever these names mean by then, they are put back as they
were, and the exercise of the course judges the answer. What had to be put back is told too.

The file is a program, started by `workbook.grading.run` with its settings as JSON in the variable WORKBOOK_GRADING. It
runs where the notebook does, so it imports from the course what needs the standard library alone.
"""

from __future__ import annotations

import ast
import builtins
import contextlib
import functools
import importlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

VARIABLE = "WORKBOOK_GRADING"
REPLY = "workbook"  # where a reply has what was found
LONGEST = 10_000  # characters of a text that a reply carries


@contextlib.contextmanager
def _importing_from(folder: str) -> Iterator[None]:
    """Find modules in `folder` too, for a while: the notebook has to find them by itself, as page 00 teaches."""
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


with _importing_from(str(Path(__file__).resolve().parents[2])):
    from workbook.answers import checked
    from workbook.grading.shut_in import shut_in


class Examiner:
    """The exercises of the course as they are before the first cell, and what they say.

    Args:
        topics: whose exercises are judged; `exercises` must be importable.

    Attributes:
        exercises: by their names, "topic.name".
    """

    def __init__(self, topics: list[str]):
        of_topics = {topic: importlib.import_module(f"exercises.{topic}") for topic in topics}
        self.exercises = {
            f"{topic}.{name}": value
            for topic, module in of_topics.items()
            for name, value in vars(module).items()
            if callable(getattr(value, "check", None)) and not isinstance(value, type)
        }
        self._verdicts: list[tuple[str, str]] = []
        self._changed: dict[str, None] = {}
        self._said: list[str] | None = None
        self._print = print
        modules = [module for name, module in sys.modules.items() if name.startswith("exercises.")]
        own = dict.fromkeys(value for module in modules for value in vars(module).values() if _is_own(value))
        kinds = [value for value in own if isinstance(value, type) and hasattr(value, "check")]
        for module in modules:
            vars(module)["print"] = self._say
        for kind in kinds:
            if "check" in vars(kind):
                kind.check = self._heard(kind.check)
        self._kept = list(_kept(modules, kinds, self.exercises))

    def check(self, name: str, meant: Callable[[], Any], *answer, **named) -> None:
        """Let the exercise `name` of the course judge an answer, whatever the notebook means by that name."""
        self._put_back()
        try:
            differs = meant() is not self.exercises[name]
        except Exception:  # the cell that imports it is lost: the answer is there all the same
            differs = False
        if differs:
            self._changed[f"{name} in the notebook"] = None
        self.exercises[name].check(*answer, **named)

    def report(self) -> dict[str, list]:
        """The verdicts since the last report, as pairs of a name and what was said; and the names that had changed."""
        self._put_back()
        told = {"verdicts": self._verdicts, "changed": list(self._changed)}
        self._verdicts, self._changed = [], {}
        return told

    def _heard(self, check: Callable) -> Callable:
        """A method `check` whose verdict is kept."""

        @functools.wraps(check)
        def heard(exercise, *answer, **named):
            outer, self._said = self._said, []
            try:
                check(exercise, *answer, **named)
            finally:
                said, self._said = self._said, outer
                name = next((name for name, known in self.exercises.items() if known is exercise), None)
                if name and said:
                    self._verdicts.append((name, "".join(said)[:LONGEST]))

        return heard

    def _say(self, *values, **how) -> None:
        """What `print` is for the exercises."""
        if self._said is not None:
            self._said.append(" ".join(map(str, values)) + "\n")
        self._print(*values, **how)

    def _put_back(self) -> None:
        """Make everything as it was, and note what was not."""
        for kept in self._kept:
            self._changed |= dict.fromkeys(kept.put_back())


@dataclass
class _Kept:
    """An object whose attributes are put back.

    Attributes:
        name: what it is called where a change is told.
        of: the object.
        before: its attributes that must not change.
        may_add: whether an attribute that comes in addition may stay, by its name and value.
    """

    name: str
    of: Any
    before: dict[str, Any]
    may_add: Callable[[str, Any], bool]

    def put_back(self) -> list[str]:
        """Put back what has changed, and return the names of that."""
        kind = type if isinstance(self.of, type) else object  # whose setters no notebook has made
        changed = []
        for name, value in self.before.items():
            if getattr(self.of, name, None) is not value and vars(self.of).get(name) is not value:
                kind.__setattr__(self.of, name, value)
                changed.append(f"{self.name}.{name}")
        for name, value in list(vars(self.of).items()):
            if name not in self.before and not self.may_add(name, value):
                kind.__delattr__(self.of, name)
                changed.append(f"{self.name}.{name}")
        return changed


def _kept(modules: list[ModuleType], kinds: list[type], exercises: dict[str, Any]) -> Iterator[_Kept]:
    """What a notebook could change in the exercises, as it is now."""
    # the kernel itself replaces `input`, and IPython `exit` and others that are no built-in functions
    functions = {n: v for n, v in vars(builtins).items() if getattr(v, "__module__", "") == "builtins" and n != "input"}
    yield _Kept("builtins", builtins, functions, lambda name, value: True)
    for module in modules:
        before = {name: value for name, value in vars(module).items() if not name.startswith("__")}
        yield _Kept(
            module.__name__,
            module,
            before,
            lambda name, value: name.startswith("__") or isinstance(value, ModuleType),
        )
    for kind in kinds:
        yield _Kept(f"{kind.__module__}.{kind.__qualname__}", kind, dict(vars(kind)), lambda name, value: False)
    for function in dict.fromkeys(value for of in (*modules, *kinds) for value in vars(of).values() if _is_own(value)):
        if isinstance(function, FunctionType):
            before = {name: getattr(function, name) for name in ("__code__", "__defaults__", "__kwdefaults__")}
            yield _Kept(f"{function.__module__}.{function.__qualname__}", function, before, lambda name, value: True)
    for name, exercise in exercises.items():
        before = {name: value for name, value in vars(exercise).items() if not name.startswith("_")}
        yield _Kept(name, exercise, before, lambda name, value: not callable(value))


def _is_own(value: Any) -> bool:
    """Whether a value is a function or a class of the exercises, rather than one that they import."""
    return isinstance(value, (type, FunctionType)) and value.__module__.partition(".")[0] == "exercises"


class Checks(ast.NodeTransformer):
    """Sends each call of `topic.name.check(answer)` to the examiner, by the name that it has among the builtins."""

    def __init__(self, exercises: dict[str, Any], examiner: str):
        self._exercises, self._examiner = exercises, examiner

    def visit_Call(self, call: ast.Call) -> ast.Call:
        self.generic_visit(call)
        if (name := checked(call)) not in self._exercises:
            return call
        nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
        meant = ast.Lambda(args=nothing, body=call.func.value)
        function = ast.Name(id=self._examiner, ctx=ast.Load())
        there = ast.Call(func=function, args=[ast.Constant(name), meant, *call.args], keywords=call.keywords)
        return ast.copy_location(there, call)


def launch(arguments: list[str]) -> None:
    """Start the kernel, with arguments as `ipykernel_launcher` takes them."""
    settings = json.loads(os.environ.pop(VARIABLE))
    for name in [name for name in sys.modules if name.partition(".")[0] == "workbook"]:
        del sys.modules[name]
    if settings["shut_in"]:
        shut_in(Path(settings["folder"]))
        os.environ.pop("JPY_PARENT_PID", None)  # which cannot be seen from here
    if settings["memory"]:
        _limit_memory(settings["memory"])

    from ipykernel.ipkernel import IPythonKernel
    from ipykernel.kernelapp import IPKernelApp

    class GradingKernel(IPythonKernel):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)
            with _importing_from(settings["course"]):
                self._examiner = Examiner(settings["topics"])
            name = f"_examiner_{os.urandom(8).hex()}"
            setattr(builtins, name, self._examiner.check)
            self.shell.ast_transformers.append(Checks(self._examiner.exercises, name))

        async def do_execute(self, code, *args, **kwargs):
            reply = await super().do_execute(code, *args, **kwargs)
            reply |= {"traceback": [], "evalue": str(reply.get("evalue", ""))[:LONGEST]}
            return reply | {REPLY: self._examiner.report()}

    IPKernelApp.launch_instance(arguments, kernel_class=GradingKernel)


def _limit_memory(most: int) -> None:
    """Let this process, and each of its children, have no more bytes than `most`, where the system counts them."""
    if sys.platform.startswith("linux"):  # macOS has the limit and does not keep it
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (most, most))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    del sys.path[0]  # the folder of this file, which no kernel has
    launch(sys.argv[1:])
