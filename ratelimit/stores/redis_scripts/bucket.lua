-- ratelimit/algorithms/token_bucket.py: a time, tokens (below 0: owed), the fraction of
-- the next. `use.more` is
-- how many tokens come back in a window.
kinds.bucket = {
  read = function(use, text)
    local at, tokens, fraction = string.match(text, '^(%d+) (%-?%d+) (%d+)$')
    return at and { at + 0, tokens + 0, fraction + 0 }
  end,
  write = function(state)
    return string.format('%d %d %d', state[1], state[2], state[3])
  end,
  roll = function(use, state, now)
    -- A bucket that had the time to be filled is full; no product below is larger for its age.
    if not state or now - state[1] >= use.span then return { now, use.capacity, 0 } end
    local came, fraction = divide(use.more, now - state[1], state[3], use.window)
    local tokens = state[2] + came
    if tokens < use.capacity then return { now, tokens, fraction } end
    return { now, use.capacity, 0 }
  end,
  free = function(use, state)
    return state[2]
  end,
  debt = function(use)
    return use.more
  end,
  add = function(use, state, now, hits)
    return { state[1], state[2] - hits, state[3] }
  end,
  take_back = function(use, state, now, hits)
    local tokens = state[2] + hits
    if tokens < use.capacity then return { state[1], tokens, state[3] } end
    return { state[1], use.capacity, 0 }
  end,
  wait = function(use, state, now, hits)
    if hits <= state[2] then return 0 end
    local steps, rest = divide(hits - state[2], use.window, -state[3], use.more)
    return rest > 0 and steps + 1 or steps
  end,
}
