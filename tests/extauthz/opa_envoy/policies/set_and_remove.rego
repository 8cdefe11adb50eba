package set_and_remove

result := {
	"allowed": true,
	"headers": [{"x-role": "a", "x-kept": "b"}, {"X-Role": "c"}],
	"request_headers_to_remove": ["x-role", "X-Other"],
}
