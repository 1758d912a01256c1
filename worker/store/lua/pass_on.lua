-- Has a pending call sent again soon, because its message came to a worker without its handler. The pause grows, so
-- that little is sent where no worker has it, but gently: by chance such a worker takes a call several times in a row.
-- Of doubled messages one is passed on.
-- KEYS 1 record  2 calls
-- ARGV 1 prefix  2 run key  3 round  4 index  5 first pause (ms)  6 longest pause (ms)
-- Returns 1 when it waits to be sent, 0 when there is nothing to send any more
local row = ARGV[3] .. ':' .. ARGV[4] .. ':'
local call = redis.call('HMGET', KEYS[2], row .. 'state', row .. 'sends', row .. 'passes')
local at = redis.call('HMGET', KEYS[1], 'stage', 'round')
if call[1] ~= 'pending' or at[1] ~= 'tools' or at[2] ~= ARGV[3] then return 0 end
if (call[2] or '0') == '0' then return 1 end
local now, passes = now_ms(), tonumber(call[3] or '0')
local pause = math.min(ARGV[5] * 2 ^ (passes / 2), tonumber(ARGV[6]))
redis.call('HSET', KEYS[2], row .. 'sends', 0, row .. 'sent_ms', 0, row .. 'not_before_ms', int(now + pause),
  row .. 'passes', int(passes + 1))
pull(ARGV[1], ARGV[2], now)
return 1
