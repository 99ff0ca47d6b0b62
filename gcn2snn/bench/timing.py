"""How benchmarks are measured: interleaved rounds, medians, useful bytes against the machine's own copy, peak memory."""

from __future__ import annotations

import os
import statistics
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcn2snn.bench.cases import Case, Work
from gcn2snn.bench.machine_power import PowerCounter
from gcn2snn.bench.problems import Problem
from gcn2snn.bench.processor import processor
from gcn2snn.errors import NotRunError
from gcn2snn.kernels import backend

try:
    import resource
except ImportError:  # Windows, which does not tell what ended processes took
    resource = None  # type: ignore[assignment]


def processor_time() -> float:
    """Seconds of processor time of this process and of the commands that it ran to their end."""
    ended = resource.getrusage(resource.RUSAGE_CHILDREN) if resource is not None else None
    return time.process_time() + (ended.ru_utime + ended.ru_stime if ended is not None else 0.0)


CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": processor_time}


@dataclass(frozen=True)
class Measurement:
    """One case on one problem.

    Args:
        problem, group, case: names.
        backend: what ran, for kernels of this package.
        rounds: how many times it was timed; 0 when it was skipped, then ``note`` says why.
        median_ms, min_ms: over the rounds.
        ratio: to the first case of the group that ran, of each round; the median of these, so that a disturbance hits both sides.
        useful_mb: bytes that the work must move at least, 10^6.
        copy_fraction: useful bytes by time, as a fraction of the measured copy bandwidth.
        peak_mib: memory on top of what was there before, None where the system cannot say.
        difference: from the first result of the group that is a tensor, largest, relative to its largest element; None for spikes.
        note: why it was skipped, or how many spikes differ from those of the first case.
        applies: False when the case is not meant for the problem; then ``note`` says what the problem lacks.
        processor: what gave the number.
        joules: that the processor's own counters add up in one run, median; None where they cannot be read.
    """

    problem: str
    group: str
    case: str
    backend: str = ""
    rounds: int = 0
    median_ms: float | None = None
    min_ms: float | None = None
    ratio: float | None = None
    useful_mb: float | None = None
    copy_fraction: float | None = None
    peak_mib: float | None = None
    difference: float | None = None
    note: str = ""
    applies: bool = True
    processor: str = ""
    joules: float | None = None

    def as_json(self) -> dict[str, object]:
        """Fields, by name."""
        return asdict(self)


def copy_bandwidth(device: str = "cpu", size: int = 1 << 28, clock: str = "wall") -> float:
    """Bytes read and written each second by ``Tensor.copy_`` of 256 MiB: best of seven, all threads."""
    source, target = (torch.empty(size, dtype=torch.uint8, device=device).fill_(1) for _ in range(2))
    return 2 * size / min(_timed(lambda: target.copy_(source), torch.device(device), CLOCKS[clock]) for _ in range(7))


def measure(
    problem: Problem,
    cases: Iterable[Case],
    *,
    rounds: int = 9,
    seconds: float = 20.0,
    clock: str = "wall",
    bandwidth: float | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> list[Measurement]:
    """Time cases on a problem, one after the other in each round, so that a disturbance hits all alike.

    Args:
        problem: operands.
        cases: grouped; the first of a group that runs is the one that others are compared with.
        rounds: timed rounds after one that warms up.
        seconds: a case gets fewer rounds (at least one) when that many would take longer.
        clock: ``wall``, or ``cpu``: processor time of this process, which other processes on a busy machine hardly change.
        bandwidth: bytes per second of a copy, for ``copy_fraction``.
        tell: gets a line of progress.
    """
    missing = [(case, case.missing(problem)) for case in cases]
    results: list[Measurement] = []
    for group in _grouped(case for case, what in missing if not what):
        tell(f"{problem.name}: {group[0].group}")
        ready, skipped = _prepare(problem, group)
        runs = _Runs(problem, ready, CLOCKS[clock])
        runs.warm_up()
        runs.time(rounds, seconds)
        results += runs.results(bandwidth) + skipped
    unfit = [(case, what) for case, what in missing if what]
    return results + [Measurement(problem.name, c.group, c.name, applies=False, note=what) for c, what in unfit]


def why_not(case: Case, problem: Problem) -> str:
    """Why a case cannot run here; empty when it can."""
    if case.package and find_spec(case.package) is None:
        return f"{case.package} is not installed"
    if case.memory is not None and 2 * case.memory(problem) > (free := _free_memory(problem.device)):
        return f"allocates {case.memory(problem) / 2**30:.0f} GiB; {free / 2**30:.0f} are free and twice as much is asked for"
    return ""


def _free_memory(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    with suppress(OSError):
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable"):
                return int(line.split()[1]) * 1024
    return float("inf")


def _grouped(cases: Iterable[Case]) -> list[list[Case]]:
    groups: dict[str, list[Case]] = {}
    for case in cases:
        groups.setdefault(case.group, []).append(case)
    return list(groups.values())


def _prepare(problem: Problem, cases: list[Case]) -> tuple[list[tuple[Case, Work]], list[Measurement]]:
    ready, skipped = [], []
    os.environ.setdefault("DGLBACKEND", "pytorch")  # otherwise DGL writes a settings file into the home folder
    for case in cases:
        reason = why_not(case, problem)
        if not reason:
            try:
                ready.append((case, case.prepare(problem)))
                continue
            except NotRunError as error:
                reason = str(error)
            except (ImportError, OSError) as error:  # a package whose compiled part does not load here
                reason = f"does not load: {error}"[:120]
        skipped.append(Measurement(problem.name, case.group, case.name, note=reason))
    return ready, skipped


class _Runs:
    """Timings of the cases of one group."""

    def __init__(self, problem: Problem, ready: list[tuple[Case, Work]], clock: Callable[[], float]):
        self.problem, self.ready, self.clock = problem, ready, clock
        self.seconds: dict[str, list[float]] = {case.name: [] for case, _ in ready}
        self.joules: dict[str, list[float]] = {case.name: [] for case, _ in ready}
        self.power = PowerCounter()
        self.peak: dict[str, float | None] = {}
        self.difference: dict[str, tuple[float | None, str]] = {}

    def warm_up(self) -> None:
        """Run each once: caches fill, memory is measured, results are compared."""
        wanted: object = None
        for case, work in self.ready:
            peak, got = _peak_memory(work, self.problem.device)
            self.peak[case.name] = None if case.apart else peak
            if wanted is None and isinstance(got, Tensor):  # what is no tensor is not compared
                wanted = got
            self.difference[case.name] = _difference(got, wanted)

    def time(self, rounds: int, seconds: float) -> None:
        """Timed rounds; a slow case drops out when its time is used up."""
        for number in range(rounds):
            for case, work in self.ready:
                spent = self.seconds[case.name]
                if number == 0 or sum(spent) + statistics.median(spent) <= seconds:
                    before = self.power.read() if self.power.readable else []
                    spent.append(_timed(work, self.problem.device, self.clock))
                    if before:
                        self.joules[case.name].append(self.power.joules(before, self.power.read()))

    def results(self, bandwidth: float | None) -> list[Measurement]:
        """One measurement a case."""
        found = []
        base: list[float] = []
        for case, _ in self.ready:
            spent = self.seconds[case.name]
            median = statistics.median(spent)
            base = base or spent
            useful = case.useful_bytes(self.problem) if case.useful_bytes else None
            difference, note = self.difference[case.name]
            found.append(
                Measurement(
                    self.problem.name,
                    case.group,
                    case.name,
                    backend.choose(self.problem.device) if case.ours else "",
                    len(spent),
                    median * 1e3,
                    min(spent) * 1e3,
                    statistics.median(own / first for own, first in zip(spent, base, strict=False)),
                    useful / 1e6 if useful else None,
                    useful / median / bandwidth if useful and bandwidth else None,
                    self.peak[case.name],
                    difference,
                    note,
                    processor=processor(self.problem.device.type),
                    joules=statistics.median(self.joules[case.name]) if self.joules[case.name] else None,
                )
            )
        return found


def _difference(got: Any, wanted: Any) -> tuple[float | None, str]:
    if not isinstance(got, Tensor) or got.shape != wanted.shape:
        return None, ""
    if got.is_floating_point():
        return float((got - wanted).abs().max() / wanted.abs().max().clamp(min=1e-30)) if got.numel() else 0.0, ""
    return None, f"{int((got != wanted).sum())} spikes"


def _timed(work: Work, device: torch.device, clock: Callable[[], float] = time.perf_counter) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    start = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    return clock() - start


def _peak_memory(work: Work, device: torch.device) -> tuple[float | None, object]:
    """(MiB above what was in use before, the result)."""
    if device.type == "cuda":
        work()  # the first launch times configurations, with a buffer that is not the kernel's
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
        before = torch.cuda.memory_allocated(device)
        result = work()
        torch.cuda.synchronize(device)
        return (torch.cuda.max_memory_allocated(device) - before) / 2**20, result
    with suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")  # Linux: start the peak anew
        before = _resident("VmRSS")
        result = work()
        return max(_resident("VmHWM") - before, 0) / 2**10, result
    return None, work()


def _resident(field: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1])
    raise OSError(f"no {field}")
