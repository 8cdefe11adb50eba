package principal

default result := false

result if startswith(input.source_principal, "spiffe://mesh/ns/shop/")

result if startswith(input.attributes.source.principal, "spiffe://edge/")
