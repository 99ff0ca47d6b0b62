"""Why a request gets no answer: a status, and a sentence that says what to do."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import ValidationError
from starlette.responses import Response

from gcn2snn.errors import Gcn2SnnError

SHOWN = 3
"""Mistakes of one request that its answer lists."""


class RequestError(Gcn2SnnError):
    """A request is refused.

    Args:
        status: of HTTP.
        message: what was got, what is allowed, what to do.
        headers: of the answer.
    """

    def __init__(self, status: int, message: str, headers: Mapping[str, str] | None = None):
        self.status = status
        self.headers = dict(headers or {})
        super().__init__(message)

    def response(self) -> Response:
        """The answer: ``{"error": message}``, as the Open Inference Protocol has it."""
        return json_response({"error": str(self)}, self.status, self.headers)


def json_response(content: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer with a JSON body."""
    body = json.dumps(content, ensure_ascii=False, allow_nan=False).encode()
    return Response(body, status, headers, media_type="application/json")


def wrong_body(error: ValidationError, example: str, status: int = 422) -> RequestError:
    """What is wrong with a body, with an example of a right one.

    Args:
        error: of the validation.
        example: a right body.
        status: for a body that is JSON but not what is needed; what is no JSON gets 400.
    """
    found = error.errors(include_url=False, include_context=False)
    if found[0]["type"] == "json_invalid":
        return RequestError(
            400, f"the body is not JSON in UTF-8: {_lower(found[0]['msg'])}. Send a body like {example}"
        )
    mistakes = []
    for item in found[:SHOWN]:
        place = ".".join(str(part) for part in item["loc"]) or "the body"
        got = "" if item["type"] in ("missing", "extra_forbidden") else f", got {_short(item['input'])}"
        mistakes.append(f"{place}: {_lower(item['msg'])}{got}")
    more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
    return RequestError(status, f"{'; '.join(mistakes)}{more}. Send a body like {example}")


def _lower(sentence: str) -> str:
    return f"{sentence[0].lower()}{sentence[1:]}"


def _short(value: object) -> str:
    shown = repr(value) if isinstance(value, str | int | float | bool | None) else type(value).__name__
    return shown if len(shown) <= 60 else f"{shown[:57]}..."
