local JOB, EVENTS, JOBS, QUEUED, LEASES, FINISHED, TOKENS, COUNTS = unpack(KEYS)
local ID, KEPT = ARGV[1], ARGV[2]
local ENDED = {succeeded = true, failed = true, cancelled = true}

-- The broker's clock, so that the clocks of the machines do not matter. Values stay below 2^53, exact in doubles.
local function microseconds()
  local time = redis.call('TIME')
  return tonumber(time[1]) * 1000000 + tonumber(time[2])
end

local function milliseconds()
  return math.floor(microseconds() / 1000)
end

local function digits(number)
  return string.format('%.0f', number)
end

local function get(...)
  return unpack(redis.call('HMGET', JOB, ...))
end

-- Whether this token is the newest one and the job has not ended.
local function held_by(token)
  local newest, state = get('token', 'state')
  return newest == token and (state == 'running' or state == 'cancelling')
end

local function emit(event)
  local attempt, token = get('attempt', 'token')
  local id = redis.call(
    'XADD', EVENTS, 'MAXLEN', '~', KEPT, '*', 'attempt', attempt, 'token', token or '', 'event', event)
  redis.call('HSET', JOB, 'events', id)
  return id
end

local function move(state, index, score)
  redis.call('ZREM', QUEUED, ID)
  redis.call('ZREM', LEASES, ID)
  redis.call('ZREM', FINISHED, ID)
  redis.call('ZADD', index, digits(score), ID)
  redis.call('HSET', JOB, 'state', state)
end

local function queue()
  local now = milliseconds()
  move('queued', QUEUED, now)
  redis.call('HSET', JOB, 'queued_at', digits(now))
end

-- Count the end of a job, and the duration of its last attempt, in buckets of up to 4^k seconds.
local function count_end(kind, state, duration)
  redis.call('HINCRBY', COUNTS, 'ended:' .. kind .. ':' .. state, 1)
  if duration then
    local k = 0
    while duration > 1000 * 4 ^ k do
      k = k + 1
    end
    redis.call('HINCRBY', COUNTS, 'bucket:' .. kind .. ':' .. digits(k), 1)
    redis.call('HINCRBY', COUNTS, 'milliseconds:' .. kind, digits(duration))
  end
end

local function finish(state, event)
  local now = milliseconds()
  local kind, before, claimed = get('kind', 'state', 'claimed_at')
  count_end(kind, state, before ~= 'queued' and math.max(0, now - tonumber(claimed)))
  move(state, FINISHED, now)
  redis.call('HSET', JOB, 'finished_at', digits(now))
  emit(event)
end

local function lease(length)
  redis.call('HSET', JOB, 'lease', length)
  redis.call('ZADD', LEASES, digits(milliseconds() + tonumber(length)), ID)
end

local function ok()
  return {'ok', redis.call('HGETALL', JOB)}
end
