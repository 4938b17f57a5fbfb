"""Why a call ended, in Plivo's words.

Source: https://www.plivo.com/docs/voice/troubleshooting/hangup-causes (read 2026-11-22).
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class HangupCause:
    """One row of Plivo's table.

    Attributes:
        name: ``HangupCauseName``.
        code: ``HangupCauseCode``.
        cause: ``HangupCause``, the carrier's word.
        status: ``CallStatus`` of the hang-up webhook.
    """

    name: str
    code: str
    cause: str = "NORMAL_CLEARING"
    status: str = "completed"


NORMAL = HangupCause("Normal Hangup", "4000")
END_OF_XML = HangupCause("End Of XML Instructions", "4010")
CANCELED = HangupCause("Cancelled", "1000", "ORIGINATOR_CANCEL", "cancel")
NO_ANSWER = HangupCause("No Answer", "3000", "NO_ANSWER", "no-answer")
BUSY = HangupCause("Busy Line", "3010", "USER_BUSY", "busy")
REJECTED = HangupCause("Rejected", "3020", "CALL_REJECTED", "busy")
TIMED_OUT = HangupCause("Ring Timeout Reached", "6000", "NO_ANSWER", "timeout")
FAILED = HangupCause("Network Error", "5000", "NETWORK_OUT_OF_ORDER", "failed")
TIME_LIMIT = HangupCause("Scheduled Hangup", "4020", "ALLOTTED_TIMEOUT")
ANSWER_UNREACHABLE = HangupCause("Error Reaching Answer URL", "7011", status="failed")
ANSWER_INVALID = HangupCause("Invalid Answer XML", "8011", status="failed")
MACHINE = HangupCause("Machine Detected", "9100")
TRANSFER_UNREACHABLE = HangupCause("Error Reaching Transfer URL", "7013")
TRANSFER_INVALID = HangupCause("Invalid Transfer XML", "8013")
REDIRECT_UNREACHABLE = HangupCause("Error Reaching Redirect URL", "7014")
REDIRECT_INVALID = HangupCause("Invalid Redirect XML", "8014")


@dataclass(frozen=True, slots=True)
class Ending:
    """How a call ended.

    Attributes:
        by: Who ended it, in the words of ``CallReport.ended_by``.
        cause: What Plivo calls it.
        source: ``HangupSource``.
        told: Whether the hang-up webhook is sent.
    """

    by: str
    cause: HangupCause
    source: str
    told: bool = True
