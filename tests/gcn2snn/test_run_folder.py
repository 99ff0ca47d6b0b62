from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from gcn2snn.cli.origins import network_file
from gcn2snn.config import TrainConfig
from gcn2snn.datasets import load_graph
from gcn2snn.errors import ArtefactError, ConfigError
from gcn2snn.files import save_json, save_tensors
from gcn2snn.graph import Graph
from gcn2snn.owner_lock import stamp
from gcn2snn.run_folder import MODEL_FILE, check_folder, make_room, open_run, own_folder, read_run
from gcn2snn.run_summary import RUN_FILE, NamedSource
from gcn2snn.schema import checked
from gcn2snn.textgcn import load_model, train_run

CONFIG = TrainConfig(hidden=8, epochs=12, patience=12)


@pytest.fixture(scope="module")
def karate() -> Graph:
    return load_graph("karate")


def test_check_folder_protects_what_is_there(karate: Graph, tmp_path: Path) -> None:
    check_folder(tmp_path / "new", force=False, resume=False)
    check_folder(tmp_path, force=False, resume=False)
    train_run(karate, CONFIG, tmp_path / "run")
    with pytest.raises(ArtefactError, match="already holds a run"):
        check_folder(tmp_path / "run", force=False, resume=False)
    with pytest.raises(ConfigError, match="give one of them"):
        check_folder(tmp_path / "run", force=True, resume=True)
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "thesis.tex").write_text("years of work")
    with pytest.raises(ArtefactError, match="is not a run folder"):
        check_folder(tmp_path / "home", force=True, resume=False)
    with pytest.raises(ArtefactError, match="is a file"):
        check_folder(tmp_path / "home" / "thesis.tex", force=False, resume=False)
    with pytest.raises(ArtefactError, match=r"is not a run folder: it holds no run.json"):
        read_run(tmp_path, "graph")


def test_make_room_removes_only_the_files_of_a_run(karate: Graph, tmp_path: Path) -> None:
    train_run(karate, CONFIG, tmp_path)
    (tmp_path / "notes.txt").write_text("keep")
    make_room(tmp_path, force=True)
    assert os.listdir(tmp_path) == ["notes.txt"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not whole JSON"),
        ('{"format": 99}', "has format 99; this release reads 2"),
        ('{"format": 2}', "has no known kind, but None"),
        ('{"format": 2, "kind": "?", "config": {}, "status": ""}', r"has no known kind, but '\?'"),
        (
            '{"format": 2, "kind": "images", "config": {"model": "small", "stem": "", "normalise": "unit", "seed": 0}, '
            '"status": "running", "environment": {}, "data": "digits", "train_images": 9}',
            r"holds a run on digits \(9 images\); a run of the kind 'graph' is needed",
        ),
        ("[]", r"is no JSON object but \[\]; it was edited. Train again"),
        ("[" * 5000, "nested too deeply|not whole JSON"),
        (
            '{"format": 2, "kind": "images", "config": 3, "status": "done", "environment": {}, "data": "digits"}',
            r"status = 'done': input should be 'running' or 'finished'; train_images: field required; config = 3: input",
        ),
    ],
)
def test_read_run_refuses_a_broken_summary(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / RUN_FILE).write_text(content)
    with pytest.raises(ArtefactError, match=message):
        read_run(tmp_path, "graph")


def test_read_run_says_that_a_run_has_no_weights_yet(karate: Graph, tmp_path: Path) -> None:
    train_run(karate, CONFIG, tmp_path)
    (tmp_path / MODEL_FILE).unlink()
    with pytest.raises(ArtefactError, match="weights are lost: train again with"):
        read_run(tmp_path, "graph")
    with pytest.raises(ArtefactError, match="weights are lost: train again with"):
        train_run(karate, CONFIG, tmp_path)  # --resume of it must not report success
    summary = json.loads((tmp_path / RUN_FILE).read_text())
    (tmp_path / RUN_FILE).write_text(json.dumps(summary | {"status": "running"}))
    with pytest.raises(ArtefactError, match="unfinished and has no weights yet"):
        read_run(tmp_path, "graph")


@pytest.fixture(scope="module")
def trained(karate: Graph, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("trained") / "run"
    train_run(karate, CONFIG, folder)
    return folder


def test_force_replaces_own_run_folders_only(trained: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    check_folder(copy, force=True, resume=False)
    (copy / RUN_FILE).write_text("{")  # damaged, but the weights beside it are ours
    check_folder(copy, force=True, resume=False)
    foreign = tmp_path / "foreign"
    foreign.mkdir()
    for content in ('{"name": "another program\'s run"}', "{", "[]"):
        (foreign / RUN_FILE).write_text(content)
        with pytest.raises(ArtefactError, match="exists and is not a run folder"):
            check_folder(foreign, force=True, resume=False)


@pytest.mark.parametrize("kind", ["pipe", "link", "folder", "device"])
def test_force_replaces_plain_files_only(trained: Path, tmp_path: Path, kind: str) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    (copy / MODEL_FILE).unlink()
    if kind == "pipe":
        os.mkfifo(copy / MODEL_FILE)
    elif kind == "folder":
        (copy / MODEL_FILE).mkdir()
    else:
        (copy / MODEL_FILE).symlink_to("/dev/null" if kind == "device" else trained / MODEL_FILE)
    with (
        pytest.raises(ArtefactError, match="only a plain file is replaced"),
        own_folder(copy, force=True, resume=False),
    ):
        pass
    assert read_run(trained, "graph")["status"] == "finished"
    assert os.path.lexists(copy / RUN_FILE)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"layers": 999_999_999}, r"run.json was edited: layers = 999999999"),
        ({"layers": 900}, r"model.safetensors does not fit run.json"),
        ({"hidden": 1_000_000}, r"model.safetensors does not fit run.json"),
        ({"hidden": 10**12}, r"run.json was edited: hidden = 1000000000000"),
        ({"hidden": 10**30}, r"run.json was edited: hidden"),
        ({"learning_rate": float("nan")}, r"run.json was edited: learning_rate = nan"),
    ],
)
def test_sizes_that_a_summary_was_given_are_compared_with_the_weights(
    trained: Path, karate: Graph, tmp_path: Path, values: dict[str, float], said: str
) -> None:
    """Before a network of these sizes is made: it may not fit into memory."""
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    summary = json.loads((copy / RUN_FILE).read_text())
    summary["config"] |= values
    (copy / RUN_FILE).write_text(json.dumps(summary))
    with pytest.raises(ArtefactError, match=rf"{said}.*Train again with --force"):
        load_model(copy, karate)


@pytest.mark.parametrize(
    ("edit", "said"),
    [
        (('"status"', '"status": "finished", "status"'), "the name 'status' stands there twice"),
        (('"epochs": 12', '"epochs": 1' + "0" * 5000), "a number has thousands of digits"),
    ],
)
def test_a_summary_that_says_a_thing_twice_or_in_thousands_of_digits_is_refused(
    trained: Path, tmp_path: Path, edit: tuple[str, str], said: str
) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    text = (copy / RUN_FILE).read_text()
    assert edit[0] in text
    (copy / RUN_FILE).write_text(text.replace(*edit))
    with pytest.raises(ArtefactError, match=rf"run.json is not whole JSON \({said}\)"):
        read_run(copy, "graph")


@pytest.mark.parametrize("replaced", [False, True])
def test_a_folder_that_is_moved_while_a_training_works_in_it_is_not_made_anew(
    karate: Graph, tmp_path: Path, replaced: bool
) -> None:
    run, moved = tmp_path / "run", tmp_path / "moved"

    def move(trainer: object) -> None:
        if not moved.exists():
            run.rename(moved)
            if replaced:
                run.mkdir()
                (run / "mine").touch()

    with pytest.raises(ArtefactError, match=r"run was moved, removed or replaced while .* Put it back"):
        train_run(karate, CONFIG, run, on_epoch=move)
    assert run.exists() == replaced
    if replaced:
        assert [path.name for path in run.iterdir()] == ["mine"]
        shutil.rmtree(run)
    moved.rename(run)
    assert train_run(karate, CONFIG, run)["status"] == "finished"


def test_links_are_not_followed_by_force_and_count_as_existing(trained: Path, tmp_path: Path) -> None:
    for name, target in (("link", trained), ("dangling", tmp_path / "nowhere"), ("loop", tmp_path / "loop")):
        (tmp_path / name).symlink_to(target)
    with pytest.raises(ArtefactError, match="is a link, and --force replaces nothing behind one"):
        check_folder(tmp_path / "link", force=True, resume=False)
    check_folder(tmp_path / "link", force=False, resume=True)
    for name in ("dangling", "loop"):
        with pytest.raises(ArtefactError, match="is a link that leads to no folder"):
            check_folder(tmp_path / name, force=True, resume=False)


def test_a_folder_has_one_owner_and_is_cleared_of_what_the_dead_left(
    trained: Path, karate: Graph, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    left = copy / f".state.safetensors.{stamp().split('-')[0]}-999999999-0123abcd.abcdefgh.part"
    left.write_text("half")
    with own_folder(copy, force=False, resume=True):
        assert not left.exists()
        train_run(karate, CONFIG, copy)  # the same thread may
        code = "import sys; from pathlib import Path; from gcn2snn.run_folder import own_folder\n"
        code += "with own_folder(Path(sys.argv[1]), force=True, resume=False): print('in')"
        done = subprocess.run([sys.executable, "-c", code, str(copy)], capture_output=True, text=True, timeout=120)
        assert done.stdout == ""
        assert f"LockedError: {copy} is in use by process {os.getpid()} on " in done.stderr.splitlines()[-1]
    assert sorted(os.listdir(copy)) == ["metrics.jsonl", "model.safetensors", "run.json"]


@pytest.mark.parametrize("more", [{}, {"corpus_hash": "0" * 64}, {"path": "/a", "corpus_hash": "0" * 64}])
def test_data_at_a_path_need_the_hash_of_what_is_there(more: dict[str, str]) -> None:
    assert checked({"dataset": "own"} | more, NamedSource, "the origin")
    with pytest.raises(ArtefactError, match="a path needs a corpus_hash"):
        checked({"dataset": "own", "path": "/a"}, NamedSource, "the origin")


def test_a_corpus_that_was_moved_is_the_same_and_one_of_other_content_is_not(tmp_path: Path) -> None:
    data = {"dataset": "a/own.csv", "path": "/a/own.csv", "corpus_hash": "0" * 64, "options": {"window": 20}}
    run = {"kind": "graph", "dataset": data, "fingerprint": "1" * 64, "config": {"seed": 0}}
    assert open_run(tmp_path, run) is None
    assert open_run(tmp_path, run | {"dataset": data | {"dataset": "b.csv", "path": "/b.csv"}}) is None
    for other in ({"corpus_hash": "2" * 64}, {"options": {"window": 10}}):
        with pytest.raises(ArtefactError, match=r"holds a run on .*Use another --out"):
            open_run(tmp_path, run | {"dataset": data | other})


def test_networks_of_the_run_that_is_replaced_are_named_and_other_files_are_not(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    run = {"fingerprint": "1" * 64, "config": {"seed": 0}}
    save_json(tmp_path / "run.json", run)
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "notes.safetensors").write_bytes(b"of somebody else")
    for name, origin in (("own", run), ("unknown", {}), ("other", run | {"config": {"seed": 1}})):
        save_tensors(tmp_path / f"{name}.safetensors", {}, kind="snn", version=1, meta={"origin": origin})
    save_tensors(tmp_path / "graph.safetensors", {}, kind="graph", version=1, meta={})
    make_room(tmp_path, force=True)
    left = ["graph", "notes", "other", "own", "unknown"]
    assert sorted(path.stem for path in tmp_path.iterdir()) == left
    assert caplog.messages == [
        f"{tmp_path / name}.safetensors was made of the run that is replaced now, and stays; convert again with --force"
        for name in ("own", "unknown")
    ]


def test_a_network_of_another_run_in_a_run_folder_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    run = {"fingerprint": "1" * 64, "config": {"seed": 0}}
    save_json(tmp_path / "run.json", run)
    network = tmp_path / "snn.safetensors"
    for origin in (run, {}):
        save_tensors(network, {}, kind="snn", version=1, meta={"origin": origin})
        assert network_file(tmp_path) == network
    assert caplog.messages == []
    save_tensors(network, {}, kind="snn", version=1, meta={"origin": run | {"fingerprint": "2" * 64}})
    assert network_file(tmp_path) == network
    assert caplog.messages == [
        f"{network} was not made of the run in {tmp_path}: their data or options differ. It is used as it is; if the run's own "
        f"network is meant, make it with `gcn2snn convert {tmp_path} --force`"
    ]
    caplog.clear()
    assert network_file(network) == network  # given by its own name
    assert caplog.messages == []
