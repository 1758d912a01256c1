"""The engine: what to do next with each run, and the parts that do it."""
