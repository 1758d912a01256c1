-- Takes a jump of Redis's clock out of the deployment's clock, once, however many workers saw it. What was planned
-- meanwhile, by the wrong time, is due now: to look too early is harmless.
-- KEYS 1 clock  2 agenda  3 wake mark  4 agenda  5 wake mark …
-- ARGV 1 how far Redis's clock was known to be ahead when it jumped (ms)  2 the jump (ms; back: negative; 0: none)
--      3 nothing is planned so far ahead (ms)
-- Returns 1, or 0 when another worker was first
local _, ahead = clock()
if ahead ~= ARGV[1] then return 0 end
local jumped = ARGV[2] ~= '0'
if jumped then redis.call('HSET', KEYS[1], 'ahead_ms', int(ahead + ARGV[2])) end
local now = now_ms()
for i = 2, #KEYS, 2 do
  for _, run_key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[i], int(now + ARGV[3]), '+inf')) do
    redis.call('ZADD', KEYS[i], int(now), run_key)
  end
  if jumped then redis.call('DEL', KEYS[i + 1]) end
end
return 1
