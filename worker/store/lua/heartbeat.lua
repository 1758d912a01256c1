-- Says that a worker lives, and what it serves.
-- KEYS 1 workers  2 worker  3 tools  4 tools seen  5 profiles  6 the Redis server as the workers know it
-- ARGV 1 worker id  2 life of the worker's hash (s)  3 number of fields  4 number of tools  5 run id of the server
--      6 what is a gap (ms)  7… fields, then tool name and entry by turns, then profile names
-- Returns {now, since when the workers know this server (0: it is the first), since when any of them has seen it
-- without a gap} (ms)
local now = int(now_ms())
-- A beat that was under way when its worker said goodbye: it would bring the departed back.
if redis.call('HGET', KEYS[2], 'left_ms') then return {now, 0, now} end
redis.call('ZADD', KEYS[1], now, ARGV[1])
local first_tool = 7 + ARGV[3] * 2
local first_profile = first_tool + ARGV[4] * 2
if ARGV[3] ~= '0' then redis.call('HSET', KEYS[2], unpack(ARGV, 7, first_tool - 1)) end
redis.call('HSET', KEYS[2], 'seen_ms', now)
redis.call('EXPIRE', KEYS[2], ARGV[2])
for i = first_tool, first_profile - 1, 2 do
  redis.call('HSET', KEYS[3], ARGV[i], ARGV[i + 1])
  redis.call('ZADD', KEYS[4], now, ARGV[i])
end
for i = first_profile, #ARGV do redis.call('ZADD', KEYS[5], now, ARGV[i]) end
local server = redis.call('HMGET', KEYS[6], 'run_id', 'since_ms', 'steady_ms', 'beat_ms')
local known, since, steady, beat = server[1], server[2], server[3], server[4]
if known ~= ARGV[5] then since = known and now or 0 end
-- A clock that jumped ahead looks like a gap, and is one for all who judge by it.
if known ~= ARGV[5] or not beat or now - beat > tonumber(ARGV[6]) then steady = now end
redis.call('HSET', KEYS[6], 'run_id', ARGV[5], 'since_ms', since, 'steady_ms', steady, 'beat_ms', now)
return {now, since, steady}
