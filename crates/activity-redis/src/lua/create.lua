-- Creates an activity. KEYS: its log, the sets of its type and of its metadata pairs.
-- ARGV: id, type, metadata, message. Answers with the row and the place of the event, if there was one; with
-- nothing when the id is taken.
local id, kind, metadata, message = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local known = read(id)
if known then
  if known.type ~= kind or known.metadata ~= metadata then return {} end
  return { call('HGET', rows, id) }
end
local now = milliseconds()
write({ id = id, status = QUEUED, percentage = 0, attempt = 1, seq = 1, base = 1, reports = 0, created = now,
  updated = now, started = 0, ended = 0, flags = 0, message = message, reason = '', type = kind,
  metadata = metadata, requests = '' })
local entry = pack(ENTRY, 1, now, 1, QUEUED, 0, 0) .. message
call('RPUSH', KEYS[7], entry)
local place = score(QUEUED, now)
call('ZADD', all, place, id)
for _, key in ipairs(keys_from(8)) do call('ZADD', key, place, id) end
return { call('HGET', rows, id), tell('L', now, id, metadata, entry) }
