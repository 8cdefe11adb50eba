"""`json.match_schema` and `json.verify_schema`, as OPA's gojsonschema does it (drafts 4, 6, 7)."""
