"""What errors of the file system mean to an operator."""

import errno

import pytest

from fwai.domain.failure import UNWATCHED, Area, Trouble, storage_words

CODES = [
    (errno.ENOSPC, "the disk is full (ENOSPC)", "free disk space"),
    (errno.EDQUOT, "the disk is full (EDQUOT)", "free disk space"),
    (errno.EACCES, "the folder cannot be written (EACCES)", "service's user can write"),
    (errno.EPERM, "the folder cannot be written (EPERM)", "service's user can write"),
    (errno.EROFS, "the folder cannot be written (EROFS)", "service's user can write"),
    (errno.ENOTDIR, "the folder cannot be written (ENOTDIR)", "service's user can write"),
    (errno.EEXIST, "the folder cannot be written (ENOTDIR)", "service's user can write"),
    (errno.EIO, "the disk fails (EIO)", "check the disk"),
    (errno.ESTALE, "the disk fails (ESTALE)", "network drive"),
    (errno.EMFILE, "too many files are open (EMFILE)", "LimitNOFILE"),
]


@pytest.mark.parametrize(("code", "cause", "fix"), CODES)
def test_an_error_is_named_with_its_fix_and_without_its_path(
    code: int, cause: str, fix: str
) -> None:
    error = OSError(code, "no", "/srv/secret/place")

    words = storage_words(error, "TRANSCRIPTS_DIR")

    assert words[0] == cause
    assert fix in words[1]
    assert "/srv" not in "".join(words)


def test_an_error_without_a_number_is_named_by_its_kind() -> None:
    assert storage_words(OSError("odd"), "DATA_DIR")[0] == "the folder cannot be written (OSError)"


def test_nobody_need_listen() -> None:
    UNWATCHED.seen(Trouble(Area.MAIL, "smtp", "a", "b"))
    UNWATCHED.mended(Area.MAIL, "smtp")
