package no_default

import input.attributes.request.http

# Undefined unless one of them holds.
result if http.method == "GET"

result := false if http.method == "DELETE"
