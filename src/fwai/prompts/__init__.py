"""prompts.json: its loader, and the default file that ships with the package."""
