"""Another account in a stream: said once, by its end."""

import pytest
from structlog.testing import capture_logs

from fwai.adapters.account_log import AccountLog


@pytest.mark.parametrize(
    ("account", "ours"),
    [("MA1", True), ("ma1", True), (" MA1 ", True), ("MA", False), ("500025", False), ("", False)],
)
def test_letters_case_makes_no_other_account(account: str, ours: bool) -> None:
    assert AccountLog("plivo", "MA1").is_ours(account) is ours


def test_another_account_is_said_once_and_none_never() -> None:
    accounts = AccountLog("plivo", "MA1")
    with capture_logs() as logs:
        for account in ("", "  ", "ma1", "MAOTHER500025", "MAOTHER500026"):
            accounts.note(account)

    assert logs == [
        {
            "event": "stream_account_differs",
            "provider": "plivo",
            "account": "0025",
            "log_level": "info",
        }
    ]
