package denied_whole

import input.attributes.request.http

result := {
	"allowed": false,
	"http_status": 429,
	"body": "later",
	"headers": [{"retry-after": "1"}, {"set-cookie": ["a=1", "b=2"]}],
	"dynamic_metadata": {"by": http.host},
}
