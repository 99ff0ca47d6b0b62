"""A job on several processes from the first meeting of its ranks to its end, whole or failed: one message, on rank 0."""

from __future__ import annotations

import contextlib
import json
import signal
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Literal

import torch
import torch.distributed as dist

from gcn2snn.distributed.communicator import Communicator
from gcn2snn.distributed.launch import TIMEOUT_VARIABLE, Launch
from gcn2snn.errors import ConfigError, RankError

TELL_SECONDS = 5.0
"""How long a rank that failed waits for rank 0 to say so, and rank 0 for the ranks that know why."""

LOOK_SECONDS = 0.2
"""How often a rank that waits for another looks whether it is done or has failed."""

Ending = Literal["own", "lost", "stopped"]
"""Why a rank ends early: an error of its own, another one that does not answer, or a signal."""

_current: list[Job] = []


class Job:
    """A process that has met the other ranks.

    Args:
        launch: how it was started.
        store: where ranks leave words for each other beside the collectives, which may be stuck.
    """

    def __init__(self, launch: Launch, store: dist.Store):
        self.launch = launch
        self.store = store
        self.ranks = Communicator(launch.rank, launch.size)
        self.again = ""
        """How a job goes on whose rank is lost; the end of the sentence that says so."""

    @classmethod
    def join(cls, launch: Launch) -> Job:
        """Meet the other ranks: gloo between CPUs, NCCL between GPUs.

        Raises:
            ConfigError: the port is in use.
            RankError: the ranks do not meet within the time.
        """
        wait = timedelta(seconds=launch.timeout)
        try:
            store, _, _ = next(dist.rendezvous("env://", launch.rank, launch.size, timeout=wait))
            store.set_timeout(wait)
            cuda = torch.cuda.is_available() and dist.is_nccl_available()
            backend = "cpu:gloo,cuda:nccl" if cuda else "gloo"
            group = dist.PrefixStore("group", store)
            dist.init_process_group(backend, store=group, rank=launch.rank, world_size=launch.size, timeout=wait)
        except RuntimeError as error:
            raise _refusal(launch, str(error)) from error
        job = cls(launch, dist.PrefixStore("gcn2snn", store))
        _current[:] = [job]
        return job

    def use(self, device: torch.device) -> None:
        """Put values on a device: of several GPUs of a machine, the one with this rank's number there."""
        if device.type == "cuda":
            device = torch.device("cuda", self.launch.local_rank % torch.cuda.device_count())
            torch.cuda.set_device(device)
        self.ranks.device = device

    def agree(self, facts: Mapping[str, str], what: str) -> None:
        """Refuse to go on where ranks differ in something.

        Args:
            facts: the same names on every rank.
            what: to do about it, a sentence without its end.

        Raises:
            ConfigError: on every rank, with the first difference.
        """
        shares = self.ranks.everywhere(dict(facts))
        for rank, share in enumerate(shares):
            for name in sorted(shares[0].keys() | share.keys()):
                first, own = shares[0].get(name, "none"), share.get(name, "none")
                if first != own:
                    raise ConfigError(f"ranks differ in {name}: rank 0 has {first}, rank {rank} has {own}. {what}")

    def once_on_each_machine(self, name: str, make: Callable[[], str]) -> str:
        """What one rank of each machine makes, on all of its ranks; it may take any time.

        Args:
            name: of the work, used once in a job.
            make: called on one rank of each machine; for example writes a file and gives its path.

        Raises:
            RankError: the rank that makes it has failed.
        """
        key = f"made/{name}/{self.launch.machine}"
        if self.launch.local_rank == 0:
            found = make()
            self.store.set(key, json.dumps(found))
            return found
        while not self.store.check([key]):
            if self.store.check(["failed"]):
                raise RankError("another rank has failed")
            time.sleep(LOOK_SECONDS)
        return str(json.loads(self.store.get(key)))

    def end(self) -> None:
        """Leave, once all ranks are done."""
        self.ranks.wait()
        _current.clear()
        dist.destroy_process_group()

    def failed(self, message: str, ending: Ending) -> str:
        """Tell the other ranks of a failure and let them go; on rank 0, what there is to say about it.

        Args:
            message: what this rank would say.
            ending: why it ends.

        Returns:
            One message for the whole job on rank 0, nothing elsewhere. Where rank 0 does not take part, because it is gone or
            busy, one of the others has it, if the store is still there, as it is under torchrun.
        """
        _current.clear()
        for number in (
            signal.SIGINT,
            signal.SIGTERM,
        ):  # torchrun sends one when a rank ends; this one is ending already
            signal.signal(number, signal.SIG_IGN)
        try:
            self.store.set(f"failed/{self.launch.rank}", json.dumps([ending, message]))
            self.store.set("failed", "1")
            with contextlib.suppress(Exception):  # whatever state it is in, others must stop waiting for this rank
                dist.destroy_process_group()
            if self.ranks.first:
                said = self._reason(message, TELL_SECONDS) if ending == "lost" else message
                spoken = self.store.add("speakers", 1) > 1
                self.store.set("told", "1")
                return "" if spoken else said
            until = time.monotonic() + 3 * TELL_SECONDS  # torchrun kills a process 30 s after it has asked it to end
            while not self.store.check(["told"]) and time.monotonic() < until:
                time.sleep(LOOK_SECONDS)
            if self.store.check(["told"]) or self.store.add("speakers", 1) > 1:
                return ""
            # Rank 0 is gone, or busy with what it cannot leave: then it finds that all is said.
            return f"rank {self.launch.rank}: {message}" if ending == "own" else self._reason(message, 0.0)
        except (
            RuntimeError
        ):  # the store went with the process that kept it: rank 0, which may have said all there is to say
            return ""

    def _reason(self, seen: str, patience: float) -> str:
        """Which rank failed and why: its own words if it left any, else that it is gone, else that it was stopped.

        Args:
            seen: what this rank saw.
            patience: seconds for other ranks to leave their words; twice as many while several have left none.
        """
        began = time.monotonic()
        while True:
            words = {rank: self._words(rank) for rank in range(self.launch.size)}
            for rank, found in words.items():
                if found is not None and found[0] == "own":
                    return f"rank {rank}: {found[1]}"
            silent = [str(rank) for rank, found in words.items() if found is None]
            # One silent rank is the one that is gone; of several, some may be on their way to say what they saw.
            if not silent or time.monotonic() - began > patience * (1 if len(silent) == 1 else 2):
                break
            time.sleep(LOOK_SECONDS)
        if not silent:  # torchrun stops the others when a rank is gone, so that a stop is a reason only where none is
            for rank, found in words.items():
                if found is not None and found[0] == "stopped":
                    return f"rank {rank}: {found[1]}"
            return f"the ranks lost touch with each other: {seen}. Look at the network between them"
        name, verb = ("rank", "has") if len(silent) == 1 else ("ranks", "have")
        return (
            f"{name} {', '.join(silent)} {verb} ended or not answered for {self.launch.timeout:.0f} s ({TIMEOUT_VARIABLE}), so the "
            f"job ends. Look at the system's log there (memory is the usual reason){self.again}"
        )

    def _words(self, rank: int) -> tuple[Ending, str] | None:
        key = f"failed/{rank}"
        if not self.store.check([key]):
            return None
        ending, message = json.loads(self.store.get(key))
        return ending, message


def current() -> Job | None:
    """The job that this process belongs to, None for a process alone."""
    return _current[0] if _current else None


def _refusal(launch: Launch, said: str) -> ConfigError | RankError:
    place = f"{launch.address}:{launch.port}"
    if "EADDRINUSE" in said or "in use" in said.lower():
        return ConfigError(
            f"port {launch.port} of {launch.address} is in use by another program. Set MASTER_PORT (torchrun --master-port) to a "
            f"free one, the same on every machine"
        )
    return RankError(
        f"rank {launch.rank} did not meet {launch.size - 1} other(s) at {place} within {launch.timeout:.0f} s "
        f"({TIMEOUT_VARIABLE}): {said.splitlines()[0].rstrip('.')}. Look whether all were started and the port is open between the machines"
    )
