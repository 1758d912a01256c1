-- Takes a jump of Redis's clock out of the deployment's clock, once, however many workers saw it. What was planned
-- meanwhile, by the wrong time, is due now: to look too early is harmless.
-- KEYS 1 clock  2 agenda  3 wake mark  4 agenda  5 wake mark …
-- ARGV 1 how far Redis's clock was known to be ahead when it jumped (ms)
--      2 the jump (ms; back: negative; 0: this worker cannot know, and asks what the others have seen)
--      3 nothing is planned so far ahead (ms)  4 what is no jump yet (ms)
-- Returns 1, or 0 when another worker was first, or -1 when others have seen that time pass: it was no jump
local now, ahead, raw, seen = clock()
if ahead ~= ARGV[1] then return 0 end
local jump = tonumber(ARGV[2])
if jump > 0 and seen > 0 and raw - seen < jump - ARGV[4] then return -1 end
if jump == 0 and raw < seen - ARGV[4] then jump = raw - seen end -- set back while no worker ran
if jump ~= 0 then redis.call('HSET', KEYS[1], 'ahead_ms', int(ahead + jump)) end
now = now_ms()
for i = 2, #KEYS, 2 do
  for _, run_key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[i], int(now + ARGV[3]), '+inf')) do
    redis.call('ZADD', KEYS[i], int(now), run_key)
  end
  if jump ~= 0 then redis.call('DEL', KEYS[i + 1]) end
end
return 1
