-- ratelimit/algorithms/exact_log.py, as a list of Redis, newest first: `time hits sum`, where sum
-- is of all hits up to these. So no step reads the whole list: what a stretch of it holds is the
-- difference of two sums, and places are found by halving.
-- A state is the stored entries from `skip` to before `keep`, and those of `front` before them,
-- which are not written yet. `base` is the sum before the oldest.
local function parse(text)
  local time, hits, sum = string.match(text, '^(%d+) (%d+) (%d+)$')
  return { time + 0, hits + 0, sum + 0 }
end

local function entry(state, place)
  local before = #state.front
  if place < before then return state.front[place + 1] end
  return parse(redis.call('LINDEX', state.key, state.skip + place - before))
end

local function make(state, front, skip, keep)
  local made = { key = state.key, stored = state.stored, front = front, skip = skip, keep = keep }
  made.count = #front + keep - skip
  made.newest = entry(made, 0)
  made[1] = made.newest[1]
  local oldest = made.count > 1 and entry(made, made.count - 1) or made.newest
  made.oldest, made.base = oldest, oldest[3] - oldest[2]
  return made
end

-- With one entry and nothing else.
local function only(state, time, hits)
  return make(state, { { time, hits, hits } }, 0, 0)
end

-- The first place from `low` to before `high` for which `holds`, which holds for all after it.
local function first(state, low, high, holds)
  while low < high do
    local middle = math.floor((low + high) / 2)
    if holds(entry(state, middle)) then high = middle else low = middle + 1 end
  end
  return low
end

local function total(state)
  return state.newest[3] - state.base
end

kinds.log = {
  load = function(use)
    local count = redis.call('LLEN', use.key)
    if count == 0 then return false end
    return make({ key = use.key, stored = count }, {}, 0, count)
  end,
  save = function(use, state, life)
    if state.skip >= state.keep then
      redis.call('DEL', use.key)
    elseif state.skip > 0 or state.keep < state.stored then
      redis.call('LTRIM', use.key, state.skip, state.keep - 1)
    end
    for place = #state.front, 1, -1 do
      redis.call('LPUSH', use.key, string.format('%d %d %d', unpack(state.front[place])))
    end
    redis.call('PEXPIRE', use.key, life)
  end,
  roll = function(use, state, now)
    if not state then return only({ key = use.key, stored = 0 }, now, 0) end
    local over = now - use.window
    if state.oldest[1] > over then return state end
    if state.newest[1] <= over then return only(state, now, 0) end
    local kept = first(state, 1, state.count - 1, function(one) return one[1] <= over end)
    local front = { unpack(state.front, 1, math.min(kept, #state.front)) }
    return make(state, front, state.skip, state.skip + kept - #front)
  end,
  free = function(use, state)
    return use.capacity - total(state)
  end,
  add = function(use, state, now, hits)
    local time, last, sum = unpack(state.newest)
    if last == 0 then return only(state, now, hits) end
    local front, skip = { unpack(state.front) }, state.skip
    if time == now then
      if #front > 0 then table.remove(front, 1) else skip = skip + 1 end
      table.insert(front, 1, { now, last + hits, sum + hits })
    else
      table.insert(front, 1, { now, hits, sum + hits })
    end
    return make(state, front, skip, state.keep)
  end,
  take_back = function(use, state, now, hits)
    if hits >= total(state) then return only(state, now, 0) end
    -- The newest of which something is left: what is before it is gone as a whole.
    local left = state.newest[3] - hits
    local place = first(state, 0, state.count - 1, function(one) return one[3] - one[2] < left end)
    local time, count, sum = unpack(entry(state, place))
    local front = { unpack(state.front, place + 2) }
    local skip = state.skip + math.max(place + 1 - #state.front, 0)
    table.insert(front, 1, { time, count - (sum - left), left })
    return make(state, front, skip, state.keep)
  end,
  wait = function(use, state, now, hits)
    local missing = hits - use.capacity + total(state)
    if missing <= 0 then return 0 end
    local needed = state.base + missing
    local found = state.newest
    if state.oldest[3] >= needed then
      found = state.oldest
    elseif found[3] - found[2] >= needed then
      -- The oldest place that, with all that is older, holds enough.
      found = entry(state, first(state, 1, state.count - 1, function(one)
        return one[3] - one[2] < needed
      end))
    end
    return found[1] + use.window - now
  end,
}
