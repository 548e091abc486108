server           = true
bootstrap_expect = 3
data_dir         = "/consul/data"
client_addr      = "0.0.0.0"
ui               = true
retry_join       = ["consul1", "consul2", "consul3"]

performance {
  raft_multiplier = 1
}
