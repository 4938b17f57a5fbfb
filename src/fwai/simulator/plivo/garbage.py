"""Moved: see ``malformed``."""

from fwai.simulator.plivo.malformed import KINDS

__all__ = ["KINDS"]
