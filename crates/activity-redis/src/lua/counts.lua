-- How many activities there are in each status. KEYS: the sets that all of them must be in. ARGV: how many of
-- them to look at where there are several sets, and from which place on.
-- Answers with where to go on (0 when all is done), then the counts.
-- In one set those of a status lie together, so their number is read off. In several sets the smallest is walked.
local sets = keys_from(7)
local answer = { 0 }
if #sets < 2 then
  for status = QUEUED, CANCELED do
    local first, last = score(status, 0), score(status, STATUS_STEP - 1)
    answer[status + 2] = call('ZCOUNT', sets[1] or all, first, last)
  end
  return answer
end
local smallest, fewest = 1, nil
for i, key in ipairs(sets) do
  local size = call('ZCARD', key)
  if not fewest or size < fewest then smallest, fewest = i, size end
end
local walked = table.remove(sets, smallest)
local first, counts = tonumber(ARGV[2]), { 0, 0, 0, 0, 0 }
local last = first + tonumber(ARGV[1])
local CHUNK = 500
for from = first, math.min(last, fewest) - 1, CHUNK do
  local ids, statuses = {}, {}
  local found = call('ZRANGE', walked, from, math.min(from + CHUNK, last) - 1, 'WITHSCORES')
  for i = 1, #found, 2 do
    ids[#ids + 1] = found[i]
    statuses[#ids] = math.floor(tonumber(found[i + 1]) / STATUS_STEP)
  end
  for _, key in ipairs(sets) do
    for i, is_in in ipairs(call('ZMSCORE', key, unpack(ids))) do
      if not is_in then statuses[i] = nil end
    end
  end
  for _, status in pairs(statuses) do counts[status + 1] = counts[status + 1] + 1 end
end
answer[1] = last < fewest and last or 0
for i, count in ipairs(counts) do answer[i + 1] = count end
return answer
