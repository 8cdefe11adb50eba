-- ratelimit/algorithms/sliding_window.py: start, hits, hits of the window before.
local function room(use, state, now)
  local seen, rest = divide(state[3], state[1] + use.window - now, 0, use.window)
  if rest > 0 then seen = seen + 1 end
  return use.capacity - state[2] - seen
end

kinds.sliding = {
  read = function(use, text)
    local start, hits, last = string.match(text, '^(%d+) (%d+) (%d+)$')
    return start and { start + 0, hits + 0, last + 0 }
  end,
  write = function(state)
    return string.format('%d %d %d', state[1], state[2], state[3])
  end,
  roll = function(use, state, now)
    local start = now - now % use.window
    if not state then return { start, 0, 0 } end
    if state[1] == start then return state end
    return { start, 0, state[1] + use.window == start and state[2] or 0 }
  end,
  free = room,
  add = function(use, state, now, hits)
    return { state[1], state[2] + hits, state[3] }
  end,
  take_back = function(use, state, now, hits)
    local older = math.max(hits - state[2], 0)
    return { state[1], math.max(state[2] - hits, 0), math.max(state[3] - older, 0) }
  end,
  wait = function(use, state, now, hits)
    if hits <= room(use, state, now) then return 0 end
    local start, last = state[1], state[3]
    local left = use.capacity - state[2] - hits
    if left < 0 then
      start, left, last = start + use.window, use.capacity - hits, state[2]
    end
    return start + use.window - divide(left, use.window, 0, last) - now
  end,
}
