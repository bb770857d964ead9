-- Keep a claimed job for some time more.
local token, length = unpack(ARGV, 3)

if not held_by(token) then
  return {'lost'}
end
lease(length)
return {get('state')}
