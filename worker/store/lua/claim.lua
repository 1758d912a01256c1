-- Claims due runs of one stage and profile: each gets a fresh claim number and a lease.
-- A run of a newer schema is left for newer workers and looked at again a second later.
-- KEYS 1 agenda  2 wake mark  3 permits of the profile
-- ARGV 1 prefix  2 lease (ms)  3 most runs  4 newest schema known  5 number of fields of the permits to tell
--      6… those, then the record fields to read
-- Returns {now, {permits' field…}, [run key, claim, field…]…}
redis.call('DEL', KEYS[2])
local now = now_ms()
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', int(now), 'LIMIT', 0, ARGV[3])
local first_field = 6 + ARGV[5]
local claimed = {int(now), redis.call('HMGET', KEYS[3], unpack(ARGV, 6, first_field - 1))}
for _, run_key in ipairs(due) do
  local record = ARGV[1] .. 'run:' .. run_key
  local schema = redis.call('HGET', record, 'schema')
  if not schema then
    redis.call('ZREM', KEYS[1], run_key) -- purged: nothing is left to carry
  elseif tonumber(schema) > tonumber(ARGV[4]) then
    redis.call('ZADD', KEYS[1], int(now + 1000), run_key)
  else
    local lapse = int(now + ARGV[2])
    local claim = redis.call('HINCRBY', record, 'claim', 1)
    redis.call('HSET', record, 'lease_ms', lapse)
    redis.call('ZADD', KEYS[1], lapse, run_key)
    local row = redis.call('HMGET', record, unpack(ARGV, first_field))
    table.insert(row, 1, claim)
    table.insert(row, 1, run_key)
    claimed[#claimed + 1] = row
  end
end
return claimed
