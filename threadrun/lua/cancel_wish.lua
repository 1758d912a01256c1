-- Records, once, that somebody wants this run cancelled, and has it looked at. A wish is a fact: no version.
-- KEYS 1 record  2 stream   ARGV 1 prefix  2 run key  3 event body
-- Returns missing | done | wished | already
local stage = redis.call('HGET', KEYS[1], 'stage')
if not stage then return 'missing' end
if stage == 'done' then return 'done' end
local now = now_ms()
if redis.call('HSETNX', KEYS[1], 'cancel_ms', int(now)) == 0 then return 'already' end
append_event(ARGV[2], KEYS[1], KEYS[2], ARGV[3], now)
pull(ARGV[1], ARGV[2], now)
return 'wished'
