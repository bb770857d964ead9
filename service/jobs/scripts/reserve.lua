-- Reserve the idempotency key KEYS[1] for a request that is being processed.
local digest, nonce, in_flight = unpack(ARGV)

local first, holder, job = unpack(redis.call('HMGET', KEYS[1], 'digest', 'nonce', 'job'))
if first and first ~= digest then
  return {'conflict', ''}
elseif job then
  return {'replay', job}
elseif holder and holder ~= nonce then
  return {'in_flight', ''}
end
redis.call('HSET', KEYS[1], 'digest', digest, 'nonce', nonce)
redis.call('PEXPIRE', KEYS[1], in_flight)
return {'ok', ''}
