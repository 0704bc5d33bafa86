-- The record and a page of its log. KEYS: the log, its old part.
-- ARGV: id, first number, how many entries. Answers with the row, then the entries.
local row = call('HGET', rows, ARGV[1])
if not row then return {} end
local from, limit = tonumber(ARGV[2]), tonumber(ARGV[3])
local base = select(5, unpack_bytes(ROW, row))
local page = { row }
if from < base and base > 1 then
  -- Old entries lie in the order of their numbers, with gaps.
  local low, high = 0, call('LLEN', KEYS[8])
  while low < high do
    local middle = math.floor((low + high) / 2)
    if unpack_bytes('>I4', call('LINDEX', KEYS[8], middle)) < from then low = middle + 1 else high = middle end
  end
  for _, entry in ipairs(call('LRANGE', KEYS[8], low, low + limit - 1)) do page[#page + 1] = entry end
end
local missing = limit + 1 - #page
if missing > 0 then
  local first = math.max(from, base) - base
  for _, entry in ipairs(call('LRANGE', KEYS[7], first, first + missing - 1)) do page[#page + 1] = entry end
end
return page
