-- Store the report of a worker, KEYS[1], and the time of its heartbeat in the index KEYS[2].
local name, report, expiry, kept = unpack(ARGV)

redis.call('SET', KEYS[1], report, 'PX', expiry)
redis.call('ZADD', KEYS[2], digits(milliseconds()), name)
redis.call('ZREMRANGEBYSCORE', KEYS[2], '-inf', digits(milliseconds() - tonumber(kept)))
return {'ok'}
