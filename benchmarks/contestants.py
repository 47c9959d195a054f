"""What the comparisons share: each contestant is a process of its own, in an interpreter of its own.

PyTorch and JAX need not be in the interpreter that runs the comparison: `--torch PYTHON` and `--jax PYTHON`, or the
environment variables TORCH_PYTHON and JAX_PYTHON, name those that have them. PyTorch's needs NumPy besides, JAX's what
`pip install keras jax h5py filelock rich numpy pillow scikit-learn` installs. A contestant whose package is not there
is left out, and named.

TensorFlow computes with oneDNN's kernels, which it takes by itself on newer x86 processors alone. Where the environment
variable TF_ENABLE_ONEDNN_OPTS is set, it is as that says.
"""

import json
import os
import platform
import resource
import subprocess
import sys

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

PACKAGES = {"keras": "tensorflow", "torch": "torch", "jax": "jax"}  # of each side, what it needs


def add_options(parser, *sides):
    """Add to a parser the interpreters of the other sides, "torch" or "jax"."""
    for side in sides:
        default = os.environ.get(f"{side.upper()}_PYTHON", sys.executable)
        parser.add_argument(f"--{side}", metavar="PYTHON", default=default, help=f"the interpreter that has {side}")


def interpreters(arguments, *sides):
    """Return the interpreter of each side that is there, a dict; print all versions, and what is left out."""
    print(f"{platform.processor() or platform.machine()}, {os.cpu_count()} processors, {platform.system()}")
    found = {}
    for side in ("keras", *sides):
        python, package = getattr(arguments, side, sys.executable), PACKAGES[side]
        packages = (package,) if side == "torch" else (package, "keras")
        code = f"import importlib.metadata as m, {package}; print([(p, m.version(p)) for p in {packages}])"
        try:
            said = subprocess.run([python, "-c", code], capture_output=True, check=False, text=True)
        except OSError as error:
            print(f"{side}: left out, {error}")
            continue
        if said.returncode:
            print(f"{side}: left out, {python} has no {package}")
            continue
        found[side] = python
        print(f"{side}: " + ", ".join(" ".join(pair) for pair in eval(said.stdout.splitlines()[-1])))
    return found


def run(python, module, *arguments, **environment):
    """Run a module that prints its result as a line of JSON, and return the result.

    Args:
        python: the interpreter.
        module, *arguments: what follows `python -m`.
        **environment: variables to set.

    Raises:
        RuntimeError: it failed; the message is the end of what it said.
    """
    command = [python, "-m", module, *map(str, arguments)]
    onednn = os.environ.get("TF_ENABLE_ONEDNN_OPTS", "1")
    environment = {"KERAS_BACKEND": "tensorflow", "TF_ENABLE_ONEDNN_OPTS": onednn} | environment
    done = subprocess.run(command, capture_output=True, check=False, text=True, env=os.environ | environment)
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} ended with {done.returncode}: {done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def peak_memory():
    """Return the most bytes of memory that this process has had so far."""
    try:  # not getrusage: after fork and exec that still counts what the parent had
        with open("/proc/self/status", encoding="utf-8") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM"))
    except OSError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
