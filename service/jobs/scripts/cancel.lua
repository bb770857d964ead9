-- Cancel a queued job immediately; mark a running job as cancelling.
local cancelling, cancelled = unpack(ARGV, 3)

local state = get('state')
if not state then
  return {'unknown'}
elseif state == 'queued' then
  finish('cancelled', cancelled)
elseif state == 'running' then
  redis.call('HSET', JOB, 'state', 'cancelling')
  emit(cancelling)
elseif ENDED[state] then
  return {state}
end
return ok()
