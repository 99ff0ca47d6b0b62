"""The command line on several processes: which verbs run there, how ranks meet, and that only rank 0 speaks."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TextIO

from gcn2snn.errors import ArtefactError, Gcn2SnnError, InterruptedRunError, RankError, exit_code_of
from gcn2snn.watched import Watched

if TYPE_CHECKING:
    from pathlib import Path

    from gcn2snn.config import ConvertConfig
    from gcn2snn.distributed import GraphShare, Job, Launch, Traffic
    from gcn2snn.evaluation import Evaluation
    from gcn2snn.graph import Graph
    from gcn2snn.prediction import Prediction
    from gcn2snn.schema import Json
    from gcn2snn.spiking_network import SpikingNetwork

VERBS = ("train", "evaluate", "predict", "convert")
"""What several processes can do together."""

STOPPED_CODE = 130
"""Exit code after Ctrl-C."""

MEETING_GRACE = 10.0
"""Seconds beyond twice the timeout, in which torch tries again, until a process that meets nobody is ended."""

_heard: list[TextIO] = []
"""The standard error that this rank had before it was silenced."""


def as_rank(launch: Launch, words: Sequence[str], run: Callable[[], int]) -> int:
    """Run a verb as one rank of a job; the exit code.

    Args:
        launch: how this process was started.
        words: of the command line, without the program's name.
        run: the verb; it raises errors of ours, and gives its exit code.
    """
    _quieten_library()
    if launch.rank:
        _silence()
    asked = [word for word in words if not word.startswith("-")]
    if not asked or any(word in ("-h", "--help") for word in words):
        return run() if launch.rank == 0 else 0
    if asked[0] not in VERBS:
        said = (
            f"gcn2snn {asked[0]} runs in one process; on several there are {', '.join(VERBS)}. Run it without torchrun"
        )
        return _told(said if launch.rank == 0 else "")
    from gcn2snn.distributed import Job

    try:
        with _left_after(2 * launch.timeout + MEETING_GRACE, launch):
            job = Job.join(launch)
    except Gcn2SnnError as error:
        return _told(str(error) if launch.local_rank == 0 else "")  # one line of each machine: the ranks have not met
    if asked[0] == "train":
        job.again = "; give the same command and --resume to continue from the last checkpoint"
    return _as_member(job, words, run)


def _as_member(job: Job, words: Sequence[str], run: Callable[[], int]) -> int:
    """Run a verb once the ranks have met."""
    from gcn2snn.machine import environment

    versions = {name: value for name, value in environment().items() if name not in ("platform", "machine")}
    try:
        job.agree({"the command": " ".join(words)}, "Give every process the same one")
        job.agree(versions, "Install the same packages on every machine")
        code = run()
        if code == STOPPED_CODE:  # Ctrl-C where no verb was at work
            raise KeyboardInterrupt
        job.end()
        return code
    except KeyboardInterrupt as stop:
        return _stopped(job, exit_code_of(stop), "stopped")
    except InterruptedRunError as error:
        return _stopped(job, error.exit_code, str(error))
    except RankError as error:
        return _told(job.failed(str(error), "lost"))
    except SystemExit as stop:  # a command line that cannot be read: every rank has the same, and rank 0 has said so
        job.failed("stopped", "own")
        return stop.code if isinstance(stop.code, int) else 2
    except Exception as error:
        ours = isinstance(error, Gcn2SnnError | OSError)
        return _told(job.failed(str(error) if ours else "".join(traceback.format_exception(error)), "own"))


def refuse_on_ranks(options: Mapping[str, object], why: str) -> None:
    """Refuse on several processes what one of them would have to do alone.

    Args:
        options: that were given, by name.
        why: a sentence without its end.

    Raises:
        ConfigError: one was given, and this process is one of several.
    """
    from gcn2snn.distributed import current
    from gcn2snn.errors import ConfigError

    names = ", ".join(name for name, value in options.items() if value)
    if names and current() is not None:
        raise ConfigError(f"{names} runs in one process: {why}. Run it without torchrun")


def graph_on_ranks(job: Job, load: Callable[[], Graph]) -> tuple[GraphShare, Path]:
    """A rank's share of a graph, and the file that it was read from; one rank of each machine loads the graph and checks it."""
    from pathlib import Path

    from gcn2snn.datasets import file_of_graph
    from gcn2snn.distributed import fingerprint_of, read_share

    file = Path(job.once_on_each_machine("graph", lambda: str(file_of_graph(load()))))
    # Before the first rows travel: ranks with graphs of other sizes would give each other rows that nobody expects.
    with Watched.now(file, error=ArtefactError).reading():
        job.agree({"the graph (sha256)": fingerprint_of(file)}, "Give every machine the same data")
        return read_share(file, job.ranks), file


def agree_on_file(job: Job, network: Watched) -> None:
    """Refuse to go on where the network that ranks read is not the same.

    Args:
        job: of the ranks.
        network: its file as it was before it was read.

    Raises:
        ConfigError: as said.
        ArtefactError: the file is no longer the one that was read.
    """
    import hashlib

    with network.reading(), network.place.open("rb") as content:
        found = hashlib.file_digest(content, "sha256").hexdigest()
    job.agree({"the network (sha256 of the file)": found}, "Give every machine the same file")


def texts_on_ranks(job: Job, batches: Iterable[list[str]]) -> Iterator[list[str]]:
    """The texts that rank 0 reads, batch by batch on every rank."""
    source = iter(batches)
    while True:
        batch = job.ranks.from_first([next(source, None)] if job.ranks.first else None)[0]
        if batch is None:
            return
        yield batch


def predict_on_ranks(job: Job, network: SpikingNetwork, texts: list[str], preset: str) -> list[Prediction]:
    """What a network says of some texts; each rank answers an equal part of them."""
    first, last = (len(texts) * rank // job.ranks.size for rank in (job.ranks.rank, job.ranks.rank + 1))
    own = network.documents_of().predict(network, texts[first:last], preset)
    return [answer for part in job.ranks.everywhere(own) for answer in part]


def evaluate_on_ranks(
    job: Job, network: SpikingNetwork, load: Callable[[], Graph], engine: str, preset: str
) -> tuple[Evaluation, Traffic, GraphShare, Path]:
    """A network beside its source, on a graph that is shared out."""
    from gcn2snn.distributed import evaluate_share, only_closed

    only_closed(network, engine)
    graph, file = graph_on_ranks(job, load)
    result, traffic = evaluate_share(network, graph, preset)
    return result, traffic, graph, file


def convert_on_ranks(
    job: Job,
    run: Path,
    summary: Json,
    load: Callable[[], Graph],
    config: ConvertConfig,
    accuracy_first: bool,
) -> SpikingNetwork:
    """The network of a run, converted on a graph that is shared out; what classifies new texts is on rank 0."""
    from gcn2snn.config import TrainConfig
    from gcn2snn.distributed import convert_share, documents_on_first, node_names
    from gcn2snn.run_folder import MODEL_FILE, weights_hash
    from gcn2snn.textgcn import load_model, split_of

    refuse_on_ranks({"an inductive run": bool(summary["config"].get("inductive"))}, "its graph holds no test document")
    weights = Watched.now(run / MODEL_FILE, error=ArtefactError)
    job.agree({"the weights (sha256)": weights_hash(run)}, "Give every machine the same run folder")
    graph, file = graph_on_ranks(job, load)
    with weights.reading():
        model = load_model(run, graph.outline, graph.fingerprint)
    snn = convert_share(model, graph, config, accuracy_first=accuracy_first)
    words = node_names(file)[graph.outline.num_documents :] if job.ranks.first else None
    held = split_of(graph.outline, TrainConfig(**summary["config"])).val
    snn.documents = documents_on_first(snn, graph, words, held, summary.get("temperature"))
    return snn


def _stopped(job: Job, code: int, said: str) -> int:
    """The end after a signal, of a person or of torchrun."""
    if told := job.failed(said, "stopped"):
        print(f"gcn2snn: {told}", file=_spoken())
    return code


def _told(message: str) -> int:
    """Print the one line of a failed job where there is one; the exit code."""
    if message:
        print(f"gcn2snn: error: {message}", file=_spoken(), flush=True)
    return 2


def _spoken() -> TextIO:
    """Where a rank says what only it can say: its standard error, also while that is silenced."""
    return _heard[-1] if _heard else sys.stderr


@contextlib.contextmanager
def _left_after(seconds: float, launch: Launch) -> Iterator[None]:
    """End the process where the block takes longer: a stranger behind the port who never answers is waited for without end."""

    def leave() -> None:
        place = f"{launch.address}:{launch.port}"
        _told(f"{place} does not answer as rank 0 of a job would. Set MASTER_ADDR and MASTER_PORT as on rank 0")
        os._exit(2)

    timer = threading.Timer(seconds, leave)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _quieten_library() -> None:
    """Let torch's own messages about sockets, with addresses of its functions, give way to the one line of ours."""
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "FATAL")  # read when torch is loaded, which has not happened yet


def _silence() -> None:
    """Only rank 0 prints: the others would say the same, and what they alone know reaches rank 0 when they fail."""
    _heard[:] = [sys.stderr]
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - open to the end
    logging.disable(logging.ERROR)
