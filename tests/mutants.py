"""Which faults of the comparing code would its tests miss? `python -m tests.mutants [--seconds 600] [MODULE ...]`

Makes mutants of workbook/comparing/{outputs,figures,normalise,pictures}.py: one constant changed, one condition negated, one
branch dropped, one operator, statement or item of a list another. Runs tests/test_comparing.py on each, in a copy of the
code, and prints those that survive. Where time does not last, a sample of them is tried.
"""

from __future__ import annotations

import argparse
import ast
import multiprocessing
import os
import random
import re
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
MODULES = ("outputs", "figures", "normalise", "pictures")
TESTS = Path("tests", "test_comparing.py")
ENOUGH = 0.95

_OPERATORS = {
    ast.Eq: [ast.NotEq],
    ast.NotEq: [ast.Eq],
    ast.Lt: [ast.LtE, ast.GtE],
    ast.LtE: [ast.Lt, ast.Gt],
    ast.Gt: [ast.GtE, ast.LtE],
    ast.GtE: [ast.Gt, ast.Lt],
    ast.In: [ast.NotIn],
    ast.NotIn: [ast.In],
    ast.Is: [ast.IsNot],
    ast.IsNot: [ast.Is],
    ast.And: [ast.Or],
    ast.Or: [ast.And],
    ast.Add: [ast.Sub],
    ast.Sub: [ast.Add],
    ast.Mult: [ast.Div],
    ast.Div: [ast.Mult],
    ast.Pow: [ast.Mult],
    ast.BitOr: [ast.BitAnd],
    ast.FloorDiv: [ast.Mult],
}
_NAMES = {"min": "max", "max": "min", "any": "all", "all": "any", "floor": "ceil", "less": "greater"}


def mutants(source: str) -> Iterator[tuple[int, str, str]]:
    """All mutants of a module: the line, the change in words, and the source.

    >>> [what for _, what, _ in mutants("if x < 1: y = 2")]  # doctest: +ELLIPSIS
    ['x < 1 -> True', 'x < 1 -> False', 'x < 1 -> not x < 1', 'x < 1 -> x <= 1', ..., '2 -> 3', '2 -> 1']
    """
    tree = ast.parse(source)
    for parent, field, index, node in list(_places(tree)):
        siblings = getattr(parent, field)
        before = ast.unparse(node)
        for other in _instead(parent, field, node):
            if other is None:
                setattr(parent, field, siblings[:index] + siblings[index + 1 :])
            elif index is None:
                setattr(parent, field, other)
            else:
                setattr(parent, field, [*siblings[:index], other, *siblings[index + 1 :]])
            after = "(nothing)" if other is None else ast.unparse(ast.fix_missing_locations(other))
            yield node.lineno, f"{before} -> {after}", ast.unparse(ast.fix_missing_locations(tree))
            setattr(parent, field, siblings)


def _places(tree: ast.AST) -> Iterator[tuple[ast.AST, str, int | None, ast.AST]]:
    """Each node that does something, with its parent, the field of it, and its index there."""
    for field, value in ast.iter_fields(tree):
        if field in ("annotation", "returns", "decorator_list") or isinstance(tree, ast.JoinedStr):
            continue  # nor the words of a message
        for index, node in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(node, ast.AST) or isinstance(node, (ast.Import, ast.ImportFrom)) or _is_docstring(node):
                continue
            if isinstance(node, (ast.expr, ast.stmt)):
                yield tree, field, index, node
            yield from _places(node)


def _is_docstring(node: ast.AST) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _instead(parent: ast.AST, field: str, node: ast.AST) -> Iterator[ast.AST | None]:
    """What may stand in the place of a node; None: nothing."""
    if field in ("test", "ifs"):
        if not isinstance(parent, ast.While):  # which would not end
            yield ast.Constant(True)
        yield ast.Constant(False)
        yield ast.UnaryOp(ast.Not(), node)
    if isinstance(node, ast.Constant):
        yield from (ast.Constant(value) for value in _other_values(node.value))
    elif isinstance(node, ast.Compare):
        for operator in _OPERATORS[type(node.ops[0])]:
            yield ast.Compare(node.left, [operator(), *node.ops[1:]], node.comparators)
        for operator in _OPERATORS[type(node.ops[-1])] if len(node.ops) > 1 else ():
            yield ast.Compare(node.left, [*node.ops[:-1], operator()], node.comparators)
    elif isinstance(node, ast.BoolOp):
        yield ast.BoolOp(_OPERATORS[type(node.op)][0](), node.values)
        yield from node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        yield node.operand
    elif isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in _OPERATORS:
        other = _OPERATORS[type(node.op)][0]()
        if isinstance(node, ast.BinOp):
            yield ast.BinOp(node.left, other, node.right)
        else:
            yield ast.AugAssign(node.target, other, node.value)
    elif isinstance(node, ast.IfExp):
        yield from (node.body, node.orelse)
    elif isinstance(node, ast.Name) and node.id in _NAMES:
        yield ast.Name(_NAMES[node.id])
    elif isinstance(node, ast.Attribute) and node.attr in _NAMES:
        yield ast.Attribute(node.value, _NAMES[node.attr])
    elif isinstance(node, ast.Return) and node.value and not isinstance(node.value, ast.Constant):
        yield ast.Return(ast.Constant(None))
    elif isinstance(node, ast.Raise):
        yield ast.Pass()
    elif isinstance(node, (ast.Expr, ast.Assign, ast.Continue)) and not isinstance(parent, (ast.Module, ast.ClassDef)):
        yield ast.Pass()
    if field == "elts" and len(getattr(parent, field)) > 1:
        yield None


def _other_values(value: object) -> Iterator[object]:
    if isinstance(value, bool):
        yield not value
    elif isinstance(value, int):
        yield from (value + 1, value - 1)
    elif isinstance(value, float):
        yield from (value * 1.5, value / 1.5) if value else (0.001,)
    elif isinstance(value, str):
        yield value + "?mutant"
        for number in re.finditer(r"(?<=\{)\d+(?=[,}])|(?<=,)\d+(?=\})", value):  # how often in a pattern
            for other in int(number[0]) + 1, int(number[0]) - 1:
                yield value[: number.start()] + str(other) + value[number.end() :]


def survives(folder: Path) -> bool:
    """Whether the tests pass on the code in `folder`. To be run in a process of its own."""
    import pytest

    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    null = os.open(os.devnull, os.O_WRONLY)
    os.dup2(null, 1)
    os.dup2(null, 2)
    off = [f"-pno:{name}" for name in ("cacheprovider", "unraisableexception", "threadexception", "logging")]
    return pytest.main(["-x", "-q", "--assert=plain", "--noconftest", "--capture=no", *off, str(TESTS)]) == 0


def _try(folder: Path, seconds: float) -> bool:
    """Whether the tests pass there; not if they hang."""
    fork = multiprocessing.get_context("fork")  # with what is imported here
    process = fork.Process(target=lambda: os._exit(0 if survives(folder) else 1))
    process.start()
    process.join(seconds)
    process.kill()
    process.join()
    return process.exitcode == 0


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__.splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help=f"of {', '.join(MODULES)}; all if none is named")
    parser.add_argument("--seconds", type=float, default=600, help="stop trying then (default: %(default)s)")
    arguments = parser.parse_args()
    if not hasattr(os, "fork"):
        parser.error("this system starts no process as a copy of another (fork)")

    # once, for all that follow
    import matplotlib.figure  # noqa: F401
    import nbformat.v4  # noqa: F401
    import pytest  # noqa: F401
    import scipy.ndimage  # noqa: F401
    from PIL import Image, ImageDraw  # noqa: F401

    sys.dont_write_bytecode = True
    tried, survivors = 0, []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shutil.copytree(ROOT / "workbook", folder / "workbook", ignore=shutil.ignore_patterns("__pycache__"))
        (folder / TESTS).parent.mkdir()
        shutil.copy(ROOT / TESTS, folder / TESTS)
        started = time.monotonic()
        if not _try(folder, 120):
            sys.exit(f"{TESTS} fails as it is")
        most = 10 + 5 * (time.monotonic() - started)
        all_of_them = []
        for module in arguments.modules or MODULES:
            file = folder / "workbook" / "comparing" / f"{module}.py"
            source = file.read_text(encoding="utf-8")
            all_of_them += [(file, source, *mutant) for mutant in mutants(source)]
        random.Random(0).shuffle(all_of_them)
        for file, source, line, what, mutant in all_of_them:
            if time.monotonic() - started > arguments.seconds:
                break
            file.write_text(mutant, encoding="utf-8")
            tried += 1
            if _try(folder, most):
                survivors.append((file.name, line, what))
                print(f"{file.name}, line {line}: {what}", flush=True)
            file.write_text(source, encoding="utf-8")
    killed = tried - len(survivors)
    print(f"{killed} of {tried} mutants are killed, {killed / tried:.1%}; there are {len(all_of_them)}")
    return int(killed < ENOUGH * tried)


if __name__ == "__main__":
    sys.exit(main())
