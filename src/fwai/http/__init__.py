"""HTTP and WebSocket building blocks: authentication, problem details, bodies, event streams."""
