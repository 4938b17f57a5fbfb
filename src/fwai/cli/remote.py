"""Commands ``call`` and ``jobs``: clients of the API of the server on this machine."""

import argparse
import json
import sys
import time
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import httpx

from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.domain.api_key import Permission
from fwai.domain.call_event import format_clock_time
from fwai.errors import StoreError
from fwai.secret_file import LOCAL_KEY_FILE, read_secret

TIMEOUT_S: Final = 20.0
POLL_S: Final = 1.0
FINAL: Final = ("completed", "no_answer", "busy", "failed", "canceled", "rejected")
EXIT_FAILED: Final = 1
NO_KEY: Final = (
    f"No key was sent, because DATA_DIR has no {LOCAL_KEY_FILE}, which the server makes when it "
    "starts: run this in the server's folder, or give a key of API_KEYS with --key."
)


class _RequestFailedError(Exception):
    """A request to the server failed; the text says why."""


def run(args: argparse.Namespace) -> int:
    """Run the command of ``args`` and return the exit code."""
    settings = load_settings()
    try:
        with _client(settings, _key(settings, args.key)) as server:
            if args.command == "call":
                return _call(server, args, settings.zone)
            return _jobs(server, args)
    except _RequestFailedError as exc:
        print(str(exc), file=sys.stderr)  # noqa: T201
        return EXIT_FAILED


def _client(settings: Settings, key: str) -> httpx.Client:
    everywhere = settings.host in ("0.0.0.0", "::", "")  # noqa: S104 - asked, not bound
    host = "127.0.0.1" if everywhere else settings.host
    host = f"[{host}]" if ":" in host else host
    return httpx.Client(
        base_url=f"http://{host}:{settings.port}/api",
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=TIMEOUT_S,
        trust_env=False,
    )


def _key(settings: Settings, given: str) -> str:
    """Return the key to send: what was given, one of API_KEYS, or the server's own on this machine.

    Empty when there is none, as before the first start and beside a demo.
    """
    if given:
        if not given.isascii() or not given.isprintable():
            raise _RequestFailedError("--key: no header can carry it; copy it again")
        return given
    for key in settings.keys:
        if key.may(Permission.ACT):
            return key.secret
    try:
        return read_secret(settings.data_dir / LOCAL_KEY_FILE)
    except StoreError as exc:
        raise _RequestFailedError(
            f"DATA_DIR: {exc}. Run this as the user that the server runs as "
            "(sudo -u USER ...), or give a key of API_KEYS with --key."
        ) from None


def _request(server: httpx.Client, method: str, path: str, **how: Any) -> Mapping[str, Any]:  # noqa: ANN401
    try:
        response = server.request(method, path, **how)
    except httpx.HTTPError as exc:
        where = str(server.base_url).rpartition("/api")[0]
        text = f"No server answers at {where} ({type(exc).__name__}); start it with: make run"
        raise _RequestFailedError(text) from None
    try:
        body = response.json()
    except ValueError:
        body = {}
    if not response.is_success:
        field = f"{body['field']}: " if body.get("field") else ""
        text = f"{field}{body.get('detail') or f'HTTP {response.status_code}'}"
        if response.status_code in (401, 403) and "authorization" not in server.headers:
            text += f" {NO_KEY}"
        raise _RequestFailedError(text)
    return dict(body)


def _call(server: httpx.Client, args: argparse.Namespace, zone: ZoneInfo) -> int:
    order = {"to": args.to, "provider": args.provider, "agent": args.agent}
    order = {name: value for name, value in order.items() if value}
    if args.note:
        order["context"] = {"note": args.note}
    placed = _request(server, "POST", "/calls", json=order)
    call_id, status = placed["call_id"], placed["status"]
    if args.no_wait or status == "scheduled":
        _show(args, placed, f"{call_id}: {status}, due {placed.get('due_at')}")
        return 0
    seen = ""
    while True:
        call = _request(server, "GET", f"/calls/{call_id}")
        if call["status"] != seen:
            seen = call["status"]
            if not args.json:
                print(f"{call_id}: {seen}", flush=True)  # noqa: T201
        if seen in FINAL:
            break
        time.sleep(POLL_S)
    lines = [
        f"[{format_clock_time(datetime.fromisoformat(one['at']), zone)}] "
        f"{one['role']:>7}  {one['text']}"
        for one in call.get("transcript") or ()
    ]
    _show(args, call, "\n".join([f"ended: {call['cause'] or call['end_reason']}", *lines]))
    return 0 if seen == "completed" else EXIT_FAILED


def _jobs(server: httpx.Client, args: argparse.Namespace) -> int:
    if args.retry == "events":
        answer = _request(server, "POST", "/events/replay", json={})
        _show(args, answer, f"events that are tried again: {answer.get('replayed')}")
        return 0
    if args.retry:
        answer = _request(server, "POST", f"/jobs/{args.retry}/retry")
        _show(args, answer, f"{args.retry}: is tried again")
        return 0
    states = [("status", state) for state in args.state.split(",") if state]
    answer = _request(server, "GET", "/jobs", params=[*states, ("limit", "200")])
    lines = [_line(job) for job in answer["jobs"]]
    _show(args, answer, "\n".join(lines) or "nothing")
    return 0


def _show(args: argparse.Namespace, answer: Mapping[str, Any], text: str) -> None:
    print(json.dumps(answer, ensure_ascii=False) if args.json else text)  # noqa: T201


def _line(job: Mapping[str, Any]) -> str:
    why = job["error"] or ""
    return f"{job['job_id']}  {job['kind']:<14} {job['status']:<8} {job['run_at']}  {why}".rstrip()
