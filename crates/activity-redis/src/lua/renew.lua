-- Renews leases. ARGV: the time in milliseconds, then of each the id and the attempt. Answers 1 for each that is
-- held, 0 for each that is not.
local ttl, now, answers = tonumber(ARGV[1]), milliseconds(), {}
for i = 2, #ARGV, 2 do
  local id, lease, renewed = ARGV[i], call('HGET', held, ARGV[i]), 0
  if lease then
    local attempt, last_attempt, before = unpack_bytes('>I4I4I6', lease)
    if attempt == tonumber(ARGV[i + 1]) then
      call('HSET', held, id, pack('>I4I4I6', attempt, last_attempt, math.max(now, before)) .. sub(lease, 15))
      call('ZADD', leases, now + ttl, id)
      renewed = 1
    end
  end
  answers[#answers + 1] = renewed
end
return answers
