"""What breaks things; each acts from a thread of its own until it is stopped, and counts what it did."""
