"""What the agent can do while it talks."""
