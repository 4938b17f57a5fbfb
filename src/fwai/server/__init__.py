"""The listening socket, uvicorn, and a stop that lets calls finish."""
