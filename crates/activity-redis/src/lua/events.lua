-- The events behind a place. ARGV: the place, how many. Answers with the place of the newest event, then the
-- events.
local newest = call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
local found = { newest and newest[1] or '0-0' }
for _, event in ipairs(call('XRANGE', events, '(' .. ARGV[1], '+', 'COUNT', ARGV[2])) do
  found[#found + 1] = event[1]
  found[#found + 1] = event[2][2]
end
return found
