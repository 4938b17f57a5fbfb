"""Loads settings from the environment and ``.env``, reporting every problem at once."""

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from fwai.config.checks import always_invalid, invalid_settings, missing_settings
from fwai.config.model_checks import invalid_models
from fwai.config.names import SettingWarning, name_warnings
from fwai.config.outbound_checks import invalid_outbound
from fwai.config.settings import Settings
from fwai.errors import ConfigError

_UNIT: Final = re.compile(r"week|month|year|hour|minute|\d[kmhw]\b", re.IGNORECASE)


class _ExplicitSettings(Settings):
    """Settings from explicit values only, without the environment: for the demo and for tests."""

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - pydantic's signature
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return (init_settings,)


def load_settings(values: Mapping[str, Any] | None = None, *, environment: bool = True) -> Settings:
    """Load and validate the settings.

    Args:
        values: By field name; they override the environment.
        environment: Whether to read the environment and ``.env`` at all.

    Raises:
        ConfigError: Every problem at once, each naming its variable and the fix.
    """
    settings, problems = inspect_settings(values, environment=environment)
    if problems:
        raise ConfigError([*problems, *map(str, setting_warnings() if environment else ())])
    return settings


def setting_warnings() -> tuple[SettingWarning, ...]:
    """Return what is set in ``.env`` and in the environment without being a setting."""
    return name_warnings(os.environ, _env_file())


def inspect_settings(
    values: Mapping[str, Any] | None = None, *, environment: bool = True
) -> tuple[Settings, list[str]]:
    """Load the settings and return what is wrong with them, too, instead of raising it.

    A value that cannot be read is replaced by its default, so that everything else can be judged.

    Args:
        values: By field name; they override the environment.
        environment: Whether to read the environment and ``.env`` at all.

    Raises:
        ConfigError: ``.env`` cannot be read at all.
    """
    kind = Settings if environment else _ExplicitSettings
    problems: list[str] = []
    try:
        settings = _read(kind, values or {})
    except ValidationError as exc:
        invalid = {str(error["loc"][0]): error for error in exc.errors(include_url=False)}
        problems += [_describe_error(name, error) for name, error in invalid.items()]
        # Defaults replace them, so that the rest is reported now and not at the next start.
        defaults = {name: Settings.model_fields[name].get_default() for name in invalid}
        settings = _read(kind, {**(values or {}), **defaults})
    if not settings.demo and not settings.talk_only:
        problems += [*missing_settings(settings), *invalid_settings(settings)]
    problems += [
        *always_invalid(settings),
        *invalid_models(settings),
        *invalid_outbound(settings),
    ]
    return settings, problems


def _read(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    try:
        if kind is Settings:
            _check_file(_env_file())
        return kind(**values)
    except UnicodeDecodeError:
        raise ConfigError([".env: not UTF-8; save it as UTF-8"]) from None
    except OSError as exc:
        raise ConfigError([f".env: cannot be read ({exc.strerror}); check its owner"]) from None


def _env_file() -> Path:
    return Path(str(Settings.model_config["env_file"]))


def _check_file(file: Path) -> None:
    """Refuse what stands where ``.env`` should and cannot be read; pydantic passes it over.

    Raises:
        ConfigError: It is a directory, which Docker makes of a file to mount that is not there, or
            a link to nothing.
    """
    if file.is_dir():
        why = "is a directory; remove it and write the file (Docker makes one of a missing file)"
    elif file.is_symlink() and not file.exists():
        why = "is a link to a file that is not there; write that file, or remove the link"
    else:
        return
    raise ConfigError([f"{file.name}: {why}"])


def _describe_error(name: str, error: Mapping[str, Any]) -> str:
    """Describe a pydantic error; shows the value only where it cannot be a secret."""
    context = error.get("ctx", {})
    match name, error["type"]:
        case "max_concurrent_calls", _:
            fix = "must be auto or a whole number of at least 1"
        case _, "literal_error":
            fix = f"must be {context['expected']}, not {error['input']!r}"
        case _, "bool_parsing":
            fix = "must be true or false"
        case _, "int_parsing" | "int_type" | "int_from_float":
            fix = "must be a whole number"
            fix += _figures_alone(error["input"])
        case _, "float_parsing" | "float_type" | "finite_number":
            fix = "must be a number, with a point for decimals, without units"
        case _, "greater_than_equal":
            fix = f"must be at least {context['ge']}"
        case _, "less_than_equal":
            fix = f"must be at most {context['le']}"
        case _:
            fix = str(error["msg"])
    return f"{name.upper()}: {fix}"


def _figures_alone(written: object) -> str:
    """Say how a whole number with commas or a unit is written; a unit may change the figures."""
    if not isinstance(written, str) or not any(one.isdigit() for one in written):
        return ""
    figures = re.findall(r"[0-9]+", written.replace(",", ""))
    example = f": {figures[0]}" if len(figures) == 1 and not _UNIT.search(written) else ""
    return f"; write digits only, without commas and units{example}"


def limit_library_threads() -> None:
    """Limit OpenBLAS to one thread; call it before numpy is imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


def unattended() -> bool:
    """Whether nobody watches: the environment says that this is an automated build."""
    return os.environ.get("CI", "").lower() not in ("", "0", "false")
