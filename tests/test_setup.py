"""The set-up: what the lock names, who installs it, and the files by which services set the workbook up elsewhere."""

import ast
import json
import os
import re
import subprocess
import sys
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from workbook import setup
from workbook.pages import ROOT
from workbook.versions import pinned

README = (ROOT / "README.md").read_text(encoding="utf-8")
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
ENTRY = re.compile(
    r"(?P<name>[a-z0-9-]+)==(?P<version>\S+)(?: ; .+)? \\\n"
    r"(?:    --hash=sha256:[0-9a-f]{64} \\\n)*    --hash=sha256:[0-9a-f]{64}\n"
    r"(?P<why>(?:    #.*\n)+)"
)
ENTRIES = list(ENTRY.finditer(LOCK))


# The lock


def test_the_lock_names_one_version_of_each_package_with_its_hashes_and_nothing_else():
    assert all(line.startswith("#") for line in ENTRY.sub("", LOCK).splitlines())
    assert len({entry["name"] for entry in ENTRIES}) == len(ENTRIES) > 100


def test_the_lock_agrees_with_the_requirements():
    direct = {entry["name"]: entry["version"] for entry in ENTRIES if "-r requirements.txt" in entry["why"]}
    stated = {canonicalize_name(name): version for name, version in pinned(ROOT / "requirements.txt").items()}
    assert direct == stated, "requirements.lock does not follow from requirements.txt. To mend it: make lock"


def test_the_head_of_the_lock_is_the_command_that_writes_it():
    recipe = re.search(r"^lock: .*\n((?:\t.*\n)+)", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    words = [word for word in recipe.split() if word not in ("\\", "--quiet", "$(UPGRADE)")]
    assert words[0] == "$(BIN)/uv" and LOCK.splitlines()[1].split()[1:] == ["uv", *words[1:]]


# Installing


class Computer:
    """Where nothing is installed: each command is noted, and ends well unless its first word and last file are broken."""

    def __init__(self, folder):
        self.venv, self.path, self.lock = folder / ".venv", folder / "path", folder / "requirements.lock"
        self.lock.write_text(
            "other==1 \\\n    --hash=1\n    # via x\nuv==2 \\\n    --hash=2\n    # via y\nz==3\n", "utf-8"
        )
        self.path.mkdir()
        self.commands, self.broken = [], ()

    def add_uv(self, folder):
        program = folder / ("uv.exe" if os.name == "nt" else "uv")
        program.write_bytes(b"")
        program.chmod(0o755)

    def run(self, command, check):
        python = setup.python_of(self.venv)
        if command[1:3] == ["-m", "venv"]:
            python.parent.mkdir(parents=True, exist_ok=True)
            python.write_bytes(b"")
            return subprocess.CompletedProcess(command, 0)
        who = "pip" if command[0] == str(python) else "uv"
        file = command[-1].replace("\\", "/").rpartition("/")[2]
        assert {"--no-deps", "--require-hashes", "--only-binary"} < set(command)
        self.commands.append(f"{who} {file}")
        failed = bool({who, f"{who} {file}"} & set(self.broken))
        if failed and check:
            raise subprocess.CalledProcessError(1, command)
        if file == "uv.lock":
            self.add_uv(python.parent)
        return subprocess.CompletedProcess(command, int(failed))


@pytest.fixture
def computer(monkeypatch, tmp_path):
    new = Computer(tmp_path)
    monkeypatch.setattr(setup, "VENV", new.venv)
    monkeypatch.setattr(setup, "LOCK", new.lock)
    monkeypatch.setattr(subprocess, "run", new.run)
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    monkeypatch.setenv("PATH", str(new.path))
    return new


def test_uv_installs_where_it_is(computer):
    computer.add_uv(computer.path)
    assert setup.main() is None and computer.commands == ["uv requirements.lock"]


def test_pip_gets_uv_by_its_hash_where_it_is_not(computer):
    assert setup.main() is None and computer.commands == ["pip uv.lock", "uv requirements.lock"]
    assert (computer.venv / "uv.lock").read_text("utf-8") == "uv==2 \\\n    --hash=2\n    # via y\n"


def test_pip_installs_all_else_where_uv_cannot_be_had(computer):
    computer.broken = ["pip uv.lock"]
    assert setup.main() is None and computer.commands == ["pip uv.lock", "pip rest.lock"]
    assert (computer.venv / "rest.lock").read_text("utf-8") == "other==1 \\\n    --hash=1\n    # via x\nz==3\n"


def test_pip_installs_the_same_where_uv_fails(computer):
    computer.broken = ["uv"]
    assert setup.main() is None
    assert computer.commands == ["pip uv.lock", "uv requirements.lock", "pip requirements.lock"]


def test_it_does_nothing_until_the_lock_changes(computer):
    computer.add_uv(computer.path)
    setup.main()
    setup.main()
    assert computer.commands == ["uv requirements.lock"]
    computer.lock.write_text("uv==3 \\\n    --hash=3\n", "utf-8")
    setup.main()
    assert computer.commands == ["uv requirements.lock"] * 2


def test_a_set_up_that_failed_says_so_and_is_begun_again(computer):
    computer.broken = ["uv", "pip requirements.lock"]
    assert "this Python is for" in setup.main()
    assert "this Python is for" in setup.main() and computer.commands.count("pip requirements.lock") == 2


@pytest.mark.parametrize("version", [(3, 10, 14), (3, 14, 0)])
def test_another_python_is_refused(computer, monkeypatch, version):
    monkeypatch.setattr(sys, "version_info", version)
    assert f"this is 3.{version[1]}." in setup.main() and computer.commands == []


def test_a_python_without_the_packages_is_told_which_one_has_them():
    command = [sys.executable, "-S", "-m", "workbook", "find", "a message"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert said.returncode == 1 and "python3 -m workbook.setup" in said.stderr and "Traceback" not in said.stderr


def test_any_python_can_read_it_and_it_needs_nothing():
    for file in ("__init__.py", "setup.py"):
        tree = ast.parse((ROOT / "workbook" / file).read_text(encoding="utf-8"), feature_version=(3, 7))
        imported = {node.names[0].name for node in ast.walk(tree) if isinstance(node, ast.Import)}
        imported |= {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert imported <= sys.stdlib_module_names


def test_the_pythons_are_those_of_the_package():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    oldest, newest = setup.OLDEST, setup.NEWEST
    assert project["requires-python"] == f">={oldest[0]}.{oldest[1]},<{newest[0]}.{newest[1] + 1}"


# Elsewhere


def test_codespaces_sets_up_by_the_same_command():
    container = json.loads((ROOT / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8"))
    assert container["postCreateCommand"] == "python -m workbook.setup"
    python = container["customizations"]["vscode"]["settings"]["python.defaultInterpreterPath"]
    assert python == "${containerWorkspaceFolder}/.venv/bin/python"


def test_binder_installs_the_lock():
    assert (ROOT / ".binder" / "requirements.txt").read_text(encoding="utf-8") == "-r ../requirements.lock\n"
    python = tuple(map(int, re.findall(r"\d+", (ROOT / ".binder" / "runtime.txt").read_text(encoding="utf-8"))))
    assert setup.OLDEST <= python <= setup.NEWEST


COLAB = next(cell for cell in re.findall(r"```python\n(.*?)```", README, re.DOTALL) if "ADDRESS" in cell)


def test_the_cell_for_colab_asks_for_what_the_library_asks():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    known = [*project["dependencies"], *project["optional-dependencies"]["graphs"]]
    asked = re.findall(r'"(.+?)"', re.search(r"%pip install (.+)", COLAB)[1])
    assert asked and set(map(Requirement, asked)) <= set(map(Requirement, known))


PAGE = """
import os, sys
from importlib.util import find_spec

if find_spec("text_recognizer") is None:
    sys.path.append("..")

import text_recognizer
print(os.path.realpath(text_recognizer.__file__))
"""


def test_after_the_cell_for_colab_a_page_finds_the_package(tmp_path):
    """In an empty folder, from a clone of this repository; nothing is installed."""
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout")
    cell = COLAB.replace("ADDRESS", ROOT.as_uri()).replace("%pip", "#")
    script = tmp_path / "page.ipy"
    script.write_text(f"{cell}\n{cell}\n{PAGE}", encoding="utf-8")  # whoever runs a cell may run it again
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--colors=NoColor", str(script)],
        cwd=tmp_path,
        env=environment | {"IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = (tmp_path / "keras-workbook" / "text_recognizer" / "__init__.py").resolve()
    assert done.stdout.splitlines()[-1] == str(found)


WORKFLOW = yaml.safe_load((ROOT / ".github" / "workflows" / "test.yml").read_text(encoding="utf-8"))


def test_the_workflow_types_what_readme_says():
    job = WORKFLOW["jobs"]["elsewhere"]
    lines = [step["run"] for step in job["steps"] if "run" in step]
    assert lines == ["python -m workbook.setup", "${{ matrix.python }} -m workbook test"]
    systems = job["strategy"]["matrix"]["include"]
    assert [system["os"] for system in systems] == ["macos-latest", "windows-latest"]
    for system in systems:
        assert f"\n{system['python']} -m workbook test\n" in README
