package headers_list

import input.attributes.request.http

default result := {"allowed": false, "headers": [{"x-a": "1"}, {"x-b": "2"}, {"x-a": "3"}]}

result := {"allowed": true, "headers": [{"x-a": "1", "x-c": "c"}, {"x-a": "2"}, {}]} if http.method == "GET"
