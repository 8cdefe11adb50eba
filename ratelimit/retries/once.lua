-- Adds to a counter once for each receipt. KEYS: the counter, the receipt if there is one. ARGV:
-- what to add (below 0: to give back, down to 0), seconds that a new counter lives, milliseconds
-- that the receipt does, how often it may be shown. Answers the counter; to who comes again
-- -(COUNTER + 1), with what it was the first time.
local told = KEYS[2] and redis.call('GET', KEYS[2])
local left, count
if told then left, count = string.match(told, '^(%d+) (%d+)$') end
if left and left ~= '0' then
  local rest = math.max(redis.call('PTTL', KEYS[2]), 1)
  redis.call('SET', KEYS[2], (left - 1) .. ' ' .. count, 'PX', string.format('%d', rest))
  return -tonumber(count) - 1
end
local addend = tonumber(ARGV[1])
if addend < 0 then
  -- Numbers stay texts: Lua's have 53 bits.
  count = redis.call('GET', KEYS[1])
  if count then
    local back = string.sub(ARGV[1], 2)
    if tonumber(count) < -addend then back = count end
    count = redis.call('DECRBY', KEYS[1], back)
  else
    count = 0
  end
else
  count = redis.pcall('INCRBY', KEYS[1], ARGV[1])
  if type(count) == 'table' then return count end
  if count == addend then redis.call('EXPIRE', KEYS[1], ARGV[2]) end
end
-- More than any limit says no more than that, and is written with all its digits.
count = math.min(count, 4294967296)
if KEYS[2] then
  redis.call('SET', KEYS[2], ARGV[4] .. ' ' .. string.format('%d', count), 'PX', ARGV[3])
end
return count
