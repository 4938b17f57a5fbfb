"""What is kept: the database, transcript files, recordings."""
