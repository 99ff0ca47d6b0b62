"""Every verb killed with SIGKILL at random moments: given again it makes what an unbroken one makes, and nothing stays behind.

python tests/battery/kills.py --seed 7 --tries 300
"""

from __future__ import annotations

import random
import shutil
import signal
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from commands import Command, ran
from tally import Tally, run_as_command
from verbs import Verb, before, leftovers, prepared


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


def run(tally: Tally, seed: int, tries: int, folder: Path) -> None:
    """``tries`` kills in all, shared out among the verbs."""
    chance = random.Random(seed)
    whole, verbs, results, seconds = prepared(folder)
    for number in range(tries):
        if tally.time_is_up():
            break
        verb = verbs[number % len(verbs)]
        place = before(verb, whole, folder / "place")
        after = chance.uniform(0.0, 1.05) * seconds[verb.name]
        kill(tally, verb, place, results[verb.name], after, chance.choice([1, 1, 2]))
    shutil.rmtree(folder / "place", ignore_errors=True)


if __name__ == "__main__":
    sys.exit(run_as_command("kills", run, 300))
