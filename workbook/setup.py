"""Set up the workbook: `python -m workbook.setup` makes `.venv` and installs there what requirements.lock names.

It needs Python alone, and does nothing where all is in place. uv installs, where it is at hand or pip can get it: it
takes a third of pip's time. Otherwise pip does, with the same result, since the lock names every version and the hash
of every file.
"""

# Nothing here is newer than Python 3.6, so that a Python which is too old can say so.
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
VENV = ROOT / ".venv"
OLDEST, NEWEST = (3, 11), (3, 13)
# A source would be compiled, by what the lock does not name. It names all that is needed; and pip before 24.0 does not
# see that a package is named in it which another one wants with an extra.
AS_LOCKED = ("--no-deps", "--require-hashes", "--only-binary", ":all:", "-r")


def make(folder):
    """Make a fresh virtual environment. Returns its Python."""
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
    return python_of(folder)


def install(python, *wanted):
    """Install what is wanted into the environment of this Python: by uv, or by pip where uv is not or fails.

    Args:
        python: the one that `make` returned.
        *wanted: what stands behind `pip install`: packages, or options that uv has too.

    Raises:
        subprocess.CalledProcessError: if pip fails as well; it says why on stderr.
    """
    uv = _uv(python)
    if uv:
        done = subprocess.run([uv, "pip", "install", "--quiet", "--python", str(python), *wanted], check=False)
        if done.returncode == 0:
            return
        print("uv could not install that, for the reason above. Now pip tries.", flush=True)
    _pip(python, *wanted)


def split(lock):
    """Return the part of a lock that is uv's, and the rest."""
    uv = re.search(r"^uv==.*\n(?: .*\n)*", lock, re.MULTILINE)
    return uv.group(), lock[: uv.start()] + lock[uv.end() :]


def python_of(folder):
    """The Python of a virtual environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def _uv(python):
    """The uv of this computer, of the environment, or of the one that runs this; None if there is none."""
    beside = [str(Path(other).parent) for other in (python, sys.executable)]
    return shutil.which("uv") or shutil.which("uv", path=os.pathsep.join(beside))


def _pip(python, *wanted):
    command = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *wanted]
    subprocess.run(command, check=True)


def _install_locked(python, lock):
    wanted = LOCK
    if not _uv(python):
        for part, text in zip(("uv", "rest"), split(lock)):
            (VENV / f"{part}.lock").write_text(text, encoding="utf-8")
        try:
            _pip(python, *AS_LOCKED, str(VENV / "uv.lock"))
        except subprocess.CalledProcessError:
            print("pip cannot get uv, for the reason above, and installs by itself.", flush=True)
            wanted = VENV / "rest.lock"
    install(python, *AS_LOCKED, str(wanted))


def main():
    lock = LOCK.read_text(encoding="utf-8")
    # a copy of what was installed: the set-up runs again when the lock changes
    installed = VENV / "installed.lock"
    if python_of(VENV).exists() and installed.is_file() and installed.read_text(encoding="utf-8") == lock:
        return None
    if not OLDEST <= sys.version_info[:2] <= NEWEST:
        return (
            "Python {}.{} to {}.{} is needed, and this is {}.{}. Name another one: python3.12 -m workbook.setup, "
            "make PYTHON=python3.12, or on Windows py -3.12 -m workbook.setup"
        ).format(*OLDEST, *NEWEST, *sys.version_info)
    if os.name == "nt" and Path(sys.prefix) == VENV:
        return "Windows cannot renew a Python that runs. Leave .venv with: deactivate"
    print("Setting up .venv. The first time this may take minutes.", flush=True)
    try:
        _install_locked(make(VENV), lock)
    except subprocess.CalledProcessError:
        return (
            "The set-up failed, for the reason above. If no matching distribution was found: TensorFlow is made for "
            "Linux (x86_64 and aarch64, with glibc), for macOS on Apple silicon and for Windows (64 bit, x86); this "
            f"Python is for {sysconfig.get_platform()}."
        )
    installed.write_text(lock, encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main())
