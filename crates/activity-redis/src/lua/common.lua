-- What every script begins with. Rust puts the numbers before it that both sides must agree on:
-- FORMAT, QUEUED to CANCELED, PROGRESS_KEPT, PROGRESS_BATCH, EVENTS_KEPT, REMEMBERED.
--
-- Every key that a script touches is in KEYS: first these six, then what the script says at its top.
local rows, all, leases, held, events, meta = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5], KEYS[6]
local call, pack, unpack_bytes, sub, byte = redis.call, struct.pack, struct.unpack, string.sub, string.byte

-- The record of an activity: numbers, texts, and behind them the last requests, 20 bytes each.
local ROW = '>BBI4I4I4I4I6I6I6I6BI2c0I2c0I2c0I4c0'
local ENTRY = '>I4I6I4BBB'
local REQUEST_BYTES = 20
-- Bits of a record's flags.
local CANCEL_REQUESTED, LEASED = 1, 2

-- Activities are in the set of all, in that of their type, and in one for each metadata pair, with the same
-- score in each: the status in front, the time of creation (below 2^48) behind. So in each of these sets those
-- of one status lie together, in the order of their creation.
local STATUS_STEP = 281474976710656

local function score(status, created)
  return string.format('%.0f', status * STATUS_STEP + created)
end

local function microseconds()
  local time = call('TIME')
  return time[1] * 1000000 + time[2]
end

local function milliseconds()
  return math.floor(microseconds() / 1000)
end

-- Begins a life of the events: places that were given before it are known to be of another.
local function begin(after)
  local life = microseconds()
  if after and life <= after then life = after + 1 end
  life = string.format('%.0f', life)
  call('XADD', events, life .. '-0', 'e', 'B')
  call('HSET', meta, 'life', life, 'format', FORMAT)
  return life
end

-- Tells watchers what happened, and answers with the place of that.
local function tell(kind, now, id, metadata, body)
  local life = call('HGET', meta, 'life') or begin()
  local event = kind .. pack('>I6', now) .. id .. pack('>I2', #body) .. body .. metadata
  return call('XADD', events, 'MAXLEN', '~', EVENTS_KEPT, life .. '-*', 'e', event)
end

local function read(id)
  local row = call('HGET', rows, id)
  if not row then return nil end
  local r, ring = { id = id }, 0
  r.status, r.percentage, r.attempt, r.seq, r.base, r.reports, r.created, r.updated, r.started, r.ended,
    r.flags, r.message, r.reason, r.type, r.metadata, ring = unpack_bytes(ROW, row)
  r.requests = sub(row, ring)
  -- The server's clock may be set back; the times of a record follow one another all the same.
  r.now = math.max(milliseconds(), r.updated)
  return r
end

local function write(r)
  local row = pack(ROW, r.status, r.percentage, r.attempt, r.seq, r.base, r.reports, r.created, r.updated,
    r.started, r.ended, r.flags, #r.message, r.message, #r.reason, r.reason, #r.type, r.type, #r.metadata,
    r.metadata)
  call('HSET', rows, r.id, row .. r.requests)
end

local function has(r, flag)
  return r.flags % (2 * flag) >= flag
end

local function set(r, flag, on)
  if has(r, flag) == on then return end
  r.flags = on and r.flags + flag or r.flags - flag
end

-- The number of the log entry that a remembered request has written, 0 when it has written none.
local function recall(r, request)
  local from = 1
  while true do
    local at = string.find(r.requests, request, from, true)
    if not at then return nil end
    if at % REQUEST_BYTES == 1 then return (unpack_bytes('>I4', r.requests, at + 16)) end
    from = at + 1
  end
end

local function remember(r, request, seq)
  r.requests = r.requests .. request .. pack('>I4', seq)
  if #r.requests > REMEMBERED * REQUEST_BYTES then r.requests = sub(r.requests, REQUEST_BYTES + 1) end
end

-- Takes the oldest progress out of the log, a few entries at a time. Entries that changed the status go to the
-- list of old ones, so that the log stays dense: its entry number `base + i` is at place `i`.
local function trim(r, log, old)
  for _, entry in ipairs(call('LPOP', log, PROGRESS_BATCH)) do
    if byte(entry, 17) == 1 then
      r.reports = r.reports - 1
    else
      call('RPUSH', old, entry)
    end
    r.base = r.base + 1
  end
end

-- The outcome that the rules have for the record: see rules.rs. Nothing when they refuse the change.
local function decide(r, attempt, rules, outcomes)
  local expired, last_attempt = 0, 1
  if attempt ~= 0 and attempt ~= r.attempt then return nil, expired, last_attempt end
  local cancel = has(r, CANCEL_REQUESTED) and 1 or 0
  local at = r.status * 8 + cancel * 4
  local four = sub(rules, at + 1, at + 4)
  local left = 0
  -- Only the loss of a lease looks at it.
  if four ~= string.rep(sub(four, 1, 1), 4) then
    local expires = call('ZSCORE', leases, r.id)
    if expires then
      if r.now >= tonumber(expires) then expired = 1 end
      local _, last = unpack_bytes('>I4I4', call('HGET', held, r.id))
      last_attempt = last
      if last > r.attempt then left = 1 end
    end
  end
  local letter = byte(four, expired * 2 + left + 1)
  if letter == 46 then return nil, expired, last_attempt end
  local place = (letter - 97) * 5
  local status, attempts, progress, how, value = byte(outcomes, place + 1, place + 5)
  local percentage = value
  if how == 107 then
    percentage = r.percentage
  elseif how == 62 then
    percentage = math.max(r.percentage, value)
  end
  return { status = status - 48, attempt = r.attempt + attempts - 48, progress = progress - 48,
    percentage = percentage }
end

-- What a new status brings with it: times, and the lease.
local function enter(r, lease)
  if has(r, LEASED) then
    call('ZREM', leases, r.id)
    call('HDEL', held, r.id)
  end
  if r.status == QUEUED then
    r.started, r.ended, r.reason = 0, 0, ''
    set(r, CANCEL_REQUESTED, false)
  elseif r.status == RUNNING then
    r.started = r.now
  else
    r.ended = r.now
  end
  local leased = r.status == RUNNING and lease ~= nil
  if leased then
    call('ZADD', leases, r.now + lease.ttl, r.id)
    call('HSET', held, r.id, pack('>I4I4I6', r.attempt, lease.last_attempt, r.now) .. lease.owner)
  end
  set(r, LEASED, leased)
end

-- Carries out an outcome, and answers with the place of the event. `sets` are the sets of the type and the pairs;
-- a change that keeps the status needs none.
local function apply(r, outcome, request, message, lease, log, old, sets)
  local before = r.status
  r.status, r.percentage, r.attempt = outcome.status, outcome.percentage, outcome.attempt
  r.message, r.updated, r.seq = message, r.now, r.seq + 1
  local entry = pack(ENTRY, r.seq, r.now, r.attempt, r.status, r.percentage, outcome.progress) .. message
  call('RPUSH', log, entry)
  if outcome.progress == 0 then
    enter(r, lease)
  else
    r.reports = r.reports + 1
    if r.reports >= PROGRESS_KEPT + PROGRESS_BATCH then trim(r, log, old) end
  end
  if r.status ~= before then
    local place = score(r.status, r.created)
    call('ZADD', all, place, r.id)
    for _, key in ipairs(sets) do call('ZADD', key, place, r.id) end
  end
  remember(r, request, r.seq)
  write(r)
  return tell('L', r.now, r.id, r.metadata, entry)
end

-- The keys from this place in KEYS on.
local function keys_from(first)
  local keys = {}
  for i = first, #KEYS do keys[#keys + 1] = KEYS[i] end
  return keys
end

-- The keys at these places in KEYS, two bytes each, from the first or a later one on.
local function keys_at(places, first)
  local keys = {}
  for at = 2 * first - 1, #places, 2 do keys[#keys + 1] = KEYS[unpack_bytes('>I2', places, at)] end
  return keys
end
