"""The file of credentials that n8n imports."""

import base64
import json
import stat
from pathlib import Path

import pytest
from scripts.n8n.credentials import CredentialsError, credentials, main, signing_text, write

TEXT = "0123456789abcdefABCDEFGH"


def whsec(raw: bytes) -> str:
    return "whsec_" + base64.b64encode(raw).decode()


def test_the_three_credentials_have_the_ids_of_the_flows_and_the_key_as_text() -> None:
    entries = credentials("key-1", whsec(TEXT.encode()), lambda: "form-key")

    assert [(one["id"], one["data"]) for one in entries] == [
        ("fwaiBearer000001", {"token": "key-1"}),
        ("fwaiCrypto000001", {"hmacSecret": TEXT}),
        ("fwaiHeader000001", {"name": "X-FWAI-Key", "value": "form-key"}),
    ]


def test_every_form_key_is_a_new_one() -> None:
    first, second = (credentials("key-1", whsec(TEXT.encode()))[2]["data"] for _ in range(2))

    assert first != second


@pytest.mark.parametrize(
    ("secret", "named"),
    [
        ("", "EVENTS_WEBHOOK_SECRET must begin with whsec_"),
        (base64.b64encode(TEXT.encode()).decode(), "EVENTS_WEBHOOK_SECRET must begin with whsec_"),
        ("whsec_not base64!", "not base64"),
        (whsec(bytes(range(128, 160))), "cannot be typed"),
        (whsec(b"0123456789abcdefABCDEFGH\n"), "cannot be typed"),
        (whsec(b"0123456789 abcdefABCDEFGH"), "cannot be typed"),
        (whsec(b"short"), "24 to 64 bytes"),
    ],
)
def test_a_secret_that_n8n_cannot_hold_is_refused_with_the_fix(secret: str, named: str) -> None:
    with pytest.raises(CredentialsError, match=named) as refused:
        signing_text(secret)

    assert "python3 -c" in str(refused.value)
    assert not secret or secret not in str(refused.value)


def test_without_a_key_nothing_is_made() -> None:
    with pytest.raises(CredentialsError, match="API_KEYS"):
        credentials("", whsec(TEXT.encode()))


def test_only_the_owner_can_read_the_file_even_if_it_was_open_before(tmp_path: Path) -> None:
    path = tmp_path / "creds.json"
    path.write_text("old")
    path.chmod(0o644)

    write(path, [{"id": "x"}])

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(path.read_text()) == [{"id": "x"}]


def test_the_program_reads_the_environment_and_says_where_it_wrote(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEYS", "key-1, key-2")
    secrets = [whsec(TEXT.encode()), whsec(b"the-old-one-that-was-before-it")]
    monkeypatch.setenv("EVENTS_WEBHOOK_SECRET", ",".join(secrets))

    code = main(["--output", "out.json"])
    said = capsys.readouterr().out

    assert code == 0
    entries = json.loads((tmp_path / "out.json").read_text())
    assert entries[0]["data"] == {"token": "key-1"}
    assert entries[1]["data"] == {"hmacSecret": TEXT}
    assert "out.json" in said
    assert TEXT not in said
    assert "key-1" not in said


def test_the_program_refuses_in_one_line_and_writes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("API_KEYS", "key-1")
    monkeypatch.setenv("EVENTS_WEBHOOK_SECRET", "plain")

    assert main(["--output", "out.json"]) == 2
    assert "EVENTS_WEBHOOK_SECRET" in capsys.readouterr().err
    assert not (tmp_path / "out.json").exists()
