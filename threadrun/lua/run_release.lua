-- Has a quarantined run carried on, because a person says so. Its deaths are forgotten, and that it was not readable.
-- KEYS 1 record  2 stream  3 quarantine
-- ARGV 1 prefix  2 run key  3 operation id  4 event body
-- Returns released | missing | done | free (it is in no quarantine)
local at = redis.call('HMGET', KEYS[1], 'stage', 'quarantined_ms', 'released')
if not at[1] then return 'missing' end
if at[1] == 'done' then return 'done' end
if at[3] == ARGV[3] then return 'released' end
if (at[2] or '') == '' and not redis.call('ZSCORE', KEYS[3], ARGV[2]) then return 'free' end
local now = now_ms()
redis.call('HSET', KEYS[1], 'strikes', '', 'quarantined_ms', '', 'holder', '', 'unread', 0, 'unread_op', '',
  'released', ARGV[3])
redis.call('ZREM', KEYS[3], ARGV[2])
append_event(ARGV[2], KEYS[1], KEYS[2], ARGV[4], now)
pull(ARGV[1], ARGV[2], now)
return 'released'
