"""The fault matrix: whole calls in which the model misbehaves, in virtual time, judged."""
