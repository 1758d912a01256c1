"""Where runs are kept: Redis, written only through Lua scripts, each of which succeeds or fails as a whole."""
