-- Removes a finished run: its keys, its place in agenda, indexes and mailbox. The thread goes to the next run that
-- waits. A run that is still in an agenda is left whole: nobody would cancel it at the provider any more. It goes only
-- if it still holds what its purger saw there and could not read.
-- KEYS 1 thread mailbox root ('-' placeholder when none)  2 index of the thread ('-' likewise)  3 index of runs
--      4 record  5… the run's other keys, then as many agendas and indexes of statuses as ARGV 3 and 4 say
-- ARGV 1 prefix  2 run key  3 number of agendas  4 of status indexes  5 what an open run must hold to go, or `look`:
--      tell what that is and remove nothing
-- Returns {verdict, keys deleted, entries removed, what it holds after a look}: purged | open | seen. A repeat finds
-- less to remove.
local prefix, run_key = ARGV[1], ARGV[2]

-- A digest of record, events and calls; the fields of a hash come in no order of their own.
local function held()
  local texts = {}
  for i = 4, 6 do
    local kind = redis.call('TYPE', KEYS[i]).ok
    texts[#texts + 1] = kind
    if kind == 'hash' then
      local row, fields = redis.call('HGETALL', KEYS[i]), {}
      for at = 1, #row, 2 do fields[#fields + 1] = row[at] .. ' ' .. row[at + 1] end
      table.sort(fields)
      texts[#texts + 1] = table.concat(fields, '\n')
    elseif kind == 'list' then
      texts[#texts + 1] = table.concat(redis.call('LRANGE', KEYS[i], '0', '-1'), '\n')
    end
  end
  local text = table.concat(texts, '\n')
  return redis.sha1hex and redis.sha1hex(text) or text -- fakeredis has no sha1hex
end

if ARGV[5] == 'look' then return {'seen', 0, 0, held()} end
local first_index = #KEYS - ARGV[4] + 1
local first_agenda = first_index - ARGV[3]
local stage = redis.pcall('HGET', KEYS[4], 'stage') -- an error, and so not done, where the key is no hash
local open = stage and stage ~= 'done'
for i = first_agenda, first_index - 1 do open = open or stage and redis.call('ZSCORE', KEYS[i], run_key) end
if open and ARGV[5] ~= held() then return {'open', 0, 0} end
local deleted, removed = 0, 0
for i = 4, first_agenda - 1 do deleted = deleted + redis.call('DEL', KEYS[i]) end
for i = first_agenda, #KEYS do removed = removed + redis.call('ZREM', KEYS[i], run_key) end
for i = 2, 3 do removed = removed + redis.call('ZREM', KEYS[i], run_key) end
if KEYS[1] ~= prefix .. '-' then free_thread(prefix, KEYS[1], run_key, now_ms()) end
return {'purged', deleted, removed}
