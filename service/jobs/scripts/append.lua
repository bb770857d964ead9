-- Append events and set progress fields. Arguments: ARGV[5] pairs of field and value, then pairs of kind and event.
local token, batch, fields = unpack(ARGV, 3, 5)
local first_event = 6 + 2 * fields

if not held_by(token) then
  return {'lost'}
end
local last_batch, last_progress = get('batch', 'last_progress')
if last_batch == batch then
  return {'ok'}
end
redis.call('HSET', JOB, 'batch', batch)
for i = 6, first_event - 1, 2 do
  redis.call('HSET', JOB, 'progress.' .. ARGV[i], ARGV[i + 1])
end
for i = first_event, #ARGV, 2 do
  local id = emit(ARGV[i + 1])
  -- Keep only the newest progress event, which arrives every second; otherwise progress would evict the epochs.
  if ARGV[i] == 'progress' then
    if last_progress then
      redis.call('XDEL', EVENTS, last_progress)
    end
    redis.call('HSET', JOB, 'last_progress', id)
    last_progress = id
  end
end
return {'ok'}
