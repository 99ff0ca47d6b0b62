"""``gcn2snn predict``: classify texts that were not in the graph, from the command line, a file or a stream of lines."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gcn2snn.cli.loudness import hint, note
from gcn2snn.cli.options import Clock, Encoding, Energy, Tokeniser, refuse_given, refuse_other_format, refuse_written
from gcn2snn.cli.output import counted, emit

if TYPE_CHECKING:
    from gcn2snn.prediction import Prediction
    from gcn2snn.spiking_network import SpikingNetwork


def predict(
    network: Annotated[
        Path,
        typer.Argument(metavar="SNN|RUN", help="A converted Text GCN, or a run folder that holds snn.safetensors."),
    ],
    file: Annotated[
        str, typer.Argument(metavar="[FILE|-]", help="A file with one text in each line; - is standard input.")
    ] = "-",
    text: Annotated[list[str] | None, typer.Option(help="A text, instead of FILE; may be repeated.")] = None,
    top: Annotated[int, typer.Option(min=1, help="Classes to print with their probabilities.")] = 1,
    explain: Annotated[
        bool, typer.Option("--explain", help="Also print the words that moved the result most, with their share.")
    ] = False,
    strict: Annotated[
        bool, typer.Option("--strict", help="Refuse texts without any word that the graph knows.")
    ] = False,
    encoding: Encoding = None,
    tokeniser: Tokeniser = None,
    energy: Energy = "fp32",
    clock: Clock = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line with a JSON object for each text.")] = False,
    csv: Annotated[Path | None, typer.Option(help="Write a CSV table to this file instead of printing.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing CSV file.")] = False,
) -> None:
    """Classify new texts: label, probability, known words, spikes, additions and energy of each.

    Examples:

      gcn2snn predict runs/demo --text "shares of the bank fell" --top 3

      tail -f news.txt | gcn2snn predict runs/demo/snn.safetensors --json
    """
    from gcn2snn.artefact import load
    from gcn2snn.cli.origins import allow_tokeniser, network_file
    from gcn2snn.cli.ranks import agree_on_file, texts_on_ranks
    from gcn2snn.cli.text_lines import lines_of
    from gcn2snn.clock import hertz
    from gcn2snn.datasets import TextGraphOptions, refuse_other_tokeniser
    from gcn2snn.distributed import current
    from gcn2snn.energy import preset_of
    from gcn2snn.errors import ArtefactError, ConfigError
    from gcn2snn.watched import Watched

    TextGraphOptions(encoding=encoding)  # refuses an encoding that Python does not know
    preset_of(energy)
    cycles = None if clock is None else hertz(clock)
    if text and file != "-":
        raise ConfigError(f"--text and the file {file} are both given; give one of them")
    if csv is not None:
        if as_json:
            raise ConfigError("--json prints and --csv writes a file; give one of them")
        refuse_other_format(csv, ".csv", "--csv")
        refuse_written(csv, force, "--csv")
    if text:
        refuse_given({"encoding": encoding}, "it is the encoding of a file, and --text is given")
    allow_tokeniser(tokeniser)
    file_of_network = network_file(network)
    watched = Watched.now(file_of_network, error=ArtefactError)
    snn = load(file_of_network)
    job = current()
    if job is not None:
        agree_on_file(job, watched)
    refuse_other_tokeniser(tokeniser, snn.documents_of().tokeniser)
    batches = iter([text]) if text else lines_of(file, encoding)
    batches = batches if job is None else texts_on_ranks(job, batches)
    answers = _answers(snn, batches, energy, strict)
    if csv is not None and (job is None or job.ranks.first):
        _write_csv(csv, answers, top, cycles)
    else:
        for given, answer in answers:
            _print(given, answer, top, explain, as_json, cycles)
    hint(as_json, "gcn2snn serve {}", network)


def _answers(
    snn: SpikingNetwork, batches: Iterable[list[str]], energy: str, strict: bool
) -> Iterator[tuple[str, Prediction]]:
    from gcn2snn.cli.ranks import predict_on_ranks
    from gcn2snn.distributed import current
    from gcn2snn.errors import InputError

    count = unknown = 0
    for batch in batches:
        if (job := current()) is None:
            found = snn.documents_of().predict(snn, batch, energy)
        else:
            found = predict_on_ranks(job, snn, batch, energy)
        for given, answer in zip(batch, found, strict=True):
            count += 1
            if not answer.known_words:
                unknown += 1
                if strict:
                    raise InputError(
                        f"text {count} ({_short(given)!r}) has no word that the graph knows. Leave --strict out to "
                        f"get the shares of the training documents as the answer, or train on a corpus with its words"
                    )
            yield given, answer
    if not count:
        note("there was no text, so nothing was classified; one text a line is needed")
    if unknown:
        note(
            f"{unknown} of {counted(count, 'text')} {'has' if unknown == 1 else 'have'} no word that the graph knows; the answer is "
            f"then the share of each class in training"
        )


def _short(text: str) -> str:
    return text if len(text) <= 60 else f"{text[:57]}..."


def _print(given: str, answer: Prediction, top: int, explain: bool, as_json: bool, clock: float | None) -> None:
    from gcn2snn.clock import seconds

    if as_json:
        content = {"text": given} | answer.to_json(top, explain)
        content |= {} if clock is None else {"latency_seconds": answer.steps / clock}
        emit(content, indent=None)
        return
    classes = "  ".join(f"{_readable(name)} {100 * share:.1f} %" for name, share in answer.best(top))
    cost = f"{counted(answer.additions, 'addition')}, {1e9 * answer.joules:.3g} nJ"
    cost += "" if clock is None else f", {counted(answer.steps, 'step')} in {seconds(answer.steps / clock)}"
    counts = f"{counted(answer.known_words, 'known word')}, {counted(answer.spikes, 'spike')}"
    print(f"{classes}\t{counts}, {cost}\t{_readable(_short(given))}", flush=True)
    if explain:
        moved = list(answer.influence.items())[:8]
        print("    " + ("  ".join(f"{word} {amount:+.3f}" for word, amount in moved) or "no known word"), flush=True)


def _readable(text: str) -> str:
    """Text in a line of columns: what moves the cursor, colours a terminal or ends the column is written out."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def _write_csv(path: Path, answers: Iterable[tuple[str, Prediction]], top: int, clock: float | None) -> None:
    import csv

    from gcn2snn.files import replacing

    columns = ["text", "label", "probability", *(f"class_{k}" for k in range(2, top + 1))]
    count = 0
    if not path.parent.exists():
        note(f"the folder {path.parent} does not exist and is made")
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        timed = [] if clock is None else ["latency_seconds"]
        writer.writerow([*columns, "known_words", "spikes", "additions", "joules", "steps", *timed])
        for given, answer in answers:
            others = [name for name, _ in answer.best(top)[1:]]
            others += [""] * (top - 1 - len(others))
            row = [given, answer.label, f"{answer.confidence:.6f}", *others, answer.known_words]
            taken = [] if clock is None else [f"{answer.steps / clock:.6g}"]
            writer.writerow([*row, answer.spikes, answer.additions, f"{answer.joules:.6g}", answer.steps, *taken])
            count += 1
    note(f"written to {path}; {counted(count, 'text')}")
