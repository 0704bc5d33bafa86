-- Carries out a change. KEYS: the log, its old part, then, where they are known, the sets of type and pairs.
-- ARGV: id, request, attempt or 0, rules, outcomes, message, the type and metadata that the sets are of (or
-- empty); with a lease its time in milliseconds, the last attempt and the owner.
-- Answers {0} when there is no such activity, {1, entry} for what is remembered, {2, seq, status, percentage,
-- attempt, time, event} for what was done, {3, status, percentage, attempt, cancel requested, lease expired, last
-- attempt} for what is refused, {4} when it needs the sets and was given none or others.
local request = ARGV[2]
local r = read(ARGV[1])
if not r then return { 0 } end
local seq = recall(r, request)
if seq and seq > 0 then return { 1, call('LINDEX', KEYS[7], seq - r.base) } end
local outcome, expired, last_attempt = decide(r, tonumber(ARGV[3]), ARGV[4], ARGV[5])
if not outcome then
  local cancel = has(r, CANCEL_REQUESTED) and 1 or 0
  return { 3, r.status, r.percentage, r.attempt, cancel, expired, last_attempt }
end
if outcome.status ~= r.status and (r.type ~= ARGV[7] or r.metadata ~= ARGV[8]) then return { 4 } end
local lease
if ARGV[9] then lease = { ttl = tonumber(ARGV[9]), last_attempt = tonumber(ARGV[10]), owner = ARGV[11] } end
local event = apply(r, outcome, request, ARGV[6], lease, KEYS[7], KEYS[8], keys_from(9))
return { 2, r.seq, r.status, r.percentage, r.attempt, r.now, event }
