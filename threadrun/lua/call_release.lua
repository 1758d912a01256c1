-- Has a call whose outcome is unknown run again, because a person says so. Its deaths are forgotten.
-- KEYS 1 record  2 calls  3 stream  4 quarantine
-- ARGV 1 prefix  2 run key  3 round  4 index  5 operation id  6 event body
-- Returns released | missing | moved (the run is past this round), or the state that the call is in instead
local row = ARGV[3] .. ':' .. ARGV[4] .. ':'
local call = redis.call('HMGET', KEYS[2], row .. 'state', row .. 'decided')
if not call[1] then return 'missing' end
if call[2] == ARGV[5] then return 'released' end
if call[1] ~= 'unknown' then return call[1] end
local at = redis.call('HMGET', KEYS[1], 'stage', 'round')
if at[1] ~= 'tools' or at[2] ~= ARGV[3] then return 'moved' end
local now = now_ms()
redis.call('HSET', KEYS[2], row .. 'state', 'pending', row .. 'decided', ARGV[5], row .. 'token', '', row .. 'kind', '',
  row .. 'error', '', row .. 'sends', 0, row .. 'sent_ms', 0, row .. 'not_before_ms', 0, row .. 'strikes', 0,
  row .. 'deaths', 0, row .. 'quarantined_ms', 0, row .. 'passes', 0)
redis.call('HINCRBY', KEYS[2], row .. 'releases', 1)
redis.call('ZREM', KEYS[4], ARGV[2] .. '/' .. ARGV[3] .. '/' .. ARGV[4])
append_event(ARGV[2], KEYS[1], KEYS[3], ARGV[6], now)
pull(ARGV[1], ARGV[2], now)
return 'released'
