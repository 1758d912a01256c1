-- Tells which agendas have due runs and no wake-up under way, and marks those wake-ups as under way.
-- A wake-up that no worker receives is sent again after 1, 2, 4 … s: where nobody takes them they must not pile up.
-- KEYS agenda, wake mark, agenda, wake mark, …
-- ARGV 1 life of a first mark (ms)  2 longest life (ms)  3 name of the clock  4 latest time that this worker has seen
--      and believes (ms; 0: it begins, and believes what is told now)
--      5… positions (from 0) of wake-ups that were received
-- Returns {Redis's time less its known jumps, how far Redis's clock is known to be ahead, latest time that any worker
-- has seen and believes, position of a pair to wake…}
-- A mark holds how often the wake-up was sent since it was last received, and when it will be sent again.
local now, ahead, raw, seen = clock()
local believed = ARGV[4] == '0' and raw or tonumber(ARGV[4])
if believed > seen then
  seen = believed
  redis.call('HSET', ARGV[3], 'seen_ms', int(seen))
end
local until_now = int(now)
local function mark(key, sends)
  local life = math.min(ARGV[1] * 2 ^ (sends - 1), tonumber(ARGV[2]))
  redis.call('SET', key, int(sends) .. ' ' .. int(now + life), 'PX', int(life + ARGV[2]))
end

for i = 5, #ARGV do
  local key = KEYS[2 * ARGV[i] + 2]
  if redis.call('EXISTS', key) == 1 then mark(key, 1) end -- received, but it could claim nothing yet
end
local wake = {}
for i = 1, #KEYS, 2 do
  if #redis.call('ZRANGEBYSCORE', KEYS[i], '-inf', until_now, 'LIMIT', '0', '1') > 0 then
    local sends, again = string.match(redis.call('GET', KEYS[i + 1]) or '', '^(%d+) (%d+)$')
    again = tonumber(again or 0)
    if again <= now or again > now + ARGV[2] then -- the latter: the clock was set back
      mark(KEYS[i + 1], (sends or 0) + 1)
      wake[#wake + 1] = (i - 1) / 2
    end
  end
end
table.insert(wake, 1, int(seen))
table.insert(wake, 1, ahead)
table.insert(wake, 1, int(raw))
return wake
