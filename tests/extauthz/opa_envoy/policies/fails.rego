package fails

import input.attributes.request.http

# Two values at once: an error of the evaluation.
result if http.method == "GET"

result := false if http.headers["x-plan"]

result := {"allowed": true, "headers": {"x-third": sprintf("%d", [1 / to_number(http.headers["x-status"])])}} if {
	http.method == "HEAD"
}
