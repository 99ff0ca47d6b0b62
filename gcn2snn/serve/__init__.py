"""A network that classifies texts as an HTTP service: batches, limits, the Open Inference Protocol, metrics, a page.

Names load on first use: the options need neither torch nor FastAPI.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gcn2snn.on_demand import names_on_demand

if TYPE_CHECKING:
    from gcn2snn.serve.app import make_app
    from gcn2snn.serve.options import ServeOptions
    from gcn2snn.serve.served import Served, load_served
    from gcn2snn.serve.server import run_server

_HOME = {
    "ServeOptions": "gcn2snn.serve.options",
    "Served": "gcn2snn.serve.served",
    "load_served": "gcn2snn.serve.served",
    "make_app": "gcn2snn.serve.app",
    "run_server": "gcn2snn.serve.server",
}

__all__ = ["ServeOptions", "Served", "load_served", "make_app", "run_server"]

__getattr__, __dir__ = names_on_demand(__name__, _HOME)
