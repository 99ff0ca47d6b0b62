"""``gcn2snn reproduce recipes``: the customary training of an image network against the recipe for few epochs, in equal processor time."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch

from gcn2snn.cnn import FAST, MODELS, ImageSet, ImageTrainConfig, ImageTrainer, find_normalisation, load_images, predict
from gcn2snn.errors import DataError, NotRunError
from gcn2snn.files import save_json, save_text
from gcn2snn.machine import environment
from gcn2snn.reproduce.kept import keep, kept, key_of, say
from gcn2snn.reproduce.options import ReproduceOptions, chosen_names

ROWS = ("resnet8", "resnet20", "vgg16", "resnet18")
EPOCHS = 12
"""Epochs of the customary recipe, whose processor time the other one gets."""

IMAGES, HELD_OUT = 8000, 2000
"""Training images, and others on which the networks are scored. Test images are not read."""


def recipes(out: Path, options: ReproduceOptions) -> dict[str, object]:
    """Accuracy on held-out training images of CIFAR-10 by recipe, and the processor time of an epoch.

    The fast recipe has as many epochs as fit into the processor time that the customary one took. Both are checkpointed
    after every epoch below ``out``, so that a second call goes on where the first was stopped.

    Args:
        out: for ``recipes.json``, ``recipes.md`` and the checkpoints.
        options: ``rows``: models (:data:`ROWS`), the first when empty; ``limit``: at most so many training images; ``seeds``.

    Raises:
        NotRunError: CIFAR-10 is not there.
    """
    try:
        images = load_images("cifar10", "train", options.data_dir)
    except DataError as error:
        raise NotRunError(f"needs the training images of CIFAR-10: {error}") from error
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))
    count = min(options.limit or IMAGES, len(images) - HELD_OUT)
    seen, held_out = images.subset(order[HELD_OUT : HELD_OUT + count]), images.subset(order[:HELD_OUT])
    rows = [
        row
        for model in chosen_names(ROWS, options.rows, "row")[: None if options.rows else 1]
        for seed in range(options.seeds or 1)
        for row in _compared(model, seed, seen, held_out, out)
    ]
    text = _table(rows, len(seen), len(held_out))
    files = [save_json(out / "recipes.json", {"results": rows, "environment": environment()})]
    files.append(save_text(out / "recipes.md", text))
    return {"text": text, "results": rows, "files": [str(file) for file in files]}


def _compared(model: str, seed: int, seen: ImageSet, held_out: ImageSet, out: Path) -> list[dict[str, object]]:
    common: dict[str, Any] = {"model": model, "normalise": MODELS[model].normalise, "seed": seed, "threads": 1}
    plain = _trained(ImageTrainConfig(**common, epochs=EPOCHS, precision="float32"), "customary", seen, held_out, out)
    probe = _trained(ImageTrainConfig(**common, **FAST, epochs=1), "fast, one epoch", seen, held_out, out)
    epochs = max(2, round(float(str(plain["seconds"])) / float(str(probe["seconds"]))))
    return [plain, _trained(ImageTrainConfig(**common, **FAST, epochs=epochs), "fast", seen, held_out, out)]


def _trained(config: ImageTrainConfig, recipe: str, seen: ImageSet, held_out: ImageSet, out: Path) -> dict[str, object]:
    """Recipe, epochs, processor seconds and accuracy of one training."""
    trainer = ImageTrainer(seen, config)
    folder = out / "trainings" / trainer.key[:16]
    key = key_of("recipes", trainer.key, len(held_out))
    found = kept(folder / "result.json", key)
    if found is not None:
        return found
    state, clock = folder / "state.safetensors", folder / "clock.json"
    seconds = 0.0
    if state.is_file() and (spent := kept(clock, key)) is not None:
        trainer.load(state)
        seconds = float(spent["seconds"])
    folder.mkdir(parents=True, exist_ok=True)
    while not trainer.done:
        start = time.process_time()
        trainer.run_epoch()
        seconds += time.process_time() - start
        trainer.save(state)
        keep(clock, key, {"seconds": seconds})
        say(
            f"{config.model}, {recipe}, seed {config.seed}: epoch {len(trainer.history)} of {config.epochs}, {seconds:.0f} s"
        )
    accuracy = predict(trainer.trained(), held_out, find_normalisation(config.normalise)).accuracy
    found = {"model": config.model, "recipe": recipe, "seed": config.seed, "epochs": config.epochs}
    found |= {"seconds": seconds, "accuracy": accuracy, "bfloat16": trainer.precision == "bfloat16"}
    keep(folder / "result.json", key, found)
    state.unlink(missing_ok=True)
    return found


def _table(rows: list[dict[str, object]], seen: int, held_out: int) -> str:
    lines = [
        f"{seen:,} training images, {held_out:,} held-out training images, one thread",
        "",
        "| model | recipe | seed | epochs | processor time | of an epoch | products | accuracy on held-out images |",
        "|-|-|-|-|-|-|-|-|",
    ]
    for row in rows:
        seconds, epochs = float(str(row["seconds"])), int(str(row["epochs"]))
        products = "bfloat16" if row["bfloat16"] else "float32"
        lines.append(
            f"| {row['model']} | {row['recipe']} | {row['seed']} | {epochs} | {seconds:.0f} s | {seconds / epochs:.1f} s "
            f"| {products} | {float(str(row['accuracy'])):.2f} |"
        )
    return "\n".join(lines) + "\n"
