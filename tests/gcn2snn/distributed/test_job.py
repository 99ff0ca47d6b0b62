from __future__ import annotations

import os
import socket
import time
from pathlib import Path

import pytest
import torch
from rank_processes import alone, environment, members, on_ranks

from gcn2snn import Graph, load_graph
from gcn2snn.cli import main
from gcn2snn.cli.ranks import graph_on_ranks
from gcn2snn.distributed import Job, Launch, current
from gcn2snn.errors import ConfigError, DataError, RankError
from gcn2snn.kernels import CSR


def _facts(job: Job) -> str:
    job.agree({"torch": "1"}, "never")
    with pytest.raises(ConfigError) as error:
        job.agree({"torch": "1", "the data": f"hash {job.ranks.rank}"}, "Copy them")
    return str(error.value)


def test_agree_names_the_first_difference_on_every_rank() -> None:
    said = "ranks differ in the data: rank 0 has hash 0, rank 1 has hash 1. Copy them"
    assert on_ranks(2, _facts) == [said, said]


def _made(job: Job) -> str:
    return job.once_on_each_machine("work", lambda: f"by {job.ranks.rank}")


def test_one_rank_of_a_machine_works_for_all() -> None:
    assert on_ranks(2, _made) == ["by 0", "by 0"]


def _waits(rank: int) -> int:
    job = current()
    assert job is not None
    if rank == 1:
        raise DataError("the corpus is gone")
    job.ranks.wait()
    return 0


def test_an_error_of_one_rank_ends_all_with_its_words_on_rank_0() -> None:
    first, second = members(2, _waits, answers=[0, 1])
    assert first == (2, "gcn2snn: error: rank 1: the corpus is gone\n")
    assert second == (2, "")


def _same_error(rank: int) -> int:
    raise DataError("no such file")


def test_an_error_of_all_ranks_is_said_once() -> None:
    assert members(2, _same_error, answers=[0, 1]) == [(2, "gcn2snn: error: no such file\n"), (2, "")]


def _mistake(rank: int) -> int:
    if rank == 1:
        raise ZeroDivisionError("a mistake of ours")
    return _waits(rank)


def test_a_mistake_of_ours_keeps_its_traceback() -> None:
    first, _ = members(2, _mistake, answers=[0, 1])
    assert first[0] == 2
    assert "rank 1: Traceback" in first[1]
    assert "ZeroDivisionError: a mistake of ours" in first[1]


def _dies(rank: int) -> int:
    if rank == 1:
        os._exit(9)
    return _waits(rank)


def test_a_rank_that_dies_ends_the_job() -> None:
    ((code, said),) = members(2, _dies, answers=[0])
    assert code == 2
    assert said.startswith("gcn2snn: error: rank 1 has ended or not answered")
    assert said.count("\n") == 1


def _hangs(rank: int) -> int:
    if rank == 1:
        time.sleep(1000)
    return _waits(rank)


def test_a_rank_that_hangs_ends_the_job_within_the_timeout() -> None:
    ((code, said),) = members(2, _hangs, timeout=2.0, answers=[0])
    assert (code, said.startswith("gcn2snn: error: rank 1 has ended or not answered for 2 s (GCN2SNN_TIMEOUT)")) == (
        2,
        True,
    )


def _first_dies(rank: int) -> int:
    if rank == 0:
        os._exit(9)
    return _waits(rank + 5)


def test_without_rank_0_and_its_store_the_others_end() -> None:
    ((code, said),) = members(2, _first_dies, timeout=5.0, answers=[1])
    assert (code, said) == (2, "")  # the store went with rank 0; what started the ranks says which process ended


def _first_ends_and_leaves_the_store(rank: int) -> int:
    job = current()
    assert job is not None
    job.store.set("told by nobody", "1")
    if rank:
        raise RankError("rank 0 is gone")
    time.sleep(1000)
    return 0


def test_where_rank_0_hangs_one_of_the_others_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rank 0 keeps the store here and is silent, as it is where torchrun keeps the store and rank 0 was killed."""
    monkeypatch.setattr("gcn2snn.distributed.job.TELL_SECONDS", 0.3)
    found = members(3, _first_ends_and_leaves_the_store, answers=[1, 2])
    assert [code for code, _ in found] == [2, 2]
    assert sorted(said.startswith("gcn2snn: error: rank 0 has ended or not answered") for _, said in found) == [0, 1]


def test_a_port_in_use_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
        monkeypatch.setenv("MASTER_PORT", str(port))
        with pytest.raises(ConfigError, match=f"port {port} of 127.0.0.1 is in use .* Set MASTER_PORT"):
            Job.join(Launch(0, 2, 0, 0, 2, "127.0.0.1", port, timeout=5.0))


def test_a_stranger_behind_the_port_is_waited_for_no_longer_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcn2snn.cli.ranks.MEETING_GRACE", 1.0)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        left, said = alone(Launch(1, 2, 0, 1, 1, "127.0.0.1", port, timeout=1.0))
    assert left == 2
    assert said.startswith(f"gcn2snn: error: 127.0.0.1:{port} does not answer as rank 0 of a job would")


def test_ranks_that_do_not_come_are_waited_for_no_longer_than_the_timeout(monkeypatch: pytest.MonkeyPatch) -> None:
    from rank_processes import free_port

    port = free_port()
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    with pytest.raises(RankError, match="rank 0 did not meet 1 other"):
        Job.join(Launch(0, 2, 0, 0, 2, "127.0.0.1", port, timeout=1.0))


def _aborts(rank: int) -> int:
    return 130


def test_ctrl_c_outside_a_verb_ends_all_ranks_with_one_line() -> None:
    assert members(2, _aborts, answers=[0, 1]) == [(130, "gcn2snn: stopped\n"), (130, "")]


def test_what_the_ranks_have_said_of_a_stop_is_not_said_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The line of one process, that the same command is to be given again, would contradict the ranks' own: --resume."""
    monkeypatch.setattr("gcn2snn.cli.as_rank", lambda *_: 130)
    for name, value in environment(0, 2, 29500).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as stop:
        main()
    assert (stop.value.code, capsys.readouterr().err) == (130, "")


def _fails_while_rank_0_is_busy(rank: int) -> int:
    job = current()
    assert job is not None
    if rank == 0:
        time.sleep(4)
    if rank == 1:
        raise DataError("no such file")
    job.ranks.wait()
    return 0


def test_of_a_busy_rank_0_and_a_failed_rank_one_speaks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gcn2snn.distributed.job.TELL_SECONDS", 0.3)
    found = members(3, _fails_while_rank_0_is_busy, answers=[0, 1, 2])
    assert [code for code, _ in found] == [2, 2, 2]
    assert "".join(said for _, said in found) == "gcn2snn: error: rank 1: no such file\n"


def _gives_its_graph(job: Job, files: list[str]) -> str:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "once_on_each_machine", lambda *_: files[job.ranks.rank])
        with pytest.raises(ConfigError) as error:
            graph_on_ranks(job, lambda: load_graph("karate"))
    return str(error.value)


def test_graphs_of_other_sizes_are_refused_before_rows_travel(tmp_path: Path) -> None:
    files = []
    for nodes in (6, 9):
        source = torch.arange(nodes - 1)
        ends = torch.cat([source, source + 1]), torch.cat([source + 1, source])
        path = CSR.from_coo(*ends, torch.ones(2 * nodes - 2), (nodes, nodes))
        mask = torch.arange(nodes) < 3
        graph = Graph(path, torch.zeros(nodes, dtype=torch.int64), mask, ~mask, ("a",))
        files.append(str(graph.save(tmp_path / f"{nodes}.safetensors")))
    found = on_ranks(2, _gives_its_graph, files)
    assert found[0] == found[1]
    assert found[0].startswith("ranks differ in the graph (sha256): rank 0 has ")
