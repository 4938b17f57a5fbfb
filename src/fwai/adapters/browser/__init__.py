"""Calls from a web page: talk to an agent in the browser, without a telephone."""
