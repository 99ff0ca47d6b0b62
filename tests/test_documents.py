"""What the documents show can be typed in: Python blocks and examples run, commands have verbs and options that exist,
and the site shows every page."""

from __future__ import annotations

import contextlib
import doctest
import io
import re
import shlex
import sys
import warnings
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from gcn2snn.cli import app, main

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
ELSEWHERE = {
    "command-line.md": "tests/gcn2snn/cli/test_own_models.py",
    "method.md": "tests/gcn2snn/test_method.py",
    "text-in-python.md": "tests/gcn2snn/estimator/test_guide.py",
}
"""Page -> the test that runs its code, and looks at what it prints."""


def fenced(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.S | re.M)


def with_python(pages: list[Path]) -> list[Path]:
    found = [page for page in pages if fenced(page, "python") and page.name not in ELSEWHERE]
    assert found
    return found


def test_code_that_runs_elsewhere_is_run_there() -> None:
    for name, test in ELSEWHERE.items():
        assert f'"{name}"' in (ROOT / test).read_text(encoding="utf-8")


@pytest.mark.parametrize("page", with_python(PAGES), ids=lambda page: page.name)
def test_python_blocks_run_one_after_the_other(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("DGLBACKEND", "pytorch")
    names: dict[str, object] = {"__name__": "page", "__file__": str(page)}
    for block in fenced(page, "python"):
        missing = [name for name in ("torch_geometric", "dgl", "matplotlib") if name in block and not find_spec(name)]
        if missing:
            pytest.skip(f"needs {', '.join(missing)}")
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")  # those of other packages while they are imported
            if ">>>" in block:
                test = doctest.DocTestParser().get_doctest(block, names, page.name, str(page), 0)
                assert doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, clear_globs=False).failed == 0
                names = test.globs
            else:
                exec(compile(block, page.name, "exec"), names)


def test_the_first_commands_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block = next(code for code in fenced(ROOT / "docs" / "start.md", "bash") if "train karate" in code)
    monkeypatch.chdir(tmp_path)
    lines = block.splitlines()
    assert len(lines) == 3
    for line in lines:
        monkeypatch.setattr(sys, "argv", shlex.split(line, comments=True))
        out = io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
            with pytest.raises(SystemExit) as stop:
                main()
            assert stop.value.code in (0, None)
    assert "same prediction %" in out.getvalue()


def test_every_page_stands_in_the_navigation_of_the_site() -> None:
    site = (ROOT / "mkdocs.yml").read_text(encoding="utf-8")
    shown = re.findall(r"^ +- .+?: (\S+\.md)$", site[site.index("\nnav:") :], flags=re.M)
    pages = [page.relative_to(ROOT / "docs").as_posix() for page in (ROOT / "docs").rglob("*.md")]
    assert sorted(shown) == sorted(page for page in pages if not page.startswith("decisions/0"))


def badly_written(text: str) -> list[str]:
    """Formulas of a Markdown text that the site or the repository's web view does not draw, and lone dollar signs."""
    prose = re.sub(r"^```.*?^```|`[^`\n]*`", "", text, flags=re.S | re.M)
    formulas = re.findall(r"\$\$.*?\$\$|\$[^$\n]+\$", prose, re.S)
    rest = re.sub(r"\$\$.*?\$\$|\$[^$\n]+\$", "", prose, flags=re.S)
    return [formula for formula in formulas if re.search(r"\\[^A-Za-z]|\\begin", formula)] + re.findall(
        r"\$.{0,40}", rest
    )


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_formulas_are_drawn_by_the_site_and_by_the_repository(page: Path) -> None:
    assert badly_written(page.read_text(encoding="utf-8")) == []


def test_a_formula_that_is_not_drawn_is_found() -> None:
    page = "$a^2$, $\\{x\\}$\n\n$$ a \\\\ b $$\n\n$$\\begin{cases} a$$\n\n`$HOME` costs 3 $ more\n"
    assert badly_written(page) == ["$\\{x\\}$", "$$ a \\\\ b $$", "$$\\begin{cases} a$$", "$ more"]


def commands(text: str) -> list[list[str]]:
    """Command lines of gcn2snn in a Markdown text, as words: lines of code blocks, and code between words."""
    lines = re.findall(r"^gcn2snn .+$", "\n".join(re.findall(r"^```\w*\n(.*?)^```", text, re.S | re.M)), re.M)
    inline = [" ".join(code.split()) for code in re.findall(r"`(gcn2snn [a-z][^`]*)`", text)]
    return [shlex.split(line, comments=True) for line in [*lines, *inline] if not line.startswith("gcn2snn:")]


def unknown(words: list[str]) -> list[str]:
    """What of a command line does not exist: the verb, or options that it does not take."""
    known = typer.main.get_command(app)
    for word in words[1:3]:
        verbs = getattr(known, "commands", None)
        if verbs is None or word.isupper() or word.startswith("-"):
            break
        if word not in verbs:
            return [word]
        known = verbs[word]
    options = {option for parameter in known.params for option in parameter.opts} | {"--help", "-h"}
    options |= {"--install-completion", "--show-completion"} if words[1].startswith("-") else set()
    return [word for word in words if re.match(r"--?[a-z]", word) and word.split("=")[0] not in options]


@pytest.mark.parametrize("page", [ROOT / "README.md", *PAGES], ids=lambda page: page.name)
def test_commands_have_verbs_and_options_that_exist(page: Path) -> None:
    assert {
        " ".join(words): bad for words in commands(page.read_text(encoding="utf-8")) if (bad := unknown(words))
    } == {}


def test_a_command_that_does_not_exist_is_found() -> None:
    page = (
        "```bash\ngcn2snn trian karate\ngcn2snn train karate --epoch 3\n```\nand `gcn2snn datasets lst`, `gcn2snn -h`\n"
    )
    assert [unknown(words) for words in commands(page)] == [["trian"], ["--epoch"], ["lst"]]
