"""Work that is done later: one worker and the handlers of each kind."""
