-- Record a new job. KEYS[9] is its idempotency key, if any.
local kind, parameters, request_id, key_id, traceparent, submitted, digest, retention = unpack(ARGV, 3)

if redis.call('EXISTS', JOB) == 1 then
  return ok()
end
local idempotency = KEYS[9]
if idempotency then
  local first, job = unpack(redis.call('HMGET', idempotency, 'digest', 'job'))
  if first and first ~= digest then
    return {'conflict'}
  end
  if job then
    return {'replay', job}
  end
  redis.call('DEL', idempotency)
  redis.call('HSET', idempotency, 'digest', digest, 'job', ID)
  redis.call('PEXPIRE', idempotency, retention)
end

redis.call('HSET', JOB, 'kind', kind, 'parameters', parameters, 'attempt', '0', 'created_at', digits(milliseconds()),
  'request_id', request_id, 'key_id', key_id)
if traceparent ~= '' then
  redis.call('HSET', JOB, 'traceparent', traceparent)
end
redis.call('ZADD', JOBS, '0', ID)
queue()
emit(submitted)
return ok()
