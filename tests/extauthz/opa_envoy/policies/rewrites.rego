package rewrites

import input.attributes.request.http

default result := {"allowed": true, "response_headers_to_add": {"x-envoy-own": "1", "connection": "close"}}

result := {"allowed": true, "headers": {
	":path": "/rewritten",
	"host": "other.example",
	"x-envoy-upstream-rq-timeout-ms": "100",
	"content-length": "0",
	"transfer-encoding": "chunked",
}} if {
	http.method == "POST"
}

# As someone does who hands on what `http.send` gave.
result := {"allowed": false, "http_status": 302, "headers": {
	"location": "/login",
	"content-length": "12",
	"connection": ["close"],
	"transfer-encoding": ["chunked"],
	"date": "now",
}} if {
	http.method == "DELETE"
}
