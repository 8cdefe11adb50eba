-- Around a script that answers whole numbers, which are told again for the same receipt. KEYS and
-- ARGV: the script's own, and at their ends the receipt; milliseconds that it lives, how often it
-- may be shown. `decide` runs the script.
local receipt = table.remove(KEYS)
local most, within = table.remove(ARGV), table.remove(ARGV)
local told = redis.call('GET', receipt)
if told then
  local left, said = string.match(told, '^(%d+) ([-%d ]+)$')
  if left and left ~= '0' then
    local rest = math.max(redis.call('PTTL', receipt), 1)
    redis.call('SET', receipt, (left - 1) .. ' ' .. said, 'PX', string.format('%d', rest))
    local again = {}
    for number in string.gmatch(said, '%-?%d+') do again[#again + 1] = tonumber(number) end
    return again
  end
end
local answer = decide()
-- All are below 10^14, which Lua writes with all their digits.
redis.call('SET', receipt, most .. ' ' .. table.concat(answer, ' '), 'PX', within)
return answer
