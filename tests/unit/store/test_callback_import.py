import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from hypothesis import given, settings
from hypothesis import strategies as st

from fwai.domain.callback import MAX_NOTE, NewCallback
from fwai.errors import StoreError
from fwai.store import callback_import as old_callbacks
from fwai.store.callback_import import import_once, parse_old_callbacks
from fwai.store.callbacks import Callbacks
from fwai.store.database import Database
from fwai.store.jobs import Jobs
from tables import each_row
from unit.store.kit import KOLKATA, NOW, OTHER_PHONE, PHONE, T0, Clock, at, jobs_in

DUE = at(3600)
ISO = DUE.isoformat()
ITEM = {"phone": PHONE, "scheduled_time": ISO, "note": "about the demo"}


def parse(raw: object) -> tuple[list[NewCallback], list[str]]:
    old = parse_old_callbacks(raw, KOLKATA, NOW, "FWAI_Core")
    return old.found, old.problems


def one(**changes: object) -> NewCallback:
    (new,), problems = parse([ITEM | changes])
    assert problems == []
    return new


# ---- shapes -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "raw",
    [
        [ITEM],
        {"callbacks": [ITEM]},
        {"callbacks": {"id-1": ITEM}, "version": 1},
        {"id-1": ITEM},
    ],
    ids=["list", "under callbacks", "by id under callbacks", "by id"],
)
def test_a_promise_is_found_in_each_shape(raw: object) -> None:
    (new,), problems = parse(raw)

    assert problems == []
    assert new == NewCallback(new.key, PHONE, "", "FWAI_Core", DUE, "about the demo")
    assert new.key.startswith("import:")
    assert len(new.key) <= 160


@pytest.mark.parametrize("raw", [None, 7, "text", True])
def test_what_is_no_list_is_told(raw: object) -> None:
    assert parse(raw) == ([], ["the file holds no list of callbacks"])


@pytest.mark.parametrize("raw", [[], {}, {"callbacks": []}])
def test_there_may_be_no_promises(raw: object) -> None:
    assert parse(raw) == ([], [])


@pytest.mark.parametrize("name", ["phone", "phone_number", "to", "number", "customer_phone"])
def test_the_number_has_many_names(name: str) -> None:
    (new,), _ = parse([{name: OTHER_PHONE, "time": ISO}])

    assert new.phone == OTHER_PHONE


@pytest.mark.parametrize(
    "name",
    ["scheduled_time", "callback_time", "preferred_time", "when", "time", "datetime"],
)
def test_the_time_has_many_names(name: str) -> None:
    (new,), _ = parse([{"phone": PHONE, name: ISO}])

    assert new.due_at == DUE


@pytest.mark.parametrize("name", ["note", "reason", "message", "context", "notes"])
def test_the_note_has_many_names(name: str) -> None:
    (new,), _ = parse([{"phone": PHONE, "time": ISO, name: " about the demo "}])

    assert new.note == "about the demo"


def test_names_that_say_nothing_are_passed_over() -> None:
    (new,), _ = parse([{"phone": "", "to": PHONE, "when": None, "time": ISO, "note": {"a": 1}}])

    assert (new.phone, new.due_at, new.note) == (PHONE, DUE, "")


# ---- values -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "time",
    [
        ISO,
        "2026-11-24T10:30:00+05:30",
        "2026-11-24T10:30",
        "2026-11-24 10:30:00",
        "2026-11-24T05:00:00Z",
        int(T0) + 3600,
        T0 + 3600,
        str(int(T0) + 3600),
        (int(T0) + 3600) * 1000,
        f" {(int(T0) + 3600) * 1000} ",
    ],
)
def test_times_are_understood(time: object) -> None:
    assert one(scheduled_time=time).due_at == DUE


@pytest.mark.parametrize(
    "time",
    [
        "tomorrow at 5 pm",
        "5 pm",
        "17:00",
        "2026-11-24",
        "20261124",
        "2026-W48-2",
        "",
        None,
        True,
        0,
        -5,
        3600,
        1e300,
        float("nan"),
        {"hour": 5},
        [ISO],
        "0001-01-01T00:00:00",
        "9999-12-31T23:59:59-12:00",
    ],
)
def test_times_that_are_not_clear_are_told_and_not_guessed(time: object) -> None:
    found, problems = parse([ITEM, ITEM | {"scheduled_time": time}])

    assert len(found) == 1
    (problem,) = problems
    assert problem.startswith("entry 2: ")
    assert "time" in problem


@each_row(
    ("phone", "read"),
    [
        ("+91 99999 00001", PHONE),
        ("00919999900001", PHONE),
        ("919999900001", PHONE),
        (919999900001, PHONE),
        ("(+91) 99999-00001", PHONE),
        (919999900001.0, PHONE),
        ("919999900001.0", PHONE),
        ("+91 (0)99999 00001", PHONE),
        ("12025550123", "+12025550123"),
        ("+91 99999 0000", None),
        ("+91919999900001", None),
        ("+91 99999 00001, 99999 00002", None),
        (float("nan"), None),
        ("9999900001", None),
        ("09999900001", None),
        (9999900001, None),
        ("Asha", None),
        ("+", None),
        ("", None),
        (None, None),
        (True, None),
        (9.1e11, None),
        (["+919999900001"], None),
    ],
)
def test_numbers_without_their_country_are_told_and_not_guessed(
    phone: object, read: str | None
) -> None:
    found, problems = parse([ITEM | {"phone": phone}])

    assert [new.phone for new in found] == ([read] if read else [])
    assert [problem.split(":")[0] for problem in problems] == ([] if read else ["entry 1"])


@pytest.mark.parametrize(
    "over",
    [
        {"status": "completed"},
        {"status": " Done "},
        {"status": "CANCELLED"},
        {"status": "canceled"},
        {"status": "failed"},
        {"completed": True},
    ],
)
def test_what_is_over_is_passed_over_in_silence(over: dict[str, object]) -> None:
    assert parse([ITEM | over, {"time": "?"} | over]) == ([], [])


@pytest.mark.parametrize("name", ["status", "state"])
@pytest.mark.parametrize("status", ["pending", "scheduled", " Pending ", "", None])
def test_what_is_not_over_is_a_promise(name: str, status: object) -> None:
    assert one(**{name: status}, completed=False, failed=0, called="no").phone == PHONE


@pytest.mark.parametrize(
    "unclear",
    [
        *({"status": word} for word in (
            "expired", "success", "called", "deleted", "rescheduled", "in_progress", "no_answer",
            "paused", "3", 3, True, ["pending"], {"is": "pending"},
        )),
        {"state": "expired"},
        {"status": "pending", "state": "called"},
        {"called": True},
        {"deleted": "true"},
        {"expired": 1},
    ],
)  # fmt: skip
def test_what_is_perhaps_not_to_be_called_is_told_and_not_called(unclear: dict[str, Any]) -> None:
    found, (problem,) = parse([ITEM | unclear, ITEM])

    assert len(found) == 1
    assert problem.startswith("entry 1: it")


@pytest.mark.parametrize("over", [{"completed": "2026-11-01"}, {"done": "yes"}, {"missed": 1}])
def test_whatever_says_that_it_is_over_is_believed(over: dict[str, object]) -> None:
    assert parse([ITEM | over]) == ([], [])


@pytest.mark.parametrize(
    ("more", "names"),
    [
        ({"to": OTHER_PHONE}, "phone, to are different numbers"),
        ({"number": OTHER_PHONE, "to": PHONE}, "phone, to, number are different numbers"),
        ({"time": at(7200).isoformat()}, "scheduled_time, time are different times"),
        ({"when": int(T0)}, "scheduled_time, when are different times"),
        ({"to": "Asha"}, "there is no number in it"),
        ({"time": "5 pm"}, "its time cannot be understood"),
    ],
)
def test_of_two_numbers_or_times_none_is_guessed(more: dict[str, object], names: str) -> None:
    found, (problem,) = parse([ITEM | more])

    assert found == []
    assert problem.startswith(f"entry 1: {names}")
    assert PHONE not in problem


def test_a_number_and_a_time_may_be_said_twice() -> None:
    twice = one(to="0091 99999 00001", when=int(DUE.timestamp()))
    assert (twice.phone, twice.due_at) == (PHONE, DUE)


def test_what_is_over_by_its_time_is_told() -> None:
    late = (NOW - timedelta(days=1)).isoformat()
    too_late = (NOW - timedelta(days=1, seconds=1)).isoformat()

    found, problems = parse([ITEM | {"scheduled_time": time} for time in (late, too_late)])

    assert len(found) == 1
    assert problems == ["entry 2: its time is over"]


def test_what_is_no_object_is_told_by_its_position() -> None:
    found, problems = parse([ITEM, "text", 7, None, [ITEM]])

    assert len(found) == 1
    assert problems == [f"entry {position}: is not an object" for position in (2, 3, 4, 5)]


def test_what_is_told_holds_nothing_personal() -> None:
    bad = {"phone": "99999 00001", "time": ISO, "note": "Asha"}
    worse = {"phone": PHONE, "time": "when Asha is back"}

    _, problems = parse([bad, worse])

    assert len(problems) == 2
    assert not any(word in text for text in problems for word in ("Asha", "00001", "back"))


def test_a_long_note_is_cut() -> None:
    assert len(one(note="x" * 999).note) == MAX_NOTE


def test_the_same_promise_has_the_same_key_however_it_is_written() -> None:
    other = {"to": PHONE.lstrip("+"), "when": int(DUE.timestamp()), "reason": "about the demo"}

    found, problems = parse([ITEM, other, ITEM | {"id": 7}])

    assert (len(found), problems) == (1, [])
    keys = {one(note="x").key, one(phone=OTHER_PHONE).key, one(scheduled_time=T0).key}
    assert len(keys | {found[0].key}) == 4


def test_there_is_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(old_callbacks, "MAX_CALLBACKS", 2)

    found, problems = parse([ITEM | {"note": str(number)} for number in range(5)])

    assert len(found) == 2
    assert problems == ["entry 3 and what follows: too many"]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=30),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["callbacks", "phone", "time", "note", "status", "id"]), inner
        )
    ),
    max_leaves=12,
)


@settings(deadline=None)
@given(json_values)
def test_nothing_that_a_file_may_hold_is_a_fault(raw: object) -> None:
    found, problems = parse(raw)

    assert all(new.due_at.tzinfo is UTC for new in found)
    assert all(isinstance(problem, str) for problem in problems)


# ---- the file -----------------------------------------------------------------------------------


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def jobs(database: Database, clock: Clock) -> Jobs:
    return jobs_in(database, clock)


@pytest.fixture
def callbacks(database: Database, jobs: Jobs, clock: Clock) -> Callbacks:
    return Callbacks(database, jobs, clock=clock)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "callbacks.json"


def done(path: Path) -> Path:
    return path.with_name("callbacks.json.imported")


async def imported(path: Path, callbacks: Callbacks) -> int:
    return await import_once(
        path, callbacks, zone=KOLKATA, default_agent="FWAI_Core", clock=lambda: NOW
    )


async def test_a_file_is_imported_and_put_aside(
    path: Path, callbacks: Callbacks, jobs: Jobs
) -> None:
    path.write_text(json.dumps([ITEM, ITEM | {"phone": "Asha"}]))

    with structlog.testing.capture_logs() as logs:
        assert await imported(path, callbacks) == 1

    (callback,) = await callbacks.page()
    assert (callback.phone, callback.due_at, callback.note) == (PHONE, DUE, "about the demo")
    assert await jobs.by_key(f"callback:{callback.id}:0") is not None
    assert not path.exists()
    assert json.loads(done(path).read_text()) == {"entry 2": ITEM | {"phone": "Asha"}}
    assert done(path).stat().st_mode & 0o777 == 0o600
    assert [log["event"] for log in logs] == ["old_callback_not_imported", "old_callbacks_imported"]
    assert "Asha" not in str(logs)
    assert PHONE not in str(logs)


async def test_of_a_file_that_was_imported_nothing_is_kept(
    path: Path, callbacks: Callbacks
) -> None:
    path.write_text(json.dumps([ITEM, ITEM | {"status": "done"}]))

    assert await imported(path, callbacks) == 1

    assert list(path.parent.glob("callbacks.json*")) == []


async def test_what_was_kept_is_imported_once_it_is_put_right(
    path: Path, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(old_callbacks, "MAX_CALLBACKS", 1)
    path.write_text(json.dumps([ITEM, ITEM | {"note": "another"}]))
    assert await imported(path, callbacks) == 1

    done(path).rename(path)

    assert await imported(path, callbacks) == 1
    assert {one.note for one in await callbacks.page()} == {"about the demo", "another"}
    assert list(path.parent.glob("callbacks.json*")) == []


@pytest.mark.parametrize("depth", [*range(200, 1000, 50), *range(950, 1000)])
def test_what_is_nested_deep_stays_whole(path: Path, depth: int) -> None:
    raw: object = "Asha"
    for _ in range(depth):
        raw = [raw]
    path.write_text("the file as it was")

    old_callbacks._put_aside(path, done(path), {"entry 1": raw})

    assert not path.exists()
    kept = done(path).read_text()
    assert kept == "the file as it was" or "Asha" in kept


async def test_a_file_that_is_no_list_is_put_aside_whole(path: Path, callbacks: Callbacks) -> None:
    path.write_text('"text"')

    assert await imported(path, callbacks) == 0

    assert not path.exists()
    assert done(path).read_text() == '"text"'


async def test_without_a_file_nothing_happens(path: Path, callbacks: Callbacks) -> None:
    assert await imported(path, callbacks) == 0


async def test_a_crash_in_between_imports_nothing_twice(
    path: Path, callbacks: Callbacks, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.write_text(json.dumps([ITEM, ITEM | {"note": "another"}]))

    def fail(*_: Any) -> None:  # noqa: ANN401 - as pathlib calls it
        raise OSError(28, "the power failed")

    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", fail)
        with pytest.raises(StoreError, match="cannot be removed"):
            await imported(path, callbacks)
    (first, _) = await callbacks.page()
    await callbacks.cancel(first.id)

    assert await imported(path, callbacks) == 0

    assert len(await callbacks.page()) == 2
    assert not path.exists()


@pytest.mark.parametrize("data", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b" " * 10_000_001])
async def test_a_file_that_cannot_be_read_stays(
    path: Path, callbacks: Callbacks, data: bytes
) -> None:
    path.write_bytes(data)

    with structlog.testing.capture_logs() as logs:
        assert await imported(path, callbacks) == 0

    assert path.exists()
    assert [log["event"] for log in logs] == ["old_callbacks_unreadable"]


async def test_a_database_that_fails_leaves_the_file(
    path: Path, callbacks: Callbacks, database: Database
) -> None:
    path.write_text(json.dumps([ITEM]))
    async with database.write() as connection:
        await connection.exec_driver_sql("DROP TABLE jobs")

    with pytest.raises(StoreError):
        await imported(path, callbacks)

    assert path.exists()


def test_a_time_without_a_zone_is_in_the_server_s_zone() -> None:
    assert one(scheduled_time="2026-11-24T23:00:00").due_at == datetime(
        2026, 11, 24, 17, 30, tzinfo=UTC
    )
