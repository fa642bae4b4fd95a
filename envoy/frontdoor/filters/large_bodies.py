"""The large bodies and long lists of a client at a time: Envoy and the transcoder hold each as a whole."""

from __future__ import annotations

from frontdoor.config import Config, extension, typed
from frontdoor.policies import limits
from frontdoor.policies.identity import CLIENT_HEADER

# Disabled except on routes that enable it.
NAME = "large-bodies"
LIST_BYTES = "list_bytes"
# A list counts until its client has read it, a body until its response begins. A body without a length, as gRPC clients
# send it, counts as UNKNOWN_BODY_BYTES while it arrives, then as what it was. Of a stream that ended a script learns
# nothing: its handle is garbage then, and weak keys forget it when it is collected: once for each request that was
# counted at most, and ten times a second, so that refused requests cost little. Compiled code keeps the iterator of
# bodyChunks of the request it was compiled for, and with it the handle, for ever: the script is interpreted.
SCRIPT = f"""\
jit.off(true, true)
local held, handle_of, last_id = {{}}, setmetatable({{}}, {{__mode = "v"}}), 0
local collected_ms, is_clean = 0, false

local function is_full(client, size)
  local sum = size
  for _, each in pairs(held[client] or {{}}) do
    sum = sum + each
  end
  return sum > {limits.LARGE_BODIES_BYTES}
end

local function collect(now_ms)
  if is_clean and now_ms - collected_ms < 100 then
    return
  end
  collected_ms, is_clean = now_ms, true
  -- Once for the finalizers of handles, once for the keys.
  collectgarbage()
  collectgarbage()
  for client, sizes in pairs(held) do
    if next(sizes) == nil then
      held[client] = nil
    end
  end
end

function envoy_on_request(handle)
  local headers = handle:headers()
  local list = handle:filterContext():get("{LIST_BYTES}")
  local size = list or headers:get("content-length")
  size = size and tonumber(size)
  if not list and size and size < {limits.LARGE_BODY_BYTES} then
    return
  end
  size = math.min(size or {limits.UNKNOWN_BODY_BYTES}, {limits.BATCH_BODY_BYTES})
  local client = headers:get("{CLIENT_HEADER}")
  client = client or handle:streamInfo():downstreamDirectRemoteAddress():gsub(":%d+$", "")
  if is_full(client, size) then
    collect(handle:timestamp())
  end
  if is_full(client, size) then
    handle:respond({{[":status"] = "429", ["retry-after"] = "1"}}, "")
    return
  end
  local sizes = held[client] or setmetatable({{}}, {{__mode = "k"}})
  held[client], sizes[handle], is_clean = sizes, size, false
  if list then
    return
  end
  last_id = last_id + 1
  handle_of[last_id] = handle
  handle:streamInfo():dynamicMetadata():set("{NAME}", "body", {{client = client, id = last_id}})
  local received = 0
  for chunk in handle:bodyChunks() do
    received = received + chunk:length()
    sizes[handle] = math.max(sizes[handle] or 0, received)
  end
  sizes[handle] = received >= {limits.LARGE_BODY_BYTES} and received or nil
end

function envoy_on_response(handle)
  local body = (handle:streamInfo():dynamicMetadata():get("{NAME}") or {{}}).body
  if body and held[body.client] and handle_of[body.id] then
    held[body.client][handle_of[body.id]] = nil
  end
end
"""


def large_bodies() -> Config:
    """Return the filter that counts what it is enabled for by client, and refuses with 429 what is beyond the limit."""
    message = "envoy.extensions.filters.http.lua.v3.Lua"
    return {**extension(NAME, message, default_source_code={"inline_string": SCRIPT}), "disabled": True}


def long_list() -> Config:
    """Return the setting of a route that counts its replies instead of its requests."""
    context = {LIST_BYTES: limits.LONG_LIST_BYTES}
    per_route = typed("envoy.extensions.filters.http.lua.v3.LuaPerRoute", filter_context=context)
    return {NAME: typed("envoy.config.route.v3.FilterConfig", config=per_route)}
