"""Structured logs: constant event names, the call's id bound once, nothing personal.

Names are past tense and snake_case, values are keywords. Never in a log: a full number, transcript
or prompt text, tool arguments, tokens, signatures, the ``repr`` of a request.
"""

import atexit
import logging
import queue
import re
import sys
import threading
import traceback
from collections.abc import Iterator, MutableMapping
from typing import Any, Final, TextIO

import structlog

from fwai.domain.plain_text import visible

MAX_VALUE: Final = 2_000  # characters
_LINE_ENDS: Final = re.compile("\r\n?|[\n\x85\u2028\u2029]")
MAX_WAITING: Final = 10_000  # lines
MAX_CAUSES: Final = 4


class LineWriter:
    """Writes lines from a thread of its own, so that a slow disk or pipe never stops the loop.

    Holds at most `MAX_WAITING` lines; what does not fit is counted and told of later.

    Args:
        out: Where lines go.
    """

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._lines: queue.Queue[str | None] = queue.Queue(MAX_WAITING)
        self._lost = 0
        self._thread = threading.Thread(target=self._write_all, name="log", daemon=True)
        self._thread.start()
        atexit.register(self.close)

    def write(self, line: str) -> None:
        """Take one line, without its end; never blocks."""
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._lost += 1

    def close(self) -> None:
        """Write what is left; returns after two seconds at most."""
        atexit.unregister(self.close)
        try:
            self._lines.put(None, timeout=1.0)
        except queue.Full:
            return
        self._thread.join(1.0)

    def _write_all(self) -> None:
        while (line := self._lines.get()) is not None:
            lost, self._lost = self._lost, 0
            if lost:
                line = f"{lost} log lines were lost\n{line}"
            try:
                self._write(line + "\n")
                if self._lines.empty():
                    self._out.flush()
            except (OSError, ValueError):  # nobody reads any more
                return

    def _write(self, line: str) -> None:
        try:
            self._out.write(line)
        except UnicodeEncodeError:  # a terminal that is not UTF-8
            self._out.write(line.encode("ascii", "backslashreplace").decode())


class _Logger:
    """What structlog prints with: every level is a line."""

    def __init__(self, writer: LineWriter) -> None:
        self._writer = writer

    def msg(self, line: str) -> None:
        self._writer.write(line)

    log = debug = info = warn = warning = error = critical = exception = fatal = failure = err = msg


class _Handler(logging.Handler):
    """The standard library's records through the same writer."""

    def __init__(self, writer: LineWriter) -> None:
        super().__init__()
        self._writer = writer

    def close(self) -> None:
        self._writer.close()
        super().close()

    def emit(self, record: logging.LogRecord) -> None:
        self._writer.write(self.format(record))


def where_it_broke(
    logger: object,  # noqa: ARG001 - structlog's signature
    name: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Show of an exception its kind and its place, and of those behind it.

    Its text and its local variables may hold what callers said, numbers, or a URL's token.
    """
    given = event.pop("exc_info", None)
    if given is True:
        given = sys.exc_info()
    exc = given[1] if isinstance(given, tuple) else given
    if isinstance(exc, BaseException):
        event["exception"] = "\n".join(_places(exc))
    return event


def plain_values(
    logger: object,  # noqa: ARG001 - structlog's signature
    name: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Show text as text, bounded: no value moves the cursor or shows other words than it has."""
    for key, value in event.items():
        if key != "exception":  # our own
            event[key] = _plain(value)
    return event


def _plain(value: Any, depth: int = 0) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        clean = value.isascii() and value.isprintable() and len(value) <= MAX_VALUE
        return value if clean else visible(value[:MAX_VALUE])
    if depth < MAX_CAUSES and isinstance(value, list | tuple):
        return [_plain(one, depth + 1) for one in value]
    if depth < MAX_CAUSES and isinstance(value, dict):
        return {_plain(one, depth + 1): _plain(inner, depth + 1) for one, inner in value.items()}
    return value


def one_line_values(
    logger: object,  # noqa: ARG001 - structlog's signature
    name: str,  # noqa: ARG001
    event: MutableMapping[str, Any],
) -> MutableMapping[str, Any]:
    """Keep each value in its line, where no quotation does: nothing looks like a line of ours."""
    for key, value in event.items():
        if isinstance(value, str) and key not in ("event", "exception"):
            event[key] = _LINE_ENDS.sub(r"\\n", value)
    return event


def _places(exc: BaseException, depth: int = 0) -> Iterator[str]:
    yield type(exc).__qualname__
    yield "".join(traceback.format_tb(exc.__traceback__)).rstrip()
    if depth >= MAX_CAUSES:
        return
    behind = [exc.__cause__ or (None if exc.__suppress_context__ else exc.__context__)]
    if isinstance(exc, BaseExceptionGroup):
        behind += exc.exceptions[:MAX_CAUSES]
    for one in behind:
        if one is not None:
            yield "from"
            yield from _places(one, depth + 1)


def configure(level: str, form: str) -> LineWriter:
    """Set up logging for the process; lines of an earlier set-up are written first.

    Args:
        level: Name of a standard level.
        form: ``json``, ``console``, or ``auto`` for console on a terminal and JSON elsewhere.

    Returns:
        Whoever must know that every line is written closes it; the end of the process does.
    """
    json_lines = form == "json" or (form == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if json_lines else "%H:%M:%S", utc=json_lines),
        where_it_broke,
        plain_values,
    ]
    if json_lines:
        render: structlog.typing.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        render = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
        shared.append(one_line_values)
    for earlier in logging.getLogger().handlers:
        earlier.close()
    writer = LineWriter(sys.stderr)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=lambda *_: _Logger(writer),
        cache_logger_on_first_use=False,
    )
    handler = _Handler(writer)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak only when something is wrong, whatever our own level: at DEBUG and INFO they
    # print SQL with its values, URLs with a stream's token, and whole messages.
    root.setLevel(max(threshold, logging.WARNING))
    return writer
