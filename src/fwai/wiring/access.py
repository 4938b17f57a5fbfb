"""Who may use the API and the pages, and the secrets in the data folder that this needs."""

from dataclasses import dataclass

import structlog

from fwai.config.secrets import MAKE_ONE
from fwai.config.settings import Settings
from fwai.errors import StoreError
from fwai.http.access import Access
from fwai.secret_file import LOCAL_KEY_FILE, SESSION_SECRET_FILE, SessionSecret, kept_secret

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class OpenedAccess:
    """Who may use this server.

    Attributes:
        access: Authenticates requests.
        secret: Of its sessions; ``run`` looks whether its file was deleted.
        warnings: What an operator should know; each was logged.
    """

    access: Access
    secret: SessionSecret
    warnings: list[str]


def open_access(settings: Settings, *, demo: bool = False) -> OpenedAccess:
    """Build who may use the API and call from the browser.

    A file that cannot be used is told of and done without: calls are answered all the same.

    Args:
        settings: Those of the process.
        demo: Every telephone is simulated on this machine, so whoever is on it is trusted.
    """
    warnings = []
    try:
        local_key = kept_secret(settings.data_dir / LOCAL_KEY_FILE)
    except StoreError as exc:
        local_key = ""
        warnings.append(_unusable(LOCAL_KEY_FILE, exc, "the commands call and jobs need --key"))
    try:
        secret = SessionSecret(settings.data_dir / SESSION_SECRET_FILE)
    except StoreError as exc:
        secret = SessionSecret()
        warnings.append(_unusable(SESSION_SECRET_FILE, exc, "a restart ends all sessions"))
    loopback = settings.trusts_local or (demo and not settings.api_keys)
    if not settings.api_keys and not loopback:
        _log.warning("api_off", fix=f"set API_KEYS; {MAKE_ONE}")
    access = Access(
        settings.keys,
        loopback=loopback,
        secure_cookies=settings.base_url.startswith("https:"),
        what="the API and calls from the browser are",
        local_key=local_key,
        secret=secret,
    )
    return OpenedAccess(access, secret, warnings)


def _unusable(name: str, exc: StoreError, effect: str) -> str:
    """Log why a file cannot be used, and return it without a path: anybody may read it there."""
    _log.warning("secret_file_unusable", file=name, cause=str(exc))
    return (
        f"DATA_DIR: {name} can be neither used nor made, the log says why; let the service's user "
        f"write there; until then {effect}"
    )
