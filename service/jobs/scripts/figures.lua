-- Figures of jobs and workers for metrics, as JSON; reads only, and at most ARGV[3] entries of each index.
local queued_jobs, claimed_jobs, counts, workers = unpack(KEYS)
local job_prefix, worker_prefix, limit = unpack(ARGV)
local last, now = tonumber(limit) - 1, milliseconds()
local queued, waited, running, overdue, reports = {}, {}, {}, {}, {}

local function add(numbers, longest, kind, age)
  numbers[kind] = (numbers[kind] or 0) + 1
  longest[kind] = math.max(longest[kind] or 0, age)
end

for _, id in ipairs(redis.call('ZRANGE', queued_jobs, 0, last)) do
  local kind, since, created = unpack(redis.call('HMGET', job_prefix .. id, 'kind', 'queued_at', 'created_at'))
  if kind then
    add(queued, waited, kind, now - tonumber(since or created))
  end
end

local claimed = redis.call('ZRANGE', claimed_jobs, 0, last, 'WITHSCORES')
for i = 1, #claimed, 2 do
  local kind = redis.call('HGET', job_prefix .. claimed[i], 'kind')
  if kind then
    add(running, overdue, kind, now - tonumber(claimed[i + 1]))
  end
end

local beats = redis.call('ZRANGE', workers, 0, last, 'REV', 'WITHSCORES')
for i = 1, #beats, 2 do
  reports[#reports + 1] = {beats[i], now - tonumber(beats[i + 1]), redis.call('GET', worker_prefix .. beats[i])}
end

-- The user of the broker may lack the permission for INFO.
local info = redis.pcall('INFO', 'memory')
local memory = type(info) == 'string' and tonumber(string.match(info, 'used_memory:(%d+)'))

return cjson.encode({queued = queued, waited = waited, running = running, overdue = overdue, reports = reports,
  counts = redis.call('HGETALL', counts), memory = memory})
