package response_headers

import input.attributes.request.http

default result := {"allowed": false, "response_headers_to_add": "not read in a denial"}

result := {"allowed": true, "response_headers_to_add": {"x-frame-options": "DENY", "X-A": ["1", "2"]}} if {
	http.method == "GET"
}

result := {"allowed": true, "response_headers_to_add": [{"x-a": "1"}, {"x-a": "2", "set-cookie": ["a=1", "b=2"]}]} if {
	http.method == "POST"
}
