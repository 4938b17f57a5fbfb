"""What was said in a call: its transcript and its recording."""

import asyncio
import os
import re
import stat
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import FileResponse
from starlette.types import Receive, Scope, Send

from fwai.domain.call_event import stamp
from fwai.domain.record import CallRecord, TurnRecord, joined
from fwai.http.problem import ProblemError
from fwai.web.calls import CallPath, known
from fwai.web.errors import conflict, problems, unknown
from fwai.web.models import Transcript
from fwai.web.responses import answer
from fwai.web.services import ApiServices

WAV: Final = "audio/wav"
_RANGE: Final = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)
_TEXT: Final[dict[int | str, dict[str, Any]]] = {
    200: {"content": {"text/plain": {"schema": {"type": "string"}}}}
}
_SOUND: Final = {"content": {WAV: {"schema": {"type": "string", "format": "binary"}}}}
_PARTS: Final[dict[int | str, dict[str, Any]]] = {
    200: {"description": "Two channels: the caller left, the agent right."} | _SOUND,
    206: {"description": "The part that `Range` names."} | _SOUND,
}


def add(api: APIRouter, services: ApiServices) -> None:
    """Add the routes."""

    @api.get(
        "/calls/{call_id}/transcript",
        tags=["calls"],
        summary="What was said, as JSON or as text",
        response_model=Transcript,
        responses=_TEXT | problems(404),
    )
    async def transcript(
        call_id: CallPath,
        request: Request,
        format_: Annotated[
            Literal["json", "text"] | None,
            Query(alias="format", description="Default: what `Accept` prefers."),
        ] = None,
    ) -> Response:
        record = await known(services, call_id)
        turns = joined(await services.calls.turns(record.call.id))
        wanted = format_ or _preferred(request.headers.get("accept", ""))
        if wanted == "text":
            text = "".join(_spoken(turn) for turn in turns)
            return Response(text, media_type="text/plain", headers={"Cache-Control": "no-store"})
        said = [{"role": turn.role, "text": turn.text, "at": stamp(turn.at)} for turn in turns]
        shown = {"call_id": record.call.id, "status": record.state.value, "transcript": said}
        return answer(shown)

    @api.get(
        "/calls/{call_id}/recording",
        tags=["calls"],
        summary="The recording of a call that is over",
        response_class=Response,
        responses=_PARTS | problems(404, 409, 416),
    )
    async def recording(
        call_id: CallPath,
        range_: Annotated[
            str, Header(alias="Range", description="Such as `bytes=0-1023`.", max_length=100)
        ] = "",
    ) -> Response:
        record = await known(services, call_id)
        path = await asyncio.to_thread(_file, services.recordings_dir, record)
        if not record.state.final:
            raise conflict("not-over", "Not over", "The recording is written to its end first.")
        return _sound(*path, range_)


def _preferred(accept: str) -> str:
    first = accept.partition(",")[0].partition(";")[0].strip().lower()
    return "text" if first == "text/plain" else "json"


def _spoken(turn: TurnRecord) -> str:
    cut = " -" if turn.interrupted else ""
    return f"[{turn.at:%H:%M:%S}] {turn.role}: {turn.text}{cut}\n"


def _file(folder: Path | None, record: CallRecord) -> tuple[Path, os.stat_result]:
    """Return the file of a call's recording.

    Raises:
        ProblemError: There is none.
    """
    none = unknown("recording")
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


def _sound(path: Path, found: os.stat_result, wanted: str) -> Response:
    """Return a file, or the one part of it that ``wanted`` names; anything else is ignored."""
    part = _RANGE.fullmatch(wanted)
    headers = {"Cache-Control": "no-store"}
    if part is None or not (part[1] or part[2]) or _backwards(part[1], part[2]):
        return _Whole(path, headers=headers, media_type=WAV, stat_result=found)
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


def _backwards(start: str, end: str) -> bool:
    return bool(start and end) and int(start) > int(end)


class _Whole(FileResponse):
    """A file from beginning to end, whatever range is asked for."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = [header for header in scope["headers"] if header[0] != b"range"]
        await super().__call__({**scope, "headers": headers}, receive, send)
