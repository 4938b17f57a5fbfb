"""What is wrong with the Live service, by each of the ways in which it can say so."""

import errno
import socket
import ssl
from pathlib import Path

import pytest

from fwai.gemini import faults
from fwai.gemini.connection import close_error
from fwai.gemini.faults import (
    ADDRESS,
    DNS,
    FAULTS,
    KEY,
    LINK,
    MAX_CAUSE,
    MODEL,
    QUOTA,
    REGION,
    REQUEST,
    SERVICE,
    SETUP,
    TIMEOUT,
    TLS,
    UNREACHABLE,
    LiveFault,
    cause_of,
    fault_of_close,
    fault_of_error,
    fault_of_status,
)

SECRET = "AIzaSyA-very-secret-key-of-somebody-0123456"

STATUSES: list[tuple[int | None, LiveFault]] = [
    (401, KEY), (403, KEY), (400, REQUEST), (404, ADDRESS), (429, QUOTA), (408, TIMEOUT),
    (500, SERVICE), (502, SERVICE), (503, SERVICE), (504, SERVICE), (200, ADDRESS), (302, ADDRESS),
    (405, ADDRESS), (410, ADDRESS), (None, LINK),
]  # fmt: skip

# Code, the service's words, in answer to the set-up or later, what it means.
CLOSES: list[tuple[int, str, bool, LiveFault]] = [
    (1007, "API key not valid. Please pass a valid API key.", True, KEY),
    (1008, "API key expired. Please renew the API key.", True, KEY),
    (1008, "Your API key was reported as leaked. Please use another API key.", False, KEY),
    (1007, f"API_KEY_INVALID: {SECRET}", True, KEY),
    (1011, "Request had invalid authentication credentials. Expected OAuth 2 access token", True,
     KEY),
    (1008, "Generative Language API has not been used in project 1 before or it is disabled", True,
     KEY),
    (1008, "PERMISSION_DENIED: caller does not have permission", True, KEY),
    (1007, "User location is not supported for the API use.", True, REGION),
    (1008, "models/nope is not found for API version v1beta, or not supported", True, MODEL),
    (1008, "model not found", True, MODEL),
    (1008, "models/old has been shut down", True, MODEL),
    (1007, "Request contains an invalid argument.", True, SETUP),
    (1007, "Unknown voice Nobody", True, SETUP),
    (1007, "invalid handle", False, SETUP),
    (1008, "Operation is not implemented, or supported, or enabled.", True, SETUP),
    (1008, "Operation is not implemented, or supported, or enabled.", False, SERVICE),
    (1011, "You exceeded your current quota, please check your plan and billing details", True,
     QUOTA),
    (1008, "RESOURCE_EXHAUSTED", False, QUOTA),
    (1011, "Your prepayment credits are depleted", True, QUOTA),
    (1011, "Internal error encountered.", False, SERVICE),
    (1011, "Deadline expired before operation could complete.", False, SERVICE),
    (1000, "", False, SERVICE), (1001, "", False, SERVICE), (1012, "", False, SERVICE),
    (1006, "", True, LINK), (1006, "", False, LINK),
    (1008, "session not found", True, SETUP), (1008, "session not found", False, SERVICE),
]  # fmt: skip

ERRORS: list[tuple[BaseException, LiveFault]] = [
    (socket.gaierror(-2, "Name or service not known"), DNS),
    (ssl.SSLCertVerificationError("certificate has expired"), TLS),
    (ssl.SSLError("WRONG_VERSION_NUMBER"), TLS),
    (TimeoutError(), TIMEOUT),
    (ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed"), UNREACHABLE),
    (ConnectionResetError(), UNREACHABLE),
    (OSError(errno.ENETUNREACH, "Network is unreachable"), UNREACHABLE),
    (OSError(errno.EHOSTUNREACH, "No route to host"), UNREACHABLE),
    (ValueError("Port out of range 0-65535"), ADDRESS),
]


@pytest.mark.parametrize(("status", "fault"), STATUSES)
def test_an_http_status_is_told(status: int | None, fault: LiveFault) -> None:
    assert fault_of_status(status) is fault


@pytest.mark.parametrize(("code", "words", "opening", "fault"), CLOSES)
def test_a_close_is_told_by_its_words_first_and_then_by_its_code(
    code: int, words: str, opening: bool, fault: LiveFault
) -> None:
    assert fault_of_close(code, words, opening=opening) is fault
    assert fault_of_close(code, words.upper(), opening=opening) is fault


@pytest.mark.parametrize(("error", "fault"), ERRORS, ids=repr)
def test_an_error_of_the_connection_is_told(error: BaseException, fault: LiveFault) -> None:
    assert fault_of_error(error) is fault


@pytest.mark.parametrize("fault", FAULTS.values(), ids=lambda one: one.name)
@pytest.mark.parametrize("detail", ["", "HTTP 403", "close 1007, about voice and language"])
def test_every_cause_names_what_to_look_at_and_fits_a_calls_record(
    fault: LiveFault, detail: str
) -> None:
    cause = cause_of(fault.name, detail, tries=6)

    assert cause.startswith(fault.what)
    assert len(cause) <= MAX_CAUSE
    assert fault.check in cause or detail.startswith("close 1007"), "only what is long is cut"
    assert cause.isascii()


def test_a_cause_of_which_nothing_is_known_is_one_nevertheless() -> None:
    assert cause_of("", "") == f"{SERVICE.what}: {SERVICE.check}"


@pytest.mark.parametrize("code", [1007, 1008, 1011])
def test_the_services_own_words_go_no_further(code: int) -> None:
    url = f"wss://generativelanguage.googleapis.com/ws?key={SECRET}"
    words = f"API key {SECRET} is bad, see {url}; the prompt was: Asha, +919999900001, voice Puck"

    error = close_error(code, words, opening=True)

    for told in (str(error), error.detail, cause_of(error.fault, error.detail)):
        assert SECRET not in told
        assert "Asha" not in told
        assert "919999" not in told
        assert "Puck" not in told


def test_what_of_the_setup_is_refused_is_named() -> None:
    error = close_error(1007, "Voice Nobody is not a voice; check the language, too", opening=True)

    assert cause_of(error.fault, error.detail) == (
        "Gemini refuses the set-up (close 1007, about voice and language): "
        "check prompts.json and GEMINI_MODEL"
    )


@pytest.mark.parametrize("fault", [one for one in FAULTS.values() if one.lasting])
def test_what_needs_a_person_is_not_tried_again(fault: LiveFault) -> None:
    words = {
        faults.KEY: "API key not valid",
        faults.REGION: "location is not supported",
        faults.MODEL: "model not found",
    }.get(fault)
    if words is not None:
        error = close_error(1011, words)
        assert (error.fault, error.resumable, error.fresh) == (fault.name, False, False)
    assert fault.stops_calls


def test_every_fault_stands_in_the_documentation_with_its_fix_and_what_readyz_says() -> None:
    page = (Path(__file__).parents[3] / "docs" / "FAILURES.md").read_text("utf-8")
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in page.splitlines()
        if line.startswith(("| Gemini", "| the connection to Gemini"))
    ]

    assert [row[:2] for row in rows] == [[one.what, one.fix] for one in FAULTS.values()]
    assert [row[2][:3] == "503" for row in rows] == [one.stops_calls for one in FAULTS.values()]
