"""Jobs of several ranks in tests, as forked processes: they have the package loaded already."""

from __future__ import annotations

import io
import multiprocessing
import os
import pickle
import socket
import sys
import traceback
import warnings
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, TypeVar

import torch

if TYPE_CHECKING:
    from gcn2snn.distributed import Launch

T = TypeVar("T")

SECONDS = 120
"""What a job may take on a busy machine."""


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def environment(rank: int, size: int, port: int, **more: str) -> dict[str, str]:
    """What torchrun sets for one process."""
    own = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "MASTER_PORT": port}
    return {name: str(value) for name, value in own.items()} | {"MASTER_ADDR": "127.0.0.1", **more}


def on_ranks(size: int, work: Callable[..., T], *args: object) -> list[T]:
    """What ``work(job, *args)`` gives on each rank of a job.

    Raises:
        AssertionError: with the traceback of a rank that raised.
    """
    context = multiprocessing.get_context("fork")
    port = free_port()
    pipes = [context.Pipe(duplex=False) for _ in range(size)]
    members = [
        context.Process(target=_member, args=(rank, size, port, pipes[rank][1], work, args)) for rank in range(size)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of a fork beside threads: the child keeps to one
        for member in members:
            member.start()
    found = []
    for rank, (receiver, _) in enumerate(pipes):
        assert receiver.poll(SECONDS), f"rank {rank} gave no answer"
        found.append(pickle.loads(receiver.recv_bytes()))
    for member in members:
        member.join()
    for good, result in found:
        assert good, result
    return [result for _, result in found]


def _member(
    rank: int, size: int, port: int, answer: Connection, work: Callable[..., object], args: Sequence[object]
) -> None:
    from gcn2snn.distributed import Job, Launch

    torch.set_num_threads(1)
    os.environ.update(environment(rank, size, port))
    try:
        job = Job.join(Launch(rank, size, rank, 0, size, "127.0.0.1", port, timeout=60.0))
        answer.send_bytes(pickle.dumps((True, work(job, *args))))  # plain bytes: tensors outlive the process
        job.end()
    except BaseException:
        answer.send_bytes(pickle.dumps((False, traceback.format_exc())))


def members(
    size: int, run: Callable[[int], int], *, timeout: float = 60.0, answers: Sequence[int]
) -> list[tuple[int, str]]:
    """Exit code and errors of the command line on some ranks, where rank r does ``run(r)`` as its verb.

    Args:
        size: ranks of the job.
        run: the verb; it may raise, hang, or end the process.
        timeout: seconds that a rank waits for another.
        answers: ranks that come to an end; the others are killed then.
    """
    context = multiprocessing.get_context("fork")
    port = free_port()
    pipes = [context.Pipe(duplex=False) for _ in range(size)]
    started = [context.Process(target=_command, args=(r, size, port, timeout, pipes[r][1], run)) for r in range(size)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for process in started:
            process.start()
    found = []
    for rank in answers:
        assert pipes[rank][0].poll(SECONDS), f"rank {rank} gave no answer"
        found.append(pipes[rank][0].recv())
    for process in started:
        process.kill()
        process.join()
    return found


def _command(rank: int, size: int, port: int, timeout: float, answer: Connection, run: Callable[[int], int]) -> None:
    from gcn2snn.cli.ranks import as_rank
    from gcn2snn.distributed import Launch

    torch.set_num_threads(1)
    os.environ.update(environment(rank, size, port))
    sys.stderr = errors = io.StringIO()
    launch = Launch(rank, size, rank, 0, size, "127.0.0.1", port, timeout=timeout)
    code = as_rank(launch, ["evaluate", "network"], lambda: run(rank))
    answer.send((code, errors.getvalue()))


def alone(launch: Launch) -> tuple[int | None, str]:
    """Exit code and errors of the command line on one rank that may end itself before it has met any other."""
    context = multiprocessing.get_context("fork")
    receiver, sender = os.pipe()

    def work() -> None:
        from gcn2snn.cli.ranks import as_rank

        sys.stderr = open(sender, "w", buffering=1, encoding="utf-8")  # noqa: SIM115 - open to the end
        os.environ.update(MASTER_ADDR=launch.address, MASTER_PORT=str(launch.port))
        os._exit(as_rank(launch, ["evaluate", "network"], lambda: 0))

    process = context.Process(target=work)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        process.start()
    process.join(SECONDS)
    process.kill()
    os.close(sender)
    with open(receiver, encoding="utf-8") as errors:
        return process.exitcode, errors.read()


def command(size: int, *words: object, **variables: str) -> list[tuple[int, str, str]]:
    """Exit code, output and errors of ``gcn2snn WORDS`` on each rank of a job."""

    def work(rank: int, answer: Connection, port: int) -> None:
        torch.set_num_threads(1)
        os.environ.update(environment(rank, size, port, GCN2SNN_TIMEOUT="60") | variables)
        sys.stdout = out = io.StringIO()
        sys.stderr = errors = io.StringIO()
        sys.argv = ["gcn2snn", *map(str, words)]
        code = 0
        try:
            main()
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        except BaseException:
            code, errors = 1, io.StringIO(traceback.format_exc())
        answer.send((code, out.getvalue(), errors.getvalue()))

    from gcn2snn.cli import main

    context = multiprocessing.get_context("fork")
    port = free_port()
    pipes = [context.Pipe(duplex=False) for _ in range(size)]
    started = [context.Process(target=work, args=(rank, pipes[rank][1], port)) for rank in range(size)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        for process in started:
            process.start()
    found = []
    for rank, (receiver, _) in enumerate(pipes):
        assert receiver.poll(SECONDS), f"rank {rank} gave no answer"
        found.append(receiver.recv())
    for process in started:
        process.join()
    return found
