-- Health of a WsRoute for Argo CD: what the operator says of the generation that Git wants.
-- Argo CD runs each check alone, so that the two can share nothing.
local function waiting(message)
  return { status = "Progressing", message = message }
end

local status = obj.status
if status == nil or status.conditions == nil then
  return waiting("no operator has looked at this route yet")
end
if status.observedGeneration ~= obj.metadata.generation then
  return waiting("the operator has not looked at the newest change yet")
end

local conditions = {}
for _, condition in ipairs(status.conditions) do
  conditions[condition.type] = condition
end

for _, name in ipairs({ "Accepted", "ResolvedRefs" }) do
  local condition = conditions[name]
  if condition ~= nil and condition.status == "False" then
    return { status = "Degraded", message = (condition.reason or name) .. ": " .. (condition.message or "") }
  end
end

for _, name in ipairs({ "Accepted", "ResolvedRefs", "Programmed" }) do
  local condition = conditions[name]
  if condition == nil or condition.status ~= "True" then
    return waiting(name .. ": " .. (condition ~= nil and condition.message or "not reported yet"))
  end
end
return { status = "Healthy", message = conditions.Programmed.message }
