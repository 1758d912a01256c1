-- Writes what was learnt and decided in one advance.
-- Facts first, set once and kept whatever follows. Then the decision, only for the holder of the newest claim
-- who read the newest version and believes in the facts that stand; it fails as a whole. A repeat (same operation
-- id) gets the first answer. A run id that comes when the run has another one, or has ended without one, is a twin.
-- KEYS 1 record  2 calls  3 stream  4 agenda now  5 agenda next  6 thread mailbox root  7 index of the thread
--      8 watches for twins  9 twins of the run
-- ARGV 1 prefix  2 run key  3 operation id  4 version  5 claim  6 news seen  7 next stage
--      8 delay (ms)  9 keep the lease (0/1)  10 thread: keep | take | free | none (it has ended without one)
--      11 polls  12 requests  13 status index now  14 status index next  15 index life (s)
--      16 number of facts  17 of fields  18 of call fields  19 of fact events  20 round whose unclaimed calls are
--      withdrawn ('' none)  21 watch for twins (0/1)  22 how long (ms)  23 how soon to look first (ms)
--      24… facts, fields, call fields (names and values by turns), fact events, events
-- Returns {1 or 0 (somebody else was first), version, seq of the last event (-1: the record was final and even the
-- facts came too late), 1 if a fact was new}. A repeat gets the stored answer.
local prefix, run_key, record = ARGV[1], ARGV[2], KEYS[1]
local first_fact = 24
local first_field = first_fact + ARGV[16] * 2
local first_call_field = first_field + ARGV[17] * 2
local first_fact_event = first_call_field + ARGV[18] * 2
local first_event = first_fact_event + ARGV[19]

local at = redis.call('HMGET', record, 'version', 'claim', 'news', 'last_op', 'created_ms', 'stage')
if not at[1] then return {0, 0, -1, 0} end
if at[4] == ARGV[3] then
  return {1, unpack(redis.call('HMGET', record, 'last_version', 'last_seq', 'last_learnt'))}
end
local now = now_ms()

local function watch_twins(delay, suspect)
  if suspect and redis.call('HSETNX', KEYS[9], 'twin:' .. suspect, 'suspected') == 0 then return end
  redis.call('HSET', KEYS[9], 'until_ms', int(now + ARGV[22]))
  redis.call('HINCRBY', KEYS[9], 'news', '1')
  redis.call('ZADD', KEYS[8], 'LT', int(now + delay), run_key)
end

local ended, twin = at[6] == 'done' or at[6] == 'finalize', false
for i = first_fact, first_field - 1, 2 do
  if ARGV[i] == 'run_id' then
    local known = redis.call('HGET', record, 'run_id')
    if known ~= ARGV[i + 1] and (known or ended) then
      twin = true
      watch_twins(0, ARGV[i + 1])
    end
  end
end
if at[6] == 'done' then return {0, at[1], -1, 0} end
local learnt, other = '0', twin or (ARGV[10] == 'none' and redis.call('HGET', record, 'thread_id'))
for i = first_fact, first_field - 1, 2 do
  if not (twin and ARGV[i] == 'run_id') and redis.call('HSETNX', record, ARGV[i], ARGV[i + 1]) == 1 then
    learnt = '1'
  elseif ARGV[i] == 'thread_id' then
    other = other or redis.call('HGET', record, ARGV[i]) ~= ARGV[i + 1]
  end
end
if ARGV[10] == 'take' and learnt == '1' then
  -- A run that has ended by now would never give the thread up.
  if at[6] == 'create' then redis.call('SET', KEYS[6] .. ':active', run_key, 'NX') end
  redis.call('ZADD', KEYS[7], at[5], run_key)
  redis.call('EXPIRE', KEYS[7], ARGV[15])
end
if ARGV[11] ~= '0' then redis.call('HINCRBY', record, 'polls', ARGV[11]) end
if ARGV[12] ~= '0' then redis.call('HINCRBY', record, 'requests', ARGV[12]) end

local decided = at[1] == ARGV[4] and at[2] == ARGV[5] and not other
local seq = append_events(run_key, record, KEYS[3], ARGV, learnt == '1' and first_fact_event or first_event,
  decided and #ARGV or first_event - 1, now)
if not decided then
  -- Decided for a thread or run that another holder's fact has overtaken: this holder drops its claim.
  if other and at[2] == ARGV[5] then redis.call('HSET', record, 'lease_ms', '0') end
  if learnt == '1' or other then pull(prefix, run_key, now) end
  return {0, at[1], seq, learnt}
end

for i = first_call_field, first_fact_event - 1, 200 do -- by turns: unpack() has a limit that a big round exceeds
  redis.call('HSET', KEYS[2], unpack(ARGV, i, math.min(i + 199, first_fact_event - 1)))
end
if ARGV[20] ~= '' then
  for index = 0, (tonumber(redis.call('HGET', KEYS[2], ARGV[20] .. ':size')) or 0) - 1 do
    local state = ARGV[20] .. ':' .. int(index) .. ':state'
    if redis.call('HGET', KEYS[2], state) == 'pending' then redis.call('HSET', KEYS[2], state, 'withdrawn') end
  end
end
move_index(prefix, ARGV[13], ARGV[14], run_key, at[5])
local due = int(now + ARGV[8])
local lease = '0'
if ARGV[9] == '1' then
  lease = due
elseif at[3] ~= ARGV[6] then
  due = int(now) -- something happened meanwhile: look again at once
end
local version = int(at[1] + 1)
redis.call('HSET', record, 'stage', ARGV[7], 'version', version, 'lease_ms', lease, 'last_op', ARGV[3],
  'last_seq', seq, 'last_learnt', learnt, 'last_version', version,
  unpack(ARGV, first_field, first_call_field - 1))
if KEYS[4] ~= KEYS[5] then redis.call('ZREM', KEYS[4], run_key) end
redis.call('ZADD', KEYS[5], due, run_key)
if ARGV[21] == '1' then watch_twins(ARGV[23]) end
if ARGV[10] == 'free' then free_thread(prefix, KEYS[6], run_key, now) end
return {1, version, seq, learnt}
