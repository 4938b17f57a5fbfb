"""Settings from the environment and ``.env``, and their validation at start."""
