-- Notes that the caller's task was sent and lets the finished run leave the agenda.
-- KEYS 1 record  2 agenda of finalize   ARGV 1 run key  2 claim
if redis.call('HGET', KEYS[1], 'claim') ~= ARGV[2] then return 0 end
redis.call('ZREM', KEYS[2], ARGV[1])
return 1
