"""Exotel: Voicebot and Stream applets, status callbacks, Passthru and REST."""
