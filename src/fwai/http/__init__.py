"""HTTP and WebSocket plumbing shared by all routes: access, problems, bodies, event streams."""
