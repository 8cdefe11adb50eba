package metadata_names

import input.attributes.request.http

result := {
	"allowed": http.method == "GET",
	"dynamic_metadata": {"policy": http.path, "id": {"sub": "root"}, "decision_id": "mine", "mine": true},
}
