-- Whether an attempt may write now. Renews the lease, so that it lasts while the attempt writes.
local token, action = unpack(ARGV, 3)

if not held_by(token) then
  return {'refused'}
end
local state, length = get('state', 'lease')
if state == 'cancelling' and action ~= 'checkpoint' then
  return {'refused'}
end
lease(length)
if action == 'checkpoint' then
  redis.call('HDEL', JOB, 'lost_workers')
end
return {'granted'}
