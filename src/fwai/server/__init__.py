"""HTTP server: listening socket, uvicorn and graceful drain."""
