"""The edge to the network: two transports behind one contract, TLS, workers, drain."""
