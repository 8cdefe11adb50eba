-- ratelimit/algorithms/fixed_window.py: start, hits.
kinds.fixed = {
  read = function(use, text)
    local start, hits = string.match(text, '^(%d+) (%d+)$')
    return start and { start + 0, hits + 0 }
  end,
  write = function(state)
    return string.format('%d %d', state[1], state[2])
  end,
  roll = function(use, state, now)
    local start = now - now % use.window
    if state and state[1] == start then return state end
    return { start, 0 }
  end,
  free = function(use, state)
    return use.capacity - state[2]
  end,
  add = function(use, state, now, hits)
    return { state[1], state[2] + hits }
  end,
  take_back = function(use, state, now, hits)
    return { state[1], math.max(state[2] - hits, 0) }
  end,
  wait = function(use, state, now, hits)
    if hits <= use.capacity - state[2] then return 0 end
    return state[1] + use.window - now
  end,
  reset = function(use, state, now)
    return state[1] + use.window - now
  end,
}
