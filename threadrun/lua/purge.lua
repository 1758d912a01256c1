-- Removes a finished run: its keys, its place in agenda, indexes and mailbox. The thread goes to the next run that
-- waits. A run that is still in an agenda is left whole: nobody would cancel it at the provider any more.
-- KEYS 1 thread mailbox root ('-' placeholder when none)  2 index of the thread ('-' likewise)  3 index of runs
--      4 record  5… the run's other keys, then as many agendas and indexes of statuses as ARGV 3 and 4 say
-- ARGV 1 prefix  2 run key  3 number of agendas  4 of status indexes
-- Returns {verdict, keys deleted, entries removed}: purged | open. A repeat finds less to remove.
local prefix, run_key = ARGV[1], ARGV[2]
local first_index = #KEYS - ARGV[4] + 1
local first_agenda = first_index - ARGV[3]
local stage = redis.call('HGET', KEYS[4], 'stage')
if stage and stage ~= 'done' then return {'open', 0, 0} end
for i = first_agenda, first_index - 1 do
  if stage and redis.call('ZSCORE', KEYS[i], run_key) then return {'open', 0, 0} end
end
local deleted, removed = 0, 0
for i = 4, first_agenda - 1 do deleted = deleted + redis.call('DEL', KEYS[i]) end
for i = first_agenda, #KEYS do removed = removed + redis.call('ZREM', KEYS[i], run_key) end
for i = 2, 3 do removed = removed + redis.call('ZREM', KEYS[i], run_key) end
if KEYS[1] ~= prefix .. '-' then free_thread(prefix, KEYS[1], run_key, now_ms()) end
return {'purged', deleted, removed}
