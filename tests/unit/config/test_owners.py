"""Who the owner is, and what a caller may have sent, as the settings say it."""

import pytest

from fwai.config.loading import load_settings
from fwai.config.settings import Settings
from fwai.errors import ConfigError
from fwai.wiring.tools import recipient_rules
from unit.config.test_values import GOOD


def given(**changes: object) -> Settings:
    return load_settings({**GOOD, **changes}, environment=False)


def problems(**changes: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as refused:
        given(**changes)
    return refused.value.problems


def test_the_owner_is_known_however_they_are_written() -> None:
    rules = recipient_rules(
        given(owner_phones="+91 99999-00001, 0091 99999 00002", owner_emails="Desk@Example.com")
    )

    assert rules.owner_phones == {"+919999900001", "+919999900002"}
    assert rules.owner_emails == {"desk@example.com"}
    assert rules.keep_words
    assert not recipient_rules(given(enable_transcripts="false")).keep_words


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"owner_phones": "+919999900001, 99999"}, "OWNER_PHONES: number 2 of 2: "),
        ({"owner_phones": "+91 1860 123 4567"}, "OWNER_PHONES: number 1 of 1: it is a shared-cost"),
        ({"owner_emails": "desk"}, "OWNER_EMAILS: number 1 of 1: there is no @"),
        ({"daily_sms_limit": "-1"}, "DAILY_SMS_LIMIT: "),
        ({"daily_new_recipients": "many"}, "DAILY_NEW_RECIPIENTS: "),
        ({"calling_countries": "1415"}, "CALLING_COUNTRIES: '1415' is no country code"),
    ],
)
def test_a_wrong_one_is_named_with_its_fix(changes: dict[str, str], problem: str) -> None:
    (found,) = problems(**changes)

    assert found.startswith(problem)
