-- Accepts a run: record, agenda entry, mailbox place, indexes and first event, all or nothing.
-- A second enqueue with the same fingerprint answers with the first run; with another one it changes nothing. A
-- repeat of the first (same operation id: its answer was lost on the way) gets the first answer.
-- A thread's holder whose record is gone holds nothing. Strategy interrupt wishes the holder cancelled and goes before
-- those that wait.
-- KEYS 1 record  2 thread mailbox root ('' placeholder when the thread is still to be created)
--      3 stream  4 index of runs  5 index of the thread
-- ARGV 1 prefix  2 run key  3 profile  4 fingerprint  5 has thread (0/1)  6 strategy  7 deadline (ms from now)
--      8 event body  9 how soon a waiting run is looked at again (ms)  10 index life (s)  11 operation id
--      12 event body of the wish to cancel the holder  13… record fields
-- Returns {verdict, stage or active run key, created_ms}: new | same | conflict | busy
local prefix, run_key, profile, fingerprint = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local record = KEYS[1]
local known = redis.call('HMGET', record, 'fingerprint', 'stage', 'created_ms', 'enqueue_op')
if known[1] then
  if known[1] ~= fingerprint then return {'conflict', known[2], known[3]} end
  return {known[4] == ARGV[11] and 'new' or 'same', known[2], known[3]}
end
local now = now_ms()
local now_text = int(now)
local stage = 'create'
if ARGV[5] == '1' then
  local active = redis.call('GET', KEYS[2] .. ':active')
  if active and redis.call('HGET', prefix .. 'run:' .. active, 'stage') then
    if ARGV[6] == 'reject' then return {'busy', active, '0'} end
    stage = 'waiting'
    if ARGV[6] == 'interrupt' then
      redis.call('LPUSH', KEYS[2] .. ':waiting', run_key)
      local holder = prefix .. 'run:' .. active
      if redis.call('HSETNX', holder, 'cancel_ms', now_text) == 1 then
        append_event(active, holder, KEYS[3], ARGV[12], now)
        pull(prefix, active, now)
      end
    else
      redis.call('RPUSH', KEYS[2] .. ':waiting', run_key)
    end
  else
    redis.call('SET', KEYS[2] .. ':active', run_key)
  end
  redis.call('ZADD', KEYS[5], now_text, run_key)
  redis.call('EXPIRE', KEYS[5], ARGV[10])
end
redis.call('HSET', record, 'stage', stage, 'profile', profile, 'fingerprint', fingerprint, 'version', '1', 'claim', '0',
  'news', '0', 'created_ms', now_text, 'deadline_ms', int(now + ARGV[7]), 'enqueue_op', ARGV[11], unpack(ARGV, 13))
redis.call('ZADD', prefix .. 'agenda:' .. stage .. ':' .. profile, stage == 'waiting' and int(now + ARGV[9]) or now_text, run_key)
redis.call('ZADD', KEYS[4], now_text, run_key)
redis.call('ZADD', prefix .. 'index:status:none', now_text, run_key)
append_event(run_key, record, KEYS[3], ARGV[8], now)
return {'new', stage, now_text}
