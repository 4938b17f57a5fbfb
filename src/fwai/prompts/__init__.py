"""Loader of prompts.json, and the default file of the package."""
