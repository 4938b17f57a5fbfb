"""Routes of a call's transcript and recording."""

import asyncio
import os
import re
import stat
from pathlib import Path
from typing import Annotated, Any, Final, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from fwai.domain.call_event import format_clock_time, format_utc
from fwai.domain.record import CallRecord, TurnRecord, joined
from fwai.http.problem import ProblemError
from fwai.web.call_models import Transcript
from fwai.web.calls import CallPath, get_call
from fwai.web.errors import conflict, not_found, problem_responses
from fwai.web.responses import json_response
from fwai.web.services import ApiServices

WAV: Final = "audio/wav"
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_TEXT_RESPONSE: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}
_WAV_CONTENT: Final = {"content": {WAV: {"schema": {"type": "string", "format": "binary"}}}}
_RECORDING: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Two channels: the caller left, the agent right."} | _WAV_CONTENT,
    206: {"description": "The part that `Range` names."} | _WAV_CONTENT,
}


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""

    @api.get(
        "/calls/{call_id}/transcript",
        tags=["calls"],
        summary="What was said, as JSON or as text",
        description="In the text each line begins with its time in TIMEZONE and the zone's offset.",
        response_model=Transcript,
        responses=_TEXT_RESPONSE | problem_responses(404),
    )
    async def transcript(
        call_id: CallPath,
        request: Request,
        format_: Annotated[
            Literal["json", "text"] | None,
            Query(alias="format", description="Default: what `Accept` prefers."),
        ] = None,
    ) -> Response:
        record = await get_call(services, call_id)
        turns = joined(await services.calls.turns(record.call.id))
        wanted = format_ or _preferred_format(request.headers.get("accept", ""))
        if wanted == "text":
            text = "".join(_text_line(turn, services.rules.zone) for turn in turns)
            return Response(text, media_type="text/plain", headers={"Cache-Control": "no-store"})
        said = [{"role": turn.role, "text": turn.text, "at": format_utc(turn.at)} for turn in turns]
        shown = {"call_id": record.call.id, "status": record.state.value, "transcript": said}
        return json_response(shown)

    @api.get(
        "/calls/{call_id}/recording",
        tags=["calls"],
        summary="The recording of a call that is over",
        response_class=Response,
        responses=_RECORDING | problem_responses(404, 409, 416),
    )
    async def recording(
        call_id: CallPath,
        range_: Annotated[
            str, Header(alias="Range", description="Such as `bytes=0-1023`.", max_length=100)
        ] = "",
    ) -> Response:
        record = await get_call(services, call_id)
        path = await asyncio.to_thread(_recording_file, services.recordings_dir, record)
        if not record.state.final:
            raise conflict("not-over", "Not over", "The recording is written to its end first.")
        return _recording_response(*path, range_)


def _preferred_format(accept: str) -> str:
    first = accept.partition(",")[0].partition(";")[0].strip().lower()
    return "text" if first == "text/plain" else "json"


def _text_line(turn: TurnRecord, zone: ZoneInfo) -> str:
    """Return one line, with the time as the clocks of ``zone`` show it and the zone's offset."""
    cut = " -" if turn.interrupted else ""
    return f"[{format_clock_time(turn.at, zone)}] {turn.role}: {turn.text}{cut}\n"


def _recording_file(folder: Path | None, record: CallRecord) -> tuple[Path, os.stat_result]:
    """Find the file of a call's recording.

    Raises:
        ProblemError: There is none.
    """
    none = not_found("recording")
    if folder is None or record.recording is None:
        raise none
    root = folder.resolve()
    try:
        path = (root / record.recording).resolve()
        found = path.stat()
    except (OSError, ValueError):
        raise none from None
    if not path.is_relative_to(root) or not stat.S_ISREG(found.st_mode):
        raise none
    return path, found


def _recording_response(path: Path, found: os.stat_result, wanted: str) -> Response:
    """Answer with the file or the one range that ``wanted`` names; an invalid range is ignored."""
    part = _RANGE.fullmatch(wanted)
    headers = {"Cache-Control": "no-store"}
    if part is None or not (part[1] or part[2]) or _is_reversed(part[1], part[2]):
        return _FullFileResponse(path, headers=headers, media_type=WAV, stat_result=found)
    beyond = part[1] and int(part[1]) >= found.st_size
    if beyond or (not part[1] and int(part[2]) == 0) or found.st_size == 0:
        raise ProblemError(
            "beyond-end",
            "Beyond the end",
            416,
            f"The recording has {found.st_size} bytes.",
            "Range",
            {"Content-Range": f"bytes */{found.st_size}"},
        )
    return FileResponse(path, headers=headers, media_type=WAV, stat_result=found)


def _is_reversed(start: str, end: str) -> bool:
    return bool(start and end) and int(start) > int(end)


class _FullFileResponse(FileResponse):
    """Answers with the whole file, whatever ``Range`` asks for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [header for header in scope["headers"] if header[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)
