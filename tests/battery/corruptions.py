"""Every kind of file that is read, with its bytes changed, or with values that contradict the rest and a checksum that agrees.

Clean is: refused with an error of ours, or read as what was written, or, for values that were changed, as something that works.

    python tests/battery/corruptions.py --seed 7 --tries 500
"""

from __future__ import annotations

import copy
import json
import random
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file

sys.path.insert(0, str(Path(__file__).parent))
from sources import Source, sources_of
from tally import Tally, run_as_command

from gcn2snn.files import HEADER_KEY, checksum

ODD: tuple[object, ...] = (
    *(None, True, 0, -1, 1, 2**31, 2**63, 10**400, 0.0, -0.5, 1e-320, 1e38, 1e308, float("nan"), float("inf")),
    *("", "x", "0", "\0", "../../etc/passwd", "\ud800", "a" * 5000),
    *([], [[]], [0], ["x"], {}, {"x": 1}, {"tensor": "0.weight"}, {"tensor": "none"}, [[[[[[[[]]]]]]]]),
)


@dataclass
class Lie:
    """A change of the values of a file."""

    what: str
    tensors: dict[str, torch.Tensor]
    header: dict[str, object]


def changed_bytes(data: bytes, chance: random.Random) -> tuple[str, bytes]:
    """Bytes that were truncated, flipped, overwritten, inserted, moved or repeated somewhere."""
    kind = chance.choice(
        ["truncated", "flipped", "byte", "zeroed", "inserted", "deleted", "swapped", "repeated", "start"]
    )
    if not data:
        return kind, bytes(chance.randrange(256) for _ in range(chance.randrange(40)))
    at, length = chance.randrange(len(data)), chance.choice([1, 2, 8, 64, 4096])
    if chance.random() < 0.5:  # the headers decide most
        at = min(at, chance.randrange(1, 4096)) % len(data)
    piece = data[at : at + length]
    new = {
        "truncated": data[:at],
        "flipped": data[:at] + bytes([data[at] ^ (1 << chance.randrange(8))]) + data[at + 1 :],
        "byte": data[:at] + bytes([chance.randrange(256)]) + data[at + 1 :],
        "zeroed": data[:at] + bytes(len(piece)) + data[at + length :],
        "inserted": data[:at] + bytes(chance.randrange(256) for _ in range(length)) + data[at:],
        "deleted": data[:at] + data[at + length :],
        "swapped": data[:at] + piece[::-1] + data[at + length :],
        "repeated": data[:at] + piece * 3 + data[at + length :],
        "start": data[at:],
    }[kind]
    return f"{kind} at {at} of {len(data)}", new


def places(value: object, path: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
    """Ways to every value inside JSON."""
    found = [path] if path else []
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        found += places(inner, (*path, key))
    return found


def changed_json(value: object, chance: random.Random) -> tuple[str, object]:
    """JSON with one value replaced, dropped, doubled or renamed."""
    value = copy.deepcopy(value)
    found = places(value)
    if not found:
        return "all", chance.choice(ODD)
    way = chance.choice(found)
    holder = value
    for key in way[:-1]:
        holder = holder[key]  # type: ignore[index]
    last, kind = way[-1], chance.choice(["replaced"] * 4 + ["dropped", "scaled", "doubled"])
    if kind == "dropped":
        del holder[last]  # type: ignore[attr-defined]
    elif kind == "doubled" and isinstance(holder, list):
        holder.append(copy.deepcopy(holder[last]))  # type: ignore[index]
    elif kind == "scaled" and isinstance(holder[last], int | float):  # type: ignore[index]
        holder[last] *= chance.choice([-1, 2, 1000])  # type: ignore[index]
    else:
        new = chance.choice(ODD)
        holder[last] = new  # type: ignore[index]
        return f"{way} = {str(new)[:40]!r}", value
    return f"{way} {kind}", value


def changed_tensor(name: str, tensor: torch.Tensor, chance: random.Random) -> tuple[str, torch.Tensor | None]:
    """A tensor with another value, shape or type; None where it is gone."""
    kinds = [
        "value",
        "value",
        "value",
        "cut",
        "flat",
        "wider",
        "double",
        "int",
        "bool",
        "half",
        "gone",
        "empty",
        "negated",
    ]
    kind = chance.choice(kinds)
    real = tensor.is_floating_point()
    if kind == "value" and tensor.numel() and tensor.dtype != torch.bool:
        new = tensor.clone()
        flat = new.view(-1)
        odd = [float("nan"), float("inf"), 0.0, -1.0, 1e30, 1e-40] if real else [-1, 0, 1, 120, 2**7 - 1]
        index, value = chance.randrange(flat.numel()), chance.choice(odd)
        flat[index] = value
        return f"{name}[{index}] = {value}", new
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        new_tensor = {
            "cut": lambda: tensor[: max(0, len(tensor) - 1)] if tensor.dim() else tensor,
            "flat": lambda: tensor.reshape(-1),
            "wider": lambda: tensor.unsqueeze(chance.randrange(tensor.dim() + 1)),
            "double": lambda: tensor.double(),
            "int": lambda: tensor.to(torch.int32),
            "bool": lambda: tensor != 0,
            "half": lambda: tensor.half(),
            "empty": lambda: tensor.new_zeros(0),
            "negated": lambda: tensor if tensor.dtype == torch.bool else -tensor,
        }.get(kind, lambda: None)()
    return f"{name} {kind}", new_tensor


def lie_about_tensors(path: Path, chance: random.Random) -> str:
    """Change a file of ours so that its checksum still agrees; what was changed."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()[HEADER_KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - no dict
    if tensors and chance.random() < 0.5:
        name = chance.choice(sorted(tensors))
        what, new = changed_tensor(name, tensors.pop(name), chance)
        if new is not None:
            tensors[name] = new.contiguous()
    else:
        what, header["meta"] = changed_json(header["meta"], chance)
    try:
        header["checksum"] = checksum(tensors, header["meta"])
        text = json.dumps(header, ensure_ascii=False, sort_keys=True)
        save_file({name: tensor.clone() for name, tensor in tensors.items()}, path, metadata={HEADER_KEY: text})
    except (UnicodeEncodeError, TypeError, ValueError):  # half a surrogate pair cannot be written at all
        header["meta"], what = {}, "no metadata"
        header["checksum"] = checksum(tensors, {})
        save_file(tensors, path, metadata={HEADER_KEY: json.dumps(header)})
    return what


def lie_about_json(path: Path, chance: random.Random) -> str:
    """Change one value of a JSON file."""
    what, value = changed_json(json.loads(path.read_text()), chance)
    path.write_text(json.dumps(value), encoding="utf-8")
    return what


def lie_about_torch(path: Path, chance: random.Random) -> str:
    """Change one tensor, or what is beside the tensors, of a file of torch.save."""
    content = torch.load(path, weights_only=True)
    name = chance.choice(sorted(content))
    tensor = content.pop(name)
    kind = chance.randrange(9)
    if kind == 0:
        content[name] = chance.choice([3, "text", None, [tensor], {"x": tensor}, 1.5, (tensor, tensor)])
    elif kind == 1:
        content[chance.choice([7, (1, 2), None])] = tensor
    elif kind == 2:
        content[name] = torch.empty(tensor.shape, device="meta")
    elif kind == 3 and tensor.dim() == 2:
        content[name] = tensor.to_sparse()
    elif kind == 4:
        content[name] = tensor.to(torch.complex64)
    elif kind == 5:
        content[name] = tensor.new_zeros(1).expand(50_000, 40_000)
    elif kind == 6:
        content = chance.choice([tensor, [tensor], {}, "text", 3, None])
    else:
        what, new = changed_tensor(name, tensor, chance)
        if new is not None:
            content[name] = new
        torch.save(content, path)
        return what
    torch.save(content, path)
    return f"{name} kind {kind}"


LIES: dict[str, Callable[[Path, random.Random], str]] = {
    "tensors": lie_about_tensors,
    "json": lie_about_json,
    "torch": lie_about_torch,
}


def corrupt(tally: Tally, source: Source, chance: random.Random, lie: bool) -> None:
    """One try: a fresh copy, one change, one reading."""
    path = source.fresh()
    before = path.read_bytes()
    what = f"seed state {chance.getstate()[1][:2]}"
    if lie:
        what = LIES[source.lies](path, chance)
    else:
        what, data = changed_bytes(before, chance)
        path.write_bytes(data)
    exact = source.checked and not lie and path.read_bytes() != before
    tally.attempt(f"{source.name}, {'values' if lie else 'bytes'}", what, lambda: source.read(exact))


def run(tally: Tally, seed: int, tries: int, folder: Path) -> None:
    """``tries`` changes of bytes for each kind of file, and as many of values where there are some."""
    for source in sources_of(folder):
        for lie in (False, True) if source.lies else (False,):
            chance = random.Random(f"{seed} {source.name} {lie}")
            for _ in range(tries):
                corrupt(tally, source, chance, lie)
        source.fresh()  # others read it too


if __name__ == "__main__":
    sys.exit(run_as_command("corruptions", run, 100))
