"""Wiring: builds every object of a server once, by constructors, in one visible order."""
