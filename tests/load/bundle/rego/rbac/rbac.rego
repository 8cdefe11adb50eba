# Role-based access with data: the user's roles, each role's methods on resources. The yardstick
# has the same rule in Python, and OPA runs this very file.
package rbac

default allow := false

allow if {
	some role in data.roles[input.attributes.request.http.headers["x-user"]]
	some permission in data.permissions[role]
	permission.method == input.attributes.request.http.method
	permission.resource == input.parsed_path[0]
}
