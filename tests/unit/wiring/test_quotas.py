"""Each daily limit is the one that its setting names."""

import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fwai.config.settings import Settings
from fwai.interfaces.limits import UNHEARD
from fwai.jobs.quotas import Quotas
from fwai.wiring.quotas import daily_quotas
from unit.jobs.test_quotas import Memory

LIMITED = {
    "send_sms": "daily_sms_limit",
    "send_email": "daily_email_limit",
    "new_recipients": "daily_new_recipients",
    "send_whatsapp": "daily_whatsapp_limit",
    "ask_call_permission": "daily_whatsapp_limit",
    "callback": "daily_callback_limit",
}


def quotas(**limits: int) -> Quotas:
    store: Any = SimpleNamespace(quota_counts=Memory())
    return daily_quotas(Settings.model_construct(**cast("Any", limits)), store, UNHEARD)


@pytest.mark.parametrize(("name", "setting"), LIMITED.items())
async def test_a_setting_limits_its_own_kind_and_its_warning_names_it(
    name: str, setting: str
) -> None:
    limited = quotas(**{setting: 1})
    recipient = "+919999900009" if name == "new_recipients" else ""
    kind = "send_sms" if recipient else name

    first = await limited.take(kind, recipient)
    second = await limited.take(kind, recipient.replace("9", "8"))

    assert first == ""
    assert second
    (standing,) = limited.standing()
    assert re.search(rf"^limits: {name}: the 1 .*raise {setting.upper()} if", standing.sentence)


async def test_what_callers_cannot_choose_is_not_counted() -> None:
    assert await quotas(**dict.fromkeys(LIMITED.values(), 0)).take("call") == ""
