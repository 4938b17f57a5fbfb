"""Exotel: voicebot URL, media stream, status, passthru and REST."""
