"""A simulated SMTP server that keeps what it is sent."""
