"""Every example in a docstring of the library runs and gives what it says, in a folder of its own, on the sample."""

import doctest
import importlib
import pkgutil

import pytest

import text_recognizer

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(text_recognizer.__path__, "text_recognizer.")
    if not module.name.endswith("__main__")
)


# Their examples train for a step or two, which takes a part of the time that tracing them does.
EAGERLY = ("text_recognizer.models.line_model", "text_recognizer.training.checkpoints")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch, request, tmp_path):
    if name in EAGERLY:
        request.getfixturevalue("eagerly")
    monkeypatch.delenv("WORKBOOK_DATA", raising=False)
    monkeypatch.chdir(tmp_path)
    result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    assert result.failed == 0, f"python -m doctest shows where: {name}"
