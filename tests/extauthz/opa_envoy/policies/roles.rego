package roles

import input.attributes.request.http

default result := false

result if {
	some role in roles[user]
	some permission in permissions[role]
	permission.method == http.method
	startswith(http.path, permission.prefix)
}

user := name if {
	[_, encoded] := split(http.headers.authorization, " ")
	[name, _] := split(base64url.decode(encoded), ":")
}

roles := {"alice": ["guest"], "bob": ["guest", "admin"]}

permissions := {
	"guest": [{"method": "GET", "prefix": "/my"}],
	"admin": [{"method": "POST", "prefix": "/"}, {"method": "GET", "prefix": "/"}],
}
