package remove

import input.attributes.request.http

default result := {"allowed": true, "request_headers_to_remove": ["X-Role", "x-plan", "x-role", ":path", "no name", ""]}

result := {"allowed": true, "request_headers_to_remove": [name | some name, _ in http.headers]} if {
	http.method == "POST"
}

result := {"allowed": true, "request_headers_to_remove": []} if http.method == "HEAD"
