-- Asks for an activity to stop. KEYS: the log, its old part, the sets of type and pairs.
-- ARGV: id, type and metadata as they were read, request, reason, rules, outcomes and message of a cancellation.
-- Answers {0} when there is no such activity any more, {1} when it is canceled now, {2} when its holder is asked,
-- {3, status} when it has ended.
local id, request, reason = ARGV[1], ARGV[4], ARGV[5]
local r = read(id)
if not r or r.type ~= ARGV[2] or r.metadata ~= ARGV[3] then return { 0 } end
local seq = recall(r, request)
if seq then return { seq > 0 and 1 or 2 } end
if r.status == QUEUED then
  local outcome = decide(r, 0, ARGV[6], ARGV[7])
  apply(r, outcome, request, ARGV[8], nil, KEYS[7], KEYS[8], keys_from(9))
  return { 1 }
elseif r.status == RUNNING then
  local first = not has(r, CANCEL_REQUESTED)
  remember(r, request, 0)
  if first then
    r.reason = reason
    set(r, CANCEL_REQUESTED, true)
  end
  write(r)
  if first then tell('C', r.now, id, r.metadata, reason) end
  return { 2 }
end
return { 3, r.status }
