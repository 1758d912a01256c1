-- Writes what was learnt and decided in one advance.
-- Facts first, set once and kept whatever follows. Then the decision, only for the holder of the newest claim
-- who read the newest version and believes in the facts that stand; it fails as a whole. A repeat (same operation
-- id) gets the first answer. A run id that comes when the run has another one, or has ended without one, is a twin.
-- KEYS 1 record  2 calls  3 stream  4 agenda now  5 agenda next  6 thread mailbox root  7 index of the thread
--      8 watches for twins  9 twins of the run
-- ARGV 1 prefix  2 run key  3 operation id  4 version  5 claim  6 news seen  7 next stage
--      8 delay (ms)  9 keep the lease (0/1)  10 thread: keep | take | free
--      11 polls  12 requests  13 status index now  14 status index next  15 index life (s)
--      16 number of facts  17 of fact events  18 of fields  19 of call fields  20 of events
--      21 round whose unclaimed calls are withdrawn ('' none)  22 watch for twins (0/1)  23 how long (ms)
--      24 how soon to look first (ms)  25… the items
-- Returns {1 or 0 (somebody else was first), version, seq of the last event (-1: the record was final and even the
-- facts came too late), 1 if a fact was new}. A repeat gets the stored answer.
local prefix, run_key, record = ARGV[1], ARGV[2], KEYS[1]
local cursor = 25
local function take(count) -- one by one: unpack() has a limit that a big round exceeds
  local items = {}
  for i = 1, count do items[i] = ARGV[cursor + i - 1] end
  cursor = cursor + count
  return items
end
local facts, fact_events = take(ARGV[16] * 2), take(tonumber(ARGV[17]))
local fields, call_fields, events = take(ARGV[18] * 2), take(ARGV[19] * 2), take(tonumber(ARGV[20]))

local at = redis.call('HMGET', record, 'version', 'claim', 'news', 'last_op', 'last_seq', 'created_ms', 'stage',
  'last_learnt', 'last_version')
if not at[1] then return {0, 0, -1, 0} end
if at[4] == ARGV[3] then return {1, tonumber(at[9]), tonumber(at[5]), tonumber(at[8])} end
local now = now_ms()

local function watch_twins(delay, suspect)
  if suspect and redis.call('HSETNX', KEYS[9], 'twin:' .. suspect, 'suspected') == 0 then return end
  redis.call('HSET', KEYS[9], 'until_ms', int(now + ARGV[23]))
  redis.call('HINCRBY', KEYS[9], 'news', 1)
  redis.call('ZADD', KEYS[8], 'LT', int(now + delay), run_key)
end

local ended, twin = at[7] == 'done' or at[7] == 'finalize', false
for i = 1, #facts, 2 do
  if facts[i] == 'run_id' then
    local known = redis.call('HGET', record, 'run_id')
    if known ~= facts[i + 1] and (known or ended) then
      twin = true
      watch_twins(0, facts[i + 1])
    end
  end
end
if at[7] == 'done' then return {0, tonumber(at[1]), -1, 0} end
local seq
local learnt, other = 0, twin
for i = 1, #facts, 2 do
  if not (twin and facts[i] == 'run_id') and redis.call('HSETNX', record, facts[i], facts[i + 1]) == 1 then
    learnt = 1
  elseif facts[i] == 'thread_id' then
    other = other or redis.call('HGET', record, facts[i]) ~= facts[i + 1]
  end
end
if learnt == 1 then
  for _, body in ipairs(fact_events) do seq = append_event(run_key, record, KEYS[3], body, now) end
end
if ARGV[10] == 'take' and learnt == 1 then
  -- A run that has ended by now would never give the thread up.
  if at[7] == 'create' then redis.call('SET', KEYS[6] .. ':active', run_key, 'NX') end
  redis.call('ZADD', KEYS[7], at[6], run_key)
  redis.call('EXPIRE', KEYS[7], ARGV[15])
end
if ARGV[11] ~= '0' then redis.call('HINCRBY', record, 'polls', ARGV[11]) end
if ARGV[12] ~= '0' then redis.call('HINCRBY', record, 'requests', ARGV[12]) end

if at[1] ~= ARGV[4] or at[2] ~= ARGV[5] or other then
  -- Decided for a thread or run that another holder's fact has overtaken: this holder drops its claim.
  if other and at[2] == ARGV[5] then redis.call('HSET', record, 'lease_ms', 0) end
  if learnt == 1 or other then pull(prefix, run_key, now) end
  return {0, tonumber(at[1]), seq or redis.call('LLEN', record .. '/events'), learnt}
end

local version = at[1] + 1
for _, body in ipairs(events) do seq = append_event(run_key, record, KEYS[3], body, now) end
seq = seq or redis.call('LLEN', record .. '/events')
for i = 1, #call_fields, 200 do
  redis.call('HSET', KEYS[2], unpack(call_fields, i, math.min(i + 199, #call_fields)))
end
if ARGV[21] ~= '' then
  for index = 0, (tonumber(redis.call('HGET', KEYS[2], ARGV[21] .. ':size')) or 0) - 1 do
    local state = ARGV[21] .. ':' .. int(index) .. ':state'
    if redis.call('HGET', KEYS[2], state) == 'pending' then redis.call('HSET', KEYS[2], state, 'withdrawn') end
  end
end
move_index(prefix, ARGV[13], ARGV[14], run_key, at[6])
local due = now + ARGV[8]
local lease = 0
if ARGV[9] == '1' then
  lease = due
elseif at[3] ~= ARGV[6] then
  due = now -- something happened meanwhile: look again at once
end
redis.call('HSET', record, 'stage', ARGV[7], 'version', int(version), 'lease_ms', int(lease),
  'last_op', ARGV[3], 'last_seq', int(seq), 'last_learnt', learnt, 'last_version', int(version), unpack(fields))
if KEYS[4] ~= KEYS[5] then redis.call('ZREM', KEYS[4], run_key) end
redis.call('ZADD', KEYS[5], int(due), run_key)
if ARGV[22] == '1' then watch_twins(ARGV[24]) end
if ARGV[10] == 'free' then free_thread(prefix, KEYS[6], run_key, now) end
return {1, version, seq, learnt}
