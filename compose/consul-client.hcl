data_dir    = "/consul/data"
client_addr = "0.0.0.0"
retry_join  = ["consul1", "consul2", "consul3"]
