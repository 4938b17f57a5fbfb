"""A self-hosted phone agent: it answers and places real calls and speaks with Gemini Live."""

__version__ = "1.0.0"
