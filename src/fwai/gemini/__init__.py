"""The agent's leg: Google Gemini Live."""
