"""SIGINT, SIGTERM, SIGPIPE and closed streams at random moments: never a traceback, the right exit code, and the run goes on.

python tests/battery/signals.py --seed 7 --tries 60
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from commands import Command, ran
from tally import Tally, run_as_command
from verbs import Verb, before, leftovers, prepared

RUN = "import sys; sys.argv[0] = 'gcn2snn'\nfrom gcn2snn.start import main\nmain()"
LOADING = """
import sys; sys.argv[0] = 'gcn2snn'
from gcn2snn import start
hear = start._hear_signals
def say_so():
    hear()
    print('hears', flush=True)
start._hear_signals = say_so
start.main()
"""
"""The command, which says when it hears signals: before that, Python answers them in its own way."""
PATIENCE = 600.0
"""Seconds in which a process must have ended, on a busy machine too."""


def stop(tally: Tally, verb: Verb, place: Path, expected: dict[str, str], number: int, after: float) -> None:
    """Send one signal to a verb, then let the same command go on to its end."""
    kind, code = f"{signal.Signals(number).name}, {verb.name}", 128 + number
    command = Command.begin(place.parent, *verb.command(place))
    time.sleep(after)
    command.send(number)
    got, said = command.wait(), command.stderr
    what = f"{verb.name} after {after:.3f} s: exit code {got}, {said[-300:]!r}"
    last = said.rstrip().rpartition("\n")[2]  # behind what the verb had told before
    if got not in (0, code) or "Traceback" in said or (got == code and not last.startswith("gcn2snn: ")):
        tally.fault(kind, what)
        return
    if got == code and (left := [name for name in leftovers(place) if not _continues(verb, name)]):
        tally.fault(kind, f"{what}: left behind {left}")
        return
    started = not verb.name.startswith("train") or (place / Path(verb.made[0]).parent / "run.json").exists()
    again, said, _ = ran(place.parent, *verb.command(place, started))
    found = verb.result(place)
    if again != 0 or found != expected:
        tally.fault(kind, f"{what}; then exit code {again}, {said[-300:]}, results {found == expected}")
    elif left := leftovers(place):
        tally.fault(kind, f"{what}; then left behind {left}")
    else:
        tally.clean(kind)


def _continues(verb: Verb, name: str) -> bool:
    """Whether a file is what the same command goes on with: a build on disk keeps the stages that are done."""
    return verb.name == "datasets build" and name.startswith("temp/")


def stop_while_loading(tally: Tally, folder: Path, number: int, after: float) -> None:
    """Send a signal to a fresh interpreter that imports, parses and reads."""
    kind = f"{signal.Signals(number).name} while loading"
    words = [sys.executable, "-c", LOADING, "info", str(folder / "run"), "--json"]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=_hearing)
    process.stdout.readline()
    time.sleep(after)
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)
    if process.returncode not in (0, 128 + number) or "Traceback" in said:
        tally.fault(kind, f"after {after:.3f} s: exit code {process.returncode}, {said[-300:]!r}")
    else:
        tally.clean(kind)


def _hearing() -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)


def lose_the_reader(tally: Tally, folder: Path, words: tuple[str, ...], lines: int) -> None:
    """Read so many lines of the output and close the pipe, or give no output at all."""
    kind = "a reader that goes" if lines else "a closed output"
    options: dict[str, object] = {"stderr": subprocess.PIPE, "text": True}
    if lines:
        process = subprocess.Popen([sys.executable, "-c", RUN, *words], stdout=subprocess.PIPE, **options)  # type: ignore[call-overload]
        for _ in range(lines):
            process.stdout.readline()
        process.stdout.close()
    else:
        process = subprocess.Popen([sys.executable, "-c", RUN, *words], preexec_fn=lambda: os.close(1), **options)  # type: ignore[call-overload]
    said = process.stderr.read()
    code = process.wait(timeout=PATIENCE)
    if "Traceback" in said or "Exception" in said or code not in (0, 1):
        tally.fault(kind, f"{words}: exit code {code}, {said[-300:]!r}")
    else:
        tally.clean(kind)


def run(tally: Tally, seed: int, tries: int, folder: Path) -> None:
    """``tries`` signals in all, a third of them to interpreters that are still loading or have lost their reader."""
    chance = random.Random(seed)
    whole, verbs, results, seconds = prepared(folder)
    network = str(whole / "run" / "snn.safetensors")
    for number in range(tries):
        if tally.time_is_up():
            break
        signal_number = chance.choice([signal.SIGINT, signal.SIGTERM])
        if number % 6 == 0:
            stop_while_loading(tally, whole, signal_number, chance.uniform(0.0, 3.0))
        elif number % 6 == 3:
            words = ("predict", network, str(whole / "lines.txt"), "--json")
            lose_the_reader(tally, whole, chance.choice([words, ("--help",), ("info", network)]), chance.choice([0, 1]))
        else:
            verb = verbs[number % len(verbs)]
            place = before(verb, whole, folder / "place")
            stop(tally, verb, place, results[verb.name], signal_number, chance.uniform(0.0, 1.05) * seconds[verb.name])


if __name__ == "__main__":
    sys.exit(run_as_command("signals", run, 60))
