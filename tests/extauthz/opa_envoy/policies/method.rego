package method

import input.attributes.request.http

default result := false

result if http.method in {"GET", "HEAD"}
