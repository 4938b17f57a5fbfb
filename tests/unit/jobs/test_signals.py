"""Signals between those who write jobs, those who work on them and those who wait."""

from datetime import UTC, datetime

from fwai.jobs.signals import JobSignals

DUE = datetime(2026, 11, 22, tzinfo=UTC)


def test_every_worker_is_woken_and_every_worker_is_stopped() -> None:
    signals, heard = JobSignals(), list[object]()
    for name in ("first", "second"):
        signals.subscribe(
            lambda due, name=name: heard.append((name, due)),  # type: ignore[misc]
            lambda name=name: heard.append((name, "stop")),  # type: ignore[misc]
        )

    signals.written(DUE)
    signals.stop()

    assert heard == [("first", DUE), ("second", DUE), ("first", "stop"), ("second", "stop")]


def test_only_those_are_woken_whose_kinds_were_written() -> None:
    signals, heard = JobSignals(), list[str]()
    for name, kinds in (("all", None), ("sms", ["sms"]), ("dial", ["dial"])):
        signals.subscribe(
            lambda due, name=name: heard.append(name),  # type: ignore[misc]
            lambda: None,
            kinds,
        )

    signals.written(None, ["sms", "event"])
    assert heard == ["all", "sms"]
    signals.written(None)
    assert heard[2:] == ["all", "sms", "dial"]


def test_a_job_that_nobody_waits_for_settles_in_silence() -> None:
    JobSignals().settled("job_1")
