-- What ratelimit/algorithms/decision.py says, in one undivided step. Needs Redis 5 or later.
-- KEYS: one for each use. ARGV: the time in ms, or '' for the time of this server; 1 for all or
-- nothing, 0 for each for itself; and for each use: kind, hits, flags (1 enforced, 2 strict, 4 each,
-- 8 settles), capacity, window, span, more. Answers for each use: allowed, remaining, reset, retry after or -1.
-- All numbers are whole and below 2^53, and those that are written below 10^14, where Lua writes
-- them with all their digits. Nothing is written before all is decided.
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local together = ARGV[2] == '1'

-- How long a key lives: if two of its uses differ, as the longer one needs. As text, as it came.
local uses, stored, life = {}, {}, {}
for place, key in ipairs(KEYS) do
  local first, flags = 7 * place - 4, tonumber(ARGV[7 * place - 2])
  local use = {
    key = key,
    kind = kinds[ARGV[first]],
    hits = tonumber(ARGV[first + 1]),
    enforced = flags % 2 == 1,
    strict = flags % 4 > 1,
    each = flags % 8 > 3,
    settles = flags > 7,
    capacity = tonumber(ARGV[first + 3]),
    window = tonumber(ARGV[first + 4]),
    span = tonumber(ARGV[first + 5]),
    more = tonumber(ARGV[first + 6]),
  }
  uses[place] = use
  if not life[key] or use.span > tonumber(life[key]) then life[key] = ARGV[first + 5] end
  if stored[key] == nil then
    local load = use.kind.load
    if load then
      stored[key] = load(use)
    else
      local text = redis.call('GET', key)
      stored[key] = text and use.kind.read(use, text) or false
    end
  end
end

local function steady(use, state)
  local moment = now
  if state and state[1] > now then
    if state[1] - now <= use.window then moment = state[1] else state = false end
  end
  return use.kind.roll(use, state, moment), moment
end

local function reset(use, state, moment)
  local kind = use.kind
  if kind.reset then return kind.reset(use, state, moment) end
  return use.capacity > 0 and kind.wait(use, state, moment, use.capacity) or 0
end

local function verdict(use, state, moment, needed)
  local free = use.kind.free(use, state, moment)
  local allowed, retry = 1, 0
  if needed > free then
    allowed, retry = 0, -1
    local asked = math.max(needed, 1)
    if asked <= use.capacity then retry = use.kind.wait(use, state, moment, asked) end
  end
  return allowed, math.max(free, 0), reset(use, state, moment), retry
end

-- Adds to `answer`, and to `changed` what must be written.
local function decide(use, changed, answer)
  local key, kind, hits = use.key, use.kind, use.hits
  local state = changed[key] or stored[key]
  local rolled, moment = steady(use, state)
  local allowed, remaining, ends, retry
  local free = kind.free(use, rolled, moment)
  if use.settles and hits > 0 then
    local debt = kind.debt and kind.debt(use) or 4294967296 - use.capacity
    hits = math.max(math.min(hits, free + debt), 0)
  end
  if hits > 0 and (use.settles or hits <= free) then
    local after = kind.add(use, rolled, moment, hits)
    changed[key] = after
    allowed, remaining = 1, math.max(kind.free(use, after, moment), 0)
    ends, retry = reset(use, after, moment), 0
  elseif hits < 0 then
    if state then
      rolled = kind.take_back(use, rolled, moment, -hits)
      changed[key] = rolled
    end
    allowed, remaining = 1, math.max(kind.free(use, rolled, moment), 0)
    ends, retry = reset(use, rolled, moment), 0
  else
    local needed = (hits == 0 and use.strict) and 1 or hits
    allowed, remaining, ends, retry = verdict(use, rolled, moment, needed)
    if use.settles then allowed, retry = 1, 0 end
  end
  local last = #answer
  answer[last + 1], answer[last + 2] = allowed, remaining
  answer[last + 3], answer[last + 4] = ends, retry
  return allowed == 1
end

local changed, answer, refused = {}, {}, false
for _, use in ipairs(uses) do
  if not decide(use, changed, answer) and use.enforced then refused = true end
end

if together and refused and #uses > 1 then
  changed = {}
  for _, use in ipairs(uses) do
    if use.hits < 0 or use.each or use.settles then decide(use, changed, {}) end
  end
  for place, use in ipairs(uses) do
    local rolled, moment = steady(use, changed[use.key] or stored[use.key])
    answer[4 * place - 2] = math.max(use.kind.free(use, rolled, moment), 0)
    answer[4 * place - 1] = reset(use, rolled, moment)
  end
end

for _, use in ipairs(uses) do
  local state = changed[use.key]
  if state then
    changed[use.key] = nil
    if use.kind.save then
      use.kind.save(use, state, life[use.key])
    else
      redis.call('SET', use.key, use.kind.write(state), 'PX', life[use.key])
    end
  end
end
return answer
