pytest_plugins = ["callout.testing.plugin"]
