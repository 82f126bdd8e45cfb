-- Health of a TokenRevocation for Argo CD: what the operator says of the generation that Git wants.
-- Argo CD runs each check alone, so that the two can share nothing.
local function waiting(message)
  return { status = "Progressing", message = message }
end

local status = obj.status
if status == nil or status.conditions == nil then
  return waiting("no operator has looked at this revocation yet")
end
if status.observedGeneration ~= obj.metadata.generation then
  return waiting("the operator has not looked at the newest change yet")
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

local accepted = conditions.Accepted
if accepted ~= nil and accepted.status == "False" then
  return { status = "Degraded", message = (accepted.reason or "Accepted") .. ": " .. (accepted.message or "") }
end

for _, name in ipairs({ "Accepted", "Published" }) do
  local condition = conditions[name]
  if condition == nil or condition.status ~= "True" then
    return waiting(name .. ": " .. (condition ~= nil and condition.message or "not reported yet"))
  end
end

-- A ban may be older than the route that it is meant for, and one that has run out is done: neither is a fault.
local active = conditions.Active
if active ~= nil and active.status == "False" then
  return { status = "Healthy", message = (active.reason or "not active") .. ": " .. (active.message or "") }
end
return { status = "Healthy", message = conditions.Published.message }
