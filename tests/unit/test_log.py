"""Logs: one line per event, in one form, and nothing in them that is secret."""

import io
import json
import logging
import threading
from collections.abc import Iterator

import pytest
import structlog

from fwai import log
from fwai.log import MAX_WAITING, LineWriter

TALKATIVE = [
    "uvicorn.error",
    "uvicorn.access",
    "httpx",
    "httpcore",
    "picows",
    "websockets",
    "sqlalchemy.engine",
]


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    """Logging belongs to the process: put it back."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    for handler in root.handlers:
        handler.close()
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[str]:
    """Return every line that was logged; nothing is logged after that."""
    logging.getLogger().handlers[0].close()
    out, err = capsys.readouterr()
    assert out == ""
    return err.split("\n")[:-1]


def test_json_is_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")

    structlog.get_logger().info("call_started", call_id="c", text="a\nb\r\u2028नमस्ते")
    logging.getLogger("alembic").warning("two\nlines %s", 7)

    ours, theirs = (json.loads(line) for line in lines(capsys))
    assert (ours["event"], ours["level"], ours["call_id"]) == ("call_started", "info", "c")
    assert ours["text"] == "a\nb\r\u2028नमस्ते"
    assert ours["timestamp"].endswith("Z")
    assert (theirs["event"], theirs["level"]) == ("two\nlines 7", "warning")


def crash(number: int = 4111) -> None:
    said = f"my card {number}"
    try:
        dict[str, str]()[said]
    except KeyError as exc:
        raise ValueError(f"not {said}") from exc


@pytest.mark.parametrize("form", ["json", "console"])
def test_a_traceback_says_where_and_of_what_kind_but_nothing_that_was_said(
    form: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure("INFO", form)

    try:
        crash()
    except ValueError:
        structlog.get_logger().exception("tool_crashed")
        logging.getLogger("asyncio").exception("also this")

    text = "".join(lines(capsys))
    assert text.count("in crash") == 4
    assert "ValueError" in text
    assert "KeyError" in text
    assert "4111" not in text


def test_an_exception_is_part_of_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")

    try:
        crash()
    except ValueError:
        structlog.get_logger().exception("tool_crashed")

    (line,) = lines(capsys)
    assert json.loads(line)["exception"].startswith("ValueError\n  File")


def test_all_of_a_group_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")

    said = str(4000 + 111)
    group = ExceptionGroup(said, [TypeError(said), OSError(said)])
    structlog.get_logger().error("call_failed", exc_info=group)

    (line,) = lines(capsys)
    shown = json.loads(line)["exception"]
    assert all(kind in shown for kind in ("ExceptionGroup", "TypeError", "OSError"))
    assert "4111" not in shown


def test_console_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "console")

    structlog.get_logger().info("call_started", call_id="c")

    (line,) = lines(capsys)
    assert "call_started" in line
    assert "call_id=c" in line
    assert not line.startswith("{")
    assert "\x1b" not in line


def test_auto_is_json_where_nobody_watches(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "auto")

    structlog.get_logger().info("x_happened")

    assert json.loads(lines(capsys)[0])["event"] == "x_happened"


def test_a_bound_call_is_in_every_line(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")

    with structlog.contextvars.bound_contextvars(call_id="c-9"):
        structlog.get_logger().info("a_happened")
        logging.getLogger("other").warning("b")

    assert [json.loads(line)["call_id"] for line in lines(capsys)] == ["c-9", "c-9"]


@pytest.mark.parametrize(
    ("level", "ours", "theirs"),
    [("DEBUG", 4, 2), ("info", 3, 2), ("WARNING", 2, 2), ("ERROR", 1, 1)],
)
def test_the_level_counts_for_us_and_libraries_speak_only_when_something_is_wrong(
    level: str, ours: int, theirs: int, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(level, "json")

    for logger in (structlog.get_logger(), logging.getLogger("other")):
        logger.debug("d")
        logger.info("i")
        logger.warning("w")
        logger.error("e")

    assert len(lines(capsys)) == ours + theirs


@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
@pytest.mark.parametrize("name", TALKATIVE)
def test_libraries_that_print_urls_are_silent(
    name: str, level: str, capsys: pytest.CaptureFixture[str]
) -> None:
    log.configure(level, "json")

    logging.getLogger(name).info("/plivo/stream?t=%s", "stream-token")
    logging.getLogger(name).debug("/plivo/stream?t=%s", "stream-token")

    assert lines(capsys) == []


def test_configuring_twice_does_not_double_the_lines(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")
    log.configure("INFO", "json")

    logging.getLogger("other").warning("once")

    assert len(lines(capsys)) == 1


# ---- the thread that writes ---------------------------------------------------------------------


class Slow(io.StringIO):
    """A disk that takes its time."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.goes_on = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.goes_on.wait(5.0)
        return super().write(text)


class Gone(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text: str) -> int:
        raise BrokenPipeError


def test_lines_are_written_in_order_and_all_of_them_by_the_end() -> None:
    out = io.StringIO()
    writer = LineWriter(out)

    for number in range(1000):
        writer.write(str(number))
    writer.close()

    assert out.getvalue().split() == [str(number) for number in range(1000)]


def test_a_slow_disk_stops_nobody_and_what_did_not_fit_is_told() -> None:
    out = Slow()
    writer = LineWriter(out)
    writer.write("first")
    out.reached.wait(5.0)

    for _ in range(MAX_WAITING + 4):
        writer.write("line")
    out.goes_on.set()
    writer.close()

    written = out.getvalue().splitlines()
    assert written[:3] == ["first", "4 log lines were lost", "line"]
    assert written.count("line") == MAX_WAITING


def test_a_pipe_that_nobody_reads_stops_nobody() -> None:
    writer = LineWriter(Gone())

    for _ in range(10):
        writer.write("line")
    writer.close()
    writer.write("after the end")


def test_values_within_values_are_text(capsys: pytest.CaptureFixture[str]) -> None:
    log.configure("INFO", "json")

    structlog.get_logger().info(
        "seen",
        names=["a\0b", ("c\x1b",)],
        facts={"k\0": {"in": "d\x07"}, "n": 1},
        deep=[[[["e\0"]]]],
    )

    (line,) = lines(capsys)
    told = json.loads(line)
    assert told["names"] == ["ab", ["c"]]
    assert told["facts"] == {"k": {"in": "d"}, "n": 1}
