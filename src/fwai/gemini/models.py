"""What each family of Live models accepts at set-up.

Source: Google's Live model pages and observed set-up refusals, read 2026-11-22. A field a family
does not know ends the socket with 1007 or 1008, so nothing is sent that this table does not allow.
"""

from dataclasses import dataclass

VOICES = frozenset(
    {
        "Zephyr", "Puck", "Charon", "Kore", "Fenrir", "Leda", "Orus", "Aoede", "Callirrhoe",
        "Autonoe", "Enceladus", "Iapetus", "Umbriel", "Algieba", "Despina", "Erinome", "Algenib",
        "Rasalgethi", "Laomedeia", "Achernar", "Alnilam", "Schedar", "Gacrux", "Pulcherrima",
        "Achird", "Zubenelgenubi", "Vindemiatrix", "Sadachbia", "Sadaltager", "Sulafat",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ModelFamily:
    """What a family of Live models takes.

    Attributes:
        thinking_budget: Value for thinkingBudget; None leaves it out.
        thinking_level: Value for thinkingLevel; empty leaves it out.
        tool_behaviour: ``NON_BLOCKING`` or ``BLOCKING`` per declaration; empty leaves it out.
        tool_scheduling: Whether a tool result may say when the model should speak about it.
        context_compression: Whether sliding-window compression may be asked for.
    """

    thinking_budget: int | None = None
    thinking_level: str = ""
    tool_behaviour: str = ""
    tool_scheduling: bool = False
    context_compression: bool = True


_FAMILIES: tuple[tuple[str, ModelFamily], ...] = (
    # Longest prefix first. 3.8: no thinking config; tools run while it talks.
    (
        "gemini-3.8-live-extended-thinking",
        ModelFamily(thinking_level="LOW", tool_behaviour="NON_BLOCKING", tool_scheduling=True),
    ),
    ("gemini-3.8-live", ModelFamily(tool_behaviour="NON_BLOCKING", tool_scheduling=True)),
    ("gemini-3.1-flash-live", ModelFamily(thinking_level="MINIMAL")),
    ("gemini-2.5-flash-native-audio", ModelFamily(thinking_budget=0)),
    ("gemini-live-2.5-flash-native-audio", ModelFamily(thinking_budget=0)),
)
_UNKNOWN = ModelFamily()


def family_of(model: str) -> ModelFamily:
    """Return what ``model`` accepts; an unknown one gets only what every family takes."""
    name = model.removeprefix("models/")
    return next((family for prefix, family in _FAMILIES if name.startswith(prefix)), _UNKNOWN)
