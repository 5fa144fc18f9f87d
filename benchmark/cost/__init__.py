"""What a model costs: parameters, FLOPs, latency, throughput, memory."""
