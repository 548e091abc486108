# The Consul client agent on each PostgreSQL host, as far as slotkeeper cares. slotkeeper talks to this agent only, never
# to a Consul server directly: sessions that are made through a server end when that server does.

datacenter = "dc1"
data_dir   = "/opt/consul"
retry_join = ["consul-server-1", "consul-server-2", "consul-server-3"]

# slotkeeper is on the same host.
client_addr = "127.0.0.1"

acl {
  enabled        = true
  default_policy = "deny"

  # Tokens set by `consul acl set-agent-token` survive a restart of the agent.
  enable_token_persistence = true
}

# On the servers only. Consul refuses session TTLs below this and expires a session after up to twice its TTL. slotkeeper
# asks for half of `ttl`: with Consul's default of 10 s a `ttl` below 20 is clamped to that, with one warning.
# session_ttl_min = "5s"

limits {
  # Each slotkeeper agent holds one blocking read; Consul's default of 200 connections a client is ample.
  http_max_conns_per_client = 200
}
