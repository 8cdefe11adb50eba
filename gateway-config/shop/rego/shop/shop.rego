# Who may do what in the shop. `input` is what opa-envoy-plugin gives, and beside it `identity`
# (the verified claims, or null) and `path` (canonical: /a//b is /a/b, escapes are resolved).
package shop

import rego.v1

default allow := false

method := input.attributes.request.http.method

segments := split(trim(input.path, "/"), "/")

reading if method in {"GET", "HEAD"}

# The shop window is open to everybody.
allow if {
	reading
	segments[0] in data.public
}

# Customers see the list of their orders, order, and see what they ordered: /orders/alice/17.
allow if {
	input.identity.role == "customer"
	segments[0] == "orders"
	count(segments) == 1
	method in {"GET", "POST"}
}

allow if {
	input.identity.role == "customer"
	reading
	segments[0] == "orders"
	segments[1] == input.identity.sub
}

# A partner fetches the feed made for its own organisation: /partners/acme/feed.
allow if {
	input.identity.role == "partner"
	reading
	segments[0] == "partners"
	segments[1] == input.identity.org
}

# Staff work in the parts of the back office that belong to their department.
allow if {
	input.identity.role == "staff"
	segments[0] == "admin"
	segments[1] in data.departments[input.identity.department]
}
