-- Lets one request of a profile go, at once or at a place in time of its own; or tells how long to stay away.
-- After a pause of the whole profile one request goes alone (the probe); how it is answered decides for the others.
-- KEYS 1 permits of the profile
-- ARGV 1 kind (GET, POST)  2 time between two requests (ms; 0: no rate)  3 how many may go at once after a lull
--      4 how long the caller would wait for its place (ms)  5 life of a probe (ms)  6 token  7 longest time (ms) that
--      anybody is sent away for  8 life of the key (s)  9… fields to tell
-- Returns {1, or 0 for not now; wait (ms); now; {field…}}. A repeat books a second place: the rate is never exceeded.
local key, kind, interval = KEYS[1], ARGV[1], tonumber(ARGV[2])
local now = now_ms()
local at = redis.call('HMGET', key, kind .. '_until', 'both_until', 'both_pauses', 'probe', kind .. '_next',
  kind .. '_queue')
local function answer(go, wait)
  redis.call('EXPIRE', key, ARGV[8])
  return {go, int(math.ceil(wait)), int(now), redis.call('HMGET', key, unpack(ARGV, 9))}
end

local function until_then(time, longest) -- a time beyond all reason was set before the clock was set back
  time = tonumber(time or 0)
  return time > now + longest and now or time
end

local closed = until_then(at[1], ARGV[7])
if at[4] ~= ARGV[6] then closed = math.max(closed, until_then(at[2], ARGV[7])) end
if closed > now then return answer(0, closed - now) end

local place = now
if interval > 0 then
  local free = math.max(now, until_then(at[5], ARGV[7] + ARGV[3] * interval)) -- when the bucket is full again
  place = math.max(now, free - (ARGV[3] - 1) * interval)
  if place - now > tonumber(ARGV[4]) then
    -- Each refused caller is sent away for longer than the one before, so that they do not come back at once.
    local queue = math.min(math.max(place, tonumber(at[6] or 0)) + interval, now + ARGV[7])
    redis.call('HSET', key, kind .. '_queue', string.format('%.3f', queue))
    return answer(0, queue - now)
  end
  redis.call('HSET', key, kind .. '_next', string.format('%.3f', free + interval))
end
if at[3] then redis.call('HSET', key, 'both_until', int(now + ARGV[5]), 'probe', ARGV[6]) end
return answer(1, place - now)
