-- Takes a worker that ends cleanly off the list, for good: a beat of it that arrives later changes nothing.
-- KEYS 1 workers  2 worker   ARGV 1 worker id  2 life of the worker's hash (s)
-- Returns now (ms)
local now = int(now_ms())
redis.call('ZREM', KEYS[1], ARGV[1])
redis.call('HSETNX', KEYS[2], 'left_ms', now)
redis.call('EXPIRE', KEYS[2], ARGV[2])
return now
