-- Removes what nobody needs any more from the indexes and catalogues; a call removes a bounded amount.
-- KEYS 1 tools  2 tools seen  3 profiles  4 workers  5… indexes of runs
-- ARGV 1 age of an index entry (ms)  2 age of a sight (ms)  3 most entries
-- Returns how many entries went
local now = now_ms()
local gone = 0
local unseen = int(now - ARGV[2])
for _, tool in ipairs(redis.call('ZRANGEBYSCORE', KEYS[2], '-inf', unseen)) do redis.call('HDEL', KEYS[1], tool) end
for i = 2, 4 do gone = gone + redis.call('ZREMRANGEBYSCORE', KEYS[i], '-inf', unseen) end
for i = 5, #KEYS do
  local old = redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', int(now - ARGV[1]), 'LIMIT', '0', ARGV[3])
  if #old > 0 then gone = gone + redis.call('ZREM', KEYS[i], unpack(old)) end
end
return gone
