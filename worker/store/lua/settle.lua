-- Stores the output of a tool call, once. The settle that leaves none open moves the run to submit.
-- Who claimed a call may still settle it when its outcome was taken for unknown meanwhile: now it is known.
-- KEYS 1 record  2 calls  3 stream  4 hands of the worker that settles its own (a placeholder when the engine does)
-- ARGV 1 prefix  2 run key  3 round  4 index  5 token of the claim ('' for a call nobody claimed)
--      6 output  7 kind  8 error  9 event body  10 event body of the move to submit  11 operation id
--      12 event body of its quarantine ('' none)  13 strikes  14 deaths
-- Returns {verdict, open calls}: settled | already (by another) | late (the run left tools) | fenced (claimed by
-- another). A repeat (same operation id) gets the first answer.
local record = KEYS[1]
local row = ARGV[3] .. ':' .. ARGV[4] .. ':'
local place = ARGV[2] .. '/' .. ARGV[3] .. '/' .. ARGV[4]
local call = redis.call('HMGET', KEYS[2], row .. 'state', row .. 'token', row .. 'settled_by')
if call[2] == ARGV[5] then redis.call('ZREM', KEYS[4], place) end
if not call[1] then return {'late', 0} end
if call[3] == ARGV[11] then return {'settled', tonumber(redis.call('HGET', KEYS[2], row .. 'left_open'))} end
if call[1] == 'settled' or call[1] == 'submitted' then return {'already', 0} end
local at = redis.call('HMGET', record, 'stage', 'round', 'profile', 'open', 'version')
if at[1] ~= 'tools' or at[2] ~= ARGV[3] or call[1] == 'withdrawn' then return {'late', 0} end
if (call[1] ~= 'pending' and call[2] or '') ~= ARGV[5] then return {'fenced', 0} end
local now = now_ms()
local now_text, open = int(now), (at[4] or 0) - 1
redis.call('HSET', KEYS[2], row .. 'state', 'settled', row .. 'output', ARGV[6], row .. 'kind', ARGV[7],
  row .. 'error', ARGV[8], row .. 'settled_ms', now_text, row .. 'settled_by', ARGV[11], row .. 'left_open', int(open))
local events = {ARGV[9]}
if ARGV[12] ~= '' then
  redis.call('HSET', KEYS[2], row .. 'strikes', ARGV[13], row .. 'deaths', ARGV[14], row .. 'quarantined_ms', now_text)
  table.insert(events, 1, ARGV[12])
  set_aside(ARGV[1], ARGV[2], place, now)
elseif call[1] == 'unknown' then
  redis.call('ZREM', ARGV[1] .. 'quarantine', place)
end
if open == 0 then
  -- By the version whoever still decides about stage tools comes too late.
  redis.call('HSET', record, 'open', '0', 'stage', 'submit', 'version', int(at[5] + 1), 'lease_ms', '0')
  redis.call('ZREM', ARGV[1] .. 'agenda:tools:' .. at[3], ARGV[2])
  redis.call('ZADD', ARGV[1] .. 'agenda:submit:' .. at[3], now_text, ARGV[2])
  events[#events + 1] = ARGV[10]
else
  redis.call('HSET', record, 'open', int(open))
end
append_events(ARGV[2], record, KEYS[3], events, 1, #events, now)
return {'settled', open}
