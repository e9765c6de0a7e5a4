"""GET, POST and DELETE /v1/baselines: list, pin, export and unpin."""

from __future__ import annotations

import msgspec
from fastapi import Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.body import BodyRefused, media_type
from app.api.reply import error_reply, json_reply
from app.api.services import Services
from app.baseline import BaselineExists, NotEnoughEvents, PinnedBaseline, to_bytes
from app.model import Kind, SeriesKey

MAX_PIN_BYTES = 64 * 1024


class PinRequest(msgspec.Struct, forbid_unknown_fields=True):
    """Which window of which series to pin."""

    model: str
    model_version: str = ""
    tokenizer_version: str = ""
    kind: Kind = "query"
    window: str = "24h"
    replace: bool = False


PIN_SCHEMA = {
    "required": True,
    "content": {"application/json": {"schema": msgspec.json.schema(PinRequest)["$defs"]["PinRequest"]}},
}


async def get_baselines(request: Request) -> Response:
    """List the pinned baselines, those of departed series too."""
    services: Services = request.app.state.services
    # In a thread, as all that asks for baselines: it waits while one is being made, which takes some hundred ms.
    return json_reply({"baselines": await run_in_threadpool(_all_told, services)})


async def post_baselines(request: Request) -> Response:
    """Pin a window of a series as its baseline: 201. A final one is replaced only with `"replace": true`: else 409."""
    services: Services = request.app.state.services
    if media_type(request) != "application/json":
        # Also what keeps other people's pages from pinning: a browser may send text elsewhere unasked, but not JSON.
        return error_reply(415, "unsupported content type; send application/json")
    try:
        body = await services.bodies.read(request, MAX_PIN_BYTES)
    except BodyRefused as refused:
        return error_reply(refused.status_code, refused.message, {"Connection": "close"})
    try:
        wanted = msgspec.json.decode(body, type=PinRequest)
    except (msgspec.DecodeError, UnicodeDecodeError):
        fields = ", ".join(PinRequest.__struct_fields__)
        return error_reply(400, f"the body must be a JSON object with model, and maybe others of: {fields}")
    return await run_in_threadpool(_pin, services, wanted)


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
    return json_reply(_told(baseline), 201)


async def get_baseline(request: Request) -> Response:
    """Export a baseline as a file, for `--baseline` of other replicas."""
    return await run_in_threadpool(_export, request.app.state.services, request.path_params["baseline_id"])


def _export(services: Services, baseline_id: str) -> Response:
    baseline = _by_id(services, baseline_id)
    if baseline is None:
        return _unknown()
    headers = {"Content-Disposition": f'attachment; filename="baseline-{baseline.id}.npz"'}
    return Response(to_bytes(baseline), 200, headers, "application/octet-stream")


async def delete_baseline(request: Request) -> Response:
    """Unpin a baseline: its series learns a new one from now on."""
    return await run_in_threadpool(_unpin, request.app.state.services, request.path_params["baseline_id"])


def _unpin(services: Services, baseline_id: str) -> Response:
    baseline = _by_id(services, baseline_id)
    if baseline is None:
        return _unknown()
    services.pinned.unpin(services.store.find(baseline.key), baseline.key, services.clock.now())
    return Response(status_code=204)


def _by_id(services: Services, baseline_id: str) -> PinnedBaseline | None:
    return next((baseline for baseline in services.pinned.all() if baseline.id == baseline_id), None)


def _unknown() -> Response:
    return error_reply(404, "no such baseline: GET /v1/baselines lists them")


def _all_told(services: Services) -> list[dict[str, object]]:
    return [_told(baseline) for baseline in services.pinned.all()]


def _told(baseline: PinnedBaseline) -> dict[str, object]:
    return {
        "id": baseline.id,
        **baseline.key._asdict(),
        "baseline": "pinned",
        "state": baseline.state,
        "origin": baseline.origin,
        "created": baseline.created,
        "seconds": baseline.seconds,
        "events": baseline.events,
        "signals": {name: distribution.n for name, distribution in baseline.signals.items()},
        "sampled_vectors": 0 if baseline.sample is None else len(baseline.sample),
        "poor_match_limit": baseline.poor_match_limit,
    }
