"""Health and, later, the API and the console."""
