"""Structured logs: constant event names, the call's id bound once, nothing personal.

Names are past tense and snake_case, values are keywords. Never in a log: a full number, transcript
or prompt text, tool arguments, tokens, signatures, the ``repr`` of a request.
"""

import logging
import sys

import structlog


def configure(level: str, form: str) -> None:
    """Set up logging for the process.

    Args:
        level: Name of a standard level.
        form: ``json``, ``console``, or ``auto`` for console on a terminal and JSON elsewhere.
    """
    json_lines = form == "json" or (form == "auto" and not sys.stderr.isatty())
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso" if json_lines else "%H:%M:%S", utc=json_lines),
    ]
    if json_lines:
        # No local variables in tracebacks: they hold what callers said.
        shared.append(structlog.processors.format_exc_info)
        render: structlog.typing.Processor = structlog.processors.JSONRenderer(ensure_ascii=False)
    else:
        render = structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    threshold = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*shared, render],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(processor=render, foreign_pre_chain=shared)
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    # Libraries speak only when something is wrong, whatever our own level: at DEBUG and INFO they
    # print SQL with its values, URLs with a stream's token, and whole messages.
    root.setLevel(max(threshold, logging.WARNING))
