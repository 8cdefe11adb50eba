"""For authors of rules: scan recorded requests, explain one."""
