package claims

import input.attributes.request.http

default result := {"allowed": false, "http_status": 401}

# The payload as it is, as many do: it may hold `id`, `policy` and `decision_id`.
result := {"allowed": true, "dynamic_metadata": claims} if {
	[_, payload, _] := split(trim_prefix(http.headers.authorization, "Bearer "), ".")
	claims := json.unmarshal(base64url.decode(payload))
}
