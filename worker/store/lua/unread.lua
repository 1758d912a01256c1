-- Puts a run off whose record its claimer could not read: another worker may be able to, so at first not for long. From
-- the third time on it is on the list of what waits for a person. Nothing of the record itself is changed.
-- KEYS 1 record  2 agenda  3 stream
-- ARGV 1 prefix  2 run key  3 operation id  4 first pause (ms)  5 longest pause (ms)  6 times until it is listed
-- Returns how often it could not be read, or 0 when that cannot be counted, or it was purged. A repeat changes nothing.
if redis.call('EXISTS', KEYS[1]) == 0 then return 0 end
local now = now_ms()
local at = redis.pcall('HMGET', KEYS[1], 'unread', 'unread_op', 'stage')
local countable = not at.err
if countable and at[2] == ARGV[3] then return tonumber(at[1]) end
local times = countable and tonumber(at[1] or '0') + 1 or 0
local pause = countable and math.min(ARGV[4] * 2 ^ (times - 1), tonumber(ARGV[5])) or ARGV[5]
redis.call('ZADD', KEYS[2], 'XX', int(now + pause), ARGV[2])
if countable then
  redis.call('HSET', KEYS[1], 'unread', int(times), 'unread_op', ARGV[3], 'lease_ms', 0)
  if times == tonumber(ARGV[6]) then
    set_aside(ARGV[1], ARGV[2], ARGV[2], now)
    local told = '{"type":"run.quarantined","stage":"' .. string.gsub(at[3] or '', '[^a-z]', '') .. '","reason":"unreadable"}'
    append_event(ARGV[2], KEYS[1], KEYS[3], told, now)
  end
else
  redis.call('ZADD', ARGV[1] .. 'quarantine', 'NX', int(now), ARGV[2])
end
return times
