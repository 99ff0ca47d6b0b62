"""Two processes that want the same thing at the same time: one has it, the other says so or waits, and what is there is whole.

python tests/battery/races.py --seed 7 --tries 200
"""

from __future__ import annotations

import os
import random
import shutil
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
from commands import Command
from tally import Tally, run_as_command
from verbs import Verb, before, leftovers, prepared

REFUSED = ("is in use by process", "already holds a run", "exists; it is not overwritten")
"""What the second of two processes may be told."""


def race(tally: Tally, verb: Verb, place: Path, expected: dict[str, str], apart: float, force: bool) -> None:
    """The same command twice at once."""
    outs = [place.parent / "first", place.parent / "second"]
    for out in outs:
        out.mkdir(exist_ok=True)
    words = verb.command(place, force)
    first = Command.begin(outs[0], *words)
    time.sleep(apart)
    second = Command.begin(outs[1], *words)
    codes = [first.wait(), second.wait()]
    said = [first.stderr, second.stderr]
    found = verb.result(place)
    what = f"{verb.name}, {apart:.3f} s apart, codes {codes}, {[text[-200:] for text in said]}"
    wrong = [text for code, text in zip(codes, said, strict=True) if code == 2 and not any(r in text for r in REFUSED)]
    if not all(code in (0, 2) for code in codes) or 0 not in codes or wrong:
        tally.fault(verb.name, what)
    elif found != expected:
        tally.fault(verb.name, f"{what}: other results")
    elif left := leftovers(place):
        tally.fault(verb.name, f"{what}: left behind {left}")
    else:
        tally.clean(verb.name, refused=2 in codes)


def race_for_the_cache(tally: Tally, folder: Path, number: int) -> None:
    """Two processes build the same graph; both get it, and one file is kept."""
    corpus = folder / f"cache-{number}.csv"
    shutil.copy(folder / "whole" / "corpus.csv", corpus)
    corpus.write_text(corpus.read_text() + f"sport,goal number {number}\n")
    outs = [folder / "first", folder / "second"]
    for out in outs:
        out.mkdir(exist_ok=True)
    quick = ("--hidden", "4", "--epochs", "1", "--force", "--quiet")
    commands = [Command.begin(out, "train", corpus, "--out", out / f"run-{number}", *quick) for out in outs]
    codes = [command.wait() for command in commands]
    cache = Path(os.environ["GCN2SNN_CACHE"]) / "graphs"
    kept = [path.name for path in cache.iterdir() if path.name.startswith(f"cache-{number}-")]
    odd = [path.name for path in cache.iterdir() if path.name.startswith(".")]
    if codes != [0, 0] or len(kept) != 1 or odd:
        tally.fault("graph cache", f"codes {codes}, kept {kept}, {odd}, {commands[1].stderr[-300:]}")
    else:
        tally.clean("graph cache")


def run(tally: Tally, seed: int, tries: int, folder: Path) -> None:
    """``tries`` races in all."""
    chance = random.Random(seed)
    whole, verbs, results, seconds = prepared(folder)
    raced = [verb for verb in verbs if verb.name in ("train", "train images", "convert", "predict", "tune")]
    for number in range(tries):
        if tally.time_is_up():
            break
        if number % (len(raced) + 1) == len(raced):
            race_for_the_cache(tally, folder, number)
            continue
        verb = raced[number % (len(raced) + 1)]
        place = before(verb, whole, folder / "place")
        apart = chance.choice([0.0, 0.0, chance.uniform(0.0, seconds[verb.name])])
        race(tally, verb, place, results[verb.name], apart, force=not verb.name.startswith("train"))


if __name__ == "__main__":
    sys.exit(run_as_command("races", run, 200))
