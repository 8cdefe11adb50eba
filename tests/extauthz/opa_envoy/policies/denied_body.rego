package denied_body

import input.attributes.request.http

result := {"allowed": false, "http_status": 404, "body": concat("", ["no ", http.path, "\n\u00fc"])}
