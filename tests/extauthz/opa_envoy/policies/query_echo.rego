package query_echo

result := {
	"allowed": true,
	"query_parameters_to_set": {name: values | some name, values in input.parsed_query},
	"query_parameters_to_remove": [name | some name, values in input.parsed_query; count(values) > 1],
}
