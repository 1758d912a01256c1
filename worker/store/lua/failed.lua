-- Counts an advance that a defect of our own broke off after the run's deadline, once a claim. The run stays with its
-- lease.
-- KEYS 1 record   ARGV 1 claim
-- Returns how many there were. A repeat counts nothing.
local at = redis.call('HMGET', KEYS[1], 'claim', 'deadline_ms', 'failures', 'failed_claim')
local failures = tonumber(at[3] or '0')
if at[1] ~= ARGV[1] or at[4] == ARGV[1] or now_ms() < tonumber(at[2]) then return failures end
redis.call('HSET', KEYS[1], 'failed_claim', ARGV[1], 'failures', int(failures + 1))
return failures + 1
