"""A whole server and those who come without a proof."""

import asyncio
import sys
from pathlib import Path

import httpx
import pytest

from e2e.house import House, running
from e2e.test_http_edges import routes

KEY = "key-of-an-operator-0123456789"
# What a bare proxy_pass of nginx on this machine sends for a stranger, and what others send.
STRANGERS = [
    {},
    {"Host": "voice.example.com"},
    {"Host": "localhost"},
    {"X-Forwarded-For": "203.0.113.9"},
    {"X-API-Key": ""},
    {"Authorization": "Bearer null"},
    {"Cookie": "fwai_session=9999999999.x.y.z"},
]
CLOSED = (
    "/api/calls",
    "/api/audit",
    "/api/nothing",
    "/docs",
    "/openapi.json",
    "/console/talk/agents",
)


@pytest.mark.parametrize("keys", ["", KEY], ids=["no-keys", "keys"])
async def test_without_a_proof_nothing_opens(tmp_path: Path, keys: str) -> None:
    async with (
        running(tmp_path, browser_calls=True, api_keys=keys) as house,
        httpx.AsyncClient(base_url=house.url) as client,
    ):
        for headers in STRANGERS:
            for path in CLOSED:
                answer = await client.get(path, headers=headers)
                assert answer.status_code in (401, 403), path
                if not keys:
                    assert answer.status_code == 403
                    assert "Put API_KEYS into .env" in answer.json()["detail"]
            placed = await client.post("/api/calls", json={"to": "+919999900003"}, headers=headers)
            assert placed.status_code in (401, 403)
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).json()["ready"]


async def test_who_trusts_this_machine_says_so_where_it_is_seen(tmp_path: Path) -> None:
    async with (
        running(tmp_path, allow_local_without_key=True) as house,
        httpx.AsyncClient(base_url=house.url) as client,
    ):
        assert (await client.get("/api/calls")).status_code == 200
        far = await client.get("/api/calls", headers={"X-Forwarded-For": "203.0.113.9"})
        assert far.status_code == 403
        assert (await client.get("/readyz")).json()["warnings"] == ["ALLOW_LOCAL_WITHOUT_KEY"]


@pytest.mark.parametrize("host", ["evil.example", "evil.example:443", "127.0.0.1@evil.example"])
async def test_no_answer_leads_to_where_a_stranger_says(tmp_path: Path, host: str) -> None:
    """With and without slashes at the end, before the path and inside it."""
    async with (
        running(
            tmp_path,
            call_provider="plivo,exotel,whatsapp",
            browser_calls=True,
            api_keys=KEY,
        ) as house,
        httpx.AsyncClient(base_url=house.url, headers={"Host": host, "X-API-Key": KEY}) as client,
    ):
        asked = _spellings(house)
        ways = set[str]()
        for method, path in asked:
            answer = await client.request(method, path, timeout=10)
            ways.add(answer.headers.get("location", ""))
            assert host not in str(answer.headers)

    assert len(asked) > 150
    # None, or a way that is relative to the address that was asked.
    assert all(not way or way.startswith("../") for way in ways - {"docs"})


def _spellings(house: House) -> list[tuple[str, str]]:
    found = []
    for method, path in sorted(set(routes(house))):
        if path.endswith(("/events", "/{path}")) or (method == "POST" and path == "/docs"):
            continue
        found += [(method, f"{path}/"), (method, f"{path}//"), (method, f"//evil.example{path}/")]
    return found


async def test_what_was_done_stands_in_the_list_with_the_keys_name(tmp_path: Path) -> None:
    keys = f"boss:admin:{KEY},flows:n8n:another-{KEY}"
    async with (
        running(tmp_path, api_keys=keys) as house,
        httpx.AsyncClient(base_url=house.url) as client,
    ):
        flows, boss = {"X-API-Key": f"another-{KEY}"}, {"X-API-Key": KEY}
        await client.put("/api/contacts/919999900003", json={"do_not_call": True}, headers=flows)
        refused = await client.get("/api/audit", headers=flows)
        entries = (await client.get("/api/audit", headers=boss)).json()["entries"]

    assert refused.json()["type"] == "urn:fwai:problem:role-needed"
    (entry,) = entries
    assert (entry["key"], entry["action"], entry["object"]) == ("flows", "change_contact", "…0003")
    assert entry["address"] == "127.0.0.1"


async def test_commands_on_this_machine_prove_themselves_by_a_file(tmp_path: Path) -> None:
    async with running(tmp_path) as house:
        port = str(house.world.settings.port)
        good = await _jobs(tmp_path, port)
        (tmp_path / "local_key").chmod(0o644)
        open_to_all = await _jobs(tmp_path, port)
        (tmp_path / "local_key").unlink()
        missing = await _jobs(tmp_path, port)
        wrong = await _jobs(tmp_path, port, "--key", "not-the-right-one")

    assert good == (0, "nothing\n", "")
    assert open_to_all[0] == missing[0] == wrong[0] == 1
    assert "can be read by others" in open_to_all[2]
    assert "with --key" in open_to_all[2]
    assert "No key was sent, because DATA_DIR has no local_key" in missing[2]
    assert "Put API_KEYS into .env" in wrong[2]


async def _jobs(folder: Path, port: str, *words: str) -> tuple[int | None, str, str]:
    from e2e.process import ROOT, environment

    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(ROOT / "run.py"), "jobs", *words),
        cwd=folder,
        env=environment(folder, PORT=port, DATA_DIR=str(folder)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    async with asyncio.timeout(60):
        printed, complaint = await process.communicate()
    return process.returncode, printed.decode(), complaint.decode()
