-- Tells which agendas have due runs and no wake-up under way, and marks those wake-ups as under way.
-- KEYS agenda, wake mark, agenda, wake mark, …   ARGV 1 life of a mark (ms)
-- Returns the positions (from 0) of the pairs to wake
local now = int(now_ms())
local wake = {}
for i = 1, #KEYS, 2 do
  if #redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', now, 'LIMIT', 0, 1) > 0
    and redis.call('SET', KEYS[i + 1], 1, 'NX', 'PX', ARGV[1]) then
    wake[#wake + 1] = (i - 1) / 2
  end
end
return wake
