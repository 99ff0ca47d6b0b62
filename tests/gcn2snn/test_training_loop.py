from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from gcn2snn.errors import Terminated
from gcn2snn.training_loop import LoopOptions, history_lines, interrupts_held, seeded, train_to_end, under


@dataclass(frozen=True)
class Measures:
    epoch: int
    train_loss: float


@dataclass
class Drawing:
    """A trainer that learns one random number an epoch."""

    loop: LoopOptions
    epochs: int = 4
    interrupted_in: int = 0
    by: int = signal.SIGINT
    history: list[Measures] = field(default_factory=list)
    saved: int = 0

    @property
    def done(self) -> bool:
        return len(self.history) >= self.epochs

    def run_epoch(self) -> None:
        if len(self.history) + 1 == self.interrupted_in:
            os.kill(os.getpid(), self.by)
        self.history.append(Measures(len(self.history) + 1, float(torch.rand(()))))

    def save(self, path: Path) -> None:
        self.saved += 1
        path.write_text(json.dumps([torch.get_rng_state().tolist(), history_lines(self.history)]))

    def load(self, path: Path) -> None:
        state, lines = json.loads(path.read_text())
        torch.set_rng_state(torch.tensor(state, dtype=torch.uint8))
        self.history = [Measures(**json.loads(line)) for line in lines.splitlines()]


OPTIONS = LoopOptions(seed=7)


def test_train_to_end_resumes_after_ctrl_c_to_the_same_numbers(tmp_path: Path) -> None:
    whole = Drawing(OPTIONS)
    train_to_end(whole)
    stopped, seen = Drawing(OPTIONS, interrupted_in=2), []
    with pytest.raises(KeyboardInterrupt):
        train_to_end(stopped, checkpoint=tmp_path / "state")
    assert len(stopped.history) == 2  # the epoch was finished
    again = Drawing(OPTIONS)
    train_to_end(
        again,
        checkpoint=tmp_path / "state",
        on_start=lambda trainer: seen.append(len(trainer.history)),
        on_epoch=lambda trainer: seen.append(len(trainer.history)),
    )
    assert again.history == whole.history
    assert seen == [2, 3, 4]


def test_train_to_end_stops_at_once_where_epochs_are_long(tmp_path: Path) -> None:
    trainer = Drawing(LoopOptions(seed=7, finish_epoch=False), interrupted_in=2)
    with pytest.raises(KeyboardInterrupt):
        train_to_end(trainer, checkpoint=tmp_path / "state")
    assert len(trainer.history) == 1


def test_train_to_end_writes_its_state_when_it_is_asked_to_end(tmp_path: Path) -> None:
    def end(number: int, frame: object) -> None:
        raise Terminated

    before = signal.signal(signal.SIGTERM, end)
    try:
        trainer = Drawing(LoopOptions(seed=7, save_every=3600.0), interrupted_in=2, by=signal.SIGTERM)
        with pytest.raises(Terminated):
            train_to_end(trainer, checkpoint=tmp_path / "state")
        assert signal.getsignal(signal.SIGTERM) is end
    finally:
        signal.signal(signal.SIGTERM, before)
    assert (len(trainer.history), trainer.saved) == (2, 1)


@pytest.mark.parametrize(("seconds", "saved"), [(0.0, 4), (3600.0, 0)])
def test_train_to_end_writes_a_checkpoint_when_it_is_due(tmp_path: Path, seconds: float, saved: int) -> None:
    trainer = Drawing(LoopOptions(seed=7, save_every=seconds))
    train_to_end(trainer, checkpoint=tmp_path / "state")
    assert trainer.saved == saved


def test_seeded_gives_back_random_state_and_threads() -> None:
    torch.manual_seed(3)
    expected, threads = torch.rand(2), torch.get_num_threads()
    torch.manual_seed(3)
    with seeded(5, threads + 1):
        assert torch.get_num_threads() == threads + 1
        torch.rand(9)
    assert torch.get_num_threads() == threads
    assert torch.equal(torch.rand(2), expected)


def test_interrupts_held_does_nothing_in_another_thread() -> None:
    found: list[bool] = []

    def work() -> None:
        with interrupts_held() as interrupted:
            found.append(interrupted())

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [False]


def test_interrupts_held_lets_the_second_one_through() -> None:
    before = signal.getsignal(signal.SIGINT)
    with interrupts_held() as interrupted:
        os.kill(os.getpid(), signal.SIGINT)
        assert interrupted()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before


def test_under_takes_a_prefix_off() -> None:
    one = torch.ones(1)
    assert under({"model.a": one, "best.a": torch.zeros(1)}, "model.") == {"a": one}
