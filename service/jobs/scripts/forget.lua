-- Remove a job that ended at least ARGV[3] ms ago, with its events.
local ended = redis.call('ZSCORE', FINISHED, ID)
if not ended or tonumber(ended) > milliseconds() - tonumber(ARGV[3]) then
  return {'kept'}
end
redis.call('ZREM', FINISHED, ID)
redis.call('ZREM', JOBS, ID)
redis.call('DEL', JOB, EVENTS)
return {'ok'}
