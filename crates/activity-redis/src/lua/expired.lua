-- Leases that have expired, those that expired first first. ARGV: how many. Answers with id and lease of each.
local answers = {}
for _, id in ipairs(call('ZRANGEBYSCORE', leases, '-inf', milliseconds(), 'LIMIT', 0, ARGV[1])) do
  answers[#answers + 1] = id
  answers[#answers + 1] = call('HGET', held, id)
end
return answers
