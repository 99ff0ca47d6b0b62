"""The routes of the service: texts to answers, the Open Inference Protocol, metrics, and the page."""

from __future__ import annotations

import asyncio
import traceback
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from importlib.metadata import version

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from gcn2snn.energy import preset_of
from gcn2snn.errors import ConfigError, MissingPackageError
from gcn2snn.prediction import Prediction
from gcn2snn.serve.options import ServeOptions
from gcn2snn.serve.served import Served

try:
    from fastapi import FastAPI, Request
    from starlette.exceptions import HTTPException
    from starlette.responses import HTMLResponse, Response

    from gcn2snn.serve import inference_protocol as protocol
    from gcn2snn.serve.batcher import Batcher
    from gcn2snn.serve.guard import Guard
    from gcn2snn.serve.meters import Meters
    from gcn2snn.serve.page import page_headers, page_of
    from gcn2snn.serve.request_errors import RequestError, json_response, wrong_body
except ModuleNotFoundError as error:
    if (error.name or "").startswith("gcn2snn"):
        raise
    raise MissingPackageError(f"serving needs {error.name}: pip install 'gcn2snn[serve]'") from error

EXAMPLE = '{"texts": ["shares of the bank fell"]}'
MEASURED_EVERY = 1.0
"""Seconds between two measurements of memory: a process that is not asked for metrics is in the sums all the same."""


class PredictRequest(BaseModel):
    """The body of ``POST /predict``; the options are those of ``gcn2snn predict``."""

    model_config = ConfigDict(extra="forbid", strict=True)
    texts: list[str] = Field(min_length=1, description="texts to classify")
    top: int = Field(1, ge=1, description="classes to name with their probabilities")
    explain: bool = Field(False, description="name the words that moved the result, with their share")
    strict: bool = Field(False, description="refuse texts without a known word")
    energy: str = Field("fp32", description="joules per addition: fp32, int8-paper or int8-horowitz")


class _Service:
    """What the routes share: the network, its queue, its limits and its counts."""

    def __init__(self, served: Served, options: ServeOptions):
        self.served = served
        self.options = options
        self.meters = Meters()
        self.batcher = Batcher(served.answer, options, self.meters)

    async def answers(self, texts: Sequence[str], strict: bool, energy: str) -> list[Prediction]:
        """The network's answers with the joules of one preset.

        Raises:
            RequestError: 413 too many texts, 422 a text without a known word if ``strict``, 503 the queue is full.
        """
        if len(texts) > self.options.max_texts:
            raise RequestError(
                413,
                f"{len(texts):,} texts came; {self.options.max_texts:,} are allowed in one request. Send fewer at once, or "
                f"start the service with a larger --max-texts",
            )
        answers = await self.batcher.predictions(texts)
        unknown = [place for place, answer in enumerate(answers) if not answer.known_words]
        if strict and unknown:
            raise RequestError(
                422,
                f"{len(unknown)} of {len(texts)} texts have no word that the network knows; the first is text {unknown[0]} "
                f"(counted from 0). Leave strict out to get the shares of the training documents as the answer",
            )
        cost = preset_of(energy).add
        return [replace(answer, joules=cost * answer.additions) for answer in answers]

    def check_model(self, name: str) -> None:
        """Refuse the name of another model."""
        if name != self.options.model_name:
            raise RequestError(404, f"there is no model {name!r} here; there is {self.options.model_name!r}")


def make_app(options: ServeOptions, served: Served) -> FastAPI:
    """The service as an ASGI application.

    Args:
        options: its limits and the name of its model; address and number of processes are those of the server.
        served: the network that answers.

    Returns:
        An application whose lifespan starts and ends the evaluation. ``app.state.meters`` has its counts.

    Raises:
        MissingPackageError: FastAPI or prometheus_client is not installed.
    """
    service = _Service(served, options)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        try:
            served.answer(["ready"])  # loads the kernels, so that the first request is as quick as the others
        except Exception:
            traceback.print_exc()  # the server logs nothing, and a worker must not end without a word
            raise
        measuring = asyncio.create_task(_measure(service.meters))
        async with service.batcher:
            yield
        measuring.cancel()
        with suppress(asyncio.CancelledError):
            await measuring

    # The pages of documentation that FastAPI can show load scripts from elsewhere; /openapi.json does not.
    app = FastAPI(title="gcn2snn", version=version("gcn2snn"), docs_url=None, redoc_url=None, lifespan=lifespan)
    app.router.redirect_slashes = False
    app.state.meters = service.meters
    app.add_middleware(Guard, options=options, meters=service.meters)
    app.add_exception_handler(RequestError, _refused)
    app.add_exception_handler(HTTPException, _no_route)
    _add_own_routes(app, service)
    _add_protocol(app, service)
    return app


def _add_own_routes(app: FastAPI, service: _Service) -> None:
    body = {"required": True, "content": {"application/json": {"schema": PredictRequest.model_json_schema()}}}
    page = page_of(service.options.model_name, service.served)

    @app.get("/", response_class=HTMLResponse, summary="A page to try the network")
    async def home() -> Response:
        return HTMLResponse(page, headers=page_headers(page))

    @app.post("/predict", summary="Classify texts", openapi_extra={"requestBody": body})
    async def predict(request: Request) -> Response:
        asked = _read_predict(await request.body())
        answers = await service.answers(asked.texts, asked.strict, asked.energy)
        found = [
            {"text": text} | answer.to_json(asked.top, asked.explain)
            for text, answer in zip(asked.texts, answers, strict=True)
        ]
        unknown = sum(not answer.known_words for answer in answers)
        notes = (
            [f"{unknown} of {len(found)} texts have no word that the network knows; their answer is the share of each class "
             f"in training"]
            if unknown
            else []
        )  # fmt: skip
        return json_response({"model": service.options.model_name, "predictions": found, "notes": notes})

    @app.get("/metrics", summary="Counts in the text format of Prometheus")
    async def metrics() -> Response:
        return Response(service.meters.text(), media_type="text/plain; version=0.0.4; charset=utf-8")


def _add_protocol(app: FastAPI, service: _Service) -> None:
    name = service.options.model_name

    @app.get("/v2", summary="The server")
    async def server() -> Response:
        return json_response({"name": "gcn2snn", "version": version("gcn2snn"), "extensions": []})

    @app.get("/v2/health/live", summary="Does the server run?")
    async def live() -> Response:
        return json_response({"live": True})

    @app.get("/v2/health/ready", summary="Can the server answer?")
    async def ready() -> Response:
        return json_response({"live": True, "ready": True})

    @app.get("/v2/models/{model}", summary="What the network takes and gives")
    async def metadata(model: str) -> Response:
        service.check_model(model)
        return json_response(protocol.model_metadata(name, len(service.served.class_names)))

    @app.get("/v2/models/{model}/ready", summary="Can the network answer?")
    async def model_ready(model: str) -> Response:
        service.check_model(model)
        return json_response({"name": name, "ready": True})

    @app.post("/v2/models/{model}/infer", summary="Classify texts by the Open Inference Protocol")
    async def infer(model: str, request: Request) -> Response:
        service.check_model(model)
        if "inference-header-content-length" in request.headers:
            raise RequestError(400, f"the binary form is not spoken here. Send JSON alone, like {protocol.EXAMPLE}")
        asked = protocol.read_inference(await request.body())
        answers = await service.answers(asked.texts, asked.strict, asked.energy)
        return json_response(protocol.inference_response(name, asked, answers, service.served.class_names))


def _read_predict(body: bytes) -> PredictRequest:
    try:
        asked = PredictRequest.model_validate_json(body)
        preset_of(asked.energy)
    except ValidationError as error:
        raise wrong_body(error, EXAMPLE) from None
    except ConfigError as error:
        raise RequestError(422, f"energy: {error}") from None
    return asked


async def _refused(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestError)
    return error.response()


async def _no_route(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    path, method = request.url.path[:80], request.method
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "another method")
        return RequestError(405, f"{path} does not take {method}; it takes {allowed}", error.headers).response()
    return RequestError(
        error.status_code,
        f"there is nothing at {path}. There are /, /predict, /metrics, /openapi.json, /v2, /v2/health/live, /v2/health/ready, "
        f"/v2/models/NAME, /v2/models/NAME/ready and /v2/models/NAME/infer; models have no versions",
    ).response()


async def _measure(meters: Meters) -> None:
    while True:
        meters.measure_process()
        await asyncio.sleep(MEASURED_EVERY)
