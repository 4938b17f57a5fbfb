"""Texts that somebody else has to approve before they may be sent."""
