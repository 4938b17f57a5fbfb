"""Domain model: calls, agents, jobs, callbacks and bookings as plain values. No I/O, no clock."""
