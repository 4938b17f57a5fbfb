"""How the round trip drives n8n, with a stand-in for the program."""

import json
from pathlib import Path

import pytest
from scripts.n8n.build import texts
from scripts.n8n.process import N8n, N8nFailedError, NoN8nError, filled_in, find

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZkFCQ0RFRkdI"
STAND_IN = """#!/bin/sh
echo "$1 $2" >> "$N8N_USER_FOLDER/asked"
[ "$1" = "import:credentials" ] && cp "$N8N_USER_FOLDER/credentials.json" "$N8N_USER_FOLDER/kept"
[ "$1" = "{fails}" ] && {{ echo "it went wrong"; exit 1; }}
[ "$1" = "start" ] && {{ echo "Editor is now accessible via:"; exec sleep 30; }}
exit 0
"""


def program(folder: Path, name: str, text: str) -> Path:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return path


def stand_in(folder: Path, fails: str = "nothing") -> N8n:
    home = folder / "home"
    home.mkdir()
    command = program(folder, "n8n", STAND_IN.format(fails=fails))
    return N8n([str(command)], home, 5999)


async def test_n8n_is_filled_published_started_and_ended(tmp_path: Path) -> None:
    n8n = stand_in(tmp_path)
    home = tmp_path / "home"

    await n8n.fill("key-1", SECRET, {"base_url": "http://127.0.0.1:3000"})
    async with n8n.running():
        pass

    asked = (home / "asked").read_text().splitlines()
    assert [line.split()[0] for line in asked[:3]] == [
        "import:credentials",
        "import:workflow",
        "execute",
    ]
    published = {line.split("=")[1] for line in asked if line.startswith("publish")}
    assert published == {json.loads(text)["id"] for text in texts().values()} - {"fwaiSetup"}
    assert asked[-1].split()[0] == "start"
    assert json.loads((home / "kept").read_text())[2]["data"]["value"] == n8n.form_key
    assert not (home / "credentials.json").exists()


@pytest.mark.parametrize("fails", ["import:workflow", "publish:workflow", "start"])
async def test_what_n8n_says_when_it_fails_is_told(tmp_path: Path, fails: str) -> None:
    n8n = stand_in(tmp_path, fails)

    async def use() -> None:
        await n8n.fill("key-1", SECRET, {})
        async with n8n.running():
            pass

    with pytest.raises(N8nFailedError, match="it went wrong"):
        await use()


def test_settings_are_filled_in_as_a_user_would() -> None:
    flow = json.loads(filled_in(texts()["10-errors.json"], {"owner_phone": "owner"}))

    settings = next(one for one in flow["nodes"] if one["name"] == "Settings")
    values = settings["parameters"]["assignments"]["assignments"]
    assert {one["name"]: one["value"] for one in values} == {
        "base_url": "https://voice.example.com",
        "owner_phone": "owner",
        "owner_email": "",
    }


@pytest.mark.parametrize(
    ("version", "named"), [("v20.20.2", "node is v20.20.2"), ("v24.1.0", "n8n is not installed")]
)
def test_why_n8n_cannot_be_run_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str, named: str
) -> None:
    program(tmp_path, "node", f"#!/bin/sh\necho {version}\n")
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NoN8nError, match=named):
        find()


def test_without_node_there_is_no_n8n(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")

    with pytest.raises(NoN8nError, match="node is not installed"):
        find()
