"""The daily limits of what callers can have sent, as the settings have them."""

from fwai.config.settings import Settings
from fwai.domain.job import ASK_CALL_PERMISSION, CALLBACK, SEND_EMAIL, SEND_SMS, SEND_WHATSAPP
from fwai.domain.quota import NEW_RECIPIENTS, Quota
from fwai.interfaces.limits import DailyLimitAlarms
from fwai.jobs.quotas import Quotas
from fwai.store.open import Store


def daily_quotas(settings: Settings, store: Store, alarms: DailyLimitAlarms) -> Quotas:
    """Build what limits the messages and callbacks of a day, for the whole installation."""
    return Quotas(store.quota_counts, _limits(settings), settings.zone, alarms)


def _limits(settings: Settings) -> list[Quota]:
    whatsapp = settings.daily_whatsapp_limit, "WhatsApp messages", "DAILY_WHATSAPP_LIMIT"
    return [
        Quota(
            SEND_SMS,
            settings.daily_sms_limit,
            "text messages to dictated numbers",
            "DAILY_SMS_LIMIT",
        ),
        Quota(
            SEND_EMAIL,
            settings.daily_email_limit,
            "e-mails to dictated addresses",
            "DAILY_EMAIL_LIMIT",
        ),
        Quota(
            NEW_RECIPIENTS,
            settings.daily_new_recipients,
            "messages to people we have not written to before",
            "DAILY_NEW_RECIPIENTS",
        ),
        Quota(SEND_WHATSAPP, *whatsapp),
        Quota(ASK_CALL_PERMISSION, *whatsapp),
        Quota(CALLBACK, settings.daily_callback_limit, "callbacks", "DAILY_CALLBACK_LIMIT"),
    ]
