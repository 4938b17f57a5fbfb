"""Tools: the functions that the model can call during a conversation."""
