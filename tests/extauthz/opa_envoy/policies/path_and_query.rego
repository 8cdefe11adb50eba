package path_and_query

default result := false

result if {
	input.parsed_path == ["my", "test", "path"]
	input.parsed_query.a == ["1", "2"]
	input.parsed_query.x == ["y"]
}

result if input.parsed_path[0] == "a"

result if "" in input.parsed_path
