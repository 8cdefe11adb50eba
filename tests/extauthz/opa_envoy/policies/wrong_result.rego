package wrong_result

import input.attributes.request.http

kind := object.get(http.headers, "x-kind", "0")

default result := null

result := 1 if kind == "1"

result := "true" if kind == "2"

result := [true] if kind == "3"

result := {} if kind == "4"

result := {true} if kind == "5"

result if kind == "6"
