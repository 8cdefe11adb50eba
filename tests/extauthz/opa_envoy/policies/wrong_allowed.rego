package wrong_allowed

import input.attributes.request.http

kind := object.get(http.headers, "x-kind", "0")

default result := {}

result := {"allowed": 1} if kind == "1"

result := {"allowed": "true"} if kind == "2"

result := {"allowed": null} if kind == "3"

result := {"allow": true} if kind == "4"

result := {"allowed": [true]} if kind == "5"

result := {"allowed": true} if kind == "6"
