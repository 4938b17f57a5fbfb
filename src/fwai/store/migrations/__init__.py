"""The steps that build the schema; run by ``fwai.store.migrate``, never by the server."""
