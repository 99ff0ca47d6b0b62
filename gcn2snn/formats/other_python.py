"""Programs that run in another Python environment, because their simulators do not live beside this package's versions."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Sequence

from gcn2snn.errors import ConfigError, MissingPackageError


def interpreter(python: str | None, variable: str, install: str) -> str:
    """The interpreter to use: the one given, or the one that the environment variable names.

    Raises:
        MissingPackageError: neither is there; the message holds ``install``.
    """
    found = python or os.environ.get(variable)
    if not found:
        raise MissingPackageError(f"the check runs in an environment of its own. {install}")
    return found


def check_modules(python: str, needs: Sequence[str], install: str) -> None:
    """Whether an interpreter starts and has one of some modules, without importing them.

    Args:
        python: an interpreter.
        needs: modules, of each entry at least one ("norse|spikingjelly").
        install: what to do where one is missing.

    Raises:
        MissingPackageError: as said.
    """
    probe = "import json, sys; from importlib.util import find_spec; "
    probe += "print(json.dumps([name for name in sys.argv[1:] if find_spec(name) is None]))"
    names = [name for entry in needs for name in entry.split("|")]
    missing = json.loads(_run([python, "-c", probe, *names], install).stdout or json.dumps(names))
    for entry in needs:
        if all(name in missing for name in entry.split("|")):
            raise MissingPackageError(f"{python} has no module {entry.replace('|', ' or ')}. {install}")


def _run(command: Sequence[str], install: str) -> subprocess.CompletedProcess[str]:
    # Variables that show this environment's packages to every interpreter would hide those of the other one.
    own = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")}
    try:
        return subprocess.run(command, capture_output=True, text=True, check=False, env=own)
    except OSError as error:
        raise MissingPackageError(f"cannot start {command[0]}: {error.strerror}. {install}") from error


def answer_of(command: Sequence[str], needs: str, install: str) -> dict[str, object]:
    """The JSON object that a program prints.

    Args:
        command: interpreter, program and arguments.
        needs: module without which the program cannot run.
        install: what to do where it is missing.

    Raises:
        MissingPackageError: the interpreter does not start, or has no such module.
        ConfigError: the program fails for another reason; the message holds its last line.
    """
    done = _run(command, install)
    if f"No module named '{needs}'" in done.stderr:
        raise MissingPackageError(f"{command[0]} has no module {needs}. {install}")
    try:
        answer = json.loads(done.stdout.strip().splitlines()[-1])
    except (ValueError, IndexError):
        last = done.stderr.strip().splitlines()[-1:] or ["it printed nothing"]
        raise ConfigError(f"{command[1]} failed in {command[0]}: {last[0]}. {install}") from None
    assert isinstance(answer, dict)
    return answer
