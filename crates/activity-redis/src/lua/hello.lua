-- The life of the events, the place of the newest, and the format of what is stored.
-- ARGV, when the caller knows of an event: its place, and what it begins with. When the server does not have it
-- any more although it has not trimmed it, it has lost what it had acknowledged: a new life begins.
local life = call('HGET', meta, 'life')
if not life then
  life = begin()
elseif ARGV[1] and string.match(ARGV[1], '^%d+') == life then
  local found = call('XRANGE', events, ARGV[1], '+', 'COUNT', 1)[1]
  -- What is found at a later place was trimmed.
  local lost = not found or (found[1] == ARGV[1] and sub(found[2][2], 1, #ARGV[2]) ~= ARGV[2])
  if lost then life = begin(tonumber(life)) end
end
local newest = call('XREVRANGE', events, '+', '-', 'COUNT', 1)[1]
return { newest[1], call('HGET', meta, 'format') }
