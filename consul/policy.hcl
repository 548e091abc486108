# What the token of a slotkeeper agent needs, and no more. Written for namespace "service" and scope "demo": replace both.
#
#   consul acl policy create -name slotkeeper-demo -rules @policy.hcl
#   consul acl token create -description "slotkeeper, scope demo" -policy-name slotkeeper-demo

# Everything that slotkeeper reads and writes: KEYS.md says which key is for what.
key_prefix "service/demo/" {
  policy = "write"
}

# The session that the leader key and the member key are bound to. Sessions belong to nodes: where a token is for one host
# only, write session "that-node" instead.
session_prefix "" {
  policy = "write"
}

# The service that the agent registers, with its checks. Not needed with register_service: false.
service "demo" {
  policy = "write"
}
