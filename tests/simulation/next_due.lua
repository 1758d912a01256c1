-- Finds what is planned first.
-- KEYS agendas   Returns {position (from 1), time (ms)} of the first, or {} when nothing is planned
local found = {}
for i = 1, #KEYS do
  local first = redis.call('ZRANGE', KEYS[i], 0, 0, 'WITHSCORES')
  if #first > 0 and (#found == 0 or tonumber(first[2]) < tonumber(found[2])) then found = {i, first[2]} end
end
return found
