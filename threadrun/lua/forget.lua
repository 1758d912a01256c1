-- Removes one mention of a purged run, unless a new run stands under its key by now.
-- KEYS 1 record  2 the key whose value names the run  3 thread mailbox root ('-' placeholder unless KEYS 2 is of one)
-- ARGV 1 prefix  2 run key  3 type of KEYS 2  4 member, field, entry id or element  5 for an event: its text without
--      the run key
-- Returns how much was removed. A repeat removes nothing.
if redis.call('EXISTS', KEYS[1]) == 1 then return 0 end
local key, kind, element = KEYS[2], ARGV[3], ARGV[4]
if KEYS[3] ~= ARGV[1] .. '-' then
  free_thread(ARGV[1], KEYS[3], ARGV[2], now_ms())
  return 1
end
if ARGV[5] ~= '' then
  if redis.call('LINDEX', key, 0) ~= element then return 0 end
  redis.call('LSET', key, 0, ARGV[5])
  return 1
end
if kind == 'zset' then return redis.call('ZREM', key, element) end
if kind == 'set' then return redis.call('SREM', key, element) end
if kind == 'hash' then return redis.call('HDEL', key, element) end
if kind == 'list' then return redis.call('LREM', key, 0, element) end
if kind == 'stream' then return redis.call('XDEL', key, element) end
return redis.call('DEL', key)
