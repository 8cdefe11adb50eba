"""Settings, the bundle, problems with positions, policy choice and merge, live reload."""
