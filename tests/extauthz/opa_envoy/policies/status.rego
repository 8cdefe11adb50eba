package status

import input.attributes.request.http

default result := {"allowed": false}

result := {"allowed": false, "http_status": to_number(http.headers["x-status"])}
