package headers_object

import input.attributes.request.http

default result := {"allowed": false, "headers": {"X-Why": "no plan", "www-authenticate": "Bearer"}}

result := {"allowed": true, "headers": {"x-plan": http.headers["x-plan"], "X-Upper": "Kept As Is", "x-empty": ""}} if {
	http.headers["x-plan"]
}
