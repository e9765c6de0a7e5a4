"""GET, POST and DELETE /v1/baselines: list, pin, upload, export and unpin."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.body import BodyRefused, media_type
from app.api.reply import error_reply, json_reply
from app.api.services import Services
from app.baseline import (
    BaselineExists,
    BaselineFileError,
    NotEnoughEvents,
    PinnedBaseline,
    Reader,
    to_bytes,
)
from app.decode.schema import EVENT_FIELDS, NAME
from app.model import Kind, SeriesKey, Timing
from app.vector_file import SERIES, TooLargeError, UnreadableError, refuse_inflated

MAX_PIN_BYTES = 64 * 1024
MAX_UPLOAD_BYTES = 256 * 1024 * 1024

JSON: Final = "application/json"
FILE: Final = "application/octet-stream"


class PinRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which window of which series to pin."""

    model: str
    model_version: str = ""
    tokenizer_version: str = ""
    kind: Kind = "query"
    window: str = "24h"
    replace: bool = False


_PIN_SCHEMA: Final[dict[str, Any]] = msgspec.json.schema(PinRequest)["$defs"]["PinRequest"]
_PIN_SCHEMA["properties"]["window"]["enum"] = list(Timing().windows)

BASELINE_BODY: Final[dict[str, Any]] = {
    "required": True,
    "description": "A window to pin; or a file: vectors as .npy or .npz, or a baseline as it was exported.",
    "content": {JSON: {"schema": _PIN_SCHEMA}, FILE: {}},
}

UPLOAD_PARAMETERS: Final[list[dict[str, Any]]] = [
    {
        "name": name,
        "in": "query",
        "schema": schema,
        "description": f"Of a file: {text}",
    }
    for name, schema, text in (
        ("model", NAME | {"minLength": 1}, "whose vectors they are; required unless the file says it."),
        ("model_version", NAME, "whose vectors they are."),
        ("tokenizer_version", NAME, "whose vectors they are."),
        ("kind", EVENT_FIELDS["kind"], "query (default) or document."),
        ("replace", {"type": "boolean"}, "whether a final baseline may be replaced."),
    )
]


async def get_baselines(request: Request) -> Response:
    """List the baselines that stay, those of departed series too."""
    services: Services = request.app.services
    # In a thread, as all that asks for baselines: it waits while one is being made, which takes some hundred ms.
    return json_reply({"baselines": await run_in_threadpool(_all_told, services)})


async def post_baselines(request: Request) -> Response:
    """Make a baseline of a window (JSON), of a sample of vectors or of an exported baseline (a file): 201.

    A final one is replaced only with `replace`: else 409.
    """
    services: Services = request.app.services
    take = {JSON: _post_window, FILE: _post_file}.get(media_type(request))
    if take is None:
        # Also what keeps other people's pages from pinning: a browser may send text elsewhere unasked, but neither.
        return error_reply(415, f"unsupported content type; send {JSON} to pin a window, {FILE} to upload a file")
    try:
        return await take(request, services)
    except BodyRefused as refused:
        return error_reply(refused.status_code, refused.message, {"Connection": "close"})


async def _post_window(request: Request, services: Services) -> Response:
    body = await services.bodies.read(request, MAX_PIN_BYTES)
    try:
        wanted = msgspec.json.decode(body, type=PinRequest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        fields = ", ".join(PinRequest.__struct_fields__)
        return error_reply(400, f"the body must be a JSON object with model, and maybe others of: {fields}")
    return await run_in_threadpool(_pin, services, wanted)


async def _post_file(request: Request, services: Services) -> Response:
    named = dict(request.query_params)
    replace = named.pop("replace", "false")
    if not named.keys() <= set(SERIES) or replace not in {"true", "false"}:
        return error_reply(400, f"query parameters are {', '.join(SERIES)}, and replace: true or false")
    if services.uploading.locked():
        headers = {"Connection": "close", "Retry-After": "5"}
        return error_reply(503, "another file is being taken: try again in some seconds", headers)
    async with services.uploading:
        chunks = await services.uploads.chunks(request, MAX_UPLOAD_BYTES)
        return await run_in_threadpool(_upload, services, chunks, named, replace == "true")


def _upload(services: Services, chunks: list[bytes], named: dict[str, str], replace: bool) -> Response:  # noqa: FBT001
    limits = services.limits
    reader = Reader(limits.input_key, limits.label_bytes, limits.dimension, services.pinned.projected)
    try:
        data = b"".join(chunks)
        chunks.clear()
        refuse_inflated(data, MAX_UPLOAD_BYTES)
        now, offset = services.clock.reading()
        baseline = reader.baseline(data, named, now + offset).moved(-offset)
    except (ValueError, MemoryError) as error:
        return error_reply(_status(error), str(error) or "too large for this machine: a sample of its rows will do")
    return _adopt(services, baseline, replace)


def _status(error: Exception) -> int:
    if isinstance(error, TooLargeError | MemoryError):
        return 413
    return 400 if isinstance(error, BaselineFileError | UnreadableError) else 422


def _adopt(services: Services, baseline: PinnedBaseline, replace: bool) -> Response:  # noqa: FBT001
    series, frame = services.store.find(baseline.key), baseline.content.frame
    if series is not None and frame is not None and series.dimension not in {None, frame.dimension}:
        message = f"the series has vectors of {series.dimension} dimensions, the file of {frame.dimension}"
        return error_reply(422, message)
    most = services.store.counts().series_limit
    if services.pinned.find(baseline.key) is None and len(services.pinned.all()) >= most:
        return error_reply(409, f"there are as many baselines as series may be ({most}): unpin one that is not needed")
    try:
        services.pinned.upload(baseline, replace=replace)
    except BaselineExists:
        return error_reply(409, "the series has a final baseline: send replace=true to replace it")
    services.save_baselines()
    return json_reply(_told(services, baseline), 201)


def _pin(services: Services, wanted: PinRequest) -> Response:
    if wanted.window not in services.timing.windows:
        return error_reply(422, f"window must be one of {', '.join(services.timing.windows)}")
    key = SeriesKey(wanted.model, wanted.model_version, wanted.tokenizer_version, wanted.kind)
    series = services.store.find(key)
    if series is None:
        return error_reply(404, "no such series: GET /v1/series lists them")
    try:
        baseline = services.pinned.pin_window(series, wanted.window, services.clock.now(), replace=wanted.replace)
    except BaselineExists:
        return error_reply(409, 'the series has a final baseline: send "replace": true to replace it')
    except NotEnoughEvents as error:
        return error_reply(422, str(error))
    services.save_baselines()
    return json_reply(_told(services, baseline), 201)


async def get_baseline(request: Request) -> Response:
    """Export a baseline as a file, for `--baseline` of other replicas."""
    return await run_in_threadpool(_export, request.app.services, request.path_params["baseline_id"])


def _export(services: Services, baseline_id: str) -> Response:
    baseline = _by_id(services, baseline_id)
    if baseline is None:
        return _unknown()
    headers = {"Content-Disposition": f'attachment; filename="baseline-{baseline.id}.npz"'}
    return Response(to_bytes(baseline.moved(services.clock.offset())), 200, headers, "application/octet-stream")


async def delete_baseline(request: Request) -> Response:
    """Unpin a baseline: its series learns a new one from now on."""
    return await run_in_threadpool(_unpin, request.app.services, request.path_params["baseline_id"])


def _unpin(services: Services, baseline_id: str) -> Response:
    baseline = _by_id(services, baseline_id)
    if baseline is None:
        return _unknown()
    services.pinned.unpin(services.store.find(baseline.key), baseline.key, services.clock.now())
    services.save_baselines()
    return Response(status_code=204)


def _by_id(services: Services, baseline_id: str) -> PinnedBaseline | None:
    return next((baseline for baseline in services.pinned.all() if baseline.id == baseline_id), None)


def _unknown() -> Response:
    return error_reply(404, "no such baseline: GET /v1/baselines lists them")


def _all_told(services: Services) -> list[dict[str, object]]:
    return [_told(services, baseline) for baseline in services.pinned.all()]


def _told(services: Services, baseline: PinnedBaseline) -> dict[str, object]:
    return {
        "id": baseline.id,
        **baseline.key._asdict(),
        "baseline": baseline.name,
        "state": baseline.state,
        "origin": baseline.origin,
        "created": baseline.created + services.clock.offset(),
        "seconds": baseline.seconds,
        "events": baseline.events,
        "signals": {name: distribution.n for name, distribution in baseline.content.signals.items()},
        "dimension": None if baseline.content.frame is None else baseline.content.frame.dimension,
        "known_inputs": 0 if baseline.content.known is None else len(baseline.content.known.keys),
        "poor_match_limit": baseline.poor_match_limit,
    }
