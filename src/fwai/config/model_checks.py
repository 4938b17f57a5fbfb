"""Validates which models and which voice are used."""

from typing import Final

from fwai.config.settings import Settings
from fwai.domain.near_miss import nearest
from fwai.gemini.models import VOICES, live_model_problem, text_model_problem

MAX_SHOWN: Final = 60


def invalid_models(settings: Settings) -> list[str]:
    """Return what is wrong with the models and the voice, each with its fix."""
    problems = []
    if problem := live_model_problem(settings.gemini_model):
        problems.append(f"GEMINI_MODEL: {settings.gemini_model[:MAX_SHOWN]!r} {problem}")
    text = settings.gemini_text_model
    if text and (problem := text_model_problem(text)):
        problems.append(f"GEMINI_TEXT_MODEL: {text[:MAX_SHOWN]!r} {problem}")
    if settings.tts_voice not in VOICES:
        near = nearest(settings.tts_voice, sorted(VOICES))
        hint = f"write {near}" if near else f"such as Puck; there are: {', '.join(sorted(VOICES))}"
        problems.append(f"TTS_VOICE: unknown voice {settings.tts_voice[:MAX_SHOWN]!r}; {hint}")
    return problems
