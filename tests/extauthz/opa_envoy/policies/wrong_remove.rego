package wrong_remove

import input.attributes.request.http

kind := object.get(http.headers, "x-kind", "0")

default result := {"allowed": true}

result := {"allowed": true, "request_headers_to_remove": "x-a"} if kind == "1"

result := {"allowed": true, "request_headers_to_remove": null} if kind == "2"

result := {"allowed": true, "request_headers_to_remove": [1]} if kind == "3"

result := {"allowed": true, "request_headers_to_remove": {"x-a": true}} if kind == "4"

result := {"allowed": true, "request_headers_to_remove": ["x-a", null]} if kind == "5"

result := {"allowed": true, "request_headers_to_remove": {"x-a", "x-b"}} if kind == "6"
