package query_set

import input.attributes.request.http

default result := {"allowed": true, "query_parameters_to_set": {"a": "1", "b": ["2", "3"], "c": []}}

result := {"allowed": true, "query_parameters_to_set": {"a b": "x&y=z", "d": "50%25", "e": ["\u00fc", "#", "1 2"]}} if {
	http.method == "POST"
}

result := {"allowed": false, "query_parameters_to_set": ["not read in a denial"]} if http.method == "DELETE"
