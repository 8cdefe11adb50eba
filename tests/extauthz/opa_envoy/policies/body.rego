package body

default result := false

result if {
	input.parsed_body.firstname == "foo"
	input.parsed_body.dept.it == "eng"
}

result if input.parsed_body.tags == ["a", "b"]

result if input.parsed_body[0] == 1
