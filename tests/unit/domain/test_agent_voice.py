"""Clips have the names of what they are made of."""

import re

import pytest

from fwai.domain.agent_voice import AgentVoice, clip_name, primary_language

VOICE = AgentVoice("gemini-3.8-live", "Puck", "hi-IN")


@pytest.mark.parametrize(
    ("code", "language"),
    [("hi-IN", "hi"), ("HI_in", "hi"), ("en", "en"), (" ta-IN ", "ta"), ("", "")],
)
def test_a_language_is_known_without_its_region(code: str, language: str) -> None:
    assert primary_language(code) == language


def test_whatever_is_heard_otherwise_has_another_name() -> None:
    others = [
        AgentVoice("gemini-3.1-flash-live-preview", "Puck", "hi-IN"),
        AgentVoice("gemini-3.8-live", "Kore", "hi-IN"),
        AgentVoice("gemini-3.8-live", "Puck", "en-IN"),
        AgentVoice("gemini-3.8-livePuck", "", "hi-IN"),
    ]
    names = {clip_name(VOICE, "a"), clip_name(VOICE, "b"), *(clip_name(one, "a") for one in others)}

    assert len(names) == 6
    assert all(re.fullmatch("[0-9a-f]{32}", name) for name in names)
    assert clip_name(VOICE, "a") == clip_name(AgentVoice("gemini-3.8-live", "Puck", "hi-IN"), "a")
