"""What each family of Live models accepts."""

import pytest

from fwai.gemini.models import VOICES, ModelFamily, family_of


@pytest.mark.parametrize(
    ("model", "family"),
    [
        ("gemini-3.8-live", ModelFamily(tool_behaviour="NON_BLOCKING", tool_scheduling=True)),
        (
            "models/gemini-3.8-live-extended-thinking",
            ModelFamily(thinking_level="LOW", tool_behaviour="NON_BLOCKING", tool_scheduling=True),
        ),
        (
            "gemini-3.1-flash-live-preview",
            ModelFamily(thinking_level="MINIMAL", history=False),
        ),
        ("gemini-2.5-flash-native-audio-preview-12-2025", ModelFamily(thinking_budget=0)),
        ("gemini-live-2.5-flash-native-audio", ModelFamily(thinking_budget=0)),
        ("gemini-9-live", ModelFamily()),
    ],
)
def test_a_model_belongs_to_the_family_of_its_longest_prefix(
    model: str, family: ModelFamily
) -> None:
    assert family_of(model) == family


def test_there_are_thirty_voices() -> None:
    assert len(VOICES) == 30
    assert "Puck" in VOICES
