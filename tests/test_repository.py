"""What holds for the repository as a whole: no trace of a machine, line ends, style, and commands that are there."""

import re
import subprocess
import sys

import pytest
import yaml

from workbook.pages import ROOT

# paths as they are on one machine only, and hosts from which packages come
TRACE = re.compile(
    r"(?<![\w.])/(?:home|root|Users|tmp|work)/|[A-Z]:\\{1,2}Users\b|index[-]url"
    r"|\b(?:pypi|pythonhosted|anaconda|artifactory|nexus|npmjs)\b[\w.-]*\.(?:org|com|net|io)\b",
    re.IGNORECASE,
)
MEANT = "tests/test_comparing.py"  # such paths are its examples


def git(*arguments):
    """What git lists, a line each."""
    try:
        done = subprocess.run(["git", *arguments, "-z"], cwd=ROOT, capture_output=True, check=True, encoding="utf-8")
    except (FileNotFoundError, subprocess.CalledProcessError):
        pytest.skip("this is no git checkout, or there is no git")
    return [line for line in done.stdout.split("\0") if line]


def committed():
    """The files that git has or would add."""
    listed = git("ls-files", "--cached", "--others", "--exclude-standard")
    return [name for name in listed if (ROOT / name).is_file()]


def test_no_file_names_a_path_of_a_machine_or_a_registry():
    found = []
    for name in committed():
        content = (ROOT / name).read_bytes()
        if name == MEANT or b"\0" in content[:8000]:  # a picture is no text
            continue
        for number, line in enumerate(content.decode("utf-8").splitlines(), 1):
            if trace := TRACE.search(line):
                found.append(f"{name}, line {number}: {trace[0]}")
    assert found == []


# in pieces, so that this file holds no trace itself
TRACES = [
    "/".join(("see ", "home", "x")),
    "/".join(('"', "root", '.keras"')),
    "/".join(("", "tmp", "x")),
    "/".join(("(", "work", "a)")),
    "\\".join(("C:", "Users", "x")),
    ".".join(("from pypi", "org")),
    "-".join(("--index", "url")),
]


@pytest.mark.parametrize("line", TRACES)
def test_a_trace_is_seen(line):
    assert TRACE.search(line)


@pytest.mark.parametrize("line", ["../homework/x", "a.b/tmp/c", "https://keras.io/root/", "notebooks/work/"])
def test_what_is_no_trace_is_let_through(line):
    assert not TRACE.search(line)


MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.search(r"^\.PHONY: (.+)$", MAKEFILE, re.MULTILINE)[1].split())


def test_every_target_is_explained_at_the_top_of_the_makefile():
    assert set(re.findall(r"^# make (\w+) ", MAKEFILE, re.MULTILINE)) == TARGETS
    assert TARGETS <= set(re.findall(r"^(\w+):", MAKEFILE, re.MULTILINE))


def test_workflow_calls_targets_of_the_makefile():
    # YAML reads the key `on` as true
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))
    assert set(workflow[True]) == {"push", "pull_request", "schedule", "workflow_dispatch"}
    called = {step["run"] for job in workflow["jobs"].values() for step in job["steps"] if "run" in step}
    called = {command for command in called if command.startswith("make ")}
    assert called == {"make test", "make versions ONLY=newest", "make claims"}
    assert {command.split()[1] for command in called} <= TARGETS
    assert workflow["jobs"]["test"]["strategy"]["matrix"]["python-version"] == ["3.11", "3.12", "3.13"]


def test_ruff_finds_nothing():
    command = [sys.executable, "-m", "ruff", "check", "--no-cache", "--quiet", "--output-format=concise"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, check=False, encoding="utf-8")
    assert done.returncode == 0, done.stdout + done.stderr


def test_line_ends_are_the_same_on_every_system():
    """git knows every file that is no text as binary, and has no other text with Windows' line ends."""
    wrong = re.compile(r"\b[iw]/(crlf|mixed)\b|^i/-text (?!.*attr/-text)")
    assert [line for line in git("ls-files", "--eol") if wrong.search(line)] == []
