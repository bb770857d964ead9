-- Release the idempotency key of a failed request.
if redis.call('HGET', KEYS[1], 'nonce') == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return {'ok'}
