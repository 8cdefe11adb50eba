package allowed_whole

import input.attributes.request.http

result := {
	"allowed": true,
	"headers": {"x-user": "alice", "x-roles": ["a", "b"]},
	"response_headers_to_add": {"x-a": "1"},
	"request_headers_to_remove": ["authorization"],
	"query_parameters_to_set": {"user": "alice"},
	"query_parameters_to_remove": ["token"],
	"dynamic_metadata": {"host": http.host},
	"http_status": 200,
	"body": "not sent",
}
