"""What a battery found: how many tries, how many of them clean, and what was wrong with the others."""

from __future__ import annotations

import argparse
import contextlib
import os
import tempfile
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from gcn2snn.errors import Gcn2SnnError


@dataclass
class Tally:
    """Counts of one battery, by the kind of try; ``only``: kinds that are asked for, where not all are."""

    name: str
    until: float = float("inf")
    only: tuple[str, ...] = ()
    tries: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    faults: list[tuple[str, str]] = field(default_factory=list)

    def time_is_up(self) -> bool:
        """Whether the time that was given is over; what was tried by then is printed."""
        return time.monotonic() > self.until

    def wanted(self, kind: str) -> bool:
        """Whether a kind of try is asked for."""
        return not self.only or kind in self.only

    def clean(self, kind: str, *, refused: bool = False) -> None:
        """A try that went as it should; ``refused``: by an error of ours."""
        self.tries[kind] += 1
        self.refused[kind] += refused

    def fault(self, kind: str, what: str) -> None:
        """A try that did not."""
        self.tries[kind] += 1
        self.faults.append((kind, what))

    def attempt(self, kind: str, what: str, run: Callable[[], str]) -> None:
        """Run a try: what it returns is a fault unless it is empty; our own errors are refusals, all others faults."""
        try:
            found = run()
        except Gcn2SnnError:
            self.clean(kind, refused=True)
        except Exception:
            self.fault(kind, f"{what}\n{traceback.format_exc(limit=-6)}")
        else:
            if found:
                self.fault(kind, f"{what}: {found}")
            else:
                self.clean(kind)

    def __str__(self) -> str:
        faulty = Counter(kind for kind, _ in self.faults)
        lines = ["| battery | tries | clean | of them refused | faulty |", "|-|-|-|-|-|"]
        for kind, tries in sorted(self.tries.items()):
            clean = tries - faulty[kind]
            lines.append(f"| {self.name}: {kind} | {tries} | {clean} | {self.refused[kind]} | {faulty[kind]} |")
        total = sum(self.tries.values())
        lines.append(
            f"| {self.name} | {total} | {total - len(self.faults)} | {sum(self.refused.values())} | {len(self.faults)} |"
        )
        return "\n".join(lines)


def run_as_command(name: str, run: Callable[[Tally, int, int, Path], None], tries: int) -> int:
    """Run a battery with --seed and --tries, print its table and its first faults; 1 if there are any."""
    parser = argparse.ArgumentParser(description=f"Battery: {name}.")
    parser.add_argument("--seed", type=int, default=0, help="of what is tried")
    parser.add_argument("--tries", type=int, default=tries, help="of each kind, or in all")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="stop after so many")
    parser.add_argument("--only", action="append", default=[], help="verb to kill; repeat it for several [all]")
    parser.add_argument("--show", type=int, default=5, help="faults to print")
    given = parser.parse_args()
    start = time.monotonic()
    tally = Tally(name, start + given.seconds, tuple(given.only))
    with tempfile.TemporaryDirectory(prefix="battery-") as folder, own_cache(Path(folder) / "cache"):
        run(tally, given.seed, given.tries, Path(folder))
    for kind, what in tally.faults[: given.show]:
        print(f"--- {kind}: {what}\n")
    print(f"{tally}\n\nseed {given.seed}, {time.monotonic() - start:.0f} s")
    return 1 if tally.faults else 0


@contextlib.contextmanager
def own_cache(folder: Path) -> object:
    """A cache folder for the time of a battery; compiled kernels come from the usual one."""
    from gcn2snn.files import cache_folder

    folder.mkdir()
    compiled = cache_folder() / "native"
    if compiled.is_dir():
        (folder / "native").symlink_to(compiled.resolve())
    before = os.environ.get("GCN2SNN_CACHE")
    os.environ["GCN2SNN_CACHE"] = str(folder)
    try:
        yield
    finally:
        os.environ.pop("GCN2SNN_CACHE")
        if before is not None:
            os.environ["GCN2SNN_CACHE"] = before
