-- Queue a failed or cancelled job again.
local retried = unpack(ARGV, 3)

local state = get('state')
if not state then
  return {'unknown'}
elseif state ~= 'failed' and state ~= 'cancelled' then
  return {state}
end
redis.call('HDEL', JOB, 'finished_at', 'result', 'error', 'resumptions', 'lost_workers')
queue()
emit(retried)
return ok()
