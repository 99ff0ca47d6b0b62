"""Two ranks in two network namespaces with a line of limited bandwidth between them: as on two machines, on one.

    python tests/scaling/two_namespaces.py RUN --gbit 1

Needs Linux, the privilege to make network namespaces (root), and the commands ``ip`` and ``tc``; without them it says so and ends
with exit code 77, as skipped tests do. Prints what tests/scaling/time_ranks.py prints, with the limit and the speed-up.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

SKIPPED = 77
NAMES = ("gcn2snn-a", "gcn2snn-b")
LINKS = ("gcn2a", "gcn2b")
ADDRESSES = ("10.231.7.1", "10.231.7.2")


def run(*words: str) -> None:
    """A command of the system that must succeed."""
    subprocess.run(words, check=True, capture_output=True, text=True)


@contextlib.contextmanager
def namespaces(gbit: float) -> Iterator[None]:
    """Two namespaces with a line of so many gigabit a second in each direction; they go when the block ends."""
    try:
        for name in NAMES:
            run("ip", "netns", "add", name)
        run(
            "ip",
            "link",
            "add",
            LINKS[0],
            "netns",
            NAMES[0],
            "type",
            "veth",
            "peer",
            "name",
            LINKS[1],
            "netns",
            NAMES[1],
        )
        for name, link, address in zip(NAMES, LINKS, ADDRESSES, strict=True):
            inside = ("ip", "netns", "exec", name)
            run(*inside, "ip", "addr", "add", f"{address}/30", "dev", link)
            run(*inside, "ip", "link", "set", link, "up")
            run(*inside, "ip", "link", "set", "lo", "up")
            limit = ("rate", f"{round(gbit * 1000)}mbit", "burst", "256kb", "latency", "50ms")
            run(*inside, "tc", "qdisc", "add", "dev", link, "root", "tbf", *limit)
        yield
    finally:
        for name in NAMES:
            subprocess.run(["ip", "netns", "del", name], capture_output=True)


def ranks(place: Path, rounds: int) -> dict[str, float]:
    """What the two ranks measured."""
    program = Path(__file__).with_name("time_ranks.py")
    started = []
    for rank, (name, link) in enumerate(zip(NAMES, LINKS, strict=True)):
        own = {"RANK": rank, "LOCAL_RANK": 0, "GROUP_RANK": rank, "WORLD_SIZE": 2, "LOCAL_WORLD_SIZE": 1}
        meet = {"MASTER_ADDR": ADDRESSES[0], "MASTER_PORT": 29500, "GLOO_SOCKET_IFNAME": link, "OMP_NUM_THREADS": 1}
        variables = {**os.environ, **{key: str(value) for key, value in (own | meet).items()}}
        command = ["ip", "netns", "exec", name, sys.executable, str(program), str(place), "--rounds", str(rounds)]
        started.append(subprocess.Popen(command, env=variables, stdout=subprocess.PIPE, text=True))
    out = [process.communicate()[0] for process in started]
    if any(process.returncode for process in started):
        raise SystemExit("a rank failed; its message stands above")
    found: dict[str, float] = json.loads(out[0])
    return found


def main() -> None:
    words = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    words.add_argument("run", type=Path, help="run folder with a converted network")
    words.add_argument("--gbit", type=float, default=1.0)
    words.add_argument("--rounds", type=int, default=5)
    given = words.parse_args()
    if not (shutil.which("ip") and shutil.which("tc")):
        print("skipped: the commands ip and tc are needed (package iproute2)")
        sys.exit(SKIPPED)
    try:
        with namespaces(given.gbit):
            found = ranks(given.run, given.rounds)
    except subprocess.CalledProcessError as error:
        print(f"skipped: {' '.join(error.cmd)} failed: {error.stderr.strip()}. Network namespaces need root")
        sys.exit(SKIPPED)
    print(json.dumps({"gbit": given.gbit, **found, "speed_up": round(found["source_ms"] / found["spiking_ms"], 2)}))


if __name__ == "__main__":
    main()
