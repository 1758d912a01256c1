-- Notes how a request of a profile was answered, so that all workers pause and go on together.
-- A refusal for the rate pauses its kind of request; failures in a row, or one that asks for a pause, pause both.
-- KEYS 1 permits of the profile
-- ARGV 1 kind (GET, POST)  2 verdict: answered | limited | failed  3 how long ago it was sent (ms)
--      4 pause that the provider asks for (ms; 0: none)  5 failures in a row that make a pause  6 first pause (ms)
--      7 longest pause of our own choice (ms)  8 token  9 life of the key (s)  10… fields to tell
-- Returns {now, {field…}, {gate, 'paused' or 'resumed', ms}…}. A repeat changes nothing and tells of no change.
local key, kind, verdict, wish = KEYS[1], ARGV[1], ARGV[2], tonumber(ARGV[4])
local now = now_ms()
local sent = now - ARGV[3]
local at = redis.call('HMGET', key, 'noted', 'failures', 'both_pauses', 'both_since', kind .. '_pauses',
  kind .. '_since', kind .. '_until')
local changes = {}

local function pause(gate)
  local pauses = redis.call('HINCRBY', key, gate .. '_pauses', 1)
  local length = wish > 0 and wish or math.min(ARGV[6] * 2 ^ (pauses - 1), tonumber(ARGV[7]))
  redis.call('HSET', key, gate .. '_until', int(now + length), gate .. '_since', int(now))
  changes[#changes + 1] = {gate, 'paused', int(length)}
end

local function resume(gate)
  redis.call('HDEL', key, gate .. '_pauses', gate .. '_until', gate .. '_since')
  changes[#changes + 1] = {gate, 'resumed', '0'}
end

-- What was sent before a pause tells nothing new: the answers to twenty requests at once make one pause.
local function is_news(since) return not since or sent > tonumber(since) end

local noted = at[1] or '' -- the newest tokens: others may note between a try and its repeat
if not string.find(noted, ARGV[8] .. ' ', 1, true) then
  if verdict == 'failed' then
    if is_news(at[4]) then
      local failures = redis.call('HINCRBY', key, 'failures', 1)
      if at[3] or wish > 0 or failures >= tonumber(ARGV[5]) then
        pause('both')
        redis.call('HDEL', key, 'probe')
      end
    end
  else
    redis.call('HDEL', key, 'failures', 'probe')
    if at[3] then resume('both') end
    if verdict == 'limited' then
      if is_news(at[6]) then pause(kind) end
    elseif at[5] and is_news(at[6]) and now >= tonumber(at[7]) then
      resume(kind)
    end
  end
  redis.call('HSET', key, 'noted', string.sub(ARGV[8] .. ' ' .. noted, 1, 1000))
  redis.call('EXPIRE', key, ARGV[9])
end
return {int(now), redis.call('HMGET', key, unpack(ARGV, 10)), unpack(changes)}
