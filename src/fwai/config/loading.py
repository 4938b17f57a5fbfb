"""Reads the settings from the environment and ``.env``, and reports every problem at once."""

import os
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from fwai.config.checks import missing, wrong, wrong_anyway
from fwai.config.outbound_checks import wrong_outbound
from fwai.config.settings import Settings
from fwai.errors import ConfigError


class _GivenSettings(Settings):
    """Settings that look at nothing but what they are given: for the demo and for tests."""

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
    """Read and check everything.

    Args:
        values: By field name; they count more than the environment.
        environment: Whether the environment and ``.env`` count at all.

    Raises:
        ConfigError: Every problem at once, each naming its variable and the fix.
    """
    kind = Settings if environment else _GivenSettings
    problems: list[str] = []
    try:
        settings = _read(kind, values or {})
    except ValidationError as exc:
        unreadable = {str(error["loc"][0]): error for error in exc.errors(include_url=False)}
        problems += [_problem(name, error) for name, error in unreadable.items()]
        # Others stand in for them, so that the rest is reported now and not at the next start.
        stand_ins = {name: Settings.model_fields[name].get_default() for name in unreadable}
        settings = _read(kind, {**(values or {}), **stand_ins})
    if not settings.demo:
        problems += [*missing(settings), *wrong(settings)]
    problems += [*wrong_anyway(settings), *wrong_outbound(settings)]
    if problems:
        raise ConfigError(problems)
    return settings


def _read(kind: type[Settings], values: Mapping[str, Any]) -> Settings:
    try:
        return kind(**values)
    except UnicodeDecodeError:
        raise ConfigError([".env: not UTF-8; save it as UTF-8"]) from None
    except OSError as exc:
        raise ConfigError([f".env: cannot be read ({exc.strerror}); check its owner"]) from None


def _problem(name: str, error: Mapping[str, Any]) -> str:
    """Say what a value must be; the value itself only where it cannot be a secret."""
    context = error.get("ctx", {})
    match name, error["type"]:
        case "max_concurrent_calls", _:
            fix = "must be auto or a whole number of at least 1"
        case _, "literal_error":
            fix = f"must be {context['expected']}, not {error['input']!r}"
        case _, "bool_parsing":
            fix = "must be true or false"
        case _, "int_parsing" | "int_type":
            fix = "must be a whole number"
        case _, "greater_than_equal":
            fix = f"must be at least {context['ge']}"
        case _, "less_than_equal":
            fix = f"must be at most {context['le']}"
        case _:
            fix = str(error["msg"])
    return f"{name.upper()}: {fix}"


def quiet_libraries() -> None:
    """Set what libraries read from the environment when they are first imported."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
