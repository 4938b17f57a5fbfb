"""Simulators of the services the server talks to: Gemini, telephone providers, mail and n8n."""
