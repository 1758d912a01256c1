-- Claims due watches for twins of one profile: each gets a fresh claim number and a lease.
-- KEYS 1 watches   ARGV 1 prefix  2 lease (ms)  3 most watches  4 later than this it cannot be: Redis's clock has jumped
-- Returns {now, {run key, stage, thread id, run id, field, value, …}…}
local now = now_ms()
local claimed = {int(now)}
if now > tonumber(ARGV[4]) then return claimed end
for _, run_key in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'LIMIT', '0', ARGV[3])) do
  local record = ARGV[1] .. 'run:' .. run_key
  local at = redis.call('HMGET', record, 'stage', 'thread_id', 'run_id')
  if at[1] and redis.call('EXISTS', record .. '/twins') == 1 then
    redis.call('HINCRBY', record .. '/twins', 'claim', '1')
    redis.call('ZADD', KEYS[1], int(now + ARGV[2]), run_key)
    local row = redis.call('HGETALL', record .. '/twins')
    for i = 3, 1, -1 do table.insert(row, 1, at[i] or '') end
    table.insert(row, 1, run_key)
    claimed[#claimed + 1] = row
  else
    redis.call('ZREM', KEYS[1], run_key) -- purged: nothing is left to watch
    redis.call('DEL', record .. '/twins')
  end
end
return claimed
