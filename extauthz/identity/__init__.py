"""Who is calling: one file for each kind of credential."""
