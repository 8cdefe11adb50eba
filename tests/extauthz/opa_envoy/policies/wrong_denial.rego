package wrong_denial

import input.attributes.request.http

kind := object.get(http.headers, "x-kind", "0")

default result := {"allowed": false, "http_status": 403}

result := {"allowed": false, "http_status": "403"} if kind == "1"

result := {"allowed": false, "http_status": true} if kind == "2"

result := {"allowed": false, "http_status": 403.0} if kind == "3"

result := {"allowed": false, "http_status": 4.03e2} if kind == "4"

result := {"allowed": false, "http_status": null} if kind == "5"

result := {"allowed": false, "http_status": 0} if kind == "6"

result := {"allowed": false, "http_status": 999} if kind == "7"

result := {"allowed": false, "http_status": 306} if kind == "8"

result := {"allowed": false, "http_status": 451} if kind == "9"

result := {"allowed": false, "http_status": 418} if kind == "10"

result := {"allowed": false, "body": 1} if kind == "11"

result := {"allowed": false, "body": null} if kind == "12"

result := {"allowed": false, "body": ["x"]} if kind == "13"

result := {"allowed": false, "http_status": 511} if kind == "14"
