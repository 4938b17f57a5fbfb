"""The outside world, faked faithfully: a Live model, telephone providers, callers."""
