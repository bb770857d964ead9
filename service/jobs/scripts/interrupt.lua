-- An attempt ended without an end of its job. With token '', whichever attempt it is whose lease has run out. With
-- most_resumptions '', the attempt did nothing wrong, and the job is queued again as often as that happens.
local token, most_resumptions, failure, resumes, gives_up, failed, cancelled = unpack(ARGV, 3)

if token == '' then
  local expiry = redis.call('ZSCORE', LEASES, ID)
  if not expiry or tonumber(expiry) > milliseconds() then
    return {'lost'}
  end
elseif not held_by(token) then
  return {'lost'}
end

local state, resumptions = get('state', 'resumptions')
if state == 'cancelling' then
  emit(gives_up)
  finish('cancelled', cancelled)
elseif most_resumptions == '' then
  emit(resumes)
  queue()
elseif tonumber(resumptions or '0') < tonumber(most_resumptions) then
  redis.call('HINCRBY', JOB, 'resumptions', 1)
  emit(resumes)
  queue()
else
  emit(gives_up)
  redis.call('HSET', JOB, 'error', failure)
  finish('failed', failed)
end
return ok()
