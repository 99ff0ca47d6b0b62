"""The report in a browser, where Chromium and axe-core are installed: accessible, and nothing is cut at 1,280 and 400 pixels.

``make axe`` fetches axe-core; CI does so where Chromium and npm are installed.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import torch

from gcn2snn import artefact
from gcn2snn.config import ConvertConfig
from gcn2snn.conversion import convert
from gcn2snn.datasets import load_graph
from gcn2snn.report import Batch, Sample, Subject, png, subject_of, write_report
from gcn2snn.textgcn import TextGCN

AXE = Path(__file__).resolve().parents[3] / "out" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
QUIET = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--virtual-time-budget=20000"),
)
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

ASK = """
<script>%s</script>
<script>
addEventListener("load", async () => {
  document.querySelectorAll("details").forEach(one => one.open = true);
  const found = await axe.run(document, {runOnly: %s});
  const inside = one => one.closest("svg, .wide, thead, .skip, .defs") === null;
  const cut = [...document.querySelectorAll("body *")].filter(one =>
    inside(one) && one.getBoundingClientRect().right > innerWidth + 1).map(one => one.outerHTML.slice(0, 80));
  const scrolled = [...document.querySelectorAll(".wide")].filter(one => one.scrollWidth > one.clientWidth + 1);
  parent.postMessage({
    width: innerWidth,
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    violations: found.violations.map(one => one.id + ": " + one.nodes.map(node => node.html.slice(0, 100)).join(" | ")),
    passes: found.passes.length,
    cut: cut,
    scrolled: scrolled.map(one => one.getAttribute("aria-label")),
  }, "*");
});
</script>
"""
FRAME = """<!DOCTYPE html><body><pre id="found"></pre>
<script>addEventListener("message", e => document.getElementById("found").textContent = JSON.stringify(e.data));</script>
<iframe style="width:%dpx;height:900px;border:0" srcdoc="%s"></iframe></body>"""

PAGES = ("graph", "several", "images", "deep")

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs Chromium"),
    pytest.mark.skipif(not AXE.is_file(), reason="needs axe-core: make axe"),
]


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Pages with two networks of a graph, with three, with a network of images, and with one as deep as a ResNet-20."""
    folder = tmp_path_factory.mktemp("pages")
    graph = load_graph("karate")
    torch.manual_seed(0)
    model = TextGCN(34, [8], 4).eval()
    for name, config in (("snn", ConvertConfig()), ("tuned", ConvertConfig(events=0.5, timesteps=8))):
        artefact.save(convert(model, graph, config), folder / f"{name}.safetensors", {"dataset": graph.source})
    write_report([folder], folder / "graph.html", lambda *_: subject_of(graph))

    third = artefact.save(
        convert(model, graph, ConvertConfig.paper()), folder / "third.safetensors", {"dataset": graph.source}
    )
    write_report([folder, third], folder / "several.html", lambda *_: subject_of(graph))

    x = torch.rand(20, 3, 8, 8)
    pixels = (255 * x).to(torch.uint8)
    images = Subject(
        lambda: [Batch((x,), torch.arange(20) % 10, torch.ones(20, dtype=torch.bool))],
        tuple(f"class {i}" for i in range(10)),
        "test images",
        "20 images",
        describe=lambda rows: [Sample(f"image {row}", picture=png(pixels[row])) for row in rows],
    )
    for name, depth in (("images", 1), ("deep", 19)):
        layers = [layer for _ in range(depth) for layer in (torch.nn.Conv2d(3, 3, 3, padding=1), torch.nn.ReLU())]
        cnn = torch.nn.Sequential(*layers, torch.nn.Flatten(), torch.nn.Linear(192, 10)).eval()
        snn = convert(cnn, x, ConvertConfig.paper())
        file = artefact.save(snn, folder / f"{name}.safetensors", {"kind": "images", "data": "noise"})
        write_report([file], folder / f"{name}.html", lambda *_: images)
    return {name: (folder / f"{name}.html").read_text(encoding="utf-8") for name in PAGES}


@pytest.mark.parametrize(
    ("name", "width", "scheme"),
    [
        ("graph", 1280, 1),
        ("graph", 400, 0),
        ("several", 1280, 0),
        ("several", 400, 1),
        ("images", 1280, 0),
        ("images", 400, 1),
    ],
)
def test_a_page_is_accessible_and_nothing_is_cut(
    pages: dict[str, str], name: str, width: int, scheme: int, tmp_path: Path
) -> None:
    """In light colours (scheme 1) and dark ones (0)."""
    assert CHROMIUM is not None
    script = ASK % (AXE.read_text(encoding="utf-8"), json.dumps(RULES))
    page = pages[name].replace("</body>", f"{script}</body>")
    (tmp_path / "frame.html").write_text(FRAME % (width, html.escape(page)), encoding="utf-8")
    command = [
        CHROMIUM,
        *QUIET,
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        f"file://{tmp_path}/frame.html",
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    found = re.search(r'<pre id="found">(.+?)</pre>', done.stdout, re.S)
    assert found is not None, done.stderr[-2000:]
    said = json.loads(html.unescape(found[1]))
    assert (said["width"], said["dark"]) == (width, scheme == 0)
    assert said["passes"] > 10
    assert said["violations"] == []
    assert said["cut"] == []
    assert said["scrolled"] == []


@pytest.mark.parametrize("name", PAGES)
def test_a_page_prints_on_four_sheets(pages: dict[str, str], name: str, tmp_path: Path) -> None:
    assert CHROMIUM is not None
    (tmp_path / "page.html").write_text(pages[name], encoding="utf-8")
    command = [CHROMIUM, *QUIET, f"--user-data-dir={tmp_path / 'profile'}", f"--print-to-pdf={tmp_path / 'page.pdf'}"]
    subprocess.run([*command, f"file://{tmp_path}/page.html"], capture_output=True, timeout=120, check=True)
    sheets = re.findall(rb"/Type\s*/Page[^s]", (tmp_path / "page.pdf").read_bytes())
    assert 1 <= len(sheets) <= 4
