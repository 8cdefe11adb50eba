package header_deny_list

import input.attributes.request.http

default result := true

result := {"allowed": false, "http_status": 401} if http.headers["x-role"] == "nobody"

result := {"allowed": false, "http_status": 403} if {
	not http.headers["x-role"]
	http.headers.cookie
}
