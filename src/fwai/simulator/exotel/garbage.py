"""Moved: see ``malformed``."""

from fwai.simulator.exotel.malformed import KINDS

__all__ = ["KINDS"]
