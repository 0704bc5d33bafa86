-- Carries out the same change of many activities where the rules allow it. KEYS: those of all of them.
-- ARGV: rules, outcomes, message, then of each the id, its type and metadata as they were read, the request, and
-- the places of its keys in KEYS: log, old part, then the sets that it is in. Answers with how many were changed.
local changed = 0
for i = 4, #ARGV, 5 do
  local r, request = read(ARGV[i]), ARGV[i + 3]
  if r and r.type == ARGV[i + 1] and r.metadata == ARGV[i + 2] then
    local outcome = decide(r, 0, ARGV[1], ARGV[2])
    if recall(r, request) then
      changed = changed + 1
    elseif outcome then
      local log = keys_at(ARGV[i + 4], 1)
      apply(r, outcome, request, ARGV[3], nil, log[1], log[2], keys_at(ARGV[i + 4], 3))
      changed = changed + 1
    end
  end
end
return changed
