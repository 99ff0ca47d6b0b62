"""What train, convert and evaluate do for image classifiers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from gcn2snn.cli.loudness import hint
from gcn2snn.cli.output import console, emit, megabytes, plural, table

if TYPE_CHECKING:
    from torch import Tensor

    from gcn2snn.config import ConvertConfig
    from gcn2snn.report import Subject


def train(
    data: str, out: Path, options: dict[str, object], data_dir: Path | None, force: bool, resume: bool, as_json: bool
) -> None:
    """Train an image classifier into a run folder."""
    from gcn2snn.cli.progress import epochs_shown
    from gcn2snn.cnn import FAST, RECIPES, ImageTrainConfig, train_images
    from gcn2snn.errors import ConfigError, InterruptedRunError, exit_code_of

    recipe = options.get("recipe")
    if recipe not in (None, "fast"):
        raise ConfigError(f"recipe (--recipe) is {recipe!r}; allowed is fast, or leave it out")
    own = {name: value for name, value in options.items() if name != "recipe"}
    config = ImageTrainConfig(**(RECIPES.get(data, {}) | (FAST if recipe else {}) | own))
    with epochs_shown(config.epochs, _measures) as on_epoch:
        try:
            summary = train_images(data, config, out, data_dir=data_dir, resume=resume, force=force, on_epoch=on_epoch)
        except KeyboardInterrupt as stop:  # typer would end the program without a word
            text = f"interrupted; {out} holds the epochs that were finished. Give the same command and --resume to continue"
            raise InterruptedRunError(text, exit_code_of(stop)) from None
    if as_json:
        emit(summary)
        return
    rows = [
        ("test accuracy", f"{summary['ann']['accuracy']:.2f} %"),
        ("epochs", summary["epochs"]),
        ("products in", summary.get("precision") or "unknown"),
        ("training time", f"{summary['train_seconds']:.1f} s"),
        ("peak memory", megabytes(summary["peak_memory_bytes"])),
        ("run folder", out),
    ]
    console(as_json).print(table(f"{config.model} on {data}, seed {config.seed}", ("measure", "value"), rows))
    hint(as_json, "gcn2snn convert {}", out)


def _measures(epoch: Any) -> str:
    return f"loss {epoch.train_loss:.4f}  accuracy {epoch.train_accuracy:.2f} %"


def convert(
    run: Path | None,
    out: Path | None,
    config: ConvertConfig,
    source: dict[str, Any],
    data_dir: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Convert an image classifier, from a run folder or from weights."""
    from gcn2snn.cli.tables import choice_table, report_table
    from gcn2snn.cnn import convert_images
    from gcn2snn.passes import Choice, PopulationReport

    target = out or (run / "snn.safetensors" if run is not None else Path(f"{source['model']}-snn.safetensors"))
    content = convert_images(target, run=run, config=config, data_dir=data_dir, force=force, **source)
    if as_json:
        emit(content)
        return
    screen = console(as_json)
    if content["choice"] is not None:
        screen.print(choice_table(Choice.of_dict(content["choice"])))
    screen.print(report_table(tuple(PopulationReport(**row) for row in content["populations"])))
    screen.print(f"written to {target}; peak memory {megabytes(content['peak_memory_bytes'])}")
    hint(as_json, "gcn2snn evaluate {}", target)


def evaluate(
    snn: Path,
    data: str | None,
    data_dir: Path | None,
    engine: str,
    energy: str,
    limit: int | None,
    layers: bool,
    predictions: Path | None,
    as_json: bool,
    clock: float | None,
) -> None:
    """Compare a converted image classifier with its source on the test images."""
    from gcn2snn.clock import Timing
    from gcn2snn.cnn import evaluate_images

    options: dict[str, Any] = {"engine": engine, "preset": energy, "limit": limit, "layers": layers}
    options |= {"predictions": predictions}
    content = evaluate_images(snn, data=data or "", data_dir=data_dir, **options)
    timing = Timing(*(int(content["timing"][key]) for key in ("timesteps", "wait", "layers")))
    content |= {"timing": timing.to_dict(clock)}
    if as_json:
        emit(content)
        return
    ann, snn_scores, alpha = content["ann"], content["snn"], content["alpha"]
    rows = [
        ("accuracy %", f"{ann['accuracy']:.2f}", f"{snn_scores['accuracy']:.2f}"),
        ("same prediction %", "", f"{content['agreement']:.2f}"),
        (
            "alpha, Eq. 6 / exact events / with updates and memory",
            "",
            " / ".join(f"{alpha[k]:.2f}" for k in ("eq6", "events", "total")),
        ),
    ]
    counts = [
        (x["name"], f"{x['spike_rate']:.3f}", f"{x['operations']:,}", f"{x['additions']:,.0f}", f"{x['events']:,}")
        for x in content["layers"]
    ]
    screen = console(as_json)
    ann_name = "ANN" if content["config"]["weights"] == "float" else "ANN, 8-bit weights"
    screen.print(
        table(
            f"{content['images']} {plural(content['images'], 'test image')} ({content['engine']} engine)",
            ("", ann_name, "one-spike SNN"),
            rows,
        )
    )
    columns = ("layer", "spikes/input", "operations (ANN)", "additions (Eq. 6)", "additions (events)")
    screen.print(
        table(f"Per layer, {content['energy_images']} {plural(content['energy_images'], 'image')}", columns, counts)
    )
    screen.print(content["verdict"], markup=False)
    if clock is not None:
        screen.print(timing.told(clock), markup=False)
    if layers:
        errors = ("error", "inherited", "encoding", "own", "timing")
        checks = [(x["name"], *(f"{x[key]:.4f}" for key in errors), x["verdict"]) for x in content["verify"]]
        screen.print(
            table(
                f"Against the source, {content['verified_images']} {plural(content['verified_images'], 'image')}",
                ("layer", *errors, "verdict"),
                checks,
            )
        )
    if predictions is not None:
        screen.print(f"predictions written to {predictions}", soft_wrap=True, markup=False)
    hint(as_json, "gcn2snn report {}", snn)


def subject(origin: dict[str, Any], data: str | None, data_dir: Path | None, limit: int) -> Subject:
    """Test images of the data a network comes from, or others that were given.

    They are drawn evenly from the classes where the limit leaves some out.
    """
    import torch

    from gcn2snn.cnn import find_normalisation, load_images
    from gcn2snn.report import Batch, Sample, Subject, png
    from gcn2snn.run_summary import ImageOrigin
    from gcn2snn.schema import checked

    checked(origin, ImageOrigin, "where the network comes from", "Convert again")
    everything = load_images(data or origin["data"], "test", data_dir)
    images, normalise = everything.first(limit), find_normalisation(origin["normalise"])
    if len(images) < len(everything):
        images = everything.balanced(limit)

    def batches() -> Iterator[Batch]:
        for x, labels in images.batches(100, normalise):
            yield Batch((x,), labels, torch.ones(len(labels), dtype=torch.bool))

    def describe(rows: Sequence[int]) -> list[Sample]:
        pictures = images.pixels(torch.tensor(rows))
        return [Sample(f"image {row}", picture=png(x)) for row, x in zip(rows, pictures, strict=True)]

    every, used = len(everything), len(images)
    extent = (
        f"all {used:,} test images"
        if used == every
        else f"{used:,} of {every:,} test images, drawn evenly from the classes"
    )
    source = None if data is None else {"data": data, "normalise": origin["normalise"]}
    return Subject(batches, images.class_names, "test images", extent, source, describe)


def chosen_images(origin: dict[str, Any], data: str | None, data_dir: Path | None, rows: list[int]) -> Tensor:
    """Test images by number, normalised as the network's source had them, [rows, C, H, W].

    Raises:
        InputError: a number is past the last test image.
    """
    import torch

    from gcn2snn.cnn import find_normalisation, load_images
    from gcn2snn.errors import InputError
    from gcn2snn.run_summary import ImageOrigin
    from gcn2snn.schema import checked

    checked(origin, ImageOrigin, "where the network comes from", "Convert again")
    images = load_images(data or origin["data"], "test", data_dir)
    if max(rows) >= len(images):
        raise InputError(f"test image {max(rows)} was asked for; there are images 0 to {len(images) - 1}")
    normalise = find_normalisation(origin["normalise"])
    return torch.cat([x for x, _ in images.subset(torch.tensor(rows)).batches(100, normalise)])
