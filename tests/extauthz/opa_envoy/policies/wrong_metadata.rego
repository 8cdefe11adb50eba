package wrong_metadata

import input.attributes.request.http

kind := object.get(http.headers, "x-kind", "0")

default result := {"allowed": true, "dynamic_metadata": {}}

result := {"allowed": true, "dynamic_metadata": null} if kind == "1"

result := {"allowed": true, "dynamic_metadata": []} if kind == "2"

result := {"allowed": false, "dynamic_metadata": "x"} if kind == "3"

result := {"allowed": true, "dynamic_metadata": {"a": 1e400}} if kind == "4"

result := {"allowed": false, "dynamic_metadata": 1} if kind == "5"

result := {"allowed": true, "dynamic_metadata": {"a": {1, 2}}} if kind == "6"
