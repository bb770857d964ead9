-- End an attempt without ending its job. With token '', end the current attempt if its lease has expired. The field
-- `counter` of the job counts the interruptions of this cause, at most `limit`; with limit '', always queue the job again.
local token, counter, limit, failure, resumes, gives_up, failed, cancelled = unpack(ARGV, 3)

if token == '' then
  local expiry = redis.call('ZSCORE', LEASES, ID)
  if not expiry or tonumber(expiry) > milliseconds() then
    return {'lost'}
  end
elseif not held_by(token) then
  return {'lost'}
end

local state, count = get('state', counter)
if state == 'cancelling' then
  emit(gives_up)
  finish('cancelled', cancelled)
elseif limit == '' then
  emit(resumes)
  queue()
elseif tonumber(count or '0') < tonumber(limit) then
  redis.call('HINCRBY', JOB, counter, 1)
  emit(resumes)
  queue()
else
  emit(gives_up)
  redis.call('HSET', JOB, 'error', failure)
  finish('failed', failed)
end
return ok()
