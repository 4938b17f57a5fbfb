"""Plivo's hang-up causes: names and numbers.

Source: https://www.plivo.com/docs/voice/troubleshooting/hangup-causes (read 2026-11-22).
"""

from typing import Final

from fwai.simulator.common.cause import HangupCause

END_OF_XML: Final = HangupCause("End Of XML Instructions", "4010")
CANCELED: Final = HangupCause("Cancelled", "1000", "ORIGINATOR_CANCEL", "cancel")
NO_ANSWER: Final = HangupCause("No Answer", "3000", "NO_ANSWER", "no-answer")
BUSY: Final = HangupCause("Busy Line", "3010", "USER_BUSY", "busy")
REJECTED: Final = HangupCause("Rejected", "3020", "CALL_REJECTED", "busy")
TIMED_OUT: Final = HangupCause("Ring Timeout Reached", "6000", "NO_ANSWER", "timeout")
TIME_LIMIT: Final = HangupCause("Scheduled Hangup", "4020", "ALLOTTED_TIMEOUT")
ANSWER_UNREACHABLE: Final = HangupCause("Error Reaching Answer URL", "7011", status="failed")
ANSWER_INVALID: Final = HangupCause("Invalid Answer XML", "8011", status="failed")
MACHINE: Final = HangupCause("Machine Detected", "9100")
TRANSFER_UNREACHABLE: Final = HangupCause("Error Reaching Transfer URL", "7013")
TRANSFER_INVALID: Final = HangupCause("Invalid Transfer XML", "8013")
REDIRECT_UNREACHABLE: Final = HangupCause("Error Reaching Redirect URL", "7014")
REDIRECT_INVALID: Final = HangupCause("Invalid Redirect XML", "8014")
