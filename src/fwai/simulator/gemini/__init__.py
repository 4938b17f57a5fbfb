"""A simulated Gemini: the Live WebSocket service and the text API on one port."""
