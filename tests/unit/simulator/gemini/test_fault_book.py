from fwai.simulator.gemini.fault_book import FaultBook, FaultHistory
from fwai.simulator.gemini.scenario import Fault, demo


def book(*faults: Fault) -> FaultBook:
    return FaultBook(demo().with_faults(*faults), FaultHistory())


def test_faults_are_found_by_session_turn_and_moment() -> None:
    cut = Fault(kind="close", session=1, turn=2, at="audio", after_ms=300)
    faults = book(cut, Fault(kind="mute", turn=3), Fault(kind="refuse", session=0))

    assert faults.strikes(1, "audio", 2) == [cut]
    assert faults.strikes(1, "audio", 1) == []
    assert faults.strikes(0, "audio", 2) == []
    assert faults.strikes(1, "turn_start", 2) == []
    assert faults.turn_fault(7, 3, "mute") is not None
    assert faults.turn_fault(7, 4, "mute") is None
    assert faults.session_fault(0, "refuse", 0.0) is not None
    assert faults.session_fault(1, "refuse", 0.0) is None


def test_a_fault_happens_so_many_times_and_from_a_turn_on() -> None:
    faults = book(Fault(kind="mute", from_turn=1, times=2))

    assert faults.turn_fault(0, 0, "mute") is None
    assert faults.turn_fault(0, 1, "mute") is not None
    assert faults.turn_fault(0, 1, "mute") is not None
    assert faults.turn_fault(1, 1, "mute") is not None
    assert faults.turn_fault(1, 2, "mute") is None


def test_a_fault_of_the_handshake_has_its_time() -> None:
    refuse = Fault(kind="refuse", from_ms=1_000, for_ms=2_000)
    faults = book(refuse)
    faults.history.began_ms = 500.0

    met = [ms for ms in (1_000, 1_500, 3_499, 3_500) if faults.session_fault(0, "refuse", ms)]

    assert met == [1_500, 3_499]
    assert faults.over_ms(refuse, 1_500) == 3_500


def test_a_fault_of_the_handshake_can_be_begun_by_hand() -> None:
    faults = book()
    for_ever, short = Fault(kind="setup_hang"), Fault(kind="reset", for_ms=100)
    faults.history.begun += [(for_ever, 50.0), (short, 50.0)]

    assert faults.session_fault(0, "setup_hang", 40.0) is None
    assert faults.session_fault(0, "setup_hang", 9_999.0) is for_ever
    assert faults.session_fault(0, "reset", 151.0) is None
    assert faults.over_ms(for_ever, 60.0) is None
    assert faults.over_ms(short, 60.0) == 150.0
