-- Stands before every script. Times are Redis's clock in milliseconds; every number that becomes text goes
-- through int(), for Lua would write 1.8e12. That is dear, as are numbers among the arguments of a command (Redis writes
-- them with printf): a time is made a text once, and a constant is written as one ('0', '-1').
-- No script decodes JSON: cjson turns [] into {} and rounds big integers; an event is stored by putting seq and time
-- in front of the caller's JSON text.
local function redis_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end

-- The deployment's clock: Redis's, without the jumps that workers saw it make (worker/store/lua/clock.lua). It never
-- goes back behind what they have seen; where Redis's is set back it stands until they have taken that out.
-- Returns the time, how far Redis's clock is ahead (text), Redis's time less that, and the latest time seen (all ms)
local function clock()
  local at = redis.call('HMGET', 'threadrun:clock', 'ahead_ms', 'seen_ms')
  local raw, seen = redis_ms() - (at[1] or 0), tonumber(at[2] or 0)
  return math.max(raw, seen), at[1] or '0', raw, seen
end

local function now_ms() return (clock()) end

local function int(n) return string.format('%.0f', n) end

-- Appends the events of one script, bodies[first] to bodies[last], with one look at what stands there.
-- Returns the seq of the run's last event (text)
local function append_events(run_key, record, stream, bodies, first, last, now)
  local events = record .. '/events'
  if last < first then return int(redis.call('LLEN', events)) end
  -- A list whose length is its last seq. A clock that is set back is noticed by the next tick; until then no event
  -- goes back in time.
  local seq, at_ms = string.match(redis.call('LINDEX', events, '-1') or '', '^{"seq":(%d+),"at_ms":(%d+)')
  at_ms = ',"at_ms":' .. int(math.max(now, tonumber(at_ms or 0))) .. ','
  local lines = {}
  for i = first, last do
    seq = int((seq or 0) + 1)
    lines[#lines + 1] = '{"seq":' .. seq .. at_ms .. string.sub(bodies[i], 2)
    redis.call('XADD', stream, 'MAXLEN', '~', '10000', '*', 'run', run_key, 'seq', seq)
  end
  for i = 1, #lines, 200 do redis.call('RPUSH', events, unpack(lines, i, math.min(i + 199, #lines))) end
  return seq
end

local function append_event(run_key, record, stream, body, now)
  return append_events(run_key, record, stream, {body}, 1, 1, now)
end

-- Makes a run due now. While somebody holds its claim the entry stays (its holder may be in mid-request), but
-- the holder's next write sees that `news` moved and leaves the run due at once.
local function pull(prefix, run_key, now)
  local record = prefix .. 'run:' .. run_key
  local at = redis.call('HMGET', record, 'stage', 'profile', 'lease_ms')
  redis.call('HINCRBY', record, 'news', '1')
  if tonumber(at[3] or '0') <= now then
    redis.call('ZADD', prefix .. 'agenda:' .. at[1] .. ':' .. at[2], 'XX', int(now), run_key)
  end
end

-- Gives up a thread: the oldest waiting run becomes its holder and due. A run that only waited leaves the queue.
local function free_thread(prefix, thread, run_key, now)
  if redis.call('GET', thread .. ':active') ~= run_key then
    redis.call('LREM', thread .. ':waiting', '0', run_key)
    return
  end
  local heir
  repeat -- a run whose record was deleted by hand, or is no hash, would hold the thread for ever
    heir = redis.call('LPOP', thread .. ':waiting')
  until not heir or redis.pcall('HGET', prefix .. 'run:' .. heir, 'stage') == 'waiting'
  if heir then
    redis.call('SET', thread .. ':active', heir)
    pull(prefix, heir, now)
  else
    redis.call('DEL', thread .. ':active')
  end
end

-- Puts a run, or one of its calls (run key/round/index), on the list of what waits for a person. The record names
-- what it has there, for all of it leaves with the run's end.
local function set_aside(prefix, run_key, place, now)
  local record = prefix .. 'run:' .. run_key
  if redis.call('ZADD', prefix .. 'quarantine', 'NX', int(now), place) == 1 then
    redis.call('HSET', record, 'aside', (redis.call('HGET', record, 'aside') or '') .. place .. ' ')
  end
end

local function move_index(prefix, from, to, run_key, created_ms)
  if from == to then return end
  redis.call('ZREM', prefix .. 'index:status:' .. from, run_key)
  redis.call('ZADD', prefix .. 'index:status:' .. to, created_ms, run_key)
end
