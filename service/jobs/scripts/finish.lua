-- End a claimed job.
local token, state, result, failure, finished = unpack(ARGV, 3)

local newest, current = get('token', 'state')
if newest == token and current == state then
  return ok()
end
if not held_by(token) then
  return {'lost'}
end
if result ~= '' then
  redis.call('HSET', JOB, 'result', result)
end
if failure ~= '' then
  redis.call('HSET', JOB, 'error', failure)
end
finish(state, finished)
return ok()
