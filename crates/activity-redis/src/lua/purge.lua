-- Removes activities that ended before a moment. KEYS: those of all of them.
-- ARGV: the moment, then of each the id, its type and metadata as they were read, and the places of its keys in
-- KEYS: log, old part, then the sets that it is in. Answers with how many were removed.
local before, changed = tonumber(ARGV[1]), 0
for i = 2, #ARGV, 4 do
  local id, r = ARGV[i], read(ARGV[i])
  local same = r and r.type == ARGV[i + 1] and r.metadata == ARGV[i + 2]
  if same and r.ended > 0 and r.ended < before then
    local log = keys_at(ARGV[i + 3], 1)
    call('UNLINK', log[1], log[2])
    call('HDEL', rows, id)
    call('ZREM', all, id)
    for _, key in ipairs(keys_at(ARGV[i + 3], 3)) do call('ZREM', key, id) end
    tell('P', r.now, id, r.metadata, '')
    changed = changed + 1
  end
end
return changed
