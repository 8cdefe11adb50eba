package sets

result := {
	"allowed": true,
	"headers": {{"x-set": {"b", "a"}}},
	"request_headers_to_remove": {"x-b", "x-a"},
	"query_parameters_to_set": {"a": {"2", "1"}},
	"dynamic_metadata": {"set": {3, 1, 2}},
}
