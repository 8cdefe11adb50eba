-- ratelimit/algorithms/sub_buckets.py: start of the newest part, its hits, those of the parts
-- before it. `use.more` is the number of parts.
local function room(use, state)
  local left = use.capacity
  for place = 2, use.more + 2 do left = left - state[place] end
  return left
end

kinds.buckets = {
  read = function(use, text)
    local state, count = {}, 0
    for number in string.gmatch(text, '%d+') do
      count = count + 1
      state[count] = number + 0
    end
    return count == use.more + 2 and state
  end,
  write = function(state)
    return string.format(string.rep('%d ', #state), unpack(state))
  end,
  roll = function(use, state, now)
    local length = math.ceil(use.window / use.more)
    local start = now - now % length
    local passed = use.more + 1
    if state then
      passed = math.min((start - state[1]) / length, passed)
      if passed == 0 then return state end
    end
    local rolled = { start }
    for place = 2, use.more + 2 do
      rolled[place] = place - passed > 1 and state[place - passed] or 0
    end
    return rolled
  end,
  free = room,
  add = function(use, state, now, hits)
    local after = { unpack(state) }
    after[2] = after[2] + hits
    return after
  end,
  take_back = function(use, state, now, hits)
    local after = { state[1] }
    for place = 2, use.more + 2 do
      local taken = math.min(state[place], hits)
      hits = hits - taken
      after[place] = state[place] - taken
    end
    return after
  end,
  wait = function(use, state, now, hits)
    local missing = hits - room(use, state)
    if missing <= 0 then return 0 end
    local place = use.more + 2
    missing = missing - state[place]
    while missing > 0 do
      place = place - 1
      missing = missing - state[place]
    end
    local length = math.ceil(use.window / use.more)
    return state[1] + (use.more + 3 - place) * length - now
  end,
}
