-- Claims due runs of one stage and profile: each gets a fresh claim number and a lease.
-- A claim that lapsed because its holder died makes the run a suspect: at most one of those is given out at a time, so
-- that the next death is a strike for it alone. A claim that was ended clears it. After so many strikes the run
-- is in quarantine until its deadline. Of a holder that is neither surely dead nor surely alive the run waits a little.
-- A run of a newer schema is left for newer workers and looked at again a second later. A record that is none is given
-- out as its key alone, so that its claimer puts it off (unread.lua).
-- KEYS 1 agenda  2 wake mark  3 permits of the profile  4 workers  5 stream
-- ARGV 1 prefix  2 lease (ms)  3 most runs  4 newest schema known  5 worker id  6 judge the dead: yes | no | later
--      7 age of a dead worker's heartbeat (ms)  8 a suspect may be claimed (0/1)  9 strikes to quarantine
--      10 pause of who has to wait for its turn (ms)  11 pause of who waits for a judgement (ms)
--      12 later than this it cannot be: Redis's clock has jumped, and nothing is judged or claimed by it
--      13 number of fields of the permits to tell  14… those, then the record fields to read, of which the first nine
--      are schema, lease_ms, holder, strikes, quarantined_ms, deadline_ms, cancel_ms, stage and claim
-- Returns {now, {permits' field…}, {run key of a new quarantine…}, [run key, {field…}]…}, the fields as they are now
redis.call('DEL', KEYS[2])
local now = now_ms()

-- How the last claim of a run came to its end: ended | alive | dead | unsure
local function last_holder(holder, lapse)
  if lapse == 0 then return 'ended' end
  if not holder or holder == '' or holder == ARGV[5] or ARGV[6] == 'no' then return 'alive' end
  local seen = tonumber(redis.call('ZSCORE', KEYS[4], holder) or '')
  if not seen or seen > lapse then return 'alive' end -- one that is not on the list has ended cleanly
  if ARGV[6] == 'yes' and now - seen > tonumber(ARGV[7]) then return 'dead' end
  return 'unsure'
end

-- One record with a field that is no number would break the claim of all.
local function is_record(at)
  return tonumber(at[1]) and tonumber(at[2] or '0') and tonumber(at[6]) and string.match(at[9] or '', '^%d+$') and at[8]
end

local now_text, until_ms = int(now), int(now + ARGV[2])
local due = redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now_text, 'LIMIT', '0', ARGV[3])
local first_field = 14 + ARGV[13]
local quarantine = {}
local claimed = {now_text, redis.call('HMGET', KEYS[3], unpack(ARGV, 14, first_field - 1)), quarantine}
if now > tonumber(ARGV[12]) then return claimed end
local suspects = tonumber(ARGV[8])
for _, run_key in ipairs(due) do
  local record = ARGV[1] .. 'run:' .. run_key
  local at = redis.pcall('HMGET', record, unpack(ARGV, first_field))
  if at.err or (at[1] and not is_record(at)) then
    redis.call('ZADD', KEYS[1], until_ms, run_key)
    claimed[#claimed + 1] = {run_key}
  elseif not at[1] then
    redis.call('ZREM', KEYS[1], run_key) -- purged: nothing is left to carry
  elseif tonumber(at[1]) > tonumber(ARGV[4]) then
    redis.call('ZADD', KEYS[1], int(now + 1000), run_key)
  else
    local lapse = tonumber(at[2] or '0')
    local fate = last_holder(at[3], lapse)
    local strikes, quarantined = tonumber(at[4] or ''), (at[5] or '') ~= ''
    if fate == 'dead' and not quarantined then
      strikes = strikes and strikes + 1 or 0
      at[4] = int(strikes)
      redis.call('HSET', record, 'strikes', at[4], 'holder', '') -- a death counts once
      if strikes >= tonumber(ARGV[9]) and at[8] ~= 'done' then
        quarantined = true
        at[5] = now_text
        redis.call('HSET', record, 'quarantined_ms', now_text, 'lease_ms', '0')
        append_event(run_key, record, KEYS[5], '{"type":"run.quarantined","stage":"' .. at[8] .. '"}', now)
        set_aside(ARGV[1], run_key, run_key, now)
        quarantine[#quarantine + 1] = run_key
      end
    elseif fate == 'ended' and strikes and not quarantined then
      strikes = nil
      at[4] = ''
      redis.call('HSET', record, 'strikes', '')
    end
    if fate == 'unsure' then
      redis.call('ZADD', KEYS[1], int(now + ARGV[11]), run_key)
    elseif quarantined and not at[7] and now < tonumber(at[6]) then
      redis.call('ZADD', KEYS[1], at[6], run_key)
    elseif strikes and not quarantined and suspects == 0 then
      redis.call('ZADD', KEYS[1], int(now + ARGV[10]), run_key)
    else
      if strikes and not quarantined then suspects = 0 end
      at[2], at[3], at[9] = until_ms, ARGV[5], int(at[9] + 1)
      redis.call('HSET', record, 'lease_ms', at[2], 'holder', at[3], 'claim', at[9])
      redis.call('ZADD', KEYS[1], until_ms, run_key)
      claimed[#claimed + 1] = {run_key, at}
    end
  end
end
return claimed
