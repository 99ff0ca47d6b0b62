"""The page at ``/``: one HTML file that asks this service and nobody else."""

from __future__ import annotations

import base64
import hashlib
import re

from jinja2 import Environment, PackageLoader, StrictUndefined

from gcn2snn.serve.served import Served


def page_of(model: str, served: Served) -> str:
    """The page for one network.

    Args:
        model: its name.
        served: for the names of its classes and of its corpus.
    """
    loader = Environment(loader=PackageLoader("gcn2snn", "serve"), autoescape=True, undefined=StrictUndefined)
    template = loader.get_template("page.html")
    return template.render(model=model, classes=served.class_names, corpus=served.trained_on)


def page_headers(page: str) -> dict[str, str]:
    """Headers that let the browser run the page's own script and style, ask this service, and do nothing else."""
    script, style = (_hash_of(page, tag) for tag in ("script", "style"))
    policy = (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; img-src data:; base-uri 'none'; "
        f"form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
    }


def _hash_of(page: str, tag: str) -> str:
    found = re.search(rf"<{tag}>(.*?)</{tag}>", page, re.S)
    assert found is not None
    return "sha256-" + base64.b64encode(hashlib.sha256(found[1].encode()).digest()).decode()
