"""Compares the account that a stream names with ours.

What binds a stream is its token and its call. The account is only a hint: documents and live
streams differ in how they write it, so another one is said in the log, once, and nothing more.
"""

import structlog

_log = structlog.get_logger()


class AccountLog:
    """Compares accounts, and says once per process that streams name another one.

    Args:
        provider: Whose streams.
        account_id: Ours.
    """

    def __init__(self, provider: str, account_id: str) -> None:
        self._provider = provider
        self._account_id = account_id.strip().lower()
        self._told = False

    def is_ours(self, account_id: str) -> bool:
        """Whether an account is ours, whatever the case of its letters."""
        return account_id.strip().lower() == self._account_id

    def note(self, account_id: str) -> None:
        """Log the first account that is not ours; its last four characters only."""
        if account_id.strip() and not self.is_ours(account_id) and not self._told:
            self._told = True
            _log.info(
                "stream_account_differs", provider=self._provider, account=account_id.strip()[-4:]
            )
