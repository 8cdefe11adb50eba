package cookies

import input.attributes.request.http

result := {
	"allowed": http.method != "DELETE",
	"headers": {"set-cookie": ["session=; Max-Age=0", "seen=1"]},
	"response_headers_to_add": {"set-cookie": "seen=1"},
	"http_status": 401,
}
