-- A page of activities, newest first within each group of statuses. KEYS: sets that all of them must be in.
-- ARGV: how many to find, how many to look at, created from, created before, ended before (each may be empty),
-- where the page before this one ended (created and id, or empty: it is a place in the first group), then each
-- group as the digits of its statuses.
-- Answers with the group to go on in (0 when all is done) and the place there (created, id), then with what was
-- found, each as its id and its row.
--
-- The smallest set is walked, from the newest on; where there are others, it is looked up in them.
local limit, most = tonumber(ARGV[1]), tonumber(ARGV[2])
local from, before, ended_before = tonumber(ARGV[3]), tonumber(ARGV[4]), tonumber(ARGV[5])
local FIRST_GROUP, BATCH, ENDED = 8, 500, 37
local walked, others = all, keys_from(7)
if #others > 0 then
  local smallest, fewest = 1, nil
  for i, key in ipairs(others) do
    local size = call('ZCARD', key)
    if not fewest or size < fewest then smallest, fewest = i, size end
  end
  walked = table.remove(others, smallest)
end
local is_plain = #others == 0 and not ended_before

-- Bytes are compared one by one, since Lua compares strings as the locale of the server does.
local function is_below(a, b)
  for i = 1, 16 do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then return x < y end
  end
  return false
end

-- Those of a status, from the first place behind `created` and `id` on.
local function walk(status, created, id)
  local last = score(status, before and math.max(before - 1, 0) or STATUS_STEP - 1)
  local first = call('ZCOUNT', walked, '(' .. last, '+inf')
  if created then
    local place = score(status, created)
    local low = call('ZCOUNT', walked, '(' .. place, '+inf')
    local high = low + call('ZCOUNT', walked, place, place)
    while low < high do
      local middle = math.floor((low + high) / 2)
      if is_below(call('ZREVRANGE', walked, middle, middle)[1], id) then high = middle else low = middle + 1 end
    end
    first = math.max(first, low)
  end
  return { offset = status * STATUS_STEP, rank = first, found = {}, at = 1 }
end

-- The next of a walk: its id and when it was created. Nothing behind the last.
local function peek(walk)
  if walk.at > #walk.found then
    if walk.over then return nil end
    local chunk = is_plain and limit + 1 or BATCH
    walk.found, walk.at = call('ZREVRANGE', walked, walk.rank, walk.rank + chunk - 1, 'WITHSCORES'), 1
    walk.rank = walk.rank + chunk
    walk.over = #walk.found < 2 * chunk
    if #walk.found == 0 then return nil end
  end
  local created = tonumber(walk.found[walk.at + 1]) - walk.offset
  -- What lies before those of this status is of another.
  if created < (from or 0) or before == 0 then return nil end
  return walk.found[walk.at], created
end

-- The newest of several walks.
local function take(walks)
  local newest, id, created
  for _, walk in ipairs(walks) do
    local i, c = peek(walk)
    if i and (not newest or c > created or (c == created and is_below(id, i))) then
      newest, id, created = walk, i, c
    end
  end
  if newest then newest.at = newest.at + 2 end
  return id, created
end

local function walks_of(group, created, id)
  local walks = {}
  for digit in string.gmatch(ARGV[group], '%d') do walks[#walks + 1] = walk(tonumber(digit), created, id) end
  return walks
end

local page, looked = { 0, 0, '' }, 0

local function is_full()
  return #page - 3 == limit
end

local function stop_at(group, created, id)
  page[1], page[2], page[3] = group - FIRST_GROUP + 1, created, id
  return page
end

-- Whether anything is left in these walks, or in a later group.
local function goes_on(walks, group)
  if take(walks) then return true end
  for later = group + 1, #ARGV do
    if take(walks_of(later)) then return true end
  end
  return false
end

-- The places of those ids that are in all the other sets.
local function admitted(ids)
  local is_out, left = {}, {}
  for _, key in ipairs(others) do
    for i, is_in in ipairs(call('ZMSCORE', key, unpack(ids))) do
      if not is_in then is_out[i] = true end
    end
  end
  for i = 1, #ids do
    if not is_out[i] then left[#left + 1] = i end
  end
  return left
end

-- Adds what is wanted of some activities to the page, and answers with the place of the last that was looked at.
local function add(ids)
  if #ids == 0 then return 0 end
  local left, next = admitted(ids), 1
  while next <= #left and not is_full() do
    local slice = {}
    for i = next, math.min(#left, next + limit - (#page - 3) - 1) do slice[#slice + 1] = ids[left[i]] end
    for i, row in ipairs(call('HMGET', rows, unpack(slice))) do
      local ended = ended_before and unpack_bytes('>I6', row, ENDED)
      if not ended or (ended > 0 and ended < ended_before) then page[#page + 1] = slice[i] .. row end
    end
    next = next + #slice
  end
  return is_full() and left[next - 1] or #ids
end

local created, id
if ARGV[6] ~= '' then created, id = tonumber(ARGV[6]), ARGV[7] end
for group = FIRST_GROUP, #ARGV do
  local walks = walks_of(group, created, id)
  created, id = nil, nil
  while true do
    local ids, times = {}, {}
    local batch = math.min(is_plain and limit - (#page - 3) or BATCH, most - looked)
    while #ids < batch do
      local next_id, next_time = take(walks)
      if not next_id then break end
      ids[#ids + 1], times[#times + 1] = next_id, next_time
    end
    looked = looked + #ids
    local last = add(ids)
    if last < #ids then return stop_at(group, times[last], ids[last]) end
    if is_full() or looked == most then
      if goes_on(walks, group) then return stop_at(group, times[last], ids[last]) end
      return page
    end
    if #ids < batch then break end
  end
end
return page
