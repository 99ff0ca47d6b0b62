"""Odd values in the place of each argument of public functions and of networks of each kind: a result, or an error of ours.

Clean is also a TypeError about the number or the names of arguments, and whatever a function raises that stands in the place of
a function of the caller's. Memory is limited, so that a value without end is too much.
A try that takes more than a minute of processor time is a fault; one that hangs is named, with the place where it stays, and ends
the battery.

    python tests/battery/odd_inputs.py --seed 7 --tries 100
"""

from __future__ import annotations

import contextlib
import faulthandler
import inspect
import os
import random
import resource
import sys
import threading
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).parent))
from call import Call
from calls import calls_of
from odd_values import odd
from tally import Tally, run_as_command

MEMORY = 8 << 30
MANY = 10_000
"""Rows instead of 10^10 for what works on some rows at a time."""
SLOW = 60.0
"""Seconds of processor time within which a call with small arguments must be answered."""
HANGS = 3600
"""Seconds after which a try is given up: many times as long as a busy machine needs."""


def attempt(tally: Tally, call: Call, chance: random.Random) -> None:
    """One call with one odd argument, sometimes two."""
    given = call.make()
    what, own_function = [], False
    for name in chance.sample(list(given), k=min(len(given), chance.choice([1, 1, 1, 2]))):
        try:
            good = given[name]
            told, given[name] = odd(good, chance)
            own_function |= callable(good) and not isinstance(good, torch.nn.Module) and callable(given[name])
        except (
            Exception
        ) as error:  # what is odd is refused by the constructor of a matrix, by an error that is looked at there
            told = f"not made: {type(error).__name__}"
        if call.by_parts and told == "endless rows":
            told, given[name] = "many rows", call.make()[name][:1].expand(MANY, *given[name].shape[1:])
        what.append(f"{name} {told}")

    asked = f"{call.name}({', '.join(what)})"

    def once() -> str:
        begun = time.process_time()
        with hanging_is_told(asked), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                call.run(given)
            except TypeError:
                if _binds(call, given) and not own_function:
                    raise
            except Exception:
                if not own_function:
                    raise
        seconds = time.process_time() - begun
        return "" if seconds < SLOW else f"took {seconds:.0f} s of processor time"

    tally.attempt(call.kind, asked, once)


@contextlib.contextmanager
def hanging_is_told(asked: str) -> Iterator[None]:
    """Name a try that does not end, print where it stays, and leave."""
    told = threading.Timer(HANGS - 1, lambda: print(f"hangs: {asked!a}", file=sys.stderr, flush=True))
    told.daemon = True
    told.start()
    faulthandler.dump_traceback_later(HANGS, exit=True)
    try:
        yield
    finally:
        faulthandler.cancel_dump_traceback_later()
        told.cancel()


def _binds(call: Call, given: dict[str, object]) -> bool:
    """Whether number and names of arguments are right."""
    try:
        inspect.signature(call.function).bind(**given)
    except (TypeError, ValueError):
        return False
    return True


def run(tally: Tally, seed: int, tries: int, folder: Path) -> None:
    """``tries`` of each function."""
    faulthandler.enable()
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
    os.chdir(folder)
    for call in calls_of(folder):
        chance = random.Random(f"{seed} {call.name}")
        torch.manual_seed(seed)
        for _ in range(tries):
            if tally.time_is_up():
                return
            attempt(tally, call, chance)


if __name__ == "__main__":
    sys.exit(run_as_command("odd inputs", run, 100))
