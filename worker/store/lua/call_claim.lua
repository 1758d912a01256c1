-- Claims one pending tool call for a worker's child, with an absolute deadline that is never later than the run
-- allows. A repeat by the same token gets the same answer.
-- KEYS 1 record  2 calls  3 stream  4 hands of the worker
-- ARGV 1 run key  2 round  3 index  4 token  5 worker id  6 pid  7 handler's limit (ms)  8 event body
--      9 how long after its deadline a call may still be in hand (ms)  10 life of the hands (s)
-- Returns {verdict, now, deadline, attempt}: yes | gone (the run moved on, or is to be cancelled) | taken | late (no
-- time left)
local row = ARGV[2] .. ':' .. ARGV[3] .. ':'
local at = redis.call('HMGET', KEYS[1], 'stage', 'round', 'tools_until_ms', 'cancel_ms')
local now = now_ms()
if at[1] ~= 'tools' or at[2] ~= ARGV[2] then return {'gone', int(now), '0', 0} end
local call = redis.call('HMGET', KEYS[2], row .. 'state', row .. 'token', row .. 'attempts', row .. 'deadline_ms')
if call[1] == 'claimed' and call[2] == ARGV[4] then return {'yes', int(now), call[4], tonumber(call[3])} end
if call[1] ~= 'pending' then return {'taken', int(now), '0', 0} end
if at[4] then return {'gone', int(now), '0', 0} end -- no handler begins once a cancel is wished
local deadline = math.min(now + ARGV[7], tonumber(at[3]))
if deadline <= now then return {'late', int(now), '0', 0} end
local attempt = redis.call('HINCRBY', KEYS[2], row .. 'attempts', 1)
redis.call('HSET', KEYS[2], row .. 'state', 'claimed', row .. 'token', ARGV[4], row .. 'worker', ARGV[5],
  row .. 'pid', ARGV[6], row .. 'deadline_ms', int(deadline), row .. 'claimed_ms', int(now))
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', int(now)) -- of runs that were purged meanwhile
redis.call('ZADD', KEYS[4], int(deadline + ARGV[9]), ARGV[1] .. '/' .. ARGV[2] .. '/' .. ARGV[3])
redis.call('EXPIRE', KEYS[4], ARGV[10])
append_event(ARGV[1], KEYS[1], KEYS[3], ARGV[8], now)
return {'yes', int(now), int(deadline), attempt}
