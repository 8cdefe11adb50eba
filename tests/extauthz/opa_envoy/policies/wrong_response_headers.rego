package wrong_response_headers

import input.attributes.request.http

kind := object.get(http.headers, "x-kind", "0")

default result := {"allowed": true, "response_headers_to_add": {}}

result := {"allowed": true, "response_headers_to_add": null} if kind == "1"

result := {"allowed": true, "response_headers_to_add": 1} if kind == "2"

result := {"allowed": true, "response_headers_to_add": ["x"]} if kind == "3"

result := {"allowed": true, "response_headers_to_add": {"x-a": 1}} if kind == "4"

result := {"allowed": true, "response_headers_to_add": {"x-a": ["1", null]}} if kind == "5"

result := {"allowed": true, "response_headers_to_add": {"x-a": "\n"}} if kind == "6"

result := {"allowed": true, "response_headers_to_add": {":status": "200", "x-a": "1"}} if kind == "7"

result := {"allowed": true, "response_headers_to_add": {"host": "x"}} if kind == "8"
