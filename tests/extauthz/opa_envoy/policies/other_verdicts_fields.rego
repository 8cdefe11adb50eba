package other_verdicts_fields

import input.attributes.request.http

default result := {"allowed": true, "http_status": "x", "body": 1}

result := {
	"allowed": false,
	"response_headers_to_add": 1,
	"request_headers_to_remove": 1,
	"query_parameters_to_set": 1,
	"query_parameters_to_remove": 1,
} if {
	http.method == "POST"
}
