-- Records, once, that somebody wants this run cancelled, and has it looked at. A wish is a fact: no version.
-- A repeat of the first wish (same operation id) gets the first answer.
-- KEYS 1 record  2 stream   ARGV 1 prefix  2 run key  3 event body  4 operation id
-- Returns missing | done | wished | already
local at = redis.call('HMGET', KEYS[1], 'stage', 'cancel_op')
if not at[1] then return 'missing' end
if at[2] == ARGV[4] then return 'wished' end
if at[1] == 'done' then return 'done' end
local now = now_ms()
if redis.call('HSETNX', KEYS[1], 'cancel_ms', int(now)) == 0 then return 'already' end
redis.call('HSET', KEYS[1], 'cancel_op', ARGV[4])
append_event(ARGV[2], KEYS[1], KEYS[2], ARGV[3], now)
pull(ARGV[1], ARGV[2], now)
return 'wished'
