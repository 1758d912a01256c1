-- Gives a claimed call back: it is pending again and will be sent after a delay. The token stays in the row, so
-- that a repeat is known; it opens nothing any more.
-- KEYS 1 record  2 calls  3 stream  4 hands of the worker that gives it back ('' placeholder when the engine does)
-- ARGV 1 prefix  2 run key  3 round  4 index  5 token of the claim  6 delay (ms)  7 event body
--      8 strikes  9 deaths  ('' as they are)
-- Returns 1, or 0 when the claim is no longer the caller's or the run has moved on
local row = ARGV[3] .. ':' .. ARGV[4] .. ':'
local place = ARGV[2] .. '/' .. ARGV[3] .. '/' .. ARGV[4]
local call = redis.call('HMGET', KEYS[2], row .. 'state', row .. 'token')
if call[2] == ARGV[5] then redis.call('ZREM', KEYS[4], place) end
if call[1] == 'pending' and call[2] == ARGV[5] then return 1 end
if (call[1] ~= 'claimed' and call[1] ~= 'unknown') or call[2] ~= ARGV[5] then return 0 end
local at = redis.call('HMGET', KEYS[1], 'stage', 'round')
if at[1] ~= 'tools' or at[2] ~= ARGV[3] then return 0 end
local now = now_ms()
redis.call('HSET', KEYS[2], row .. 'state', 'pending', row .. 'sent_ms', 0, row .. 'sends', 0,
  row .. 'not_before_ms', int(now + ARGV[6]), row .. 'passes', 0)
if ARGV[8] ~= '' then redis.call('HSET', KEYS[2], row .. 'strikes', ARGV[8], row .. 'deaths', ARGV[9]) end
if call[1] == 'unknown' then redis.call('ZREM', ARGV[1] .. 'quarantine', place) end
append_event(ARGV[2], KEYS[1], KEYS[3], ARGV[7], now)
pull(ARGV[1], ARGV[2], now)
return 1
