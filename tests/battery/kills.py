"""Every verb killed with SIGKILL at random moments: given again it makes what an unbroken one makes, and nothing stays behind.

python tests/battery/kills.py --seed 7 --tries 300
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from commands import Command, ran
from service import Mixed, serve_command, serving
from tally import Tally, run_as_command
from verbs import Verb, before, leftovers, prepared

SERVING = 12.0
"""Seconds within which a service is killed: its process and its workers load for about half of them."""
PATIENCE = 120.0
"""Seconds in which the workers of a killed service must have ended: they may still load when it happens."""


def kill(tally: Tally, verb: Verb, place: Path, expected: dict[str, str], after: float, times: int) -> None:
    """Kill a command several times, then let it end: it must end well, with the unbroken result."""
    what, again = f"{verb.name} killed {times} times after {after:.3f} s", False
    for _ in range(times):
        command = Command.begin(place.parent, *verb.command(place, again and _started(verb, place)))
        time.sleep(after)
        command.send(signal.SIGKILL)
        command.wait()
        again = True
    code, said, _ = ran(place.parent, *verb.command(place, _started(verb, place)))
    found = verb.result(place)
    if code != 0:
        tally.fault(verb.name, f"{what}: exit code {code}, {said[-400:]}")
    elif found != expected:
        tally.fault(verb.name, f"{what}: other results {[name for name in found if found[name] != expected[name]]}")
    elif left := leftovers(place):
        tally.fault(verb.name, f"{what}: left behind {left}")
    else:
        tally.clean(verb.name)


def _started(verb: Verb, place: Path) -> bool:
    """Whether there is something to go on with, or to replace."""
    if verb.name.startswith("train"):
        return (place / Path(verb.made[0]).parent / "run.json").exists()
    return True


def kill_a_service(tally: Tally, network: Path, seed: int, after: float) -> None:
    """Kill the process that others wait for: its workers go too, its port is free, and another service answers there.

    ``after`` counts from the start, so that workers may still be loading.
    """
    what, port = f"serve killed after {after:.3f} s", free_port()
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    process = subprocess.Popen(serve_command(network, "--port", port), start_new_session=True, **quiet)  # type: ignore[call-overload]
    time.sleep(after)
    process.kill()
    process.wait()
    until = time.monotonic() + PATIENCE
    while alive(process.pid) and time.monotonic() < until:
        time.sleep(0.1)
    if alive(process.pid):
        os.killpg(process.pid, signal.SIGKILL)
        tally.fault("serve", f"{what}: its workers were still there after {PATIENCE:.0f} s")
        return
    answers = Tally("answers")
    with serving(network, "--port", port) as service:
        asker = Mixed(answers, service, seed)
        asyncio.run(asker.learn())
        asyncio.run(asker.ask(32))
    tally.attempt("serve", what, lambda: "; ".join(found for _, found in answers.faults))


def alive(group: int) -> bool:
    """Whether a process of the group is still there."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(group, 0)
        return True
    return False


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def run(tally: Tally, seed: int, tries: int, folder: Path) -> None:
    """``tries`` kills in all, shared out among the verbs; the last in turn is the service."""
    chance = random.Random(seed)
    whole, verbs, results, seconds = prepared(folder)
    turns = [verb for verb in (*verbs, None) if tally.wanted("serve" if verb is None else verb.name)]
    for number in range(tries):
        if tally.time_is_up():
            break
        verb = turns[number % len(turns)]
        if verb is None:
            kill_a_service(tally, whole / "run" / "snn.safetensors", seed + number, chance.uniform(0.0, SERVING))
            continue
        place = before(verb, whole, folder / "place")
        after = chance.uniform(0.0, 1.05) * seconds[verb.name]
        kill(tally, verb, place, results[verb.name], after, chance.choice([1, 1, 2]))
    shutil.rmtree(folder / "place", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_as_command("kills", run, 300))
