-- Puts off the agenda entry of a run that its last holder goes on looking at without a lease, or gives it back. No
-- version, no event.
-- KEYS 1 record  2 agenda  3 permits of the profile
-- ARGV 1 run key  2 version  3 claim  4 news seen  5 delay (ms)  6 polls  7 requests  8 operation id
--      9 worker id  10 later than this it cannot be: Redis's clock has jumped, and nothing is put off by it
--      11… fields of the permits to tell
-- Returns {1, or 0 when somebody else was first, something happened meanwhile or the clock has jumped; now; {permits'
-- field…}}. A repeat (same operation id) counts nothing twice.
-- A Redis that has lost its last second may give a claim's number out again, so its holder counts as well.
local at = redis.call('HMGET', KEYS[1], 'version', 'claim', 'news', 'attend_op', 'holder', 'polls',
  'requests')
local now = now_ms()
local function answer(held) return {held, int(now), redis.call('HMGET', KEYS[3], unpack(ARGV, 11))} end

if at[1] ~= ARGV[2] or at[2] ~= ARGV[3] or at[5] ~= ARGV[9] then return answer(0) end
if at[4] ~= ARGV[8] then
  if ARGV[6] == '0' and ARGV[7] == '0' then
    redis.call('HSET', KEYS[1], 'attend_op', ARGV[8])
  else
    redis.call('HSET', KEYS[1], 'attend_op', ARGV[8], 'polls', int((at[6] or 0) + ARGV[6]),
      'requests', int((at[7] or 0) + ARGV[7]))
  end
end
if at[3] ~= ARGV[4] then return answer(0) end -- its entry is due already
if now > tonumber(ARGV[10]) then return answer(0) end
redis.call('ZADD', KEYS[2], 'XX', int(now + ARGV[5]), ARGV[1])
return answer(1)
