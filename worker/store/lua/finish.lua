-- Writes the final record, once: fields, last event, counters, expiry. A finished record never changes.
-- KEYS 1 record  2 calls  3 stream  4 agenda of finalize  5 usage of the day  6 thread mailbox root
-- ARGV 1 prefix  2 run key  3 operation id  4 version  5 claim  6 retention (ms)  7 tell the caller (0/1)
--      8 status index now  9 outcome  10 event body  11 counters' life (s)  12 has thread (0/1)  13 requests
--      14 number of fields  15 number of counters  16… the items
-- Returns {1, seq} or {0, seq}
local prefix, run_key, record = ARGV[1], ARGV[2], KEYS[1]
local at = redis.call('HMGET', record, 'version', 'claim', 'last_op', 'last_seq', 'created_ms', 'stage', 'requests',
  'aside')
if not at[1] then return {0, 0} end
if at[3] == ARGV[3] then return {1, at[4]} end
if at[1] ~= ARGV[4] or at[2] ~= ARGV[5] or at[6] == 'done' then return {0, redis.call('LLEN', record .. '/events')} end
local now = now_ms()
local first_counter = 16 + ARGV[14] * 2
local seq = append_event(run_key, record, KEYS[3], ARGV[10], now)
redis.call('HSET', record, 'stage', 'done', 'version', int(at[1] + 1), 'lease_ms', '0', 'outcome', ARGV[9],
  'finished_ms', int(math.max(now, at[5])), 'requests', int((at[7] or 0) + ARGV[13]), 'last_op', ARGV[3],
  'last_seq', seq, unpack(ARGV, 16, first_counter - 1))
move_index(prefix, ARGV[8], ARGV[9], run_key, at[5])
for place in string.gmatch(at[8] or '', '%S+') do
  redis.call('ZREM', prefix .. 'quarantine', place)
end
if ARGV[12] == '1' then free_thread(prefix, KEYS[6], run_key, now) end
for i = first_counter, first_counter + ARGV[15] * 2 - 1, 2 do redis.call('HINCRBY', KEYS[5], ARGV[i], ARGV[i + 1]) end
if ARGV[15] ~= '0' then redis.call('EXPIRE', KEYS[5], ARGV[11]) end
if ARGV[7] == '1' then
  redis.call('ZADD', KEYS[4], int(now), run_key) -- stays due until the caller's task is sent
else
  redis.call('ZREM', KEYS[4], run_key)
end
for _, key in ipairs({record, record .. '/events', KEYS[2]}) do redis.call('PEXPIRE', key, ARGV[6]) end
return {1, seq}
