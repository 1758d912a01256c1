-- Reads all that the model's invariants need, in one look.
-- ARGV 1 prefix  2… run keys
-- Returns, for each run, {stage, tells, thread, events, last event, agendas with an entry, digest of what may not
-- change once the record is final}, or {} where there is none; then {thread root, holder, waiting…} for each thread
local prefix = ARGV[1]
local stages = {'waiting', 'create', 'poll', 'tools', 'submit', 'cancel', 'finalize'}
local found = {}
local threads, order = {}, {}
for i = 2, #ARGV do
  local record = prefix .. 'run:' .. ARGV[i]
  local at = redis.call('HMGET', record, 'stage', 'tells', 'thread_id')
  if at[1] then
    local entries = {}
    for _, stage in ipairs(stages) do
      if redis.call('ZSCORE', prefix .. 'agenda:' .. stage .. ':default', ARGV[i]) then entries[#entries + 1] = stage end
    end
    local digest = ''
    if at[1] == 'done' then
      local parts = {tostring(redis.call('LLEN', record .. '/events'))}
      for _, key in ipairs({record, record .. '/calls'}) do
        local fields = redis.call('HGETALL', key)
        for j = 1, #fields, 2 do
          if fields[j] ~= 'claim' and fields[j] ~= 'lease_ms' then
            parts[#parts + 1] = fields[j] .. '=' .. fields[j + 1]
          end
        end
      end
      table.sort(parts)
      digest = redis.sha1hex(table.concat(parts, '\n'))
    end
    local count = redis.call('LLEN', record .. '/events')
    found[#found + 1] = {at[1], at[2] or '', at[3] or '', count, redis.call('LINDEX', record .. '/events', -1) or '',
      table.concat(entries, ','), digest}
    if at[3] and not threads[at[3]] then
      threads[at[3]] = true
      order[#order + 1] = at[3]
    end
  else
    found[#found + 1] = {}
  end
end
for _, thread in ipairs(order) do
  local root = prefix .. 'thread:default:' .. thread
  found[#found + 1] = {thread, redis.call('GET', root .. ':active') or '', unpack(redis.call('LRANGE', root .. ':waiting', 0, -1))}
end
return found
