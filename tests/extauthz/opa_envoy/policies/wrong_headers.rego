package wrong_headers

import input.attributes.request.http

kind := object.get(http.headers, "x-kind", "0")

default result := {"allowed": true, "headers": {}}

result := {"allowed": true, "headers": null} if kind == "1"

result := {"allowed": true, "headers": "x-a: 1"} if kind == "2"

result := {"allowed": false, "headers": ["x-a"]} if kind == "3"

result := {"allowed": true, "headers": {"x-a": 1}} if kind == "4"

result := {"allowed": false, "headers": {"x-a": null}} if kind == "5"

result := {"allowed": true, "headers": {"x-a": ["1", 2]}} if kind == "6"

result := {"allowed": true, "headers": {"x-a": [["1"]]}} if kind == "7"

result := {"allowed": true, "headers": {"x-a": {"b": "c"}}} if kind == "8"

result := {"allowed": true, "headers": {"x a": "1"}} if kind == "9"

result := {"allowed": true, "headers": {"x-a": "1\r\nx-b: 2"}} if kind == "10"

result := {"allowed": false, "headers": {"x-a": "\u0000"}} if kind == "11"

result := {"allowed": true, "headers": {"": "1"}} if kind == "12"
