"""Settings from the environment and ``.env``, and the checks they must pass at start."""
