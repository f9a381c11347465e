-- Says that a node is there, and counts those that are.
--
-- KEYS[1]  the nodes, each with the time at which it was last heard of
-- ARGV[1]  the hash of what is asked; it comes back with the answer
-- ARGV[2]  the node
-- ARGV[3]  for how many milliseconds it counts from now on; 0 that it leaves

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = tonumber(ARGV[3])

if life > 0 then
  redis.call('ZADD', KEYS[1], now + life, ARGV[2])
  redis.call('PEXPIRE', KEYS[1], life)
else
  redis.call('ZREM', KEYS[1], ARGV[2])
end
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
return { ARGV[1], redis.call('ZCARD', KEYS[1]) }
