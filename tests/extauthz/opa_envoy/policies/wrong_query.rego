package wrong_query

import input.attributes.request.http

kind := object.get(http.headers, "x-kind", "0")

default result := {"allowed": true}

result := {"allowed": true, "query_parameters_to_set": "a=1"} if kind == "1"

result := {"allowed": true, "query_parameters_to_set": {"a": 1}} if kind == "2"

result := {"allowed": true, "query_parameters_to_set": {"a": [1]}} if kind == "3"

result := {"allowed": true, "query_parameters_to_set": null} if kind == "4"

result := {"allowed": true, "query_parameters_to_set": [{"a": "1"}]} if kind == "5"

result := {"allowed": true, "query_parameters_to_remove": "a"} if kind == "6"

result := {"allowed": true, "query_parameters_to_remove": [1]} if kind == "7"

result := {"allowed": true, "query_parameters_to_remove": null} if kind == "8"
