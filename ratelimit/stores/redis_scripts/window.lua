-- ratelimit/algorithms/named_window.py: 0, hits, and what the plain counter says, or false.
-- More than 2^32 + 1 is not believed of it: every sum is exact, and INCRBY cannot overflow.
kinds.window = {
  load = function(use)
    local count = tonumber(redis.call('GET', use.key) or nil)
    if not count then return false end
    count = math.max(math.min(count, 4294967297), 0)
    return { 0, count, count }
  end,
  save = function(use, state, life)
    if state[3] then
      redis.call('INCRBY', use.key, string.format('%d', state[2] - state[3]))
    else
      redis.call('SET', use.key, string.format('%d', state[2]), 'PX', life)
    end
  end,
  roll = function(use, state)
    return state or { 0, 0, false }
  end,
  free = function(use, state)
    return use.capacity - state[2]
  end,
  add = function(use, state, now, hits)
    return { 0, state[2] + hits, state[3] }
  end,
  take_back = function(use, state, now, hits)
    return { 0, math.max(state[2] - hits, 0), state[3] }
  end,
  wait = function(use, state, now, hits)
    if hits <= use.capacity - state[2] then return 0 end
    return use.window - now % use.window
  end,
  reset = function(use, state, now)
    return use.window - now % use.window
  end,
}
