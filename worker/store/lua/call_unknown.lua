-- Notes that nobody knows how a claimed call ended, without answering it: it is parked, or its run is to fail.
-- KEYS 1 record  2 calls  3 stream  4 hands of the worker whose child died ('' placeholder when the engine notes it)
-- ARGV 1 prefix  2 run key  3 round  4 index  5 token of the claim  6 kind  7 error  8 event body
--      9 event body of its quarantine ('' none)  10 strikes  11 deaths  12 it waits for a person (0/1)
-- Returns 1, or 0 when the claim is no longer as seen or the run has moved on
local row = ARGV[3] .. ':' .. ARGV[4] .. ':'
local place = ARGV[2] .. '/' .. ARGV[3] .. '/' .. ARGV[4]
local call = redis.call('HMGET', KEYS[2], row .. 'state', row .. 'token')
if call[2] ~= ARGV[5] then return 0 end
redis.call('ZREM', KEYS[4], place)
if call[1] == 'unknown' then return 1 end
if call[1] ~= 'claimed' then return 0 end
local at = redis.call('HMGET', KEYS[1], 'stage', 'round')
if at[1] ~= 'tools' or at[2] ~= ARGV[3] then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[2], row .. 'state', 'unknown', row .. 'kind', ARGV[6], row .. 'error', ARGV[7],
  row .. 'strikes', ARGV[10], row .. 'deaths', ARGV[11], row .. 'unknown_ms', int(now))
if ARGV[9] ~= '' then
  redis.call('HSET', KEYS[2], row .. 'quarantined_ms', int(now))
  append_event(ARGV[2], KEYS[1], KEYS[3], ARGV[9], now)
end
if ARGV[9] ~= '' or ARGV[12] == '1' then set_aside(ARGV[1], ARGV[2], place, now) end
append_event(ARGV[2], KEYS[1], KEYS[3], ARGV[8], now)
pull(ARGV[1], ARGV[2], now)
return 1
