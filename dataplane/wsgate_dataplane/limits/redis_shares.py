"""The budgets in Redis, which divides each among the pods that draw from it.

Imported where a Redis is configured, and not before: the package is an extra.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from wsgate_dataplane.limits.sharing import Answer, Ask, Grant
from wsgate_dataplane.stores.fault import RedisFault
from wsgate_dataplane.stores.redis_client import CALL_SECONDS, bounded, make_client

SETTING = "REDIS_URL"
POD_MILLISECONDS = 15_000
"""How long a pod counts after its last call."""
PART_MILLISECONDS = 3_000
"""How long a part counts after the last call for it."""

SCRIPT = """
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local pod, pod_for, part_for = ARGV[1], ARGV[2], ARGV[3]
local function whole(number) return string.format('%.0f', number) end
local function exact(number) return string.format('%.6f', number) end
local function finite(text)
  local number = tonumber(text)
  if number and math.abs(number) < 1e18 then return number end
end

redis.call('ZADD', KEYS[1], whole(now + pod_for), pod)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', whole(now))
redis.call('PEXPIRE', KEYS[1], pod_for)
local answer = {whole(redis.call('ZCARD', KEYS[1]))}

for i = 2, #KEYS do
  local at = 4 * (i - 1)
  local rate, burst, used, wanted = ARGV[at] + 0, ARGV[at + 1] + 0, ARGV[at + 2] + 0, ARGV[at + 3] + 0
  local mine, level, since, wants = 'pod:' .. pod, nil, now, {}
  local found = redis.call('HGETALL', KEYS[i])
  for j = 1, #found, 2 do
    local field, value = found[j], found[j + 1]
    if field == 'level' then
      level = finite(value)
    elseif field == 'since' then
      since = math.min(finite(value) or now, now)
    elseif field ~= mine then
      local want, ends = string.match(value, '^(%S+) (%S+)$')
      if finite(want) and (finite(ends) or 0) > now then
        wants[#wants + 1] = math.min(math.max(want, 0), rate)
      else
        redis.call('HDEL', KEYS[i], field)
      end
    end
  end
  -- First what was used, then what flowed in meanwhile: pods tell some time after they used it.
  if level then
    level = math.min(math.max(burst, rate), level - used + rate * (now - since) / 1000)
  else
    level = burst - math.min(used, burst)
  end
  -- Who draws little keeps a little, a tenth for all of them, to begin with.
  local least = rate / 10 / (#wants + 1)
  local own = math.max(wanted, least)
  local total = own
  for _, want in ipairs(wants) do total = total + math.max(want, least) end
  redis.call('HSET', KEYS[i], 'level', exact(level), 'since', whole(now),
    mine, exact(wanted) .. ' ' .. whole(now + part_for))
  local full_in = math.max(0, burst - level) / rate * 1000
  redis.call('PEXPIRE', KEYS[i], whole(math.min(part_for + full_in, 86400000)))
  answer[#answer + 1] = exact(own / total)
  answer[#answer + 1] = exact(level)
end
return answer
"""
"""KEYS: the pods, then a hash for each bucket. ARGV: pod, how long it and its parts count, then of each bucket
rate, burst, what was used, what is wanted. Answers the number of pods, then share and level of each."""


class RedisShares:
    """See sharing.Store; share() raises RedisFault and is bounded in time."""

    def __init__(self, url: str, gateway: str, pod: str) -> None:
        """Raises ValueError, without the URL in it, for one that cannot be used; connects at the first call."""
        self._redis = make_client(url)
        self._prefix = f"{{{gateway}}}:rate:"
        self._pod = pod

    async def share(self, asks: Sequence[Ask]) -> Answer:
        """Tell what this pod has used, and get its parts. In one call, so that Redis does it in one step."""
        keys = [f"{self._prefix}pods", *(self._prefix + ask.name for ask in asks)]
        numbers = [f"{number:.6f}" for ask in asks for number in (ask.rate, ask.burst, ask.used, ask.wanted)]
        arguments = [self._pod, str(POD_MILLISECONDS), str(PART_MILLISECONDS), *numbers]
        # The text and not its digest: a server that took over does not know the digest.
        async with bounded(CALL_SECONDS, SETTING):
            found: Any = await self._redis.eval(SCRIPT, len(keys), *keys, *arguments)
            pods, *parts = map(float, found)
            pairs = zip(parts[::2], parts[1::2], strict=True)
            grants = [Grant(min(1.0, max(share, 1e-6)), level) for share, level in pairs]
            if len(grants) != len(asks):
                raise ValueError("answers are missing")
        return Answer(int(pods), grants)

    async def close(self) -> None:
        """Close all connections."""
        with suppress(RedisFault):
            async with bounded(CALL_SECONDS, SETTING):
                await self._redis.aclose()
