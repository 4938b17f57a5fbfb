"""Sound as bytes and numbers: no I/O, no clock."""
