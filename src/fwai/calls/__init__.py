"""One call from first ring to last word, and all calls of this process."""
