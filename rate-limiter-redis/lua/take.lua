-- Decides all limits of a call at once, on the server's own time, all or none.
--
-- KEYS[1]  what one holder has taken
-- ARGV[1]  the hash of what is asked; it comes back with the answer
-- ARGV[2]  the question, integers of eight bytes: units that must be had, units that may be had at most, for how
--          many of a GCRA time may be had at most, into how many parts what is left is divided before a block is made
--          of one; and for each limit its kind and five numbers (calendar: maximum; GCRA: burst, interval and capacity
--          in nanoseconds as two numbers each, see below)
-- ARGV[3]  what is handed back, or nothing: when the counters must have begun, and for each limit its kind, where its
--          count must stand (two numbers), and what it gets (two numbers)
--
-- A Lua number is exact up to 2^53. So nanoseconds are kept as whole microseconds and the nanoseconds below.
--
-- The answer: the hash, units granted (-1: refused), for how many of a GCRA time was granted, now, when the counters began, and for each limit how it stood
-- before the call: end of window and units taken, or arrival time in microseconds and nanoseconds below.

local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]

-- What is ours begins with it.
local MARK = 'r1'
local DAY = 86400000000
local EVEN = { 1000000, 60000000, 3600000000, DAY }

-- Days from the epoch to the first of a month; years may carry over.
local function days(year, month)
  if month <= 2 then
    year = year - 1
    month = month + 12
  end
  local era = math.floor(year / 400)
  local of_era = year - era * 400
  local of_year = math.floor((153 * (month - 3) + 2) / 5)
  return era * 146097 + of_era * 365 + math.floor(of_era / 4) - math.floor(of_era / 100) + of_year - 719468
end

local function year_and_month(at)
  local day = math.floor(at / DAY) + 719468
  local era = math.floor(day / 146097)
  local of_era = day - era * 146097
  local year = math.floor((of_era - math.floor(of_era / 1460) + math.floor(of_era / 36524)
    - math.floor(of_era / 146096)) / 365)
  local of_year = of_era - (365 * year + math.floor(year / 4) - math.floor(year / 100))
  local month = math.floor((5 * of_year + 2) / 153) + 3
  year = year + era * 400
  if month > 12 then
    return year + 1, month - 12
  end
  return year, month
end

-- The end of the calendar window of a kind, 1 to 6 from second to year, in which `now` lies.
local function window_end(kind)
  local even = EVEN[kind]
  if even then
    return now - now % even + even
  end
  local year, month = year_and_month(now)
  if kind == 6 or month == 12 then
    return days(year + 1, 1) * DAY
  end
  return days(year, month + 1) * DAY
end

-- So many times a length of time.
local function times(units, micros, nanos)
  local below = units * nanos
  return units * micros + math.floor(below / 1000), below % 1000
end

local function sum(micros, nanos, more_micros, more_nanos)
  local below = nanos + more_nanos
  if below >= 1000 then
    return micros + more_micros + 1, below - 1000
  end
  return micros + more_micros, below
end

local function exceeds(micros, nanos, most_micros, most_nanos)
  return micros > most_micros or (micros == most_micros and nanos > most_nanos)
end

-- What is known: each kind's count with its arrival time or end, and the interval that a GCRA was counted under.
local born = now
local known = {}
local changed = false
local raw = redis.call('GET', KEYS[1])
if raw then
  if string.sub(raw, 1, 2) ~= MARK or (#raw - 10) % 27 ~= 0 then
    return redis.error_reply('FOREIGN value')
  end
  local at = 11
  born = struct.unpack('>i8', raw, 3)
  while at <= #raw do
    local kind, till, tail, micros, nanos
    kind, till, tail, micros, nanos, at = struct.unpack('>Bi8i8i8H', raw, at)
    known[kind] = { till, tail, micros, nanos }
  end
end

local back = ARGV[3]
if back ~= '' and struct.unpack('>i8', back) == born then
  local at = 9
  while at <= #back do
    local kind, till, tail, value, below
    kind, till, tail, value, below, at = struct.unpack('>i8i8i8i8i8', back, at)
    local count = known[kind]
    if count and kind == 0 and count[1] == till and count[2] == tail then
      count[1], count[2], changed = value, below, true
    elseif count and kind > 0 and count[1] == till then
      count[2], changed = math.max(0, count[2] - value), true
    end
  end
end

local ask = ARGV[2]
local need, want, reach, parts, at = struct.unpack('>i8i8i8i8', ask)
local reply = { ARGV[1], 0, 0, now, born }
local granted = want
local fits = true
local limits = {}
while at <= #ask do
  local kind, most, micros, nanos, room_micros, room_nanos
  kind, most, micros, nanos, room_micros, room_nanos, at = struct.unpack('>i8i8i8i8i8i8', ask, at)
  local count = known[kind]
  local till, tail, left
  if kind > 0 then
    if count and now < count[1] then
      till, tail = count[1], count[2]
    else
      till, tail = window_end(kind), 0
    end
    left = most - tail - need
    fits = fits and (need == 0 or left >= 0)
  else
    local used, used_nanos = 0, 0
    if count and count[1] >= now then
      used, used_nanos = count[1] - now, count[2]
      if (used > 0 or used_nanos > 0) and (count[3] ~= micros or count[4] ~= nanos) then
        -- The same number of units under another interval, rounded up, so that nothing is gained by changing it.
        local exact = (used * 1000 + used_nanos) * ((micros * 1000 + nanos) / (count[3] * 1000 + count[4]))
        used, used_nanos = math.ceil(exact / 1000), 0
      end
    end
    till, tail = now + used, used_nanos
    local asked, asked_nanos = times(need, micros, nanos)
    asked, asked_nanos = sum(used, used_nanos, asked, asked_nanos)
    fits = fits and (need == 0 or (need <= most and not exceeds(asked, asked_nanos, room_micros, room_nanos)))
    left = math.floor((room_micros - asked) / (micros + nanos / 1000)) - 1
  end
  if left < 0 then
    left = 0
  end
  local part = need + math.floor(left / parts)
  granted = math.min(granted, part)
  if kind == 0 then
    reach = math.min(reach, part)
  end
  limits[#limits + 1] = { kind, till, tail, micros, nanos }
  reply[#reply + 1] = till
  reply[#reply + 1] = tail
end

if not fits then
  reply[2] = -1
elseif need > 0 then
  -- Time that is not spent drains by itself, so more of it than there are units costs the others little.
  reach = math.max(reach, granted)
  reply[2], reply[3] = granted, reach
  changed = true
  for _, limit in ipairs(limits) do
    local kind, till, tail, micros, nanos = unpack(limit)
    if kind > 0 then
      known[kind] = { till, tail + granted, 0, 0 }
    else
      local more, more_nanos = times(reach, micros, nanos)
      till, tail = sum(till, tail, more, more_nanos)
      known[kind] = { till, tail, micros, nanos }
    end
  end
end

if changed then
  local parts_of_value = { MARK, struct.pack('>i8', born) }
  local latest = 0
  for kind, count in pairs(known) do
    -- What is over says no more than what is not there.
    if count[1] >= now then
      parts_of_value[#parts_of_value + 1] = struct.pack('>Bi8i8i8H', kind, count[1], count[2], count[3], count[4])
      latest = math.max(latest, count[1])
    end
  end
  if latest > 0 then
    redis.call('SET', KEYS[1], table.concat(parts_of_value), 'PXAT', string.format('%.0f', math.floor(latest / 1000) + 1))
  elseif raw then
    redis.call('DEL', KEYS[1])
  end
end

return reply
