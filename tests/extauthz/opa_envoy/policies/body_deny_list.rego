package body_deny_list

# What cannot be read is let through: the reason why our own mode reads more.
default result := true

result := {"allowed": false, "body": sprintf("%v", [input.parsed_body.role])} if {
	input.parsed_body.role != "guest"
}
