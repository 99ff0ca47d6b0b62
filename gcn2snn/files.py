"""Files on disk, whole or not at all and never pickle: safetensors with JSON in the header, a kind and a format version.

The same content gives the same bytes: safetensors sorts the tensors, and all else stands as sorted JSON under one key of
the header, because the library writes several keys in an order that differs from process to process.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from gcn2snn.errors import ArtefactError, reason_of, way_out_of
from gcn2snn.file_names import file_type, refuse_closed_folder, refuse_other_ending, refuse_undecodable, why_not_there
from gcn2snn.json_text import parsed
from gcn2snn.kept_inputs import expect_output, refuse_changed_inputs, refuse_kept_input
from gcn2snn.leftovers import temporary_file, temporary_folder

if TYPE_CHECKING:
    from torch import Tensor

    from gcn2snn.schema import Json, Stored

CACHE_VARIABLE = "GCN2SNN_CACHE"
"""Environment variable that moves the cache folder."""

HEADER_KEY = "gcn2snn"
"""The one key of a safetensors header under which kind, version, checksum and metadata stand."""

LONGEST_HEADER = 100_000_000
"""Bytes of the longest header that safetensors reads."""


def cache_folder() -> Path:
    """The user's cache folder for this package; the environment variable GCN2SNN_CACHE moves it.

    Raises:
        ArtefactError: the variable begins with the home folder of somebody who is not known here.
    """
    moved = folder_of_variable(CACHE_VARIABLE)
    if moved is not None:
        return moved
    import platformdirs

    return Path(platformdirs.user_cache_dir("gcn2snn", appauthor=False))


def folder_of_variable(variable: str) -> Path | None:
    """The path that an environment variable holds, with ``~`` as the home folder; None where it is empty or not set.

    Raises:
        ArtefactError: it begins with the home folder of somebody who is not known here.
    """
    text = os.environ.get(variable)
    if not text:
        return None
    try:
        return Path(text).expanduser()
    except RuntimeError as error:  # Python knows no such user
        raise ArtefactError(
            f"{variable} is {text!r}, and this machine knows no home folder for {text.partition('/')[0]}. Give the whole path"
        ) from error


def refuse_existing(path: Path, force: bool) -> None:
    """Refuse to replace a file unasked, and anything but a plain file even when asked, before any work is done.

    A link counts as existing wherever it leads: nowhere, or in a circle.

    Raises:
        ArtefactError: ``path`` exists and ``force`` is not given, or it is a folder, link, device, pipe or socket, or a file
            that the command reads, or it lies where nothing can be written.
    """
    if _mode_of_plain_file(path) is not None:
        if not force:
            raise ArtefactError(f"{path} exists; it is not overwritten without --force. Choose another name")
        expect_output(path, path.stat())
    refuse_closed_folder(path)


def _mode_of_plain_file(path: Path) -> int | None:
    """Permissions of a plain file that is there, None where nothing is."""
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise ArtefactError(f"cannot look at {path}: {error.strerror or error}. Choose another name") from error
    if not stat.S_ISREG(found.st_mode):
        raise ArtefactError(
            f"{path} is {file_type(found.st_mode)}; only a plain file is replaced, also with --force. Choose another name"
        )
    refuse_kept_input(path, found)
    return stat.S_IMODE(found.st_mode)


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """A temporary name beside ``path`` that becomes ``path`` when the block ends well, and vanishes when it does not.

    The permissions of a file that is replaced stay as they are.

    Raises:
        ArtefactError: no permission, no space, the folder is missing, something else than a plain file is there, or the name
            is no text.
    """
    refuse_undecodable(str(path))
    mode = _mode_of_plain_file(path)
    try:
        with temporary_file(path) as temporary:
            yield temporary
            refuse_changed_inputs()
            _finish(temporary, path, mode)
            _sync_folder(path.parent)
    except OSError as error:
        raise ArtefactError(f"cannot write {path}: {error.strerror or error}. {way_out_of(error)}") from error


@contextlib.contextmanager
def filling(folder: Path, last: str) -> Iterator[Path]:
    """A temporary folder whose files move into ``folder`` when the block ends well, and vanish when it does not.

    Other files of ``folder`` stay. The file called ``last`` moves last, so that its presence says that all are there.

    Raises:
        ArtefactError: no permission, no space, or ``folder`` is a file.
    """
    try:
        with temporary_folder(folder.parent, folder.name) as temporary:
            yield temporary
            modes = {file: _mode_of_plain_file(folder / file.name) for file in temporary.iterdir()}
            folder.mkdir(exist_ok=True)
            for file in sorted(modes, key=lambda each: each.name == last):
                _finish(file, folder / file.name, modes[file])
            _sync_folder(folder)
    except OSError as error:
        raise ArtefactError(f"cannot write {folder}: {error.strerror or error}. {way_out_of(error)}") from error


def _finish(temporary: Path, path: Path, mode: int | None) -> None:
    """Put a file that is written in its place, once the disk has its bytes: the name never stands for half of them."""
    handle = os.open(temporary, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    # After the writer, which may have made the file anew.
    os.chmod(temporary, 0o666 & ~_umask() if mode is None else mode)
    os.replace(temporary, path)


def _sync_folder(folder: Path) -> None:
    """Let the disk have the new name too; some systems cannot, and then it follows later."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def save_text(path: Path, text: str) -> Path:
    """Write a text file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
    return path


def save_bytes(path: Path, data: bytes) -> Path:
    """Write a file whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_bytes(data)
    return path


def save_json(path: Path, content: object) -> Path:
    """Write JSON, readable, whole or not at all."""
    return save_text(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")


def refuse_special(path: Path) -> None:
    """Refuse to read what is there and is no plain file: a pipe would wait for ever, and a device never ends.

    Raises:
        ArtefactError: a folder, pipe, device or socket, also behind a link, or its name is no text.
    """
    refuse_undecodable(str(path))
    with contextlib.suppress(OSError):  # what is not there is told by who reads it
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):
            raise ArtefactError(f"{path} is {file_type(mode)}; a file is needed")


def read_json(path: Path, again: str = "Make it again") -> object:
    """object JSON.

    Args:
        path: of the file.
        again: what to do when it is broken, a sentence without its end.

    Raises:
        ArtefactError: missing, unreadable, broken, or nested too deeply.
    """
    refuse_special(path)
    try:
        return parsed(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ArtefactError(f"cannot read {path}: {error.strerror or error}") from error
    except RecursionError as error:
        raise ArtefactError(f"{path} is nested too deeply to be read. It was edited. {again}") from error
    except ValueError as error:
        raise ArtefactError(f"{path} is not whole JSON ({error}). It was truncated or edited. {again}") from error


def load_json(path: Path, schema: type[Stored], again: str = "Make it again") -> Json:
    """A JSON object that fits a schema.

    Args:
        path: of the file.
        schema: what it must hold.
        again: what to do when it does not, a sentence without its end.

    Raises:
        ArtefactError: as :func:`read_json`, or it does not fit.
    """
    from gcn2snn.schema import checked

    return checked(read_json(path, again), schema, str(path), again)


def save_tensors(path: Path, tensors: dict[str, Tensor], *, kind: str, version: int, meta: Json) -> Path:
    """Write tensors and JSON metadata as one safetensors file that carries its kind, format version and a checksum.

    Raises:
        ArtefactError: the name ends as that of another format, or the file cannot be written.
    """
    refuse_other_ending(path, ".safetensors")
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    contiguous = {name: tensor.detach().contiguous().cpu() for name, tensor in sorted(tensors.items())}
    plain = json.loads(json.dumps(meta))  # as it will be read: keys are text, tuples are lists
    header = header_text(kind, version, plain, checksum(contiguous, plain))
    with replacing(path) as temporary:
        try:
            save_file(contiguous, temporary, metadata={HEADER_KEY: header})
        except SafetensorError as error:  # it wraps what the disk says, for example that it is full
            raise ArtefactError(f"cannot write {path}: {error}. Free space, or choose another folder") from error
    return path


def header_text(kind: str, version: int, meta: Json, checksum: str) -> str:
    """What stands under :data:`HEADER_KEY` of a file: the metadata are plain JSON values."""
    return canonical({"kind": f"gcn2snn.{kind}", "version": version, "meta": meta, "checksum": checksum})


def load_tensors(
    path: Path,
    *,
    kind: str,
    version: int,
    schema: type[Stored] | None = None,
    again: str = "Make the file again with this release",
    mapped: bool = True,
) -> tuple[dict[str, Tensor], Json]:
    """Read what :func:`save_tensors` wrote.

    Args:
        path: of the file.
        kind, version: what it must be.
        schema: what its metadata must hold; None where there are none.
        again: how a file of another version is made again, a sentence without its end.
        mapped: tensors may stay in the file. False copies them: then a file that is written over in place, by ``cp`` say,
            changes nothing in a process that runs on, where it would change values or end the process.

    Raises:
        ArtefactError: missing, truncated, edited, of another kind or format version, or metadata do not fit.
    """
    from safetensors import SafetensorError, safe_open

    from gcn2snn.schema import Stored, checked

    if path.is_dir():
        raise ArtefactError(f"{path} is a folder; the file in it is needed, for example {path}/snn.safetensors")
    refuse_special(path)
    try:
        with safe_open(path, framework="pt") as file:
            header = _checked_header(path, file.metadata() or {}, f"gcn2snn.{kind}", version, again)
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
            if not mapped:
                tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    except FileNotFoundError as error:
        raise ArtefactError(f"{path} {why_not_there(path)}") from error
    except (SafetensorError, OSError) as error:
        if not _begins_as_safetensors(path):
            raise ArtefactError(
                f"{path} cannot be read: it is no safetensors file; a {kind} file that gcn2snn wrote is needed"
            ) from error
        raise ArtefactError(
            f"{path} cannot be read: {reason_of(error)}. It was truncated or edited; make it again"
        ) from error
    if checksum(tensors, header.get("meta")) != header.get("checksum"):
        raise ArtefactError(f"{path} was changed after it was written (its checksum differs). Make it again")
    return tensors, checked(header.get("meta"), schema or Stored, f"the header of {path}", again)


def _begins_as_safetensors(path: Path) -> bool:
    """Whether a file begins as safetensors do, as far as it goes: eight bytes with the length of a JSON header, and "{"."""
    try:
        with path.open("rb") as file:
            start = file.read(9)
    except OSError:  # what cannot be opened is not judged by its content
        return True
    return len(start) < 9 or (start[8:] == b"{" and int.from_bytes(start[:8], "little") <= LONGEST_HEADER)


def stored_header(path: Path) -> dict[str, object]:
    """What stands in front of the tensors of a file of this package: kind, version, meta; nothing is checked but the kind.

    Raises:
        ArtefactError: it is no safetensors file, or not one of this package.
    """
    from safetensors import SafetensorError, safe_open

    refuse_special(path)
    try:
        with safe_open(path, framework="np") as file:
            header = json.loads((file.metadata() or {}).get(HEADER_KEY, "{}"))
    except (SafetensorError, OSError, ValueError, RecursionError) as error:
        raise ArtefactError(f"{path} cannot be read as safetensors: {error}") from error
    if not isinstance(header, dict) or not str(header.get("kind", "")).startswith("gcn2snn."):
        raise ArtefactError(f"{path} was not written by this package")
    return header


def stored_kind(path: Path) -> str:
    """The kind of a file of this package, for example "snn" or "graph"; empty for any other file."""
    try:
        return str(stored_header(path)["kind"]).removeprefix("gcn2snn.")
    except ArtefactError:
        return ""


def _checked_header(path: Path, metadata: dict[str, str], kind: str, version: int, again: str) -> Json:
    try:
        header = json.loads(metadata.get(HEADER_KEY, "{}"))
    except (ValueError, RecursionError):
        header = None
    if not isinstance(header, dict):
        raise ArtefactError(f"{path} was changed after it was written (its header is not JSON). Make it again")
    if header.get("kind") != kind:
        raise ArtefactError(
            f"{path} holds {header.get('kind', 'no artefact of this release')!r}; a {kind} file is needed"
        )
    if header.get("version") != version:
        raise ArtefactError(
            f"{path} has format version {header.get('version')}; this release reads version {version}. "
            f"{again}, or install the release that wrote it"
        )
    return header


def checksum(tensors: dict[str, Tensor], meta: object) -> str:
    """sha256 over names, dtypes, shapes and bytes of the tensors and the JSON values ``meta``."""
    import torch  # here, so that who only asks for the cache folder does not wait for torch

    digest = hashlib.sha256(canonical(meta).encode())
    for name in sorted(tensors):
        tensor = tensors[name].contiguous()
        digest.update(f"{name}{tensor.dtype}{list(tensor.shape)}".encode())
        flat = tensor.as_strided((tensor.numel(),), (1,))  # one element may have any stride, bytes are read with 1
        digest.update(flat.view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()


def canonical(values: object) -> str:
    """JSON of which there is one text for equal values."""
    return json.dumps(values, ensure_ascii=False, sort_keys=True)
