"""The library by itself: what it declares is what it imports, and importing it changes nothing."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib

import pytest

from workbook.pages import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
PACKAGE = ROOT / "text_recognizer"
DISTRIBUTIONS = {"sklearn": "scikit-learn", "PIL": "pillow"}  # where the name of the import is another one


def requirements(lines):
    """Return the versions of requirements by name, "" where there is none."""
    parts = (re.fullmatch(r"([\w-]+)(?:[=>]=([\w.]+))?.*", line) for line in lines)
    return {part[1]: part[2] or "" for part in parts if part}


def version(text):
    return tuple(int(number) for number in text.split("."))


DECLARED = requirements(PROJECT["dependencies"])
OPTIONAL = requirements(sum(PROJECT["optional-dependencies"].values(), []))
PINNED = requirements((ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines())


def imports(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module


def test_what_is_imported_is_declared():
    found = {name.partition(".")[0] for path in PACKAGE.rglob("*.py") for name in imports(path)}
    foreign = {DISTRIBUTIONS.get(name, name) for name in found - {"text_recognizer"} - sys.stdlib_module_names}
    assert foreign - OPTIONAL.keys() == DECLARED.keys()


def test_the_versions_of_the_workbook_are_among_those_of_the_library():
    for name, lowest in (DECLARED | OPTIONAL).items():
        assert version(lowest) <= version(PINNED[name]), name


def test_imports_run_one_way():
    """Data sets and networks stand alone; nothing below a model knows of models."""
    forbidden = {
        "datasets": ("networks", "models", "pipelines", "training", "recipes"),
        "networks": ("datasets", "models", "pipelines", "training", "recipes"),
        "pipelines": ("datasets", "networks", "models", "training", "recipes"),
        "training": ("datasets", "networks", "models", "recipes"),
        "models": ("datasets", "networks", "recipes"),
    }
    for part, others in forbidden.items():
        for path in (PACKAGE / part).rglob("*.py"):
            for name in imports(path):
                assert name.split(".")[:2] not in [["text_recognizer", o] for o in others], f"{path.name}: {name}"
    for path in PACKAGE.rglob("*.py"):
        assert not any(name.split(".")[0] == "workbook" for name in imports(path))


IMPORT = """
import json, logging, os, sys, warnings
import numpy  # which adds filters of its own
before = dict(os.environ), os.getcwd(), warnings.filters[:], logging.root.level, list(sys.path)
import text_recognizer, text_recognizer.files, text_recognizer.images, text_recognizer.datasets, text_recognizer.cli
after = dict(os.environ), os.getcwd(), warnings.filters[:], logging.root.level, list(sys.path)
print(json.dumps([before == after, sorted({"keras", "tensorflow", "jax", "torch"} & set(sys.modules))]))
"""


def test_importing_it_changes_nothing_and_imports_no_framework():
    done = subprocess.run(
        [sys.executable, "-c", IMPORT],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert json.loads(done.stdout) == [True, []] and done.stderr == ""


def test_no_word_of_the_course_in_the_library():
    for path in PACKAGE.rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        for word in ("homework", "notebooks/", "the notes", "exercise", "this course"):
            assert word not in text.lower(), f"{path.name}: {word}"


@pytest.mark.parametrize("name", ["mlp", "lenet", "vgg", "line_cnn", "line_convnext", "Resnet"])
def test_the_networks_are_at_hand(name):
    import text_recognizer.networks

    assert callable(getattr(text_recognizer.networks, name)) and name in text_recognizer.networks.__all__
