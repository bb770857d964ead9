-- Renew the lease of a claimed job.
local token, length = unpack(ARGV, 3)

if not held_by(token) then
  return {'lost'}
end
lease(length)
return {get('state')}
