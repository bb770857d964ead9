-- Sends the requests of the file DUET_WRK_REQUESTS in turn and prints wrk's counters as one line of JSON.
-- File format: for each request, a line with its length in bytes, followed by the request.
--
-- The first request on each of the DUET_WRK_CLIENTS connections is delayed by DUET_WRK_HEAD_START milliseconds, so
-- that the server has accepted all connections when the load begins.

local requests = {}
local current = 0
local to_open = tonumber(os.getenv("DUET_WRK_CLIENTS"))
local head_start = tonumber(os.getenv("DUET_WRK_HEAD_START"))

function init(args)
  local file = assert(io.open(os.getenv("DUET_WRK_REQUESTS"), "rb"))
  for line in function() return file:read("*l") end do
    requests[#requests + 1] = file:read(tonumber(line))
  end
  file:close()
end

function delay()
  if to_open > 0 then
    to_open = to_open - 1
    return head_start
  end
  return 0
end

function request()
  current = current % #requests + 1
  return requests[current]
end

function done(summary, latency, _)
  local errors = summary.errors
  io.write(string.format(
    '\nwrk-json {"requests":%d,"seconds":%.6f,"p50_us":%d,"p99_us":%d,'
      .. '"connect":%d,"read":%d,"write":%d,"timeout":%d,"status":%d}\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50), latency:percentile(99),
    errors.connect, errors.read, errors.write, errors.timeout, errors.status))
end
