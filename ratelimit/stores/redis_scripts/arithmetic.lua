-- floor((a * b + c) / d) and the remainder, exact for whole a < 2^32, b < 2^35, |c| < 2^36 and
-- 0 < d < 2^35, where a * b is more than a double holds: in two steps, 16 bits of a at a time.
-- A quotient of doubles below 2^53 never rounds up to the next whole number, so floor is right.
local function divide(a, b, c, d)
  local low = a % 65536
  local x = (a - low) / 65536 * b
  local high = math.floor(x / d)
  x = (x - high * d) * 65536 + low * b + c
  local rest = math.floor(x / d)
  return high * 65536 + rest, x - rest * d
end
