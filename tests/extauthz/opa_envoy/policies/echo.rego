package echo

import input.attributes.request.http

# What the client sent, as a name and as a value.
result := {
	"allowed": http.method != "DELETE",
	"headers": {name: value | some name in ["x-plan", "x-status", "x-odd"]; value := http.headers[name]},
	"dynamic_metadata": {"path": http.path, "headers": http.headers},
}
