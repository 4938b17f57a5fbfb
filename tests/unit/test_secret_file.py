"""Secrets in files that only the service's user can read."""

import asyncio
import os
import stat
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

import virtual_time
from fwai.errors import StoreError
from fwai.secret_file import LOOK_S, SessionSecret, kept_secret, read_secret


def test_a_missing_one_is_made_for_the_owner_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "new" / "local_key"

    made = kept_secret(path)

    assert len(made) == 64
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert kept_secret(path) == made == read_secret(path)
    assert [one.name for one in path.parent.iterdir()] == ["local_key"]


def test_without_one_there_is_nothing_to_read(tmp_path: Path) -> None:
    assert read_secret(tmp_path / "local_key") == ""


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660])
def test_one_that_others_could_read_is_not_used_and_made_anew(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "local_key"
    old = kept_secret(path)
    path.chmod(mode)

    with pytest.raises(StoreError, match="can be read by others; delete it"):
        read_secret(path)
    with capture_logs() as logs:
        new = kept_secret(path)

    assert new != old
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [log["event"] for log in logs] == ["secret_file_replaced"]
    assert old not in str(logs)


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe", b"a" * 5_000])
def test_what_is_no_secret_is_made_anew(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "local_key"
    path.write_bytes(content)
    path.chmod(0o600)

    with pytest.raises(StoreError, match="holds no secret; delete it"):
        read_secret(path)
    assert len(kept_secret(path)) == 64


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    kept_secret(tmp_path / "other")
    (tmp_path / "local_key").symlink_to(tmp_path / "other")

    with pytest.raises(StoreError, match="cannot be read"):
        read_secret(tmp_path / "local_key")


def test_a_folder_in_its_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "local_key").mkdir()

    with pytest.raises(StoreError, match="can be neither used nor removed"):
        kept_secret(tmp_path / "local_key")


def test_a_file_in_the_folders_place_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")

    with pytest.raises(StoreError, match="local_key can be neither used nor removed"):
        kept_secret(tmp_path / "data" / "local_key")


def test_of_several_that_make_it_at_once_all_have_the_same(tmp_path: Path) -> None:
    path, found = tmp_path / "session_secret", set[str]()
    threads = [threading.Thread(target=lambda: found.add(kept_secret(path))) for _ in range(16)]

    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 1
    assert os.listdir(tmp_path) == ["session_secret"]  # noqa: PTH208


def test_whoever_deletes_the_file_ends_all_sessions_within_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asyncio, "to_thread", _at_once)
    path = tmp_path / "session_secret"

    async def main() -> list[str]:
        secret = SessionSecret(path)
        seen = [secret.value]
        looking = asyncio.ensure_future(secret.run())
        await asyncio.sleep(3 * LOOK_S)
        seen.append(secret.value)
        path.unlink()
        await asyncio.sleep(LOOK_S)
        seen.append(secret.value)
        path.unlink()
        path.mkdir()  # a fault of the disk is no reason to end anything
        await asyncio.sleep(3 * LOOK_S)
        seen.append(secret.value)
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
        return seen

    first, unchanged, renewed, kept = virtual_time.run(main())

    assert first == unchanged
    assert renewed != first
    assert kept == renewed


async def _at_once(do: Callable[..., Any], *args: Any) -> Any:  # noqa: ANN401
    return do(*args)


def test_a_file_system_without_hard_links_does_as_well(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "hardlink_to", refused)
    made = kept_secret(tmp_path / "local_key")
    assert read_secret(tmp_path / "local_key") == made
    assert [one.name for one in tmp_path.iterdir()] == ["local_key"]


def test_one_that_another_process_made_at_the_same_moment_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, theirs = tmp_path / "local_key", "ab" * 32

    def late(self: Path, _: Path) -> None:
        self.write_text(f"{theirs}\n")
        self.chmod(0o600)
        raise FileExistsError

    monkeypatch.setattr(Path, "hardlink_to", late)
    assert kept_secret(path) == theirs


def test_one_that_vanished_while_it_was_made_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(self: Path, _: Path) -> None:
        raise FileExistsError

    monkeypatch.setattr(Path, "hardlink_to", gone)
    with pytest.raises(StoreError, match="try again"):
        kept_secret(tmp_path / "local_key")


def test_a_folder_that_takes_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="Not a directory"):
        kept_secret(tmp_path / "file" / "local_key")


# ---- one that must not be replaced --------------------------------------------------------------


@pytest.mark.parametrize("content", [b"", b"short\n", b"\xff\xfe", b"a" * 5_000])
def test_one_that_must_not_be_replaced_stays_and_the_fix_is_told(
    tmp_path: Path, content: bytes
) -> None:
    path = tmp_path / "erasure_key"
    path.write_bytes(content)

    with pytest.raises(StoreError, match="holds no secret; put it back"):
        kept_secret(path, "put it back")

    assert path.read_bytes() == content


def test_one_that_must_not_be_replaced_is_closed_to_others_and_used_on(tmp_path: Path) -> None:
    path = tmp_path / "erasure_key"
    made = kept_secret(path, "put it back")
    path.chmod(0o644)

    with capture_logs() as logs:
        assert kept_secret(path, "put it back") == made

    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [log["event"] for log in logs] == ["secret_file_closed"]
