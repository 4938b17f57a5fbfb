"""Makes folders that only the service's user and group may look into."""

import os
import stat
from pathlib import Path
from typing import Final

import structlog

FOLDER_MODE: Final = 0o750
_OTHERS: Final = stat.S_IRWXO

_log = structlog.get_logger()


def make_folder(path: Path) -> None:
    """Make a folder, and those above it that are missing; what exists stays as it is.

    Raises:
        OSError: It cannot be made, or something else is there.
    """
    missing = []
    above = path
    while not above.exists() and above != above.parent:
        missing.append(above)
        above = above.parent
    for folder in reversed(missing):
        folder.mkdir(mode=FOLDER_MODE, exist_ok=True)
    if not path.is_dir():
        path.mkdir()  # raises what is wrong with it


def close_to_others(path: Path) -> bool:
    """Take a folder of ours from everybody else on the machine; whether that was needed.

    One that is not ours, or is shared with others by its nature, is left as it is.
    """
    try:
        here = path.stat()
        shared = here.st_mode & stat.S_ISVTX or path.resolve() in (Path.home(), Path.cwd())
        if not here.st_mode & _OTHERS or here.st_uid != os.geteuid() or shared:
            return False
        path.chmod(stat.S_IMODE(here.st_mode) & ~_OTHERS)
    except (OSError, RuntimeError):
        return False
    _log.info("folder_closed_to_others", folder=path.name)
    return True
