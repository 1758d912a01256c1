-- Ends a claim that changed nothing: the run is due again after a delay. No version, no event.
-- Also renews a claim (delay = lease) between the requests of one advance.
-- KEYS 1 record  2 agenda
-- ARGV 1 run key  2 version  3 claim  4 news seen  5 delay (ms)  6 polls  7 requests  8 keep the lease (0/1)
-- Returns 1, or 0 when somebody else was first. A repeat changes nothing.
local at = redis.call('HMGET', KEYS[1], 'version', 'claim', 'news', 'lease_ms')
if at[1] ~= ARGV[2] or at[2] ~= ARGV[3] then return 0 end
if at[4] == '0' then return 1 end -- this claim has ended already
local now = now_ms()
if ARGV[6] ~= '0' then redis.call('HINCRBY', KEYS[1], 'polls', ARGV[6]) end
if ARGV[7] ~= '0' then redis.call('HINCRBY', KEYS[1], 'requests', ARGV[7]) end
local due = now + ARGV[5]
if ARGV[8] == '1' then
  redis.call('HSET', KEYS[1], 'lease_ms', int(due))
else
  redis.call('HSET', KEYS[1], 'lease_ms', '0')
  if at[3] ~= ARGV[4] then due = now end -- something happened meanwhile: look again at once
end
redis.call('ZADD', KEYS[2], 'XX', int(due), ARGV[1])
return 1
