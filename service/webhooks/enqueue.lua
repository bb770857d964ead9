-- Store a message for one receiver, once. Old events, and those from before the receiver was configured, are ignored.
local due, messages, seen, since = unpack(KEYS)
local id, message, created, retention, most = unpack(ARGV)

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local first = tonumber(redis.call('GET', since) or now)
if tonumber(created) < math.max(first, now - tonumber(retention)) then
  return 'old'
end
if not redis.call('SET', seen, '1', 'NX', 'PX', retention) then
  return 'known'
end
if redis.call('ZCARD', due) >= tonumber(most) then
  return 'full'
end
redis.call('HSET', messages, id, message)
redis.call('ZADD', due, string.format('%.0f', now), id)
-- The messages of a receiver that is no longer configured expire.
redis.call('PEXPIRE', messages, 2 * retention)
redis.call('PEXPIRE', due, 2 * retention)
return 'added'
