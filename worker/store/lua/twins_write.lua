-- Writes what a look for twins found, for the holder of the newest claim, and says when to look again or that the
-- watch is over; what was begun or found meanwhile keeps it going. A repeat changes nothing.
-- KEYS 1 watches  2 twins of the run   ARGV 1 run key  2 claim  3 news seen  4 delay (ms; -1: over)  5… fields
-- Returns 1, or 0 when somebody else was first
local at = redis.call('HMGET', KEYS[2], 'claim', 'news')
if at[1] ~= ARGV[2] then return 0 end
if #ARGV > 4 then redis.call('HSET', KEYS[2], unpack(ARGV, 5)) end
local now = now_ms()
if at[2] ~= ARGV[3] then
  redis.call('ZADD', KEYS[1], int(now), ARGV[1])
elseif ARGV[4] == '-1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
  redis.call('DEL', KEYS[2])
else
  redis.call('ZADD', KEYS[1], int(now + ARGV[4]), ARGV[1])
end
return 1
