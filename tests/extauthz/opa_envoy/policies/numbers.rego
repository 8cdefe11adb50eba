package numbers

import input.attributes.request.http

default result := {"allowed": false, "http_status": 413}

result := {"allowed": true, "dynamic_metadata": {"size": http.size, "port": port, "limits": limits}} if {
	http.size < 1000
	port := object.get(input, ["attributes", "source", "address", "socketAddress", "portValue"], 0)
	limits := object.get(input, ["attributes", "metadataContext", "filterMetadata", "limits"], {})
}

result := {"allowed": true, "headers": {"x-at": sprintf("%d", [input.attributes.request.time.seconds])}} if {
	not http.size
	input.attributes.request.time.seconds > 0
}
