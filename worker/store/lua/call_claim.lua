-- Claims one pending tool call for a worker's child, with an absolute deadline that is never later than the run
-- and the message's hard limit allow. A repeat by the same token gets the same answer.
-- KEYS 1 record  2 calls  3 stream  4 hands of the worker
-- ARGV 1 run key  2 round  3 index  4 token  5 worker id  6 pid  7 event body, without tool and attempt
--      8 how long after its deadline a call may still be in hand (ms)  9 life of the hands (s)
--      10 after how long the child will be killed (s; '' never)  11 how long before that the deadline is (ms)
--      12… what it serves: tool and its limit (ms) by turns
-- Returns {verdict, now, deadline, attempt, tool}: yes | unknown (no such call) | gone (the run moved on, or is to be
-- cancelled) | taken | refused (the child would be killed too early) | not_served_here | late (no time left). After yes
-- come tool call id, arguments, run id, thread id and request.
local row = ARGV[2] .. ':' .. ARGV[3] .. ':'
local call = redis.call('HMGET', KEYS[2], row .. 'state', row .. 'token', row .. 'attempts', row .. 'deadline_ms',
  row .. 'tool', row .. 'timeout_seconds', row .. 'tool_call_id', row .. 'arguments')
local at = redis.call('HMGET', KEYS[1], 'stage', 'round', 'tools_until_ms', 'cancel_ms', 'run_id', 'thread_id', 'request')
local now, tool = now_ms(), call[5]
local function no(verdict) return {verdict, int(now), '0', 0, tool or ''} end
local function yes(deadline, attempt)
  return {'yes', int(now), deadline, attempt, tool, call[7] or '', call[8] or '', at[5] or '', at[6] or '', at[7] or '{}'}
end

if not call[1] then return no('unknown') end
if at[1] ~= 'tools' or at[2] ~= ARGV[2] then return no('gone') end
if call[1] == 'claimed' and call[2] == ARGV[4] then return yes(call[4], tonumber(call[3])) end
if call[1] ~= 'pending' then return no('taken') end
if at[4] then return no('gone') end -- no handler begins once a cancel is wished
if ARGV[10] ~= '' and tonumber(ARGV[10]) < tonumber(call[6] or '0') then return no('refused') end
local limit
for i = 12, #ARGV, 2 do
  if ARGV[i] == tool then limit = ARGV[i + 1] end
end
if not limit then return no('not_served_here') end
local deadline = math.min(now + limit, tonumber(at[3]))
-- The hard limit is of the ledger's timeout; that of this worker may have been raised since.
if ARGV[10] ~= '' then deadline = math.min(deadline, now + ARGV[10] * 1000 - ARGV[11]) end
if deadline <= now then return no('late') end
local attempt, now_text, until_ms = (call[3] or 0) + 1, int(now), int(deadline)
local attempts = int(attempt)
redis.call('HSET', KEYS[2], row .. 'attempts', attempts, row .. 'state', 'claimed', row .. 'token', ARGV[4],
  row .. 'worker', ARGV[5], row .. 'pid', ARGV[6], row .. 'deadline_ms', until_ms, row .. 'claimed_ms', now_text)
redis.call('ZREMRANGEBYSCORE', KEYS[4], '-inf', now_text) -- of runs that were purged meanwhile
redis.call('ZADD', KEYS[4], int(deadline + ARGV[8]), ARGV[1] .. '/' .. ARGV[2] .. '/' .. ARGV[3])
redis.call('EXPIRE', KEYS[4], ARGV[9])
local event = string.sub(ARGV[7], 1, -2) .. ',"tool":"' .. tool .. '","attempt":' .. attempts .. '}'
append_event(ARGV[1], KEYS[1], KEYS[3], event, now)
return yes(until_ms, attempt)
