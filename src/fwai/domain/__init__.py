"""What a call is, apart from who carries it: no I/O, no clock."""
