"""What becomes of jobs whose settings were taken away: they are given up, for somebody to see."""

from fwai.domain.job import Begin, Dead, Job, JobOutcome


class Unconfigured:
    """Handles jobs of a kind that this server no longer does.

    A job of a kind without a handler would wait for ever, unseen; one that is dead is listed, and
    can be tried again once the settings are back.

    Args:
        needs: The settings that are missing.
    """

    def __init__(self, needs: str) -> None:
        self._needs = needs

    async def __call__(
        self,
        job: Job,
        begin: Begin,  # noqa: ARG002 - nothing is done
    ) -> JobOutcome:
        """Give it up."""
        return Dead(f"{job.kind} is not configured any more; it needs {self._needs}")
