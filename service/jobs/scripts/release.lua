-- Give an idempotency key back whose request came to nothing.
if redis.call('HGET', KEYS[1], 'nonce') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return {'ok'}
