from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from gcn2snn.errors import ArtefactError
from gcn2snn.files import (
    cache_folder,
    filling,
    load_json,
    load_tensors,
    read_json,
    refuse_existing,
    replacing,
    save_bytes,
    save_json,
    save_tensors,
    save_text,
    stored_header,
)
from gcn2snn.schema import Stored


def saved(path: Path, version: int = 1) -> Path:
    tensors = {"a": torch.arange(6.0).view(2, 3), "b": torch.tensor([True, False]), "empty": torch.zeros(0, 3)}
    return save_tensors(path, tensors, kind="graph", version=version, meta={"name": "Ω", "n": 3})


def test_save_tensors_round_trip(tmp_path: Path) -> None:
    tensors, meta = load_tensors(saved(tmp_path / "x"), kind="graph", version=1)
    assert torch.equal(tensors["a"], torch.arange(6.0).view(2, 3))
    assert tensors["empty"].shape == (0, 3)
    assert meta == {"name": "Ω", "n": 3}


def test_save_tensors_writes_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import sys, torch; from pathlib import Path; from gcn2snn.files import save_tensors; "
        "names = list({'weight', 'bias', 'scale', 'code'}); "  # a set: its order follows the seed of the hashes
        "save_tensors(Path(sys.argv[1]), {n: torch.full((2,), float(len(n))) for n in names}, kind='snn', version=1, "
        "meta={n: [1, {m: 0.1 for m in names}] for n in names})"
    )
    written = []
    for seed in ("1", "2", "3"):
        path = tmp_path / seed
        environment = {**os.environ, "PYTHONHASHSEED": seed}
        subprocess.run([sys.executable, "-c", code, str(path)], check=True, env=environment, timeout=120)
        written.append(path.read_bytes())
    assert written[0] == written[1] == written[2]


def test_copied_tensors_do_not_follow_their_file(tmp_path: Path) -> None:
    path = save_tensors(tmp_path / "x", {"a": torch.arange(6.0)}, kind="graph", version=1, meta={})
    tensors, _ = load_tensors(path, kind="graph", version=1, mapped=False)
    with path.open("r+b") as file:  # in place, as cp writes
        file.seek(-8, os.SEEK_END)
        file.write(b"\x07" * 8)
    assert torch.equal(tensors["a"], torch.arange(6.0))


def test_load_tensors_reads_metadata_as_json_has_it(tmp_path: Path) -> None:
    meta = {10: "a", 9: "b", "pair": (1, 2.5)}
    path = save_tensors(tmp_path / "x", {}, kind="graph", version=1, meta=meta)
    assert load_tensors(path, kind="graph", version=1)[1] == {"10": "a", "9": "b", "pair": [1, 2.5]}


def test_load_tensors_names_what_is_wrong(tmp_path: Path) -> None:
    path = saved(tmp_path / "x", version=7)
    with pytest.raises(ArtefactError, match="format version 7; this release reads version 1"):
        load_tensors(path, kind="graph", version=1)
    with pytest.raises(ArtefactError, match=r"holds 'gcn2snn\.graph'; a gcn2snn\.snn file is needed"):
        load_tensors(path, kind="snn", version=1)
    with pytest.raises(ArtefactError, match="does not exist"):
        load_tensors(tmp_path / "none", kind="graph", version=1)
    save_file({"a": torch.zeros(1)}, tmp_path / "other", metadata={"format": "pt"})
    with pytest.raises(ArtefactError, match=r"holds 'no artefact of this release'; a gcn2snn\.snn file is needed"):
        load_tensors(tmp_path / "other", kind="snn", version=1)
    save_file({"a": torch.zeros(1)}, tmp_path / "other", metadata={"gcn2snn": "{"})
    with pytest.raises(ArtefactError, match="its header is not JSON"):
        load_tensors(tmp_path / "other", kind="snn", version=1)


@pytest.mark.parametrize("keep", [0, 7, 100, -1])
def test_load_tensors_refuses_a_truncated_file(tmp_path: Path, keep: int) -> None:
    path = saved(tmp_path / "x")
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ArtefactError, match="truncated or edited"):
        load_tensors(path, kind="graph", version=1)


def test_load_tensors_notices_one_changed_byte(tmp_path: Path) -> None:
    path = saved(tmp_path / "x")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(ArtefactError, match="checksum"):
        load_tensors(path, kind="graph", version=1)


def test_load_tensors_refuses_pickle(tmp_path: Path) -> None:
    torch.save({"a": 1}, tmp_path / "x.pt")
    with pytest.raises(
        ArtefactError, match=r"x\.pt cannot be read: it is no safetensors file; a graph file .* is needed"
    ):
        load_tensors(tmp_path / "x.pt", kind="graph", version=1)


def test_load_tensors_says_that_a_text_file_is_no_network(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("these are notes, not a network\n")
    with pytest.raises(
        ArtefactError, match="it is no safetensors file; a snn file that gcn2snn wrote is needed"
    ) as refused:
        load_tensors(tmp_path / "notes.txt", kind="snn", version=1)
    assert "truncated" not in str(refused.value)


def test_replacing_keeps_the_old_file_when_the_write_fails(tmp_path: Path) -> None:
    path = save_json(tmp_path / "x.json", {"old": 1})

    def write_half() -> None:
        with replacing(path) as temporary:
            temporary.write_text("{")
            raise RuntimeError("half way")

    with pytest.raises(RuntimeError, match="half way"):
        write_half()
    assert read_json(path) == {"old": 1}
    assert os.listdir(tmp_path) == ["x.json"]


def test_replacing_reports_a_full_disk_and_leaves_nothing(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("needs /dev/full")

    def write() -> None:
        with replacing(tmp_path / "x") as temporary:
            temporary.unlink()
            temporary.symlink_to("/dev/full")
            temporary.write_bytes(b"x" * 100)

    with pytest.raises(ArtefactError, match="No space left"):
        write()
    assert os.listdir(tmp_path) == []


def test_save_tensors_reports_an_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtefactError, match="cannot write"):
        saved(tmp_path / "file" / "x")


def test_read_json_refuses_half_a_file(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(json.dumps({"a": 1})[:4])
    with pytest.raises(ArtefactError, match="truncated or edited"):
        read_json(tmp_path / "x.json")


def test_save_bytes_replaces_a_file_whole(tmp_path: Path) -> None:
    save_bytes(tmp_path / "folder" / "x", b"first")
    assert save_bytes(tmp_path / "folder" / "x", b"second").read_bytes() == b"second"
    assert os.listdir(tmp_path / "folder") == ["x"]


def test_cache_folder_is_the_platforms_unless_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("GCN2SNN_CACHE", str(tmp_path))
    assert cache_folder() == tmp_path
    monkeypatch.delenv("GCN2SNN_CACHE")
    assert cache_folder().name in ("gcn2snn", "Cache")


@pytest.mark.parametrize("kind", ["folder", "pipe", "link", "dangling link", "looping link", "device"])
def test_only_plain_files_are_replaced(tmp_path: Path, kind: str) -> None:
    path, other = tmp_path / "out", tmp_path / "other"
    other.write_text("kept")
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "device":
        path = Path(os.devnull)
    else:
        path.symlink_to({"link": other, "dangling link": tmp_path / "nowhere", "looping link": path}[kind])
    for write in (lambda: refuse_existing(path, force=True), lambda: save_text(path, "new")):
        with pytest.raises(ArtefactError, match=f"is a {kind.split()[-1]}; only a plain file is replaced"):
            write()
    assert other.read_text() == "kept"
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted({"other", path.name} - {"null"})


def test_a_replaced_file_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "out"
    path.write_text("old")
    path.chmod(0o640)
    save_text(path, "new")
    assert (path.read_text(), path.stat().st_mode & 0o777) == ("new", 0o640)


def test_a_filled_folder_keeps_other_files_and_permissions(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / "a").write_text("old")
    (folder / "a").chmod(0o600)
    (folder / "notes").write_text("kept")
    with filling(folder, last="b") as temporary:
        for name in "ab":
            (temporary / name).write_text("new")
    assert {item.name: item.read_text() for item in folder.iterdir()} == {"a": "new", "b": "new", "notes": "kept"}
    assert (folder / "a").stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["folder"]


class Row(Stored):
    nodes: int


def test_load_json_names_what_does_not_fit(tmp_path: Path) -> None:
    path = save_json(tmp_path / "x.json", {"nodes": 3, "note": "left alone"})
    assert load_json(path, Row) == {"nodes": 3, "note": "left alone"}
    save_json(path, {"nodes": "3"})
    with pytest.raises(
        ArtefactError, match=r"nodes = '3': input should be a valid integer. It was edited. Count again"
    ):
        load_json(path, Row, "Count again")
    with pytest.raises(ArtefactError, match=r"the header of .*nodes: field required"):
        load_tensors(saved(tmp_path / "x"), kind="graph", version=1, schema=Row)


def test_what_is_no_file_is_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless"):
        for read in (read_json, stored_header, lambda path: load_tensors(path, kind="graph", version=1)):
            with pytest.raises(ArtefactError, match="a file is needed"):
                read(tmp_path / name)


def test_a_file_of_tensors_does_not_end_as_another_format(tmp_path: Path) -> None:
    for name in ("x", "x.safetensors", "x.SAFETENSORS", "x.v1.2"):
        assert saved(tmp_path / name).exists()
    with pytest.raises(ArtefactError, match=r"x.npz ends in .npz, but a .safetensors file is written"):
        saved(tmp_path / "x.npz")


@pytest.mark.parametrize("content", [b"12345678{ text", b"\x09" + bytes(7) + b"text"])
def test_what_begins_only_half_as_safetensors_does_is_no_such_file(tmp_path: Path, content: bytes) -> None:
    """A length that is too long before the brace, or a fitting one before no brace."""
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(ArtefactError, match="it is no safetensors file"):
        load_tensors(tmp_path / "x", kind="snn", version=1)


def _graph_file(path: Path) -> object:
    from gcn2snn.datasets import build_graph_file

    return build_graph_file("mr", 10**9, out=path)


def _report(path: Path) -> object:
    from gcn2snn.report import write_report

    return write_report([path], path, lambda *_: pytest.fail("nothing is measured"))


def _corpus(path: Path) -> object:
    from gcn2snn.datasets import SyntheticCorpus

    return SyntheticCorpus(documents=3, tokens=2, words=4, classes=2).write(path)


@pytest.mark.parametrize(("write", "written"), [(_graph_file, ".safetensors"), (_report, ".html"), (_corpus, ".tsv")])
@pytest.mark.parametrize("ending", [".json", ".joblib", ".feather"])
def test_writers_of_one_format_refuse_the_ending_of_another_before_any_work(
    tmp_path: Path, write: Callable[[Path], object], written: str, ending: str
) -> None:
    with pytest.raises(ArtefactError, match=f"ends in {ending}, but a {written} file is written. Give a name"):
        write(tmp_path / f"x{ending}")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("ending", [".safetensors", ".json"])
def test_a_name_that_is_no_text_is_not_called_damage(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"x\udcff{ending}"
    refused = pytest.raises(ArtefactError, match=r"x\\xff.*holds bytes that are not text in utf-8.*rename it")
    with refused:
        save_tensors(path, {"a": torch.zeros(1)}, kind="test", version=1, meta={})
    with refused:
        save_json(path, {})
    assert not list(tmp_path.iterdir())
    path.write_bytes(b"{}")
    with refused:
        load_tensors(path, kind="test", version=1)
    with refused:
        read_json(path)
