"""A simulated n8n: a client that does what the flows in ``n8n_flows/`` do."""
