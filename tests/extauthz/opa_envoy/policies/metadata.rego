package metadata

import input.attributes.request.http

result := {
	"allowed": http.method == "GET",
	"dynamic_metadata": {
		"text": http.path,
		"numbers": [1, -7, 0.5, 1.0, 12345678901234567890, 1e3],
		"nested": {"null": null, "yes": true, "list": [[], {}, [{"a": "b"}]]},
		"body": input.parsed_body,
	},
}
