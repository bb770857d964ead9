-- Claim a queued job for a worker, with a new token that is larger than all earlier ones.
local worker, length, nonce, claimed = unpack(ARGV, 3)

local state, holder = get('state', 'nonce')
if not state then
  return {'unknown'}
end
if (state == 'running' or state == 'cancelling') and holder == nonce then
  return ok()
end
if state ~= 'queued' then
  return {'taken'}
end

-- A token is at least the current time, so that none repeats even if power loss costs the broker its last second.
local token = math.max(tonumber(redis.call('GET', TOKENS) or '0') + 1, microseconds())
redis.call('SET', TOKENS, digits(token))
redis.call('HDEL', JOB, 'progress.stage', 'progress.epoch', 'progress.epochs', 'progress.step', 'progress.steps',
  'progress.loss', 'progress.accuracy', 'progress.seconds_left')
redis.call('HINCRBY', JOB, 'attempt', 1)
redis.call('HSET', JOB, 'token', digits(token), 'nonce', nonce, 'worker', worker, 'claimed_at', digits(milliseconds()))
move('running', LEASES, 0)
lease(length)
emit(claimed)
return ok()
