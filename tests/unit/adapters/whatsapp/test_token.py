"""The access token over a year of faked time."""

import asyncio
import json
import stat
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from structlog.testing import capture_logs

import virtual_time
from fakes import SeenFailures
from fwai.adapters.whatsapp.token import AppKeys, TokenManager
from fwai.domain.failure import Area

NOW = 1_790_000_000.0
DAY = 86_400.0
KEYS = AppKeys("app", "s3cret")


@dataclass
class Meta:
    """Knows tokens: when they expire, and what they are exchanged for."""

    expires: dict[str, float] = field(default_factory=dict)
    kind: str = "USER"
    exchange: tuple[str, float | None] | None = None
    down: bool = False
    asked: list[str] = field(default_factory=list)

    def __call__(self, request: httpx.Request) -> httpx.Response:
        path, query = request.url.path, request.url.params
        self.asked.append(path.rsplit("/", 1)[-1])
        if self.down:
            raise httpx.ConnectError("down")
        if path.endswith("/debug_token"):
            assert query["access_token"] == "app|s3cret"
            at = self.expires.get(query["input_token"])
            data = {"is_valid": at is not None, "expires_at": at or 0, "type": self.kind}
            return httpx.Response(200, json={"data": data})
        assert query["grant_type"] == "fb_exchange_token"
        if self.exchange is None:
            return httpx.Response(400, json={"error": {"code": 190}})
        token, life_s = self.exchange
        self.expires.setdefault(token, NOW + (life_s or 60 * DAY))
        body: dict[str, object] = {"access_token": token}
        return httpx.Response(200, json=body | ({"expires_in": life_s} if life_s else {}))


@dataclass
class Keeper:
    """A keeper with its world."""

    meta: Meta
    folder: Path
    given: str = "given"
    keys: AppKeys = KEYS
    now: float = NOW
    failures: SeenFailures = field(default_factory=SeenFailures)

    def make(self) -> TokenManager:
        http = httpx.AsyncClient(transport=httpx.MockTransport(self.meta))
        return TokenManager(
            http,
            self.given,
            self.keys,
            self.folder / "token.json",
            lambda: self.now,
            "https://g",
            failures=self.failures,
        )

    async def opened(self) -> TokenManager:
        keeper = self.make()
        await keeper.open()
        return keeper


async def test_a_lasting_token_is_used_as_it_stands(tmp_path: Path) -> None:
    for meta in (Meta({"given": 0.0}), Meta({"given": NOW + DAY}, kind="SYSTEM_USER")):
        keeper = await Keeper(meta, tmp_path).opened()
        assert keeper.current() == "given"
        assert meta.asked == ["debug_token"]
        assert not keeper.problem


async def test_a_token_with_time_left_is_not_exchanged(tmp_path: Path) -> None:
    meta = Meta({"given": NOW + 8 * DAY})
    await Keeper(meta, tmp_path).opened()
    assert meta.asked == ["debug_token"]


@pytest.mark.parametrize("life_s", [60 * DAY, None])
async def test_a_short_token_is_exchanged_and_kept_for_us_alone(
    tmp_path: Path, life_s: float | None
) -> None:
    meta = Meta({"given": NOW + DAY}, exchange=("long", life_s))
    world = Keeper(meta, tmp_path)

    keeper = await world.opened()

    assert keeper.current() == "long"
    assert keeper.info.left_s(NOW) == 60 * DAY
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "given" not in file.read_text()
    meta.asked.clear()
    assert (await world.opened()).current() == "long"
    assert meta.asked == ["debug_token"]


async def test_a_new_token_of_the_environment_beats_the_cache(tmp_path: Path) -> None:
    meta = Meta({"given": NOW + DAY, "newer": 0.0}, exchange=("long", 60 * DAY))
    await Keeper(meta, tmp_path).opened()

    assert (await Keeper(meta, tmp_path, given="newer").opened()).current() == "newer"


async def test_a_cached_token_that_is_not_valid_gives_way(tmp_path: Path) -> None:
    meta = Meta({"given": NOW + DAY}, exchange=("long", 60 * DAY))
    await Keeper(meta, tmp_path).opened()
    meta.expires = {"given": NOW + 30 * DAY}

    assert (await Keeper(meta, tmp_path).opened()).current() == "given"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"token": 7}', '{"source": 1}', "null"])
async def test_a_broken_cache_counts_as_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "token.json").write_text(text)
    assert (await Keeper(Meta({"given": 0.0}), tmp_path).opened()).current() == "given"


async def test_an_expired_cache_counts_as_none(tmp_path: Path) -> None:
    meta = Meta({"given": NOW + DAY}, exchange=("long", 2 * DAY))
    world = Keeper(meta, tmp_path)
    await world.opened()
    world.now += 3 * DAY
    meta.expires["given"] = 0.0

    assert (await world.opened()).current() == "given"


async def test_an_exchange_that_changes_nothing_is_no_refresh(tmp_path: Path) -> None:
    for exchange in (("given", 60 * DAY), ("other", DAY / 2), None):
        keeper = await Keeper(Meta({"given": NOW + DAY}, exchange=exchange), tmp_path).opened()
        assert keeper.current() == "given"
        assert keeper.problem
    assert not list(tmp_path.iterdir())


async def test_an_invalid_token_raises_the_alarm(tmp_path: Path) -> None:
    with capture_logs() as logs:
        given = Keeper(Meta(), tmp_path)
        keeper = await given.opened()
    assert "META_ACCESS_TOKEN" in keeper.problem
    assert [one["log_level"] for one in logs] == ["error"]
    (trouble,) = given.failures.standing.values()
    assert (trouble.area, trouble.what) == (Area.PROVIDER, "whatsapp token")
    assert trouble.cause == "the token is not valid"
    assert "META_ACCESS_TOKEN" in trouble.fix
    given.meta.expires["given"] = NOW + 60 * DAY
    await keeper.open()
    assert given.failures.names == []


async def test_meta_may_be_away_at_start(tmp_path: Path) -> None:
    with capture_logs() as logs:
        keeper = await Keeper(Meta(down=True), tmp_path).opened()
    assert keeper.current() == "given"
    assert keeper.problem
    assert "s3cret" not in str(logs)
    assert "given" not in str(logs)


async def test_without_app_keys_the_token_is_just_used(tmp_path: Path) -> None:
    meta = Meta()
    keeper = await Keeper(meta, tmp_path, keys=AppKeys("app")).opened()
    assert keeper.current() == "given"
    assert await keeper.renew("given") is None
    assert not meta.asked


async def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    meta = Meta({"given": NOW + DAY}, exchange=("long", 60 * DAY))
    given = Keeper(meta, tmp_path / "missing")
    keeper = await given.opened()
    assert keeper.current() == "long"
    assert given.failures.names == ["whatsapp token cache"]
    (tmp_path / "missing").mkdir()
    given.now += 59 * DAY
    meta.exchange = ("longer", 60 * DAY)
    await keeper.open()
    assert keeper.current() == "longer"
    assert given.failures.names == []


async def test_renewing_after_a_refusal(tmp_path: Path) -> None:
    meta = Meta({"given": NOW + 30 * DAY}, exchange=("long", 60 * DAY))
    keeper = await Keeper(meta, tmp_path).opened()

    first, second = await asyncio.gather(keeper.renew("given"), keeper.renew("given"))

    assert first == second == "long"
    assert meta.asked.count("access_token") == 1
    assert await keeper.renew("long") == "given", "the environment's may be good after all"
    assert await keeper.renew("given") is None, "not again within a minute"


def test_it_is_looked_at_each_day_and_sooner_after_a_failure(tmp_path: Path) -> None:
    async def scene() -> None:
        meta = Meta({"given": NOW + 10 * DAY}, exchange=("long", 60 * DAY))
        world = Keeper(meta, tmp_path)
        keeper = await world.opened()
        loop = asyncio.get_running_loop()
        began = loop.time()
        task = asyncio.create_task(keeper.run())
        await asyncio.sleep(DAY + 700)
        assert meta.asked == ["debug_token"] * 2
        meta.down = True
        await asyncio.sleep(DAY + 700)
        assert keeper.problem
        meta.down = False
        meta.asked.clear()
        await asyncio.sleep(2 * 4300)
        assert meta.asked
        world.now = NOW + (loop.time() - began) + 3 * DAY
        await asyncio.sleep(2 * DAY)
        assert keeper.current() == "long"
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    # A thread writes the cache: the clock may not jump while it does.
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(asyncio, "to_thread", _at_once)
        virtual_time.run(scene())


async def _at_once(work: object, *args: object) -> object:
    assert callable(work)
    return work(*args)


def test_the_cache_names_no_token_it_came_from(tmp_path: Path) -> None:
    async def scene() -> None:
        await Keeper(Meta({"given": NOW + DAY}, exchange=("long", 60 * DAY)), tmp_path).opened()

    asyncio.run(scene())
    kept = json.loads((tmp_path / "token.json").read_text())
    assert set(kept) == {"source", "token", "expires_at"}
    assert len(kept["source"]) == 64


def test_a_fault_of_ours_in_a_look_is_a_problem_that_the_next_look_mends(tmp_path: Path) -> None:
    async def main() -> list[str]:
        world = Keeper(Meta({"given": 0.0}), tmp_path)
        keeper = world.make()
        check, problems = keeper._check, []

        async def breaks() -> None:
            raise ValueError("nobody expected that")

        keeper._check = breaks  # type: ignore[method-assign]
        async with asyncio.TaskGroup() as group:
            running = group.create_task(keeper.run())
            await asyncio.sleep(1.5 * DAY)
            problems.append(keeper.problem)
            keeper._check = check  # type: ignore[method-assign]
            await asyncio.sleep(3 * 3600)
            problems.append(keeper.problem)
            running.cancel()
        return problems

    with capture_logs():
        assert virtual_time.run(main()) == ["a fault of this server (ValueError)", ""]
