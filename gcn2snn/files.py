"""Files on disk: safetensors with JSON in the header, a kind and a format version; whole or not at all, never pickle."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from gcn2snn.errors import ArtefactError


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` when the block ends well, and vanishes when it does not.

    Raises:
        ArtefactError: no permission, no space, or the folder is missing.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        yield temporary
        os.chmod(temporary, 0o666 & ~_umask())  # after the writer, which may have made the file anew
        os.replace(temporary, path)
    except OSError as error:
        raise ArtefactError(
            f"cannot write {path}: {error.strerror or error}. Free space, or choose a folder you may write to"
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def save_json(path: Path, content: Any) -> Path:
    """Write JSON, readable, whole or not at all."""
    return save_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def load_json(path: Path) -> Any:
    """Read JSON.

    Raises:
        ArtefactError: missing, unreadable or broken.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtefactError(f"cannot read {path}: {error.strerror or error}") from error
    except ValueError as error:
        raise ArtefactError(f"{path} is not whole JSON ({error}). It was truncated or edited; make it again") from error


def save_tensors(path: Path, tensors: dict[str, Tensor], *, kind: str, version: int, meta: dict[str, Any]) -> Path:
    """Write tensors and JSON metadata as one safetensors file that carries its kind, format version and a checksum."""
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    body = json.dumps(meta, ensure_ascii=False, sort_keys=True)
    header = {"kind": f"gcn2snn.{kind}", "version": str(version), "meta": body}
    contiguous = {name: tensor.detach().contiguous().cpu() for name, tensor in tensors.items()}
    header["checksum"] = checksum(contiguous, body)
    with replacing(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata=header)
        except SafetensorError as error:  # it wraps what the disk says, for example that it is full
            raise ArtefactError(f"cannot write {path}: {error}. Free space, or choose another folder") from error
    return path


def load_tensors(path: Path, *, kind: str, version: int) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Read what :func:`save_tensors` wrote.

    Raises:
        ArtefactError: missing, truncated, edited, of another kind or format version.
    """
    from safetensors import SafetensorError, safe_open

    if path.is_dir():
        raise ArtefactError(f"{path} is a folder; the file in it is needed, for example {path}/snn.safetensors")
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            if header.get("kind") != f"gcn2snn.{kind}":
                raise ArtefactError(
                    f"{path} holds {header.get('kind', 'no gcn2snn artefact')!r}; a gcn2snn.{kind} file is needed"
                )
            if header.get("version") != str(version):
                raise ArtefactError(
                    f"{path} has format version {header.get('version')}; this release reads version {version}. "
                    f"Make the file again with this release, or install the release that wrote it"
                )
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} does not exist") from error
    except (SafetensorError, OSError) as error:
        raise ArtefactError(f"{path} cannot be read: {error}. It was truncated or edited; make it again") from error
    if checksum(tensors, header.get("meta", "")) != header.get("checksum"):
        raise ArtefactError(f"{path} was changed after it was written (its checksum differs). Make it again")
    return tensors, json.loads(header["meta"])


def checksum(tensors: dict[str, Tensor], text: str) -> str:
    """sha256 over names, dtypes, shapes and bytes of the tensors and the text."""
    digest = hashlib.sha256(text.encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}{tensor.dtype}{list(tensor.shape)}".encode())
        digest.update(tensor.flatten().view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()
