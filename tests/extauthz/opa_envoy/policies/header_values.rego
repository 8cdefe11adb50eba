package header_values

import input.attributes.request.http

default result := {"allowed": false, "headers": {"set-cookie": ["a=1", "b=2"], "x-none": []}}

result := {"allowed": true, "headers": {"x-roles": ["reader", "writer"], "cookie": ["a=1", "b=2"], "x-none": []}} if {
	http.method == "GET"
}
