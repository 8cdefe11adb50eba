package echo_names

result := {"allowed": input.attributes.request.http.method == "GET", "headers": {name: "1" |
	some name, _ in input.parsed_query
}}
