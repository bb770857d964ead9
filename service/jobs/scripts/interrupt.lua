-- End an attempt without ending its job. With token '', end the current attempt if its lease has expired. With
-- max_resumptions '', always queue the job again.
local token, max_resumptions, failure, resumes, gives_up, failed, cancelled = unpack(ARGV, 3)

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
elseif max_resumptions == '' then
  emit(resumes)
  queue()
elseif tonumber(resumptions or '0') < tonumber(max_resumptions) then
  redis.call('HINCRBY', JOB, 'resumptions', 1)
  emit(resumes)
  queue()
else
  emit(gives_up)
  redis.call('HSET', JOB, 'error', failure)
  finish('failed', failed)
end
return ok()
