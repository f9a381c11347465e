-- Decides all limits of a call at once, on the server's own time, all or none.
--
-- KEYS[1]  what one holder has taken
-- ARGV[1]  the hash of what is asked; it comes back with the answer
-- ARGV[2]  the question, numbers of eight bytes: units that must be had, units that may be had at most, for how many of a
--          GCRA time may be had at most, into how many parts what is left is divided before a block is made of one; and
--          for each limit its kind and four numbers (calendar: maximum; GCRA: burst, interval in nanoseconds, and
--          capacity as two numbers, see below)
-- ARGV[3]  what is handed back, such numbers or nothing: when the counters must have begun, and for each limit its
--          kind, where its count must stand (two numbers), and what it gets (two numbers)
--
-- A Lua number is exact up to 2^53. So instants and long times are kept as whole microseconds and nanoseconds below.
-- Every call of a library costs as much as a question to the database, so there are few, and plain loops instead.
--
-- The answer: the hash, units granted (-1: refused), for how many of a GCRA time was granted, now, when the counters
-- began, and for each limit how it stood before the call: end of window and units taken, or arrival time in
-- microseconds and nanoseconds below.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local floor = math.floor

-- What is ours begins with it.
local MARK = 1917

-- As many numbers as one side sends.
local NUMBERS = '>i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8i8'
local function numbers(bytes)
  local all = { struct.unpack(string.sub(NUMBERS, 1, 1 + #bytes / 4), bytes) }
  -- The last one says where it stopped.
  all[#all] = nil
  return all
end

local EVEN = { 1000000, 60000000, 3600000000, 86400000000 }

-- The end of the month (kind 5) or year (6) in which `now` lies. Days are counted from 1 March of the year 0, so that the
-- day of a leap year is the last of its year.
local function long_window_end(kind)
  local function days(year, month)
    if month <= 2 then
      year, month = year - 1, month + 12
    end
    return year * 365 + floor(year / 4) - floor(year / 100) + floor(year / 400) + floor((153 * month - 457) / 5)
  end
  local today = floor(now / EVEN[4]) + 719468
  local of_era = today % 146097
  local years = floor((of_era - floor(of_era / 1460) + floor(of_era / 36524) - floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * years + floor(years / 4) - floor(years / 100))
  local month = floor((5 * of_year + 2) / 153) + 3
  local year = floor(today / 146097) * 400 + years
  if month > 12 then
    year, month = year + 1, month - 12
  end
  if kind == 6 or month == 12 then
    return (days(year + 1, 1) - 719468) * EVEN[4]
  end
  return (days(year, month + 1) - 719468) * EVEN[4]
end

-- What is known, by kind: end of window or arrival time, units or nanoseconds below, and the interval of a GCRA.
local born = now
local tills, tails, intervals = {}, {}, {}
local changed = false
local raw = redis.call('GET', KEYS[1])
if raw then
  local value = #raw % 32 == 16 and #raw <= 240 and numbers(raw) or {}
  if value[1] ~= MARK then
    return redis.error_reply('FOREIGN value')
  end
  born = value[2]
  for at = 3, #value, 4 do
    local kind = value[at]
    tills[kind], tails[kind], intervals[kind] = value[at + 1], value[at + 2], value[at + 3]
  end
end

if ARGV[3] ~= '' then
  local back = numbers(ARGV[3])
  for at = 2, back[1] == born and #back or 0, 5 do
    local kind = back[at]
    if tills[kind] == back[at + 1] then
      if kind > 0 then
        local left = tails[kind] - back[at + 3]
        tails[kind], changed = left > 0 and left or 0, true
      elseif tails[kind] == back[at + 2] then
        tills[kind], tails[kind], changed = back[at + 3], back[at + 4], true
      end
    end
  end
end

local ask = numbers(ARGV[2])
local need, granted, reach, parts = ask[1], ask[2], ask[3], ask[4]
local fits = true
local reply = { ARGV[1], -1, 0, now, born }
local last = 5
for at = 5, #ask, 5 do
  local kind, most = ask[at], ask[at + 1]
  local till, tail, left = tills[kind], tails[kind], nil
  if kind > 0 then
    if not till or now >= till then
      local even = EVEN[kind]
      till, tail = even and now - now % even + even or long_window_end(kind), 0
    end
    left = most - tail - need
    fits = fits and (need == 0 or left >= 0)
  else
    local interval = ask[at + 2]
    local used, below = 0, 0
    if till and till >= now then
      used, below = till - now, tail
      if intervals[kind] ~= interval and used + below > 0 then
        -- The same number of units under another interval, rounded up, so that nothing is gained by changing it.
        used, below = math.ceil((used * 1000 + below) * (interval / intervals[kind]) / 1000), 0
      end
    end
    till, tail = now + used, below
    local nanos = need * (interval % 1000) + below
    local micros = need * floor(interval / 1000) + floor(nanos / 1000) + used
    local room = ask[at + 3] - micros
    fits = fits and (need == 0 or (need <= most and (room > 0 or (room == 0 and nanos % 1000 <= ask[at + 4]))))
    intervals[kind] = interval
    left = floor(room * 1000 / interval) - 1
  end
  tills[kind], tails[kind] = till, tail
  local part = need
  if left > 0 then
    part = need + floor(left / parts)
  end
  if granted > part then
    granted = part
  end
  if kind == 0 and reach > part then
    reach = part
  end
  reply[last + 1], reply[last + 2] = till, tail
  last = last + 2
end

if fits then
  -- Time that is not spent drains by itself, so more of it than there are units costs the others little.
  if reach < granted then
    reach = granted
  end
  reply[2], reply[3] = granted, reach
end

if fits and need > 0 then
  changed = true
  for at = 5, #ask, 5 do
    local kind = ask[at]
    if kind > 0 then
      tails[kind] = tails[kind] + granted
    else
      local interval = ask[at + 2]
      local nanos = reach * (interval % 1000) + tails[kind]
      tills[kind] = tills[kind] + reach * floor(interval / 1000) + floor(nanos / 1000)
      tails[kind] = nanos % 1000
    end
  end
end

if changed then
  local value = { MARK, born }
  local length, latest = 2, 0
  for kind = 0, 6 do
    local till = tills[kind]
    -- What is over says no more than what is not there.
    if till and till >= now then
      value[length + 1], value[length + 2] = kind, till
      value[length + 3], value[length + 4] = tails[kind], intervals[kind] or 0
      length = length + 4
      if till > latest then
        latest = till
      end
    end
  end
  if latest > 0 then
    local bytes = struct.pack(string.sub(NUMBERS, 1, 1 + length * 2), unpack(value))
    redis.call('SET', KEYS[1], bytes, 'PXAT', floor(latest / 1000) + 1)
  elseif raw then
    redis.call('DEL', KEYS[1])
  end
end

return reply
